"""The live calls as their events tell them."""

import msgspec

from bridge.operator.live_calls import LiveCalls
from calls.events import CallEnded, CallEvent, GreetingFinished, GreetingRequested, OperatorCommand
from calls.record import CallRecord
from tests.calls.examples import ONE_OF_EACH, event, said, sid


def told(*events: CallEvent) -> LiveCalls:
    calls = LiveCalls()
    for one in events:
        calls.take(one)
    return calls


def the_one(calls: LiveCalls, *stored: CallRecord) -> CallRecord:
    (record,) = calls.merged(stored)
    return record


STARTED = ONE_OF_EACH[0]
ENDED = ONE_OF_EACH[-1]


def test_a_call_is_known_from_its_first_event_to_its_last() -> None:
    calls = told(event(1, STARTED))
    record = the_one(calls)
    assert (record.call_sid, record.from_, record.channel, record.phase) == (sid(), "+15005550001", "pstn", "connecting")
    assert (record.last_seq, record.started_at) == (1, "2026-01-01T12:00:00.010Z")
    calls.take(event(2, ENDED))
    assert calls.merged(()) == []
    assert isinstance(ENDED, CallEnded)


def test_a_record_is_what_its_events_add_up_to() -> None:
    record = the_one(
        told(
            event(1, STARTED),
            event(2, GreetingRequested(mode="live")),
            event(3, GreetingFinished(heard_ms=5)),
            event(4, said("שלום")),
            event(5, OperatorCommand(operator="ana", action="mute")),
        )
    )
    assert (record.phase, record.last_line, record.last_seq, record.muted) == ("conversing", "שלום", 5, True)


def test_an_event_that_comes_late_does_not_turn_the_record_back() -> None:
    record = the_one(told(event(1, STARTED), event(3, said("new")), event(2, said("old"))))
    assert (record.last_seq, record.last_line) == (3, "new")


def test_of_a_call_whose_beginning_was_not_seen_nothing_is_kept() -> None:
    calls = told(event(5, said("hello")), event(6, ENDED))
    assert calls.merged(()) == []


def test_whatever_is_further_wins_and_the_store_knows_the_owner() -> None:
    calls = told(event(1, STARTED), event(2, said("two")), event(3, said("three")))
    here = the_one(calls)
    behind = msgspec.structs.replace(here, last_seq=2, last_line="two", owner="bridge-1")
    ahead = msgspec.structs.replace(here, last_seq=4, last_line="four", owner="bridge-2")
    assert (the_one(calls, behind).last_line, the_one(calls, behind).owner) == ("three", "bridge-1")
    assert the_one(calls, ahead) == ahead


def test_calls_of_other_processes_come_from_the_store_and_all_are_newest_first() -> None:
    calls = told(event(1, STARTED, call=1), event(7, STARTED, call=2))
    other = msgspec.structs.replace(the_one(told(event(3, STARTED, call=3))), owner="bridge-2")
    over = msgspec.structs.replace(other, call_sid=sid(4), ended_at="2026-01-01T12:00:00.000Z")
    assert [record.call_sid for record in calls.merged([other, over])] == [sid(2), sid(3), sid(1)]


def test_calls_that_began_before_are_taken_over_and_followed() -> None:
    stored = the_one(told(event(1, STARTED), event(2, said("two"))))
    over = msgspec.structs.replace(stored, call_sid=sid(2), ended_at="2026-01-01T12:00:00.000Z")
    calls = LiveCalls()
    calls.seed([stored, over])
    assert calls.names() == {sid(1)}
    calls.take(event(3, said("three")))
    assert the_one(calls).last_line == "three"
    calls.seed([stored])
    assert the_one(calls).last_line == "three"
    calls.drop([sid(1), sid(9)])
    assert sid(1) not in calls
