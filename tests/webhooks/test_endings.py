"""``/call-status``, ``/dial-ended``, ``/voicemail``, ``/stream-status``: what comes after the stream."""

from typing import Any

import pytest

from calls.events import CallEnded, ErrorHappened
from calls.language import phrases_of
from tests.webhooks.doubles import DANA, SID, BrokenLedger, Desk, call, disposed, said, tree, verbs
from webhooks.handlers import call_status, dial_ended, stream_status, voicemail
from webhooks.response import Response

SEEN = "2026-01-01T12:00:00.000Z"


def ending(desk: Desk) -> CallEnded:
    body = desk.ledger.written[-1].body
    assert isinstance(body, CallEnded)
    return body


def test_a_completed_call_ends_on_record_with_twilio_s_own_duration() -> None:
    desk = Desk()
    desk.opened()
    assert call_status.handler(desk.context, call(CallStatus="completed", CallDuration="17")) == Response(204)
    assert (ending(desk).reason, ending(desk).duration_ms) == ("caller_hung_up", 17_000)


def test_the_reason_of_a_completed_call_is_that_of_its_disposition() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("hang_up"))
    call_status.handler(desk.context, call(CallStatus="completed"))
    assert ending(desk).reason == "farewell"


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_that_came_to_nothing_ends_with_twilio_s_word_for_it(status: str) -> None:
    desk = Desk()
    desk.opened(disposition=disposed("hang_up"))
    call_status.handler(desk.context, call(CallStatus=status))
    assert ending(desk).reason == status


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "", "nonsense"])
def test_a_call_that_goes_on_is_not_ended(status: str) -> None:
    desk = Desk()
    desk.opened()
    assert call_status.handler(desk.context, call(CallStatus=status)).status == 204
    assert desk.ledger.kinds() == ["call.started"]


def test_a_call_ends_once() -> None:
    desk = Desk()
    desk.opened()
    for _ in range(2):
        call_status.handler(desk.context, call(CallStatus="completed"))
    assert desk.ledger.kinds() == ["call.started", "call.ended"]


def test_a_bridge_that_owns_the_call_is_told_and_ends_it_itself() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    call_status.handler(desk.context, call(CallStatus="completed", CallDuration="3"))
    assert desk.over == [(SID, "completed", 3000)]
    assert desk.ledger.kinds() == ["call.started"]


def test_a_bridge_that_vanished_leaves_the_ending_to_the_webhook() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1", action_requested_at=SEEN)
    call_status.handler(desk.context, call(CallStatus="completed"))
    assert desk.over == []
    assert ending(desk).reason == "caller_hung_up"


@pytest.mark.parametrize("duration", ["", "-1", "1e9", "١٢", "3.5", "9" * 30, None, ["4"]], ids=repr)
def test_a_duration_that_is_none_is_left_to_the_store(duration: Any) -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    call_status.handler(desk.context, {**call(CallStatus="completed"), "CallDuration": duration})
    assert desk.over == [(SID, "completed", None)]


@pytest.mark.parametrize("event", [{}, call(CallStatus="completed"), call(CallSid="garbage", CallStatus="completed")], ids=str)
def test_the_status_of_an_unknown_call_is_taken_in_silence(event: dict[str, Any]) -> None:
    assert call_status.handler(Desk().context, event) == Response(204)


def test_a_status_that_cannot_be_stored_is_logged() -> None:
    desk = Desk(ledger=BrokenLedger())
    assert call_status.handler(desk.context, call(CallStatus="completed")) == Response(204)
    assert [level for level, _, _ in desk.lines] == ["error"]


@pytest.mark.parametrize("status", ["completed", "answered", "Completed"])
def test_a_caller_who_talked_to_a_human_is_hung_up(status: str) -> None:
    desk = Desk()
    desk.opened()
    assert verbs(dial_ended.handler(desk.context, call(DialCallStatus=status))) == ["Hangup"]


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled", ""])
def test_a_caller_whom_no_human_answered_may_leave_a_message(status: str) -> None:
    desk = Desk()
    desk.opened(profile=DANA)
    answer = dial_ended.handler(desk.context, call(DialCallStatus=status))
    assert verbs(answer) == ["Say", "Record", "Hangup"]
    assert said(answer) == phrases_of("he").leave_message


def test_a_caller_who_left_while_it_rang_is_on_record_as_gone() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial"), action_requested_at=SEEN)
    answer = dial_ended.handler(desk.context, call(DialCallStatus="canceled", CallStatus="completed"))
    assert verbs(answer) == ["Hangup"]
    assert desk.ledger.kinds() == ["call.started", "call.ended"]


def test_a_message_is_taken_after_a_dial_even_without_a_store() -> None:
    answer = dial_ended.handler(Desk(ledger=BrokenLedger()).context, call(DialCallStatus="busy"))
    assert verbs(answer) == ["Say", "Record", "Hangup"]


def test_a_dial_of_nobody_we_know_ends_with_a_sentence() -> None:
    assert verbs(dial_ended.handler(Desk(profiles=()).context, call(DialCallStatus="busy"))) == ["Say", "Hangup"]


def test_a_message_is_thanked_for_in_the_business_s_language() -> None:
    desk = Desk()
    desk.opened(profile=DANA)
    answer = voicemail.handler(desk.context, call(RecordingUrl="https://api.twilio.example/r", RecordingDuration="4"))
    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == phrases_of("he").message_taken
    assert tree(answer)[0].get("language") == "he-IL"


def test_a_caller_who_hung_up_after_the_message_is_on_record_as_gone() -> None:
    desk = Desk()
    desk.opened()
    assert verbs(voicemail.handler(desk.context, call(CallStatus="completed"))) == ["Hangup"]
    assert desk.ledger.kinds() == ["call.started", "call.ended"]


def test_a_message_is_thanked_for_without_a_store_and_without_a_business() -> None:
    answer = voicemail.handler(Desk(ledger=BrokenLedger(), profiles=()).context, call())
    assert said(answer) == phrases_of("en").message_taken


def test_a_stream_error_is_logged_with_its_code_and_put_on_record() -> None:
    desk = Desk()
    desk.opened()
    event = call(StreamEvent="stream-error", StreamError="Stream - Handshake error (31920)")
    assert stream_status.handler(desk.context, event) == Response(204)
    assert desk.lines[0][2]["code"] == "31920"
    assert desk.ledger.written[-1].body == ErrorHappened(where="media stream", message="Stream - Handshake error (31920)")


def test_a_stream_error_of_a_call_that_a_bridge_writes_is_only_logged() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    stream_status.handler(desk.context, call(StreamEvent="stream-error", StreamError="31921"))
    assert desk.ledger.kinds() == ["call.started"]
    assert len(desk.lines) == 1


@pytest.mark.parametrize("event", [call(StreamEvent="stream-started"), call(StreamEvent="stream-stopped"), call(), {}], ids=str)
def test_a_stream_that_is_well_leaves_no_trace(event: dict[str, Any]) -> None:
    desk = Desk()
    desk.opened()
    assert stream_status.handler(desk.context, event) == Response(204)
    assert (desk.lines, desk.ledger.kinds()) == ([], ["call.started"])


@pytest.mark.parametrize("error", ["", "x" * 100_000, "קול 🎧"])
def test_a_stream_error_of_any_text_is_taken(error: str) -> None:
    desk = Desk()
    desk.opened()
    stream_status.handler(desk.context, call(StreamEvent="stream-error", StreamError=error))
    body = desk.ledger.written[-1].body
    assert isinstance(body, ErrorHappened)
    assert 0 < len(body.message) <= 300


def test_a_stream_error_of_an_unknown_call_is_only_logged() -> None:
    desk = Desk()
    assert stream_status.handler(desk.context, call(StreamEvent="stream-error", StreamError="31920")).status == 204
    assert desk.ledger.written == []
