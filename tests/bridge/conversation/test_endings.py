"""How a stream ends: the caller hangs up, the model is lost, time is up, the process must go. Never in silence, never twice."""

from collections.abc import Callable

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.closing import fallback_disposition
from bridge.conversation.phases import Phase
from calls import events
from calls.business import Escalation, Fallback, Limits
from calls.record import Disposition
from tests.bridge.conversation.line import PROFILE, RECORD, VOICEMAIL, Line

DIAL = msgspec.structs.replace(
    PROFILE, fallback=Fallback(mode="dial", text="Hold on, {name} will be with you."), escalation=Escalation(to="+15005550010")
)


def test_the_caller_hanging_up_ends_the_stream_and_leaves_the_call_to_twilio() -> None:
    line = Line().greeted()
    line.stop()
    assert line.phase is Phase.ENDED
    assert line.wanted(wanted.CloseModel) == [wanted.CloseModel()]
    assert line.wanted(wanted.CloseStream) == [wanted.CloseStream(1000)]
    assert line.wanted(wanted.Release) == [wanted.Release(None, {})]
    assert line.wanted(wanted.CompleteCall) == []


def test_the_socket_dying_without_stop_ends_the_stream_too() -> None:
    line = Line().greeted()
    line.do(given.TwilioClosed())
    assert line.phase is Phase.ENDED
    assert len(line.wanted(wanted.Release)) == 1


def test_an_ended_stream_answers_nothing_any_more() -> None:
    line = Line().greeted()
    line.stop()
    line.outputs.clear()
    line.stop()
    line.media()
    line.speak("Still there?", 100)
    line.do(given.ModelClosed("late"))
    line.do(given.TwilioClosed())
    line.do(given.Tick())
    assert line.outputs == []
    assert line.core.wake_at_ms == float("inf")


def test_a_caller_who_leaves_in_mid_sentence_has_heard_that_much() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.audio(4000)
    line.text_done("one two three four")
    line.wait(2100)
    line.stop()
    *_, last = line.events_of(events.AgentTranscript)
    assert (last.text, last.heard_ms, last.interrupted) == ("one two", 2100, True)


def test_a_caller_who_leaves_during_the_greeting_has_that_on_the_record() -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello there.", 2000)
    line.wait(700)
    line.stop()
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=700)]


@pytest.mark.parametrize(
    ("status", "reason"), [("completed", "caller_hung_up"), ("failed", "failed"), ("no-answer", "no-answer")]
)
def test_a_terminal_status_from_twilio_ends_the_call_even_while_the_socket_lives(status: str, reason: str) -> None:
    line = Line().greeted()
    line.do(given.CallOver(status))
    assert line.wanted(wanted.Release) == [wanted.Release(reason, {})]


def test_a_stream_that_never_says_start_is_closed_after_ten_seconds() -> None:
    line = Line()
    line.connected()
    line.wait(10_001)
    assert line.phase is Phase.ENDED
    assert line.wanted(wanted.Release) == []


def test_a_token_that_checks_out_after_the_caller_left_gives_the_call_back() -> None:
    line = Line()
    line.connected()
    line.start()
    line.stop()
    line.accept()
    assert line.wanted(wanted.Release) == [wanted.Release(None, {})]
    assert line.events == []


# --- the model is lost: said aloud, stored, then left ---


def before_the_stream(line: Line) -> None:
    line.do(given.ModelClosed("no connection"))
    line.connected()
    line.start()
    line.accept()


def before_the_greeting(line: Line) -> None:
    line.requested()
    line.do(given.ModelClosed("closed by the model (1006)"))


def in_the_greeting(line: Line) -> None:
    line.requested()
    line.session_updated()
    line.begin_speaking()
    line.audio(400)
    line.do(given.ModelClosed("closed by the model (1006)"))


def in_conversation(line: Line) -> None:
    line.greeted()
    line.do(given.ModelClosed("closed by the model (1001)"))


def by_expiry(line: Line) -> None:
    line.greeted()
    line.model({"type": "error", "error": {"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes"}})


def by_never_connecting(line: Line) -> None:
    line.connected()
    line.start()
    line.accept()


LOSSES = [before_the_stream, before_the_greeting, in_the_greeting, in_conversation, by_expiry, by_never_connecting]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_model_is_said_aloud_then_stored_then_left(lose: Callable[[Line], None]) -> None:
    line = Line(VOICEMAIL)
    lose(line)
    line.wait(6001)  # no other session is to be had
    assert line.phase is Phase.CLOSING
    assert len(line.events_of(events.ModelLost)) == 1
    assert [closing.reason for closing in line.events_of(events.ClosingStarted)] == ["model_lost"]
    assert line.wanted(wanted.StoreDisposition) == []  # not before the apology was heard
    line.wait(1400)
    line.echo_marks()
    line.echo_marks()
    (stored,) = line.wanted(wanted.StoreDisposition)
    assert stored.disposition == Disposition(action="voicemail", reason="model_lost", say="Leave a message.")
    assert line.wanted(wanted.CloseStream) == []  # not before it is stored
    line.do(given.DispositionStored(ok=True))
    assert line.phase is Phase.ENDED
    assert line.wanted(wanted.CloseStream) == [wanted.CloseStream(1000)]
    assert line.wanted(wanted.Release) == [wanted.Release(None, {})]
    assert line.events_of(events.AgentTranscript)[-1].text == "Sorry, one moment."


def test_a_lost_apology_mark_delays_the_fallback_by_two_seconds_at_most() -> None:
    line = Line().greeted()
    line.model_closes("gone", hopeless=True)
    line.wait(1000 + 2001)
    assert len(line.wanted(wanted.StoreDisposition)) == 1


@pytest.mark.parametrize("answer", [given.DispositionStored(ok=False), None])
def test_a_store_that_fails_or_does_not_answer_does_not_keep_the_caller_waiting(answer: given.DispositionStored | None) -> None:
    line = Line().greeted()
    line.model_closes("gone", hopeless=True)
    line.wait(1000)
    line.echo_marks()
    if answer is not None:
        line.do(answer)
    else:
        line.wait(3501)
    assert line.phase is Phase.ENDED
    assert line.wanted(wanted.CloseStream)


def test_a_model_lost_twice_is_one_loss() -> None:
    line = Line().greeted()
    line.do(given.ModelClosed("gone"))
    line.do(given.ModelClosed("gone again"))
    line.model({"type": "error", "error": {"code": "session_expired"}})
    assert len(line.events_of(events.ModelLost)) == 1
    assert line.wanted(wanted.OpenModel) == [wanted.OpenModel(1)]


def test_the_caller_hanging_up_during_the_apology_ends_the_stream_at_once() -> None:
    line = Line().greeted()
    line.do(given.ModelClosed("gone"))
    line.wait(300)
    line.stop()
    assert line.phase is Phase.ENDED
    assert line.wanted(wanted.StoreDisposition) == []


def test_nothing_more_is_sent_to_a_model_that_is_gone() -> None:
    line = Line().greeted()
    line.do(given.ModelClosed("gone"))
    sent = len(line.sent_to_model)
    line.media()
    line.turn_begins("c1", 0)
    line.turn_ends("c1", 4000)
    line.wait(500)
    assert len(line.sent_to_model) == sent


@pytest.mark.parametrize(
    ("profile", "disposition"),
    [
        (
            DIAL,
            Disposition(action="dial", reason="x", say="Hold on, Acme will be with you.", to="+15005550010", timeout_s=25),
        ),
        (VOICEMAIL, Disposition(action="voicemail", reason="x", say="Leave a message.")),
        (
            msgspec.structs.replace(PROFILE, fallback=Fallback(mode="hangup", text="Bye.")),
            Disposition(action="hang_up", reason="x", say="Bye."),
        ),
    ],
)
def test_the_fallback_is_what_the_business_file_says(profile: object, disposition: Disposition) -> None:
    assert fallback_disposition(profile, "x") == disposition  # type: ignore[arg-type]


def test_without_words_of_its_own_a_dialling_fallback_promises_a_person_and_says_no_goodbye() -> None:
    profile = msgspec.structs.replace(PROFILE, fallback=Fallback(mode="dial"), escalation=Escalation(to="+15005550010"))
    said = fallback_disposition(profile, "x").say or ""
    assert "connecting you" in said
    assert "Goodbye" not in said


# --- time is up ---

SHORT = msgspec.structs.replace(PROFILE, limits=Limits(max_call_s=30, silence_s=100))


def time_is_up(line: Line) -> Line:
    line.greeted()
    line.wait(30_000)
    assert line.phase is Phase.CLOSING
    return line


def test_a_call_whose_time_is_up_is_said_goodbye_to_and_completed_once() -> None:
    line = time_is_up(Line(SHORT))
    assert {"type": "response.create", "response": {"tool_choice": "none"}} in line.sent_to_model
    line.speak("I have to end our call now. Goodbye.", 1200)
    line.wait(1200)
    assert line.wanted(wanted.StoreDisposition) == []  # not before the last mark is back
    line.echo_marks()
    assert [stored.disposition.action for stored in line.wanted(wanted.StoreDisposition)] == ["hang_up"]
    assert line.wanted(wanted.CompleteCall) == []  # not before it is stored
    line.do(given.DispositionStored(ok=True))
    assert line.wanted(wanted.CompleteCall) == [wanted.CompleteCall()]
    assert line.wanted(wanted.CloseStream) == []
    line.do(given.CallCompleted(ok=True))
    assert line.wanted(wanted.Release) == [wanted.Release("max_duration", {})]
    assert line.events_of(events.AgentTranscript)[-1].text == "I have to end our call now. Goodbye."


def test_a_model_that_does_not_say_goodbye_within_six_seconds_is_replaced_by_the_stored_goodbye() -> None:
    line = time_is_up(Line(SHORT))
    line.wait(6001)
    line.wait(500)
    line.echo_marks()
    assert len(line.wanted(wanted.StoreDisposition)) == 1
    line.do(given.DispositionStored(ok=True))
    line.do(given.CallCompleted(ok=True))
    assert line.events_of(events.AgentTranscript)[-1].text == "Goodbye."


def test_a_model_lost_before_it_said_goodbye_is_replaced_by_the_stored_goodbye_and_the_call_still_ends() -> None:
    line = time_is_up(Line(SHORT))
    line.do(given.ModelClosed("gone"))
    line.wait(500)
    line.echo_marks()
    assert [stored.disposition.action for stored in line.wanted(wanted.StoreDisposition)] == ["hang_up"]
    line.do(given.DispositionStored(ok=True))
    assert line.events_of(events.AgentTranscript)[-1].text == "Goodbye."


def test_a_refused_completion_leaves_the_hang_up_to_the_action() -> None:
    line = time_is_up(Line(SHORT))
    line.speak("Goodbye.", 500)
    line.wait(500)
    line.echo_marks()
    line.do(given.DispositionStored(ok=True))
    line.do(given.CallCompleted(ok=False))
    assert line.wanted(wanted.CloseStream) == [wanted.CloseStream(1000)]
    assert line.wanted(wanted.Release) == [wanted.Release(None, {})]


def test_a_completion_that_is_never_answered_is_not_waited_for() -> None:
    line = time_is_up(Line(SHORT))
    line.speak("Goodbye.", 500)
    line.wait(500)
    line.echo_marks()
    line.do(given.DispositionStored(ok=True))
    line.wait(3501)
    assert line.phase is Phase.ENDED


# --- the process must go ---


def test_draining_leaves_the_stream_without_a_disposition() -> None:
    line = Line().greeted()
    line.do(given.Draining())
    assert line.wanted(wanted.CloseStream) == [wanted.CloseStream(1001)]
    assert line.wanted(wanted.StoreDisposition) == []
    assert line.wanted(wanted.Release) == [wanted.Release(None, {})]


# --- what it all cost ---


def test_the_usage_of_all_responses_is_summed_cancelled_ones_too() -> None:
    usage = {
        "input_tokens": 140,
        "input_token_details": {
            "text_tokens": 89,
            "audio_tokens": 51,
            "cached_tokens_details": {"text_tokens": 40, "audio_tokens": 0},
        },
        "output_token_details": {"text_tokens": 54, "audio_tokens": 60, "reasoning_tokens": 27},
    }
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.audio(200)
    line.text_done("Hi.")
    line.response_done(usage=usage)
    line.model({"type": "response.done", "response": {"id": "resp_x", "status": "cancelled", "usage": usage}})
    line.model(
        {"type": "response.done", "response": {"id": "resp_y", "status": "cancelled", "usage": {"input_token_details": []}}}
    )
    line.stop()
    (release,) = line.wanted(wanted.Release)
    assert release.usage == {
        "input_text": 178,
        "input_audio": 102,
        "input_cached_text": 80,
        "output_text": 108,
        "output_audio": 120,
    }


def test_events_are_numbered_on_from_the_record_without_gaps() -> None:
    line = Line().greeted()
    line.stop()
    seqs = [output.seq for output in line.wanted(wanted.RecordEvent)]
    assert seqs == list(range(RECORD.last_seq + 1, RECORD.last_seq + 1 + len(seqs)))
    assert line.kinds == [
        "model.connected",
        "greeting.requested",
        "greeting.first_audio",
        "greeting.finished",
        "agent.transcript",
    ]
