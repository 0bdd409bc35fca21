"""The events of a call, as they are stored and as they are sent."""

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import msgspec
import pytest

from calls import events
from calls.events import AnyEvent, CallEvent, decode_body, encode_body, kind_of, parse_timestamp, timestamp
from tests.calls.examples import HOSTILE, ONE_OF_EACH, START, answered, event, said, sid

FIELDS = {
    "call.started": {"business_id", "from", "to", "channel"},
    "model.connected": {"ms", "warm"},
    "greeting.requested": {"mode"},
    "greeting.first_audio": {"latency_ms"},
    "greeting.finished": {"heard_ms"},
    "agent.transcript": {"item_id", "text", "heard_ms", "interrupted"},
    "caller.transcript": {"item_id", "text"},
    "turn.first_audio": {"latency_ms"},
    "barge_in.triggered": {"rms"},
    "barge_in.dismissed": set(),
    "barge_in.cut": {"item_id", "heard_ms", "reaction_ms", "speech_ms", "triggered_ms", "clear_ms", "truncate_ms"},
    "barge_in.resumed": set(),
    "tool.called": {"name", "arguments"},
    "tool.finished": {"name", "ms", "ok"},
    "lead.captured": {"fields"},
    "appointment.booked": {"appointment_id", "starts_at", "ends_at", "summary"},
    "dtmf": {"digit"},
    "closing.started": {"reason", "phrase"},
    "closing.reopened": set(),
    "transfer.started": {"to"},
    "operator.command": {"operator", "action"},
    "model.lost": {"reason"},
    "model.resumed": {"ms"},
    "call.resumed": {"ms"},
    "error": {"where", "message"},
    "call.summary": {"summary", "outcome"},
    "call.ended": {"reason", "duration_ms", "greeting_latency_ms", "barge_ins", "usage", "cost_usd"},
}


def test_the_examples_hold_every_kind_once() -> None:
    assert [type(body) for body in ONE_OF_EACH] == list(get_args(AnyEvent))
    assert [kind_of(body) for body in ONE_OF_EACH] == list(FIELDS)


@pytest.mark.parametrize("body", ONE_OF_EACH, ids=kind_of)
def test_the_flat_form_has_the_number_the_time_the_kind_and_its_fields(body: AnyEvent) -> None:
    flat = event(7, body).flat()

    assert flat.keys() == {"type", "call_sid", "seq", "at", "kind"} | FIELDS[kind_of(body)]
    assert (flat["type"], flat["call_sid"], flat["seq"], flat["kind"]) == ("event", sid(), 7, kind_of(body))
    assert flat["at"] == "2026-01-01T12:00:00.070Z"
    assert msgspec.json.decode(msgspec.json.encode(flat)) == flat


@pytest.mark.parametrize("body", ONE_OF_EACH, ids=kind_of)
def test_a_body_survives_being_written_down(body: AnyEvent) -> None:
    assert decode_body(encode_body(body)) == body
    assert decode_body(encode_body(body).decode()) == body


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_any_text_survives_being_written_down(text: str) -> None:
    for body in (said(text), answered(text), events.LeadCaptured(fields={text: text})):
        assert decode_body(encode_body(body)) == body


@pytest.mark.parametrize("encoded", ["", "{}", "[]", '{"kind":"no.such"}', '{"kind":"dtmf"}', '{"kind":"dtmf","digit":7}'])
def test_what_is_no_event_is_refused(encoded: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_body(encoded)


def test_a_field_that_a_later_version_adds_is_ignored() -> None:
    assert decode_body('{"kind":"dtmf","digit":"1","duration_ms":90}') == events.Dtmf(digit="1")


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000Z"),
        (datetime(2026, 1, 1, 2, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T00:00:00.999Z"),
        (datetime(2026, 3, 29, 1, 59, 59, 1_000, tzinfo=UTC), "2026-03-29T01:59:59.001Z"),
    ],
)
def test_times_are_utc_to_the_millisecond(at: datetime, text: str) -> None:
    assert timestamp(at) == text
    assert timestamp(parse_timestamp(text)) == text
    assert abs(parse_timestamp(text) - at) < timedelta(milliseconds=1)


def test_an_event_knows_its_kind() -> None:
    assert CallEvent(sid(), 1, START, events.BargeInDismissed()).kind == "barge_in.dismissed"
