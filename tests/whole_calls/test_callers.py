"""Every way to call: telephone, WhatsApp, SIP, a client, and a number nobody has."""

from pathlib import Path

import pytest

from calls.events import CallerTranscript, CallStarted
from calls.language import ENGLISH
from simulator.phone.timeline import Said
from simulator.scenario import CallerStep
from tests.whole_calls.playing import HANGS_UP, NUMBER, of_kind, playing, scenario, spoken


@pytest.mark.parametrize(
    ("caller", "to", "channel"),
    [
        ("+15005550100", NUMBER, "pstn"),
        ("whatsapp:+15005550100", f"whatsapp:{NUMBER}", "whatsapp"),
        ("sip:anna@phones.example", "sip:shop@corner.example", "sip"),
        ("client:anna", "client:corner-shop", "client"),
    ],
)
async def test_callers_of_every_network_are_answered(tmp_path: Path, caller: str, to: str, channel: str) -> None:
    asks = scenario(CallerStep(after_ms=40, say="Open?"), HANGS_UP, replies={"open": "Yes."}, caller=caller, to=to)
    async with playing(tmp_path, asks) as on_stage:
        call = on_stage.call()
        record = await call.over()
        started = of_kind(record, CallStarted)[0]
        assert (started.from_, started.to, started.channel) == (caller, to, channel)
        assert [line.text for line in of_kind(record, CallerTranscript)] == ["Open?"]
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
        heard = spoken(ENGLISH.unknown_number, "en-us+f2")[: 200 * 8]
        assert heard in call.heard
        assert on_stage.stage.model.sessions == []
        assert await on_stage.stage.deployment.store.list_calls() == []
