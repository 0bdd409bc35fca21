"""Twilio asks again when it has not heard an answer: the same request gets the same answer, and leaves the record as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from calls.business import Escalation
from calls.events import CallEvent, Usage
from calls.record import CallRecord, Disposition, Message
from calls.store.base import NewCall
from calls.store.dynamodb_calls import DynamoCalls
from calls.store.dynamodb_table import DynamoTable
from tests.calls.dynamodb import Dynamo
from tests.webhooks.aws import http_event, with_
from tests.webhooks.doubles import AUTH_TOKEN, BOB, NOW, SID, Desk, disposed
from webhooks.aws_event import request_of
from webhooks.dispatch import TwilioAuth, dispatch
from webhooks.response import Response
from webhooks.routes import ROUTES

AUTH = TwilioAuth(auth_token=AUTH_TOKEN)
BACK_TO_THE_AI = msgspec.structs.replace(BOB, escalation=Escalation(to="+15005550010", no_answer="ai"))
RECORDING = "https://api.twilio.example/RE1"


@dataclass
class Line:
    """A call in a real table, and the webhooks."""

    desk: Desk
    calls: DynamoCalls

    def opened(self, disposition: Disposition | None = None) -> None:
        """A call that a bridge has served, and left with its disposition."""
        new = NewCall(call_sid=SID, business_id=BOB.business_id, from_="+15005550001", to="+15005550006", channel="pstn")
        self.calls.claim_stream(self.calls.open_call(new, NOW).token, "bridge-1", NOW)
        if disposition is not None:
            self.calls.set_disposition(SID, disposition, "bridge-1")
            self.calls.release_stream(SID, "bridge-1", Usage(), NOW)

    def ask(self, path: str, **changes: str) -> Response:
        """A request of Twilio about the call."""
        return dispatch(self.desk.context, AUTH, request_of(http_event(path, with_(**changes))))

    def ask_twice(self, path: str, **changes: str) -> Response:
        """The answer, which is the same again a second later, with the record as it was."""
        first, then = self.ask(path, **changes), self.on_record()
        self.desk.now = self.desk.now.replace(microsecond=900_000)
        again = self.ask(path, **changes)
        assert again == first
        assert _apart_from_times(self.on_record()) == _apart_from_times(then)
        return first

    def on_record(self) -> tuple[CallRecord | None, list[CallEvent]]:
        """The record and its events."""
        return self.calls.get_call(SID), self.calls.events(SID)


def _apart_from_times(kept: tuple[CallRecord | None, list[CallEvent]]) -> Any:
    record, events = kept
    return record and msgspec.structs.replace(record, action_requested_at=None), events


@pytest.fixture
def line(dynamodb: Dynamo) -> Iterator[Line]:
    """A business on whose behalf calls come in."""
    table = DynamoTable(dynamodb.new_table(), client=dynamodb.client)
    calls = DynamoCalls(table)
    yield Line(Desk(ledger=calls, profiles=(BACK_TO_THE_AI,)), calls)
    table.close()


def test_every_webhook_is_asked_twice_here() -> None:
    asked = {"/stream-ended", "/stream-status", "/call-status", "/screen", "/dial-ended", "/voicemail", "/recording-status"}
    assert asked | {"/incoming-call", "/api/realtime/incoming", "/api/twiml", "/fallback"} == ROUTES.keys()


@pytest.mark.parametrize("path", ["/incoming-call", "/api/realtime/incoming", "/api/twiml"])
def test_a_call_is_opened_once_and_its_token_is_the_same(path: str, line: Line) -> None:
    assert "<Stream" in line.ask_twice(path).body
    assert [event.kind for event in line.on_record()[1]] == ["call.started"]


def test_a_blocked_caller_is_rejected_twice_and_on_record_once(line: Line) -> None:
    line.desk.profiles = (msgspec.structs.replace(BOB, blocked=("+15005550001",)),)
    assert "<Reject" in line.ask_twice("/incoming-call").body
    assert [event.kind for event in line.on_record()[1]] == ["call.started", "call.ended"]


@pytest.mark.parametrize("action", ["hang_up", "dial", "voicemail"])
def test_a_disposition_is_told_twice(action: str, line: Line) -> None:
    line.opened(disposed(action, say="One moment."))
    assert "One moment." in line.ask_twice("/stream-ended").body


def test_a_call_whose_bridge_is_lost_gets_one_further_stream(line: Line) -> None:
    line.opened()
    first = line.ask("/stream-ended").body
    assert "<Stream" in first
    again = line.ask("/stream-ended").body
    # The second answer says of itself that it is one, so that a stream nobody takes is not offered for ever.
    assert again == first.replace("/stream-ended?attempt=2", "/stream-ended?attempt=2&amp;tries=1")


def test_a_caller_whom_no_human_took_goes_back_to_the_ai_once(line: Line) -> None:
    line.opened(disposed("dial"))
    assert "<Stream" in line.ask_twice("/dial-ended", DialCallStatus="no-answer").body


def test_a_call_that_is_over_ends_once(line: Line) -> None:
    line.opened(disposed("hang_up"))
    assert line.ask_twice("/call-status", CallStatus="completed", CallDuration="61").status == 204
    assert [event.kind for event in line.on_record()[1]] == ["call.started", "call.ended"]


def test_a_message_is_noted_once(line: Line) -> None:
    line.opened(disposed("voicemail"))
    line.ask_twice("/voicemail", RecordingUrl=RECORDING, RecordingDuration="12")
    line.ask_twice("/recording-status", RecordingUrl=RECORDING, RecordingDuration="12", RecordingStatus="completed")
    record = line.on_record()[0]
    assert record is not None
    assert record.messages == (Message(recording_url=RECORDING, duration_s=12, status="completed"),)


def test_an_error_of_the_stream_is_on_record_once_and_another_one_too(line: Line) -> None:
    line.opened(disposed("hang_up"))
    line.ask_twice("/stream-status", StreamEvent="stream-error", StreamError="31920")
    line.ask_twice("/stream-status", StreamEvent="stream-error", StreamError="31921")
    assert [event.kind for event in line.on_record()[1]] == ["call.started", "error", "error"]


def test_the_same_error_much_later_is_another_one(line: Line) -> None:
    line.opened(disposed("hang_up"))
    line.ask("/stream-status", StreamEvent="stream-error", StreamError="31920")
    line.desk.now += timedelta(minutes=5)
    line.ask("/stream-status", StreamEvent="stream-error", StreamError="31920")
    assert [event.kind for event in line.on_record()[1]] == ["call.started", "error", "error"]


def test_the_human_is_asked_again_in_the_same_words(line: Line) -> None:
    line.opened(disposed("dial"))
    first, again = (
        dispatch(line.desk.context, AUTH, request_of(http_event("/screen", query=f"for_call={SID}"))) for _ in range(2)
    )
    assert (first.status, again) == (200, first)


def test_the_last_resort_stays_what_it_is(line: Line) -> None:
    line.opened(disposed("hang_up"))
    assert "<Hangup" in line.ask_twice("/fallback", ErrorCode="11200").body
