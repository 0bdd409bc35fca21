"""Replies: created by the bridge at each commit, one at a time, and not for a backchannel."""

import pytest

from bridge.conversation.backchannel import is_backchannel, spoken_words
from bridge.conversation.phases import Phase
from calls import events
from tests.bridge.conversation.line import Line


def test_a_turn_is_answered_at_its_commit_without_waiting_for_its_text() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    assert line.creates == 1
    line.turn_ends("c1", 3000)
    assert line.creates == 2
    assert line.sent_to_model[-1] == {"type": "response.create"}


def test_a_second_commit_during_a_response_waits_for_its_end() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.audio(1000)
    line.turn_begins("c2", 3100)
    line.turn_ends("c2", 5000)
    line.caller_text("c2", "and also the kitchen tap drips")
    assert line.creates == 2
    line.text_done("Sure.")
    line.response_done()
    assert line.creates == 2  # the AI can still be heard
    line.wait(1000)
    line.echo_marks()
    assert line.creates == 3


@pytest.mark.parametrize(
    ("text", "answered"), [("uh-huh", False), ("yeah, yeah", False), ("yes, and on Sunday?", True), ("", False)]
)
def test_an_aside_is_answered_after_the_playback_only_if_it_is_more_than_a_backchannel(text: str, answered: bool) -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.speak("We open at nine.", 2000)
    line.turn_begins("c2", 3100)
    line.turn_ends("c2", 4000)
    line.caller_text("c2", text)
    assert line.creates == 2
    line.wait(2000)
    line.echo_marks()
    assert line.creates == (3 if answered else 2)


@pytest.mark.parametrize(("speech_ms", "answered"), [(400, False), (900, True)])
def test_an_aside_whose_text_never_comes_is_judged_by_its_length(speech_ms: int, answered: bool) -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.speak("We open at nine.", 2000)
    line.turn_begins("c2", 3100)
    line.turn_ends("c2", 3100 + 800 + speech_ms)
    line.wait(2000)
    line.echo_marks()
    line.wait(1499)
    assert line.creates == 2
    line.wait(2)
    assert line.creates == (3 if answered else 2)


def test_the_latency_of_an_answer_counts_from_the_callers_last_sound() -> None:
    line = Line().greeted()
    frames = 150
    for _ in range(frames):  # three seconds of audio, frame by frame
        line.wait(20)
        line.media()
    appended_ms = frames * 20 + 20  # one frame came during the greeting
    line.turn_begins("c1", 300)
    line.turn_ends("c1", appended_ms)  # silence of 500 ms included, heard to its very end
    line.wait(700)
    line.begin_speaking()
    line.audio(300)
    line.audio(300)
    assert line.events_of(events.TurnFirstAudio) == [events.TurnFirstAudio(latency_ms=500 + 700)]


def test_a_create_that_the_model_refuses_as_busy_is_repeated_after_the_next_done() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.model({"type": "error", "error": {"code": "conversation_already_has_active_response"}})
    line.wait(100)
    assert line.creates == 2
    line.model({"type": "response.done", "response": {"id": "resp_foreign", "status": "completed"}})
    assert line.creates == 3
    assert line.events_of(events.ErrorHappened) == []


def test_audio_of_a_response_nobody_asked_for_is_not_played() -> None:
    line = Line().greeted()
    played_ms = line.played_ms
    line.speak("Buy now!", 1000, response="resp_foreign")
    assert line.played_ms == played_ms


def test_late_audio_of_a_finished_response_is_dropped() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.speak("One.", 500)
    played_ms = line.played_ms
    line.audio(500)
    assert line.played_ms == played_ms


def test_a_response_without_audio_is_tried_once_more_and_then_in_another_session() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.response_done("failed", status_details={"error": {"code": "rate_limit_exceeded"}})
    assert line.creates == 3
    line.begin_speaking()
    line.response_done("failed", status_details={"error": {"code": "rate_limit_exceeded"}})
    assert [lost.reason for lost in line.events_of(events.ModelLost)] == ["no_audio: rate_limit_exceeded"]


def test_a_response_cut_short_by_the_model_is_noted_and_the_call_goes_on() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.audio(500)
    line.response_done("incomplete", status_details={"reason": "content_filter"})
    assert line.phase is Phase.CONVERSING
    assert [error.message for error in line.events_of(events.ErrorHappened)] == ["a response ended as incomplete: content_filter"]


def test_a_response_of_which_nothing_is_heard_for_six_seconds_is_given_up() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.wait(5999)
    assert line.events_of(events.ModelLost) == []
    line.wait(2)
    assert [lost.reason for lost in line.events_of(events.ModelLost)] == ["stalled"]


def test_a_response_that_is_not_even_begun_is_waited_for_half_as_long() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.wait(2999)
    assert line.events_of(events.ModelLost) == []
    line.wait(2)
    assert [lost.reason for lost in line.events_of(events.ModelLost)] == ["stalled"]


def test_what_the_caller_said_over_a_reply_and_what_was_heard_stand_in_order_on_the_record() -> None:
    line = Line().greeted("Hello, Acme.")
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.audio(1000)
    line.caller_text("c1", "My boiler broke.")
    line.text_done("Oh no.")
    line.response_done()
    line.wait(1000)
    line.echo_marks()
    lines = [(type(body).__name__, body.text) for body in line.events if hasattr(body, "text")]
    assert lines == [
        ("AgentTranscript", "Hello, Acme."),
        ("CallerTranscript", "My boiler broke."),
        ("AgentTranscript", "Oh no."),
    ]


# --- backchannels ---


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Uh-huh.", "en", True),
        ("Mm-hmm, okay, got it!", "en", True),
        ("OK, but when?", "en", False),
        ("yesterday", "en", False),
        ("כן, כן.", "he", True),
        ("כֵּן", "he", True),
        ("\u200fאוקיי\u200f 👍", "he", True),
        ("כן, ומחר?", "he", False),
        ("כנראה", "he", False),
        ("Sí, claro", "es", True),
        ("D'accord !", "fr", True),
        ("да, понятно", "ru", True),
        ("okay", "he", True),
        ("", "en", True),
        ("\x00\x1b[31m", "en", False),
    ],
)
def test_backchannels_are_told_from_words_that_mean_something(text: str, language: str, expected: bool) -> None:
    assert is_backchannel(text, language) is expected


def test_words_are_compared_without_marks_case_and_punctuation() -> None:
    assert spoken_words("  D'ACCORD!\n\tשָׁלוֹם־עֲלֵיכֶם ") == "d accord שלום עליכם"


# --- half a turn, lost marks, latencies ---


def test_a_reply_nobody_has_heard_is_dropped_when_the_caller_goes_on() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 2200)  # "I need a"
    response = line.begin_speaking()
    line.turn_begins("c2", 2300)
    line.turn_ends("c2", 4500)  # "plumber for Tuesday"
    assert {"type": "response.cancel", "response_id": response} in line.sent_to_model
    assert line.creates == 2
    line.audio(500)  # too late
    line.response_done("cancelled")
    assert line.creates == 3
    assert line.played_ms == 1000  # the greeting's


def test_an_answer_to_a_question_whose_last_mark_was_lost_is_answered() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.speak("Shall I book it?", 1000)
    line.wait(1800)  # no mark came back
    line.turn_begins("c2", 4200)
    line.turn_ends("c2", 5200)
    line.caller_text("c2", "yes")
    assert line.creates == 3


def test_audio_that_has_been_heard_cannot_be_barged_into_though_its_mark_is_missing() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.audio(1000)
    line.wait(1300)
    line.loud(400)
    line.audio(500)  # more of the same reply
    assert [message["event"] for message in line.sent_to_twilio].count("clear") == 0
    assert line.events_of(events.BargeInTriggered) == []
    assert line.played_ms == 2500


def test_the_latency_of_a_prompt_or_of_an_unanswered_turn_is_no_turns_latency() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.speak("We open at nine.", 1000)
    line.turn_begins("c2", 3100)
    line.turn_ends("c2", 4000)
    line.caller_text("c2", "uh-huh")
    line.play(1100)
    line.wait(12_001)
    line.speak("Are you still there?", 500)
    assert len(line.events_of(events.TurnFirstAudio)) == 1


def test_a_response_done_told_twice_is_counted_once() -> None:
    usage = {"input_token_details": {"text_tokens": 100}}
    line = Line().greeted()
    for _ in range(2):
        line.model(
            {"type": "response.done", "event_id": "e1", "response": {"id": "resp_x", "status": "completed", "usage": usage}}
        )
        line.model({"type": "rate_limits.updated"})
    assert line.core.spending.usage == {"input_text": 100}
