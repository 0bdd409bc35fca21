"""Which events can be told: each once, in order, whatever comes late, twice, or not at all."""

import random

import msgspec
import pytest

from bridge.operator.in_order import MAX_HELD, InOrder
from calls.events import CallEvent, CallResumed
from tests.bridge.operator.test_audience import record
from tests.calls.examples import ONE_OF_EACH, after_ms, event, sid

STARTED, SUMMARY, ENDED = ONE_OF_EACH[0], ONE_OF_EACH[-2], ONE_OF_EACH[-1]


def seqs(events: list[CallEvent]) -> list[int]:
    return [each.seq for each in events]


def test_what_follows_is_told_and_what_was_told_is_not() -> None:
    order = InOrder()
    assert [seqs(order.take(event(seq))) for seq in (1, 2, 2, 1, 3)] == [[1], [2], [], [], [3]]


def test_what_comes_too_early_waits_for_what_is_missing() -> None:
    order = InOrder()
    order.take(event(1))
    assert order.take(event(3)) == order.take(event(4)) == []
    assert order.is_behind(sid())
    assert seqs(order.take(event(2))) == [2, 3, 4]
    assert not order.is_behind(sid())


def test_a_call_nobody_has_heard_of_is_told_from_its_beginning() -> None:
    order = InOrder()
    assert order.take(event(5)) == []
    assert seqs(order.fetched(sid(), [event(seq) for seq in range(1, 6)])) == [1, 2, 3, 4, 5]


def test_a_call_that_is_known_from_its_record_goes_on_from_there() -> None:
    order = InOrder()
    assert order.take(event(6)) == []
    assert seqs(order.begin(record(1, 5))) == [6]
    assert seqs(order.take(event(7))) == [7]


def test_an_older_record_changes_nothing() -> None:
    order = InOrder()
    order.begin(record(1, 5))
    order.begin(record(1, 3))
    assert (order.last(sid()), seqs(order.take(event(6)))) == (5, [6])


def test_calls_do_not_wait_for_each_other() -> None:
    order = InOrder()
    order.take(event(2))
    assert seqs(order.take(event(1, call=2))) == [1]


def test_what_the_record_has_is_expected_until_it_is_there() -> None:
    order = InOrder()
    order.begin(record(1, 2))
    assert not order.expect(sid(), 2)
    assert order.expect(sid(), 4)
    assert seqs(order.fetched(sid(), [event(3)])) == [3]
    assert order.is_behind(sid())
    assert seqs(order.take(event(4))) == [4]
    assert not order.is_behind(sid())


def test_missing_events_that_cannot_be_had_are_done_without() -> None:
    order = InOrder()
    order.take(event(1))
    for seq in (5, 3):
        order.take(event(seq))
    assert seqs(order.give_up(sid())) == [3, 5]
    assert seqs(order.take(event(6))) == [6]


def test_what_waits_is_bounded() -> None:
    order = InOrder(max_held=10)
    told = [seqs(order.take(event(seq))) for seq in range(2, 14)]
    assert told[10] == list(range(2, 13))
    assert MAX_HELD > 1000


def test_a_call_is_live_from_its_first_event_to_its_last() -> None:
    order = InOrder()
    order.take(event(1, STARTED))
    order.begin(record(2, 7))
    assert order.live == {sid(1), sid(2)}
    order.take(event(2, ENDED))
    order.ended(sid(2))
    assert order.live == frozenset()
    assert seqs(order.take(event(3, SUMMARY))) == [3]
    assert order.live == frozenset()


def test_the_summary_of_a_call_nobody_saw_is_told_as_it_comes() -> None:
    order = InOrder()
    assert seqs(order.take(event(20, SUMMARY))) == [20]
    assert order.live == frozenset()


@pytest.mark.parametrize("body", [CallResumed(ms=900), ENDED])
def test_numbers_that_a_killed_bridge_never_stored_are_given_out_again(body: CallResumed) -> None:
    order = InOrder()
    for seq in range(1, 6):
        order.take(event(seq))
    again = CallEvent(sid(), 4, after_ms(60_000), body)
    assert order.take(again) == [again]
    assert order.take(again) == []
    assert seqs(order.take(event(5))) == [5]


def test_while_nobody_reads_along_nothing_waits() -> None:
    order = InOrder()
    order.pass_by(event(7))
    order.pass_by(event(3))
    assert (order.last(sid()), order.is_behind(sid())) == (7, False)


def test_calls_that_ended_longest_ago_are_forgotten_first() -> None:
    order = InOrder(max_calls=3)
    for call in (1, 2, 3):
        order.take(event(1, STARTED, call=call))
    for call in (3, 2):
        order.take(event(2, ENDED, call=call))
    order.take(event(1, STARTED, call=4))
    assert [order.last(sid(call)) for call in (1, 2, 3, 4)] == [1, 2, 0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_of_late_double_and_lost_events_is_told_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    stored = [event(seq, STARTED if seq == 1 else None) for seq in range(1, 40)]
    coming = [each for each in stored * 2 if chance.random() < 0.7]
    coming.sort(key=lambda each: each.seq + chance.uniform(-4, 4))
    order, told = InOrder(), []
    for each in coming:
        told += order.take(each)
        if chance.random() < 0.1:
            told += order.fetched(sid(), [one for one in stored[: each.seq] if one.seq > order.last(sid())])
    order.expect(sid(), 39)
    told += order.fetched(sid(), stored)
    assert told == stored
    assert not order.is_behind(sid())


def test_a_record_that_has_ended_begins_nothing() -> None:
    order = InOrder()
    order.begin(msgspec.structs.replace(record(1, 5), ended_at="2026-01-01T13:00:00.000Z"))
    assert order.live == frozenset()
