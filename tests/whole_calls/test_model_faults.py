"""Everything the model can do wrong, on the telephone: nobody is left in silence. All these calls are played at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.spoken_lines import lines_of
from calls.business import BusinessProfile
from calls.events import (
    AgentTranscript,
    AnyEvent,
    CallEnded,
    CallerTranscript,
    ClosingStarted,
    ErrorHappened,
    ModelLost,
    ModelResumed,
)
from calls.language import phrases_of
from calls.record import CallRecord, Disposition
from simulator.model.faults import Faults
from simulator.model.server import SessionLog
from simulator.phone.policies import Human, Policies
from simulator.phone.timeline import DialOver, Heard, HumanAnswered, Recorded, Said, StreamOver
from simulator.scenario import CallerStep, Scenario
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import HANGS_UP, HUMAN, Call, business, of_kind, playing, scenario, spoken

REPLY = "Green and black tea."
ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
SAYS_NOTHING = scenario()
ASKS_ONCE = scenario(ASKS, replies={"tea": REPLY})
PERSON = Human(after_ms=200, says="Corner Shop, Anna.", talks_ms=2000)
PHONES = Policies(humans={HUMAN: PERSON}, voicemail="Please call me back.")
DIAL: dict[str, Any] = {
    "escalation": {"to": HUMAN},
    "fallback": {"mode": "dial", "text": "Connecting you."},
}
VOICEMAIL: dict[str, Any] = {"fallback": {"mode": "voicemail", "text": "Leave a message."}}


@dataclass(frozen=True)
class Case:
    """What goes wrong, for whom."""

    faults: Faults
    scenario: Scenario = SAYS_NOTHING
    profile: BusinessProfile = business()  # noqa: RUF009 - frozen
    reason: str = ""
    """Of ``model.lost``; a part of it."""
    seed: int = 0


def in_mid_call(seed: int = 0, **faults: Any) -> Case:
    return Case(Faults(**faults), ASKS_ONCE, seed=seed)


FATAL = {
    "it refuses the session's configuration": Case(Faults(refuse_update=True), profile=business(**DIAL), reason="server_error"),
    "it drops the line before it says a word": Case(Faults(drop_after_events=1), reason="closed by the model (1006)"),
    "it drops every line before it is set up": Case(
        Faults(drop_at_ms=10), profile=business(**VOICEMAIL), reason="closed by the model (1006)"
    ),
    "it wants to speak another format": Case(Faults(wrong_format="audio/pcm"), profile=business(**DIAL), reason="audio_format"),
    "it never says a word": Case(Faults(mute_from_ms=0), reason="session_not_confirmed"),
    "it never greets": Case(Faults(every_fate="never"), reason="stalled"),
    "it greets without a sound, twice": Case(Faults(every_fate="silent"), reason="no_audio"),
    "it fails to greet, twice": Case(Faults(every_fate="failed"), reason="no_audio"),
    "it fails in Hebrew": Case(Faults(refuse_update=True), profile=business(language="he"), reason="server_error"),
}
HARMLESS = {
    "it sends garbage in between": in_mid_call(seed=9, garbage_frames=True),
    "it sends everything twice": in_mid_call(duplicate_events=True),
    "it sends what nobody knows": in_mid_call(unknown_events=True),
    "it speaks the older interface": in_mid_call(beta_names=True),
    "it fails to greet at first": in_mid_call(fates={0: "failed"}),
    "it answers without a sound at first": in_mid_call(fates={1: "silent"}),
}
SHUFFLED = "it shuffles what it sends"


@dataclass
class Played:
    """A call that is over."""

    case: Case
    call: Call
    events: list[AnyEvent]
    decided: Disposition | None
    """The disposition as it was stored when the phone saw the stream's end."""
    record: CallRecord
    session: SessionLog

    @property
    def agent_lines(self) -> list[str]:
        return [line.text for line in of_kind(self.events, AgentTranscript)]


async def play(case: Case, folder: Path, *steps: CallerStep) -> Played:
    caller = scenario(*case.scenario.caller.steps, *steps, replies={"tea": REPLY})
    async with playing(folder, caller, profile=case.profile, faults=case.faults, seed=case.seed) as on_stage:
        store = on_stage.stage.deployment.store
        call = on_stage.call(policies=PHONES)
        await call.sees(StreamOver)
        left = await store.get_call(call.sid)
        events = await call.over()
        record = await store.get_call(call.sid)
        assert record is not None
        decided = left.disposition if left is not None else None
        return Played(case, call, events, decided, record, await on_stage.model_closed())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    def folder() -> Path:
        return tmp_path_factory.mktemp("faults")

    plays = {name: play(case, folder()) for name, case in FATAL.items()}
    plays |= {name: play(case, folder(), HANGS_UP) for name, case in HARMLESS.items()}
    plays[SHUFFLED] = play(in_mid_call(out_of_order=True), folder(), HANGS_UP)
    async with nothing_left():
        calls = await asyncio.gather(*plays.values())
    yield dict(zip(plays, calls, strict=True))


@pytest.fixture(params=list(FATAL))
def lost(request: pytest.FixtureRequest, played: dict[str, Played]) -> Played:
    return played[request.param]


@pytest.fixture(params=list(HARMLESS))
def kept(request: pytest.FixtureRequest, played: dict[str, Played]) -> Played:
    return played[request.param]


def test_the_caller_hears_the_apology_from_its_first_sample_to_its_last(lost: Played) -> None:
    apology = lines_of(lost.case.profile.language)["apology"]
    assert apology.audio in lost.call.heard
    assert lost.agent_lines[-1] == apology.text
    assert not of_kind(lost.events, AgentTranscript)[-1].interrupted


def test_nothing_is_heard_in_a_format_that_was_not_asked_for(played: dict[str, Played]) -> None:
    call = played["it wants to speak another format"].call
    first = call.observed(Heard)[0]
    at = call.heard.find(lines_of("en")["apology"].audio)
    assert first.from_ms >= at / 8 - 20


def test_every_loss_is_put_on_record_once_with_its_reason(lost: Played) -> None:
    first, *_ = losses = of_kind(lost.events, ModelLost)
    assert lost.case.reason in first.reason
    assert len(of_kind(lost.events, ModelResumed)) == len(losses) - 1
    assert [started.reason for started in of_kind(lost.events, ClosingStarted)] == ["model_lost"]


def test_what_becomes_of_the_caller_is_stored_before_the_stream_is_left(lost: Played) -> None:
    assert [over.by for over in lost.call.observed(StreamOver)] == ["server"]
    assert lost.decided is not None
    assert lost.decided.action == {"dial": "dial", "voicemail": "voicemail", "hangup": "hang_up"}[lost.case.profile.fallback.mode]
    assert lost.decided == lost.record.disposition


def test_the_caller_gets_the_business_s_fallback(lost: Played) -> None:
    call, profile = lost.call, lost.case.profile
    assert call.observed(Said)[0].text == profile.fallback_text
    match profile.fallback.mode:
        case "dial":
            assert [answered.address for answered in call.observed(HumanAnswered)] == [HUMAN]
            assert spoken(PERSON.says, PERSON.voice) in call.heard
            assert [over.bridged for over in call.observed(DialOver)] == [True]
        case "voicemail":
            assert len(call.observed(Recorded)) == 1
            assert call.observed(Said)[-1].text == phrases_of(profile.language).message_taken
        case "hangup":
            assert len(call.observed(Said)) == 1


def test_a_lost_call_ends_as_lost(lost: Played) -> None:
    assert [ended.reason for ended in of_kind(lost.events, CallEnded)] == ["model_lost"]
    assert lost.record.owner is None
    assert lost.call.phone.machine.warnings == []


def test_a_model_that_misbehaves_without_harm_keeps_the_call(kept: Played) -> None:
    assert of_kind(kept.events, ModelLost) == []
    assert kept.agent_lines == ["Hello.", REPLY]
    assert [line.text for line in of_kind(kept.events, CallerTranscript)] == [ASKS.say]
    assert spoken("Hello.") in kept.call.heard
    assert spoken(REPLY) in kept.call.heard
    assert kept.session.close_code == 1000
    assert [ended.reason for ended in of_kind(kept.events, CallEnded)] == ["caller_hung_up"]
    assert kept.call.phone.machine.warnings == []


def test_a_model_whose_events_are_shuffled_keeps_the_call_and_its_words(played: dict[str, Played]) -> None:
    shuffled = played[SHUFFLED]
    assert of_kind(shuffled.events, ModelLost) == []
    assert shuffled.agent_lines == ["Hello.", REPLY]
    assert [line.text for line in of_kind(shuffled.events, CallerTranscript)] == [ASKS.say]


def test_garbage_is_put_on_record_once_however_much_of_it_comes(played: dict[str, Played]) -> None:
    errors = of_kind(played["it sends garbage in between"].events, ErrorHappened)
    assert len(errors) == len({error.message for error in errors})
    assert errors
