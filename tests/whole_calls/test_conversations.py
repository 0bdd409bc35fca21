"""Whole calls in English and Hebrew, with the businesses and scenarios that come with the project."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory, load_businesses
from calls.conversation import in_spoken_order
from calls.events import (
    AgentTranscript,
    CallEnded,
    CallerTranscript,
    CallEvent,
    CallStarted,
    GreetingFinished,
    GreetingFirstAudio,
    TurnFirstAudio,
    decode_body,
    encode_body,
    parse_timestamp,
)
from calls.record import CallRecord
from simulator import voice
from simulator.model.server import SessionLog
from simulator.phone.timeline import StepBegan, StreamOver
from simulator.scenario import CallerStep, Scenario, shipped
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import GREETING, HANGS_UP, QUICK, Call, business, of_kind, playing, scenario, spoken

BUSINESSES = load_businesses(Path(__file__).parents[2] / "businesses")


TURNS = {"Are you open?": "Yes, we are.", "Do you sell tea?": "Green and black.", "Where are you?": "In Oak Street."}
THREE_TURNS = scenario(*(CallerStep(say=line, after_ms=250) for line in TURNS), HANGS_UP, replies=TURNS)


@dataclass
class Played:
    """A call that is over."""

    scenario: Scenario
    profile: BusinessProfile
    call: Call
    events: list[CallEvent]
    record: CallRecord
    session: SessionLog

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Who said what, in the order it was spoken."""
        bodies = [event.body for event in in_spoken_order(self.events)]
        return [
            ("caller" if isinstance(body, CallerTranscript) else "agent", body.text)
            for body in bodies
            if isinstance(body, AgentTranscript | CallerTranscript)
        ]


def shortened(name: str) -> Scenario:
    """A shipped scenario: the word into the greeting, the turn with the shortest answer, and the polite end."""
    whole = shipped(name)
    into_greeting, *_, ends, over_goodbye = whole.caller.steps
    turn = msgspec.structs.replace(answered_turn(whole)[0], when="agent_quiet", after_ms=500)
    steps = (into_greeting, turn, msgspec.structs.replace(ends, after_ms=500), over_goodbye)
    return msgspec.structs.replace(whole, caller=msgspec.structs.replace(whole.caller, steps=steps))


def answered_turn(scenario: Scenario) -> tuple[CallerStep, str]:
    """The step of the caller that gets the shortest spoken answer, and that answer."""
    answered = [
        (step, reply.say)
        for reply in scenario.mind.replies
        for step in scenario.caller.steps
        if reply.say is not None and re.search(reply.hears, step.say or "", re.IGNORECASE)
    ]
    return min(answered, key=lambda pair: len(pair[1]))


async def play(played: Scenario, businesses: BusinessDirectory, folder: Path) -> Played:
    async with playing(folder, played, businesses=businesses) as on_stage:
        call = on_stage.call()
        events = await call.events_when_over()
        record = await on_stage.stage.deployment.store.get_call(call.sid)
        profile = businesses.get(played.business)
        assert record is not None
        assert profile is not None
        return Played(played, profile, call, events, record, await on_stage.model_closed())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played_calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    shop = BusinessDirectory([business()])
    cast = {
        "English": (shortened("hvac"), BUSINESSES),
        "Hebrew": (shortened("garage"), BUSINESSES),
        "three turns": (THREE_TURNS, shop),
    }
    async with nothing_left():
        calls = await asyncio.gather(*(play(*part, tmp_path_factory.mktemp("calls")) for part in cast.values()))
    yield dict(zip(cast, calls, strict=True))


@pytest.fixture(params=["English", "Hebrew"])
def played(request: pytest.FixtureRequest, played_calls: dict[str, Played]) -> Played:
    return played_calls[request.param]


def test_the_greeting_is_heard_whole_and_word_for_word(played: Played) -> None:
    greeting = spoken(played.profile.greeting_text, played.scenario.mind.voice)
    first = of_kind([event.body for event in played.events], AgentTranscript)[0]
    assert greeting in played.call.heard
    assert (first.text, first.interrupted) == (played.profile.greeting_text, False)
    assert abs(first.heard_ms - voice.duration_ms(greeting)) <= 1
    assert of_kind([event.body for event in played.events], GreetingFinished)[0].heard_ms == first.heard_ms


def test_both_sides_are_on_record_completely_and_in_the_order_they_were_spoken(played: Played) -> None:
    into_greeting, turn, ends, over_goodbye = [step.say for step in played.scenario.caller.steps]
    assert played.lines == [
        ("agent", played.profile.greeting_text),
        ("caller", into_greeting),
        ("caller", turn),
        ("agent", answered_turn(played.scenario)[1]),
        ("caller", ends),
        ("agent", played.profile.closing_text),
        ("caller", over_goodbye),
    ]


def test_the_caller_hears_the_answer_and_the_goodbye_to_their_last_sample(played: Played) -> None:
    for line in (answered_turn(played.scenario)[1], played.profile.closing_text):
        assert spoken(line, played.scenario.mind.voice) in played.call.heard


def test_the_answered_turn_has_its_latency_and_so_has_the_greeting(played: Played) -> None:
    bodies = [event.body for event in played.events]
    assert len(of_kind(bodies, TurnFirstAudio)) == 1
    # The simulated model needs this long, and the caller's silence comes on top of it.
    assert of_kind(bodies, TurnFirstAudio)[0].latency_ms >= QUICK.time_to_first_audio_ms
    greeting = of_kind(bodies, GreetingFirstAudio)[0]
    assert greeting.latency_ms >= QUICK.time_to_first_audio_ms
    assert played.record.greeting_latency_ms == greeting.latency_ms


def test_the_events_are_numbered_without_gaps_and_dated_in_order(played: Played) -> None:
    assert [event.seq for event in played.events] == list(range(1, len(played.events) + 1))
    assert all(earlier.at <= later.at for earlier, later in pairwise(played.events[1:-1]))
    assert isinstance(played.events[0].body, CallStarted)
    assert isinstance(played.events[-1].body, CallEnded)


def test_the_call_ends_once_with_what_the_record_adds_up_to(played: Played) -> None:
    ended = of_kind([event.body for event in played.events], CallEnded)
    assert len(ended) == 1
    assert ended[0].reason == "farewell"
    assert ended[0].duration_ms > 0
    assert ended[0].usage["output_audio"] > 0
    assert played.record.ended
    assert played.record.owner is None


def test_every_event_is_the_same_after_a_round_trip(played: Played) -> None:
    for event in played.events:
        assert decode_body(encode_body(event.body)) == event.body
        flat = msgspec.json.decode(msgspec.json.encode(event.flat()))
        kind_and_fields = {key: value for key, value in flat.items() if key not in ("type", "call_sid", "seq", "at")}
        assert decode_body(msgspec.json.encode(kind_and_fields)) == event.body
        assert (flat["call_sid"], flat["seq"], parse_timestamp(flat["at"])) == (event.call_sid, event.seq, event.at)


def test_the_model_s_socket_is_closed_in_order(played: Played) -> None:
    assert played.session.close_code == 1000


def test_twilio_has_nothing_to_complain_about(played: Played) -> None:
    assert played.call.phone.machine.debugger == []
    assert [over.by for over in played.call.observed(StreamOver)] == ["carrier"]


def test_three_turns_are_answered_one_by_one(played_calls: dict[str, Played]) -> None:
    played = played_calls["three turns"]
    expected = [("agent", GREETING)]
    for question, answer in TURNS.items():
        expected += [("caller", question), ("agent", answer)]
    assert played.lines == expected
    assert len(of_kind([event.body for event in played.events], TurnFirstAudio)) == len(TURNS)
    assert len(played.call.observed(StepBegan)) == len(TURNS) + 1
