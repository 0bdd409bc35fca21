"""Interrupting the AI, as heard on the telephone and as seen on both wires. All these calls are played at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from calls.business import BusinessProfile
from calls.events import (
    AgentTranscript,
    AnyEvent,
    BargeInCut,
    BargeInDismissed,
    BargeInResumed,
    BargeInTriggered,
    CallerTranscript,
    GreetingFinished,
)
from simulator import g711
from simulator.model.server import SessionLog
from simulator.phone.policies import Policies
from simulator.phone.timeline import ClearReceived, MarkEchoed, StepBegan
from simulator.scenario import CallerStep, Scenario
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import CALM, HANGS_UP, Call, business, of_kind, playing, scenario, spoken

SAMPLES_PER_MS = 8
SAME_PLACE_MS = 250
"""Told apart from "all that was sent" and "nothing", on however slow a machine; how exact it is, the benchmark measures."""
FRAME = 160
RMS = 200
RULE_MS = 180 + 120
REPLY = "We have green tea and black tea and white tea and herbs from all over the world."
ANSWER = "Only tea."
ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
INTERRUPTS = CallerStep(when="agent_speaking", after_ms=900, say="No no no, coffee!")
GREETING = "Hello, you have reached the corner shop."
REPLIES = {"coffee": ANSWER, "tea": REPLY}


def noise(length_ms: int, rms: int = 2000) -> CallerStep:
    return CallerStep(when="agent_speaking", after_ms=600, noise_ms=length_ms, noise_rms=rms)


@dataclass(frozen=True)
class Case:
    """A call to be played."""

    scenario: Scenario
    policies: Policies = CALM
    profile: BusinessProfile | None = None


INTERRUPTED = scenario(ASKS, INTERRUPTS, HANGS_UP, replies=REPLIES)
CASES = {
    "echo": Case(INTERRUPTED),
    "drop": Case(INTERRUPTED, Policies(cleared_marks="drop")),
    "late": Case(INTERRUPTED, Policies(cleared_marks="late", late_ms=400)),
    "cough": Case(scenario(ASKS, noise(200), HANGS_UP, replies=REPLIES)),
    # loud enough for the gate, too soft for the model's detector
    "false alarm": Case(
        scenario(ASKS, noise(400, rms=500), HANGS_UP, replies=REPLIES),
        profile=business(barge_in={"resume_after_ms": 500}, turns={"threshold": 0.9, "silence_duration_ms": 200}),
    ),
    "noise for a turn": Case(scenario(ASKS, noise(400), HANGS_UP, replies=REPLIES)),
    "greeting": Case(
        scenario(noise(900), CallerStep(when="previous", after_ms=0, say="Hello hello!"), HANGS_UP),
        profile=business(greeting={"text": GREETING}),
    ),
}


@dataclass
class Played:
    """A call that is over."""

    call: Call
    record: list[AnyEvent]
    session: SessionLog

    @property
    def clear(self) -> ClearReceived:
        """The one clear of the call."""
        (clear,) = self.call.observed(ClearReceived)
        return clear

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The model's clients' events of one type."""
        return [event for _, event in self.session.received if event["type"] == kind]


async def play(case: Case, folder: Path) -> Played:
    async with playing(folder, case.scenario, profile=case.profile) as on_stage:
        call = on_stage.call(policies=case.policies)
        return Played(call, await call.over(), await on_stage.model_closed())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    folders = [tmp_path_factory.mktemp("barge_in") for _ in CASES]
    async with nothing_left():
        calls = await asyncio.gather(*(play(case, folder) for case, folder in zip(CASES.values(), folders, strict=True)))
    yield dict(zip(CASES, calls, strict=True))


@pytest.fixture(params=["echo", "drop", "late"])
def cut(request: pytest.FixtureRequest, played: dict[str, Played]) -> Played:
    return played[request.param]


def first_loud_ms(call: Call, step: int) -> float:
    """When the first loud sample of a step of the caller was spoken: the beginning of its first loud frame."""
    began_ms = next(began.at_ms for began in call.observed(StepBegan) if began.index == step)
    said = call.phone.machine.recording.caller
    # frames end on the caller's ticks, at one of which the step began
    start = round(began_ms * SAMPLES_PER_MS)
    for at in range(start, len(said) - FRAME, FRAME):
        samples = g711.decode(said[at : at + FRAME]).astype(np.float64)
        if np.sqrt(np.mean(samples**2)) > RMS:
            return at / SAMPLES_PER_MS
    raise AssertionError("the caller said nothing loud")


def test_the_ai_is_silenced_by_the_rule_of_the_house(cut: Played) -> None:
    reaction_ms = cut.clear.at_ms - first_loud_ms(cut.call, step=1)
    (event,) = of_kind(cut.record, BargeInCut)
    # Never sooner than the rule, whose milliseconds are of audio; how much later is the machine's affair, and the benchmark's.
    assert min(reaction_ms, event.reaction_ms) >= RULE_MS - 20
    assert len(of_kind(cut.record, BargeInTriggered)) == 1


def test_the_model_s_memory_ends_where_the_caller_s_hearing_did(cut: Played) -> None:
    really_heard_ms = cut.call.heard_ms(spoken(REPLY))
    (truncate,) = cut.sent("conversation.item.truncate")
    (event,) = of_kind(cut.record, BargeInCut)
    assert really_heard_ms < len(spoken(REPLY)) / SAMPLES_PER_MS - 500
    assert abs(truncate["audio_end_ms"] - really_heard_ms) <= SAME_PLACE_MS
    assert truncate["item_id"] == event.item_id
    assert abs(event.heard_ms - truncate["audio_end_ms"]) <= 1
    assert cut.sent("response.cancel") == []  # all of the reply was generated long before


def test_the_record_says_what_was_heard_and_the_interruption_is_answered(cut: Played) -> None:
    greeting, reply, answer = of_kind(cut.record, AgentTranscript)
    assert (greeting.interrupted, reply.interrupted, answer.interrupted) == (False, True, False)
    assert REPLY.startswith(reply.text)
    assert 0 < len(reply.text) < len(REPLY)
    assert answer.text == ANSWER
    assert spoken(ANSWER) in cut.call.heard
    assert [line.text for line in of_kind(cut.record, CallerTranscript)] == [ASKS.say, INTERRUPTS.say]


def test_the_policies_make_the_difference_they_are_meant_to(played: dict[str, Played]) -> None:
    cleared = {
        name: [mark.at_ms - played[name].clear.at_ms for mark in played[name].call.observed(MarkEchoed) if mark.why == "cleared"]
        for name in ("echo", "drop", "late")
    }
    assert cleared["echo"]
    assert max(cleared["echo"]) == 0
    assert cleared["drop"] == []
    assert min(cleared["late"]) >= 400


def test_a_cough_does_not_cut(played: dict[str, Played]) -> None:
    cough = played["cough"]
    assert cough.call.observed(ClearReceived) == []
    assert len(of_kind(cough.record, BargeInDismissed)) == 1
    assert of_kind(cough.record, BargeInCut) == []
    assert [line.interrupted for line in of_kind(cough.record, AgentTranscript)] == [False, False]
    assert spoken(REPLY) in cough.call.heard
    assert len(cough.sent("response.create")) == 2  # greeting and reply; the cough is not answered


def test_a_noise_that_cut_the_ai_is_followed_by_its_going_on(played: dict[str, Played]) -> None:
    alarm = played["false alarm"]
    assert len(of_kind(alarm.record, BargeInCut)) == 1
    assert len(of_kind(alarm.record, BargeInResumed)) == 1
    at = [type(event) for event in alarm.record].index(BargeInResumed)
    before, after = of_kind(alarm.record[:at], AgentTranscript)[-1], of_kind(alarm.record[at:], AgentTranscript)
    assert before.interrupted
    assert [line.interrupted for line in after] == [False]
    assert spoken(after[0].text) in alarm.call.heard
    instructions = [event["item"]["content"][0]["text"] for event in alarm.sent("conversation.item.create")]
    assert before.text in instructions[-1]


def test_a_noise_that_the_model_takes_for_a_turn_is_answered_and_not_written_down(played: dict[str, Played]) -> None:
    taken = played["noise for a turn"]
    assert len(of_kind(taken.record, BargeInCut)) == 1
    assert of_kind(taken.record, BargeInResumed) == []
    assert [line.interrupted for line in of_kind(taken.record, AgentTranscript)] == [False, True, False]
    assert [line.text for line in of_kind(taken.record, CallerTranscript)] == [ASKS.say]


def test_the_greeting_is_never_cut_and_what_was_said_over_it_is_not_lost(played: dict[str, Played]) -> None:
    greeting = played["greeting"]
    assert greeting.call.observed(ClearReceived) == []
    assert of_kind(greeting.record, BargeInTriggered) == []
    assert spoken(GREETING) in greeting.call.heard
    assert abs(of_kind(greeting.record, GreetingFinished)[0].heard_ms - len(spoken(GREETING)) / SAMPLES_PER_MS) <= 1
    assert [line.text for line in of_kind(greeting.record, CallerTranscript)] == ["Hello hello!"]
    assert greeting.sent("conversation.item.truncate") == []
