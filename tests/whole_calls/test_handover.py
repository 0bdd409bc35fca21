"""Callers who want a human: how they are told, who is rung, what that human does, and what becomes of the caller then."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from calls.business import BusinessProfile
from calls.events import AgentTranscript, AnyEvent, CallEnded, CallerTranscript, CallResumed, GreetingRequested, TransferStarted
from calls.language import ENGLISH
from calls.record import CallRecord
from simulator.phone.policies import Human, Policies
from simulator.phone.timeline import DialOver, HumanAnswered, HumanRang, Observation, Said
from simulator.scenario import CallerStep, Mind, Reply, Scenario, ToolCall
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import HUMAN, business, of_kind, playing, scenario, spoken

PERSON = "Dana here."
WAITS = CallerStep(when="answered", after_ms=60_000, hang_up=True)
PRESSES_0 = CallerStep(after_ms=300, dtmf="0")
ASKS = CallerStep(after_ms=300, say="Can I talk to a person?")
ENDS = CallerStep(after_ms=400, say="No thanks.")
TAKES = Human(after_ms=200, says=PERSON, talks_ms=1200)
BRIEFING = ToolCall(name="escalate_to_human", arguments={"reason": "tea", "summary": "Wants a kilo."})


def staffed(no_answer: str = "voicemail") -> BusinessProfile:
    return business(
        escalation={"to": HUMAN, "announce": "I will get Dana.", "timeout_s": 5, "no_answer": no_answer},
        tools={"builtin": ["escalate_to_human"]},
    )


class Played(msgspec.Struct):
    heard: bytes
    record: CallRecord
    events: list[AnyEvent]
    seen: list[Observation]

    @property
    def agent_lines(self) -> list[str]:
        return [said.text for said in of_kind(self.events, AgentTranscript)]

    @property
    def reason(self) -> str:
        (ended,) = of_kind(self.events, CallEnded)
        return ended.reason


async def play(folder: Path, played: Scenario, profile: BusinessProfile, human: Human, voicemail: str | None = None) -> Played:
    async with playing(folder, played, profile=profile) as on_stage:
        call = on_stage.call(policies=Policies(humans={HUMAN: human}, voicemail=voicemail))
        events = await call.over()
        record = await on_stage.stage.deployment.store.get_call(call.sid)
        assert record is not None
        assert call.phone.machine.warnings == []
        return Played(call.heard, record, events, list(call.phone.machine.timeline))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    async with nothing_left():
        escalates = msgspec.structs.replace(
            scenario(ASKS, WAITS), mind=Mind(replies=(Reply(hears="person", say="Of course.", call=(BRIEFING,)),))
        )
        plans: dict[str, tuple[Scenario, BusinessProfile, Human, str | None]] = {
            "key": (scenario(PRESSES_0, WAITS), staffed(), TAKES, None),
            "tool": (escalates, staffed(), TAKES, None),
            "declined": (scenario(PRESSES_0, WAITS), staffed(), Human(after_ms=200, presses="2"), "Please call me back."),
            "busy": (scenario(PRESSES_0, ENDS, WAITS), staffed("ai"), Human(outcome="busy", after_ms=200), None),
        }
        folders = [tmp_path_factory.mktemp("handover") for _ in plans]
        played = await asyncio.gather(*(play(folder, *plan) for folder, plan in zip(folders, plans.values(), strict=True)))
    yield dict(zip(plans, played, strict=True))


@pytest.mark.parametrize("name", ["key", "tool"])
def test_the_caller_is_told_and_then_talks_to_the_human(calls: dict[str, Played], name: str) -> None:
    call = calls[name]
    assert call.agent_lines[-1] == "I will get Dana."
    assert spoken("I will get Dana.") in call.heard
    assert [event.to for event in of_kind(call.events, TransferStarted)] == [HUMAN]
    assert [seen.address for seen in call.seen if isinstance(seen, HumanAnswered)] == [HUMAN]
    assert call.reason == "transferred"


def test_what_the_ai_tells_the_human_is_on_the_record(calls: dict[str, Played]) -> None:
    disposition = calls["tool"].record.disposition
    assert disposition is not None
    assert disposition.briefing == "tea. Wants a kilo"


def test_a_human_who_does_not_press_1_is_not_joined_and_the_caller_leaves_a_message(calls: dict[str, Played]) -> None:
    call = calls["declined"]
    assert [seen.bridged for seen in call.seen if isinstance(seen, DialOver)] == [False]
    (message,) = call.record.messages
    assert message.status == "completed"
    assert message.duration_s is not None
    assert ENGLISH.message_taken in [seen.text for seen in call.seen if isinstance(seen, Said)]


def test_a_caller_whom_nobody_took_goes_on_with_an_ai_that_says_so(calls: dict[str, Played]) -> None:
    call = calls["busy"]
    assert [seen.address for seen in call.seen if isinstance(seen, HumanRang)] == [HUMAN]
    assert call.agent_lines == ["Hello.", "I will get Dana.", ENGLISH.nobody_answered, "Goodbye."]
    assert [said.text for said in of_kind(call.events, CallerTranscript)] == ["No thanks."]
    assert len(of_kind(call.events, GreetingRequested)) == 1
    assert len(of_kind(call.events, CallResumed)) == 1
    assert call.reason == "farewell"
