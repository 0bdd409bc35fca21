"""Ending a call politely: when it is meant, not before, and heard to its last sample. Both languages are played at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from calls.business import BusinessProfile
from calls.events import AgentTranscript, AnyEvent, CallEnded, CallerTranscript, ClosingReopened, ClosingStarted
from calls.ids import CallSid
from calls.record import CallRecord
from simulator.phone.running import RunningCall
from simulator.phone.timeline import CallEnded as PhoneCallEnded
from simulator.phone.timeline import MarkEchoed, StreamOver
from simulator.scenario import Caller, CallerStep, Mind, Reply, Scenario
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import NUMBER, Call, business, of_kind, playing, spoken


@dataclass(frozen=True)
class Case:
    """A caller who says bye bye without meaning it, and then goodbye."""

    language: str
    bye: str
    answer: str
    ends: str
    phrase: str
    greeting: str
    closing: str

    @property
    def voice(self) -> str:
        return {"en": "en-us", "he": "he"}[self.language] + "+f3"

    @property
    def scenario(self) -> Scenario:
        steps = (CallerStep(after_ms=300, say=self.bye), CallerStep(after_ms=300, say=self.ends))
        return Scenario(
            name=self.language,
            title=self.language,
            business="corner-shop",
            to=NUMBER,
            caller=Caller(voice=self.voice.replace("f3", "m3"), steps=steps, gives_up_after_s=25),
            mind=Mind(voice=self.voice, replies=(Reply(hears=self.bye, say=self.answer),)),
        )

    @property
    def profile(self) -> BusinessProfile:
        return business(language=self.language, greeting={"text": self.greeting}, closing={"text": self.closing})


CASES = {
    "Hebrew": Case("he", "ביי ביי", "רגע אחד", "אין צורך", "אין צורך", "שלום", "להתראות"),
    "English": Case("en", "Bye bye.", "One moment.", "No, that's all.", "that's all", "Hello.", "Goodbye."),
}


@dataclass
class Played:
    """A call that is over."""

    case: Case
    call: Call
    events: list[AnyEvent]
    record: CallRecord


async def play(case: Case, folder: Path) -> Played:
    async with playing(folder, case.scenario, profile=case.profile) as on_stage:
        call = on_stage.call()
        events = await call.over()
        record = await on_stage.stage.deployment.store.get_call(call.sid)
        assert record is not None
        return Played(case, call, events, record)


@dataclass
class Evening:
    """What was played, and the calls that were completed over REST, in that order."""

    calls: dict[str, Played]
    completed: list[CallSid]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evening(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Evening]:
    folders = [tmp_path_factory.mktemp("goodbye") for _ in CASES]
    completed: list[CallSid] = []
    update = RunningCall.rest_update

    def noted(call: RunningCall, **changes: object) -> None:
        assert changes == {"status": "completed"}
        completed.append(CallSid(call.call_sid))
        update(call, status="completed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningCall, "rest_update", noted)
        async with nothing_left():
            calls = await asyncio.gather(*(play(case, folder) for case, folder in zip(CASES.values(), folders, strict=True)))
    yield Evening(dict(zip(CASES, calls, strict=True)), completed)


@pytest.fixture(params=list(CASES))
def played(request: pytest.FixtureRequest, evening: Evening) -> Played:
    return evening.calls[request.param]


def test_bye_bye_alone_ends_nothing_and_is_answered(played: Played) -> None:
    lines = [event.text for event in played.events if isinstance(event, AgentTranscript | CallerTranscript)]
    case = played.case
    assert sorted(lines) == sorted([case.greeting, case.bye, case.answer, case.ends, case.closing])
    assert lines.index(case.answer) < lines.index(case.closing)


def test_a_phrase_that_means_it_starts_the_closing_once(played: Played) -> None:
    (started,) = of_kind(played.events, ClosingStarted)
    assert (started.reason, started.phrase) == ("farewell", played.case.phrase)
    assert of_kind(played.events, ClosingReopened) == []


def test_the_goodbye_is_heard_to_its_last_sample_before_the_call_is_completed(played: Played) -> None:
    goodbye = spoken(played.case.closing, played.case.voice)
    begins = played.call.heard.find(goodbye)
    assert begins >= 0
    (ended,) = played.call.observed(PhoneCallEnded)
    assert ended.reason == "completed over REST"
    assert ended.at_ms >= (begins + len(goodbye)) / 8
    # the last mark had come back, because its audio was played
    last_mark = played.call.observed(MarkEchoed)[-1]
    assert (last_mark.why, last_mark.at_ms <= ended.at_ms) == ("played", True)


def test_the_call_is_completed_over_rest_once(evening: Evening) -> None:
    assert sorted(evening.completed) == sorted(played.call.sid for played in evening.calls.values())


def test_the_record_says_why_the_call_ended(played: Played) -> None:
    assert [ended.reason for ended in of_kind(played.events, CallEnded)] == ["farewell"]
    assert played.record.disposition is not None
    assert (played.record.disposition.action, played.record.disposition.reason) == ("hang_up", "farewell")
    assert [over.by for over in played.call.observed(StreamOver)] == ["carrier"]
    assert played.call.phone.machine.debugger == []
