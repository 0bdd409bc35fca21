"""A recorded greeting: played at once, the model set up behind it, and protected like a live one."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.agent_voice import SpokenLine
from bridge.conversation.phases import Phase
from bridge.conversation.resumption import Resumed
from calls import events
from calls.events import timestamp
from calls.operator import Command
from tests.bridge.conversation.line import CALL, LINES, PROFILE, RECORD, Line

TEXT = PROFILE.greeting_text
RECORDING = SpokenLine(text=TEXT, audio=b"\x10" * 16_000)
"""Two seconds."""


def recorded(recording: SpokenLine = RECORDING) -> Line:
    line = Line()
    line.greeting = recording
    line.connected()
    line.start()
    return line


def accepted() -> Line:
    line = recorded()
    line.accept()
    return line


def set_up() -> Line:
    line = accepted()
    line.model_opens()
    line.session_updated()
    return line


def test_it_is_played_the_moment_the_token_holds_without_any_model() -> None:
    line = recorded()
    line.wait(7)
    line.accept()
    assert line.phase is Phase.GREETING
    assert line.played_ms == 2000
    assert line.kinds == ["greeting.requested", "greeting.first_audio"]
    assert line.events_of(events.GreetingRequested) == [events.GreetingRequested(mode="recorded")]
    assert line.events_of(events.GreetingFirstAudio) == [events.GreetingFirstAudio(latency_ms=7)]
    assert line.sent_to_model == []


def test_nothing_of_it_is_heard_before_the_token_holds() -> None:
    line = recorded()
    line.model_opens()
    assert line.played_ms == 0
    line.do(given.StreamRefused("forged"))
    assert line.played_ms == 0


def test_the_model_is_told_what_was_said_before_it_hears_any_audio_and_asked_for_nothing() -> None:
    line = accepted()
    line.media()
    line.model_opens()
    line.media()
    assert line.sent_kinds() == ["session.update", "conversation.item.create", "input_audio_buffer.append"]
    assert line.sent_to_model[1]["item"] == {
        "id": "fd_greeting",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": TEXT}],
    }
    assert sum(event["type"] == "input_audio_buffer.append" for event in line.sent_to_model) == 2


def test_the_session_is_set_up_at_once_where_the_model_was_there_first() -> None:
    line = recorded()
    line.model_opens()
    line.accept()
    assert line.sent_kinds() == ["session.update", "conversation.item.create"]
    assert line.played_ms == 2000


def test_its_line_is_on_the_record_once_with_what_was_heard() -> None:
    line = set_up()
    item = {"id": "fd_greeting", "type": "message", "role": "assistant", "status": "completed"}
    line.model({"type": "conversation.item.added", "previous_item_id": None, "item": item})
    line.play(2040)
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=2000)]
    assert line.events_of(events.AgentTranscript) == [
        events.AgentTranscript(item_id="fd_greeting", text=TEXT, heard_ms=2000, interrupted=False)
    ]


def test_it_is_over_with_its_last_mark_and_no_text_is_waited_for() -> None:
    line = set_up()
    line.wait(2000)
    for name in line.marks_sent[:-1]:
        line.mark(name)
    assert line.phase is Phase.GREETING
    line.mark(line.marks_sent[-1])
    assert line.phase is Phase.CONVERSING


def test_a_lost_mark_ends_it_two_seconds_after_its_audio() -> None:
    line = set_up()
    line.wait(3999)
    assert line.phase is Phase.GREETING
    line.wait(2)
    assert line.phase is Phase.CONVERSING


def test_a_caller_cannot_cut_it() -> None:
    line = set_up()
    line.loud(1500)
    assert line.events_of(events.BargeInTriggered) == []
    line.wait(500)
    line.echo_marks()
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=2000)]


@pytest.mark.parametrize(("speech_ms", "answered"), [(250, 0), (699, 0), (700, 1), (1500, 1)])
def test_what_the_caller_says_over_it_is_answered_once_if_substantial(speech_ms: int, answered: int) -> None:
    line = set_up()
    line.turn_begins("item_c1", 100)
    line.turn_ends("item_c1", 100 + 300 + speech_ms + 500)
    line.play(2040)
    assert line.creates == answered
    line.play(3000)
    assert line.creates == answered


def test_the_first_reply_can_be_interrupted() -> None:
    line = set_up()
    line.play(2040)
    line.turn_begins("c1", 2100)
    line.turn_ends("c1", 4000)
    line.speak("We are open until five.", 6000)
    line.play(400)
    line.loud(300)
    assert len(line.events_of(events.BargeInCut)) == 1


def test_a_model_that_comes_after_the_greeting_is_set_up_then_and_hears_what_was_said_meanwhile() -> None:
    line = accepted()
    line.play(2040)
    assert line.phase is Phase.CONVERSING
    line.media()
    line.model_opens()
    assert line.sent_kinds() == ["session.update", "conversation.item.create", "input_audio_buffer.append"]


def test_what_is_wanted_before_the_session_is_set_up_waits_for_it() -> None:
    line = accepted()
    line.play(2040)
    line.core.voice.responses.want(line.reply_wish())
    line.do(line.tick())
    assert line.sent_to_model == []
    line.model_opens()
    assert [kind for kind in line.sent_kinds() if kind != "input_audio_buffer.append"] == [
        "session.update",
        "conversation.item.create",
        "response.create",
    ]


def test_a_goodbye_said_over_it_ends_the_call_once_it_was_heard() -> None:
    line = set_up()
    line.turn_begins("c1", 0)
    line.turn_ends("c1", 1500)
    line.caller_text("c1", "no thanks, I'm not interested")
    assert line.phase is Phase.GREETING
    line.play(2040)
    assert [closing.phrase for closing in line.events_of(events.ClosingStarted)] == ["no thanks"]
    assert line.creates == 1  # the closing


def test_audio_of_the_model_waits_for_the_confirmed_session() -> None:
    line = accepted()
    line.model_opens()
    line.core.voice.responses.want(line.reply_wish())
    line.do(line.tick())
    line.begin_speaking()
    line.audio(400)
    assert line.played_ms == 2000
    line.session_updated()
    assert line.played_ms == 2400


def test_a_second_stream_of_the_call_is_not_greeted_with_it() -> None:
    line = recorded()
    line.model_opens()
    line.do(given.StreamAccepted(RECORD, PROFILE, LINES, resumed=Resumed("lost", (), 100), greeting=RECORDING))
    assert line.played_ms == 0
    assert line.creates == 1


@pytest.mark.parametrize("other", [SpokenLine(text="Something else.", audio=b"\x10" * 800), SpokenLine(text=TEXT, audio=b"")])
def test_a_recording_of_something_else_or_of_nothing_is_not_played(other: SpokenLine) -> None:
    line = recorded(other)
    line.accept()
    assert line.played_ms == 0
    line.model_opens()
    assert line.events_of(events.GreetingRequested) == [events.GreetingRequested(mode="live")]


def test_outside_the_opening_hours_only_the_recording_of_the_other_greeting_is_played() -> None:
    profile = msgspec.convert(
        {
            "id": "acme",
            "name": "Acme",
            "numbers": ["+15005550006"],
            "language": "en",
            "voice": "alloy",
            "instructions": "You answer.",
            "greeting": {"text": "We are open.", "closed_text": "We are closed."},
            "hours": {"timezone": "UTC", "mon": ["08:00-12:00"]},
        },
        type(PROFILE),
    )
    at_night = msgspec.structs.replace(RECORD, accepted_at=timestamp(datetime(2026, 1, 5, 23, tzinfo=UTC)))
    played = []
    for text in ("We are open.", "We are closed."):
        line = recorded()
        line.do(given.StreamAccepted(at_night, profile, LINES, greeting=SpokenLine(text=text, audio=b"\x10" * 800)))
        played.append(line.played_ms)
    assert played == [0, 100]


def test_no_recording_begins_once_the_model_is_lost_for_good() -> None:
    line = recorded()
    line.core.let_go_of_model()
    line.accept()
    assert events.GreetingRequested(mode="recorded") not in line.events


def test_it_plays_to_its_end_when_the_operator_hangs_up_politely_before_there_is_a_model() -> None:
    line = accepted()
    line.do(given.OperatorActs("dana", Command(call_sid=CALL, action="hangup")))
    assert line.wanted(wanted.StoreDisposition) == []
    line.play(2000)
    assert line.wanted(wanted.StoreDisposition) == []  # the stored goodbye is behind it
    line.play(600)
    assert len(line.wanted(wanted.StoreDisposition)) == 1
    assert [said.text for said in line.events_of(events.AgentTranscript)] == [TEXT, "Goodbye."]


CONFIRMED = {side: {"format": {"type": "audio/pcmu"}} for side in ("input", "output")}


def in_session(line: Line, session: int) -> list[dict[str, Any]]:
    """Another session takes the place of the one that is gone; what it was told, audio left out."""
    before = len(line.sent_to_model)
    line.do(given.ModelOpened(40, session=session))
    event = {"type": "session.updated", "session": {"audio": CONFIRMED}}
    line.do(given.ModelFrame(json.dumps(event), session=session))
    return [event for event in line.sent_to_model[before:] if event["type"] != "input_audio_buffer.append"]


def test_it_plays_on_when_the_session_is_lost_and_the_next_one_is_told_all_of_it() -> None:
    line = set_up()
    line.play(700)
    line.do(given.ModelClosed("gone"))
    line.wait(400)
    update, item = in_session(line, 1)
    assert update["type"] == "session.update"
    assert (item["item"]["role"], item["item"]["content"][0]["text"]) == ("assistant", TEXT)
    line.play(1500)
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=2000)]
    assert [said.text for said in line.events_of(events.AgentTranscript)] == [TEXT]
    assert line.phase is Phase.CONVERSING


def test_it_plays_on_when_the_first_session_cannot_be_had_and_is_not_asked_for_again() -> None:
    line = accepted()
    line.play(700)
    line.do(given.ModelClosed("refused"))
    line.wait(400)
    assert [event["type"] for event in in_session(line, 1)] == ["session.update", "conversation.item.create"]
    line.play(1500)
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=2000)]


def test_it_is_heard_to_its_end_before_the_apology_when_no_session_can_be_had() -> None:
    line = accepted()
    line.do(given.ModelClosed("refused", hopeless=True))
    assert line.wanted(wanted.StoreDisposition) == []
    line.play(4000)
    assert [said.text for said in line.events_of(events.AgentTranscript)][:2] == [TEXT, LINES["apology"].text]
    assert len(line.wanted(wanted.StoreDisposition)) == 1
