"""What a business limits: cost, lines, hours, callers. Whole calls, all played at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from calls.business import WEEKDAYS, BusinessProfile
from calls.events import AgentTranscript, AnyEvent, CallEnded, ClosingStarted, GreetingFinished
from calls.language import ENGLISH, PHRASES
from calls.prices import Prices, shipped_prices
from calls.record import CallRecord
from frontdesk.settings import DEFAULT_MODEL
from simulator import voice
from simulator.phone.timeline import FirstMedia, Said, VerbRun
from simulator.scenario import CallerStep, Mind
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import CALLER, GREETING, HANGS_UP, NUMBER, business, of_kind, playing, scenario, spoken

CLOSED = "We are closed."
OTHER_CALLER = "+15005550101"
LEAVES = scenario(HANGS_UP)
STAYS = scenario()


def closed_today() -> dict[str, Any]:
    """Hours of one day that is not today, anywhere on earth."""
    day = WEEKDAYS[(datetime.now(UTC) + timedelta(days=3)).weekday()]
    return {"timezone": "UTC", day: ["00:00-24:00"]}


@dataclass
class Played:
    """A call that is over."""

    heard: bytes
    verbs: list[str]
    said: list[str]
    events: list[AnyEvent]
    record: CallRecord
    sessions: int
    """Model sessions there have been on its stage so far."""

    @property
    def ended(self) -> CallEnded:
        (ended,) = of_kind(self.events, CallEnded)
        return ended

    @property
    def agent_lines(self) -> list[str]:
        return [line.text for line in of_kind(self.events, AgentTranscript)]


async def play(folder: Path, profile: BusinessProfile, caller: str = CALLER, *steps: CallerStep) -> Played:
    async with playing(folder, scenario(*steps, caller=caller), profile=profile) as on_stage:
        call = on_stage.call()
        events = await call.over()
        record = await on_stage.stage.deployment.store.get_call(call.sid)
        assert record is not None
        verbs = [run.verb for run in call.observed(VerbRun)]
        said = [one.text for one in call.observed(Said)]
        return Played(call.heard, verbs, said, events, record, len(on_stage.stage.model.sessions))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    voice.prepare([(CLOSED, Mind().voice), (ENGLISH.goodbye, Mind().voice)])
    shut = {"greeting": {"text": GREETING, "closed_text": CLOSED}}
    plans: dict[str, tuple[Any, ...]] = {
        "cost": (business(limits={"max_cost_usd": 0.000_001}),),
        "cheap": (business(), CALLER, HANGS_UP),
        "closed": (business(hours=closed_today(), **shut), CALLER, HANGS_UP),
        "closed for good": (business(hours={**closed_today(), "when_closed": "fallback"}, **shut),),
        "blocked": (business(blocked=[CALLER]),),
        "hidden": (business(blocked=["anonymous"]), "anonymous"),
    }
    async with nothing_left():
        played = await asyncio.gather(*(play(tmp_path_factory.mktemp("limits"), *plan) for plan in plans.values()))
    yield dict(zip(plans, played, strict=True))


def test_a_call_that_has_cost_all_it_may_hears_its_goodbye_in_full(calls: dict[str, Played]) -> None:
    call = calls["cost"]
    assert call.agent_lines == [GREETING, ENGLISH.goodbye]
    assert spoken(ENGLISH.goodbye) in call.heard
    (closing,) = of_kind(call.events, ClosingStarted)
    assert (closing.reason, call.ended.reason) == ("max_cost", "max_cost")
    (greeting,) = of_kind(call.events, GreetingFinished)
    assert greeting.heard_ms == round(len(spoken(GREETING)) / 8), "the greeting is heard whole"


@pytest.mark.parametrize("name", ["cost", "cheap"])
def test_a_call_ends_with_what_it_has_cost_by_the_price_table(calls: dict[str, Played], name: str) -> None:
    call = calls[name]
    rate = Prices(shipped_prices()).rate_of(DEFAULT_MODEL, "gpt-realtime-whisper")
    assert call.ended.cost_usd is not None
    assert call.ended.cost_usd > 0
    assert call.ended.cost_usd == rate.cost_usd(call.ended.usage) == call.record.cost_usd


def test_outside_its_hours_a_business_greets_with_other_words(calls: dict[str, Played]) -> None:
    assert calls["closed"].agent_lines == [CLOSED]
    assert spoken(CLOSED) in calls["closed"].heard
    assert calls["cheap"].agent_lines == [GREETING]


def test_a_business_that_does_not_answer_when_closed_says_so_and_spends_nothing(calls: dict[str, Played]) -> None:
    call = calls["closed for good"]
    assert call.said == [CLOSED, "Call later."]
    assert (call.ended.reason, call.sessions, call.ended.cost_usd) == ("closed", 0, None)


@pytest.mark.parametrize("name", ["blocked", "hidden"])
def test_a_blocked_caller_is_rejected_before_anything_is_billed(calls: dict[str, Played], name: str) -> None:
    call = calls[name]
    assert (call.verbs, call.heard.strip(b"\xff")) == (["Reject"], b"")
    assert (call.ended.reason, call.sessions) == ("blocked", 0)


async def test_one_caller_more_than_there_are_lines_hears_that_they_are_busy(tmp_path: Path) -> None:
    other = scenario(caller=OTHER_CALLER)
    one_line = business(language="he", limits={"max_concurrent": 1}, greeting={"text": GREETING}, closing={"text": "Goodbye."})
    async with playing(tmp_path, STAYS, other, profile=one_line) as on_stage:
        first = on_stage.call()
        await first.sees(FirstMedia)
        turned_away = on_stage.call(other)
        events = await turned_away.over()
        assert [one.text for one in turned_away.observed(Said)] == [PHRASES["he"].busy, "Call later."]
        assert of_kind(events, CallEnded)[0].reason == "all_lines_busy"

        first.phone.hang_up()
        await first.over()
        third = on_stage.call(other)
        await third.sees(FirstMedia)
        third.phone.hang_up()
        await third.over()


async def test_once_the_day_s_money_is_spent_callers_get_the_fallback(tmp_path: Path) -> None:
    async with playing(tmp_path, LEAVES, STAYS, profile=business(limits={"max_cost_usd_per_day": 0.000_001})) as on_stage:
        first = on_stage.call()
        await first.sees(FirstMedia)
        await first.over()
        second = on_stage.call(STAYS)
        events = await second.over()
        assert [one.text for one in second.observed(Said)] == ["Call later."]
        assert of_kind(events, CallEnded)[0].reason == "over_budget"


async def test_what_a_live_call_has_cost_so_far_counts_towards_the_day(tmp_path: Path) -> None:
    async with playing(tmp_path, STAYS, profile=business(limits={"max_cost_usd_per_day": 0.000_001})) as on_stage:
        first = on_stage.call()
        await first.records(GreetingFinished)
        (session,) = on_stage.stage.deployment.bridge.streams.sessions
        assert session.cost_usd is not None
        assert session.cost_usd > 0
        second = on_stage.call(scenario(caller=OTHER_CALLER, to=f"whatsapp:{NUMBER}"))
        assert of_kind(await second.over(), CallEnded)[0].reason == "over_budget"
        first.phone.hang_up()
        await first.over()
