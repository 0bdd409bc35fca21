"""The record of a call: what its events add up to."""

from typing import Any

import msgspec
import pytest

from calls import events
from calls.events import AnyEvent, timestamp
from calls.ids import BusinessId
from calls.record import CallRecord, Disposition
from tests.calls.examples import ONE_OF_EACH, START, answered, event, said, sid

RECORD = CallRecord(
    call_sid=sid(),
    business_id=BusinessId("bobs-hvac"),
    from_="+15005550001",
    to="+15005550006",
    channel="pstn",
    started_at=timestamp(START),
    owner="bridge-1",
)


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (events.GreetingRequested(mode="live"), {"phase": "greeting"}),
        (events.GreetingFirstAudio(latency_ms=420), {"greeting_latency_ms": 420}),
        (events.GreetingFinished(heard_ms=1), {"phase": "conversing"}),
        (said("שלום"), {"last_line": "שלום"}),
        (answered("Hi"), {"last_line": "Hi"}),
        (ONE_OF_EACH[10], {"barge_ins": 1}),
        (events.ClosingStarted(reason="farewell"), {"phase": "closing"}),
        (events.ClosingReopened(), {"phase": "conversing"}),
        (events.BargeInDismissed(), {}),
        (events.Dtmf(digit="1"), {}),
    ],
)
def test_an_event_changes_the_record_in_its_own_way(body: AnyEvent, changes: dict[str, Any]) -> None:
    assert RECORD.after(event(5, body)) == msgspec.structs.replace(RECORD, last_seq=5, **changes)


def test_cuts_add_up() -> None:
    assert RECORD.after(event(2, ONE_OF_EACH[10])).after(event(3, ONE_OF_EACH[10])).barge_ins == 2


def test_an_ended_call_has_no_owner_and_keeps_what_it_used() -> None:
    record = RECORD.after(event(9, ONE_OF_EACH[-1]))

    assert record.ended
    assert not RECORD.ended
    assert (record.phase, record.owner, record.end_reason, record.duration_ms) == ("ended", None, "farewell", 60_000)
    assert (record.usage, record.cost_usd, record.ended_at) == ({"input_text": 10}, 0.05, timestamp(event(9).at))


def test_an_ending_that_knows_no_usage_keeps_the_record_s() -> None:
    record = msgspec.structs.replace(RECORD, usage={"input_text": 3}, cost_usd=0.01)
    ended = record.after(event(2, events.CallEnded(reason="completed", duration_ms=1)))
    assert (ended.usage, ended.cost_usd) == ({"input_text": 3}, 0.01)


def test_the_record_speaks_json_with_the_names_of_the_operator_api() -> None:
    disposed = msgspec.structs.replace(RECORD, disposition=Disposition(action="dial", reason="model_lost", to="client:ann"))
    encoded = msgspec.json.encode(disposed)
    assert msgspec.json.decode(encoded, type=CallRecord) == disposed
    assert msgspec.json.decode(encoded).keys() >= {
        "call_sid", "business_id", "from", "to", "channel", "phase", "started_at", "owner", "last_seq", "last_line",
        "greeting_latency_ms", "barge_ins", "cost_usd", "muted",
    }  # fmt: skip
