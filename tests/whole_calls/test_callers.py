"""Every way to call: telephone, WhatsApp, SIP, a client, and a number nobody has."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from calls.events import AnyEvent, CallerTranscript, CallStarted
from calls.language import ENGLISH
from simulator.phone.timeline import Said
from simulator.scenario import CallerStep
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import HANGS_UP, NUMBER, Call, of_kind, playing, scenario, spoken

CALLERS = {
    "pstn": ("+15005550100", NUMBER),
    "whatsapp": ("whatsapp:+15005550100", f"whatsapp:{NUMBER}"),
    "sip": ("sip:anna@phones.example", "sip:shop@corner.example"),
    "client": ("client:anna", "client:corner-shop"),
}
ASKS = CallerStep(after_ms=250, say="Open?")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, tuple[Call, list[AnyEvent]]]]:
    """The four calls, played at once on one stage."""
    scenarios = [scenario(ASKS, HANGS_UP, replies={"open": "Yes."}, caller=caller, to=to) for caller, to in CALLERS.values()]
    async with nothing_left(), playing(tmp_path_factory.mktemp("callers"), *scenarios) as on_stage:
        calls = [on_stage.call(each) for each in scenarios]
        records = await asyncio.gather(*(call.over() for call in calls))
    yield dict(zip(CALLERS, zip(calls, records, strict=True), strict=True))


@pytest.mark.parametrize("channel", CALLERS)
def test_callers_of_every_network_are_answered(answered: dict[str, tuple[Call, list[AnyEvent]]], channel: str) -> None:
    call, record = answered[channel]
    started = of_kind(record, CallStarted)[0]
    assert (started.from_, started.to, started.channel) == (*CALLERS[channel], channel)
    assert [line.text for line in of_kind(record, CallerTranscript)] == [ASKS.say]
    assert spoken("Yes.") in call.heard
    assert call.phone.machine.warnings == []


async def test_a_number_nobody_has_is_answered_with_a_polite_sentence(tmp_path: Path) -> None:
    leaves = scenario(CallerStep(when="agent_speaking", after_ms=200, hang_up=True), to="+15005559999")
    async with playing(tmp_path, leaves) as on_stage:
        call = on_stage.call()
        said = await call.sees(Said)
        assert said.text == ENGLISH.unknown_number
        await call.phone.finished()
        # the caller left while the sentence was being spoken: it is the sentence that was heard
        assert call.heard_ms(spoken(ENGLISH.unknown_number, "en-us+f2")) >= 150
        assert on_stage.stage.model.sessions == []
        assert await on_stage.stage.deployment.store.list_calls() == []
