"""Which events have been passed on, and which are missing."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.protocol import CallSummary, Event
from console.sequences import HeldTooMuch, Sequences
from tests.console.examples import event as any_event
from tests.console.fake_bridge import START

A, B = "CA-a", "CA-b"


def event(seq: int, sid: str = A, kind: str = "dtmf", **fields: Any) -> Event:
    return any_event(sid, seq, kind, **fields)


def call(last_seq: int, sid: str = A) -> CallSummary:
    return CallSummary(call_sid=sid, started_at=START, last_seq=last_seq)


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events]


def following(last_seq: int, sid: str = A) -> Sequences:
    sequences = Sequences()
    assert sequences.begin([call(last_seq, sid)]) == []
    return sequences


def test_events_in_order_are_passed_on_at_once() -> None:
    sequences = following(3)
    assert [seqs(sequences.take(event(seq))) for seq in (4, 5, 6)] == [[4], [5], [6]]


def test_events_the_snapshot_counts_in_are_not_passed_on() -> None:
    assert following(3).take(event(3)) == []


def test_an_event_that_comes_twice_is_passed_on_once() -> None:
    sequences = following(0)
    assert [seqs(sequences.take(event(seq))) for seq in (1, 1, 2, 1, 2)] == [[1], [], [2], [], []]


def test_a_skipped_number_holds_later_events_back_until_it_is_fetched() -> None:
    sequences = following(3)
    assert (sequences.take(event(6)), sequences.take(event(7))) == ([], [])
    assert sequences.is_behind(A)
    assert seqs(sequences.fetched(A, [event(4), event(5), event(6)])) == [4, 5, 6, 7]
    assert not sequences.is_behind(A)


def test_one_call_that_is_behind_does_not_hold_another_back() -> None:
    sequences = Sequences()
    sequences.begin([call(3), call(8, B)])
    sequences.take(event(6))
    assert seqs(sequences.take(event(9, B))) == [9]


def test_a_call_that_was_never_heard_of_is_fetched_from_its_beginning() -> None:
    sequences = following(3)
    assert sequences.take(event(5, B)) == []
    assert (sequences.is_behind(B), sequences.last(B)) == (True, 0)


def test_a_new_call_begins_with_its_first_event() -> None:
    sequences = following(3)
    assert seqs(sequences.take(event(1, B, "call.started"))) == [1]


def test_after_a_reconnection_calls_that_went_on_are_behind() -> None:
    sequences = Sequences()
    sequences.begin([call(3), call(5, B)])
    assert sequences.begin([call(4), call(5, B)]) == [A]
    assert sequences.take(event(5)) == []
    assert seqs(sequences.fetched(A, [event(4)])) == [4, 5]


def test_after_a_reconnection_a_call_that_is_gone_is_behind() -> None:
    sequences = following(3)
    assert sequences.begin([]) == [A]


def test_a_call_known_to_have_ended_is_not_asked_for_again() -> None:
    sequences = following(3)
    sequences.take(event(4, kind="call.ended"))
    assert sequences.begin([]) == []


def test_a_fetch_that_does_not_reach_the_snapshot_leaves_the_call_behind() -> None:
    sequences = following(3)
    sequences.begin([call(6)])
    assert seqs(sequences.fetched(A, [event(4)])) == [4]
    assert sequences.is_behind(A)
    assert seqs(sequences.fetched(A, [event(5), event(6)])) == [5, 6]
    assert not sequences.is_behind(A)


def test_when_the_missing_ones_cannot_be_had_the_held_ones_are_passed_on_in_order() -> None:
    sequences = following(3)
    for seq in (7, 6, 9):
        sequences.take(event(seq))
    assert seqs(sequences.give_up(A)) == [6, 7, 9]
    assert seqs(sequences.take(event(10))) == [10]


def test_after_giving_up_on_a_snapshot_events_go_on_behind_it() -> None:
    sequences = following(3)
    sequences.begin([call(6)])
    assert sequences.give_up(A) == []
    assert seqs(sequences.take(event(7))) == [7]


def test_numbers_that_a_crash_took_back_are_taken_a_second_time() -> None:
    sequences = following(9)
    assert sequences.begin([call(7)]) == []
    assert seqs(sequences.take(event(8))) == [8]


def test_the_end_of_a_call_counts_under_a_number_seen_before_but_only_once() -> None:
    sequences = following(9)
    assert seqs(sequences.take(event(8, kind="call.ended"))) == [8]
    assert sequences.take(event(8, kind="call.ended")) == []


def test_a_call_that_is_carried_on_goes_on_under_the_numbers_its_dead_bridge_had_told_and_never_stored() -> None:
    sequences = following(7)
    for seq in (8, 9, 10):
        sequences.take(event(seq))
    resumed = msgspec.structs.replace(event(9, kind="call.resumed"), at=event(10).at + timedelta(seconds=1))
    assert seqs(sequences.take(resumed)) == [9]
    assert sequences.take(resumed) == []
    assert [seqs(sequences.take(event(seq))) for seq in (10, 11)] == [[10], [11]]


def test_what_could_not_be_passed_on_after_all_is_fetched_after_a_reconnection() -> None:
    sequences = following(3)
    ended = sequences.take(event(4, kind="call.ended"))
    sequences.take_back(ended[0])
    assert sequences.begin([]) == [A]
    assert seqs(sequences.fetched(A, ended)) == [4]


def test_events_of_another_call_in_an_answer_are_left_out() -> None:
    sequences = following(3)
    sequences.take(event(5))
    assert seqs(sequences.fetched(A, [event(4, B), event(4)])) == [4, 5]


def test_an_answer_nobody_waits_for_any_more_is_left_out() -> None:
    assert following(3).fetched(A, [event(4)]) == []


def test_held_events_are_bounded() -> None:
    sequences = Sequences(max_held=3)
    for seq in (5, 6, 7):
        sequences.take(event(seq))
    with pytest.raises(HeldTooMuch):
        sequences.take(event(8))


def test_the_calls_remembered_are_bounded_and_those_that_ended_go_first() -> None:
    sequences = Sequences(max_calls=2)
    sequences.take(event(1, A))
    sequences.take(event(1, B))
    sequences.take(event(2, B, "call.ended"))
    sequences.take(event(1, "CA-c"))
    assert [sequences.last(sid) for sid in (A, B, "CA-c")] == [1, 0, 1]


@given(order=st.permutations(range(1, 13)), lost=st.sets(st.integers(1, 12)), again=st.lists(st.integers(1, 12)))
def test_whatever_comes_in_whatever_order_each_event_is_passed_on_once_and_in_order(
    order: list[int], lost: set[int], again: list[int]
) -> None:
    sequences = following(0)
    passed = [one for seq in [*order, *again] if seq not in lost for one in sequences.take(event(seq))]
    passed += sequences.fetched(A, [event(seq) for seq in range(1, 13)])
    assert seqs(passed) == list(range(1, len(passed) + 1))
    assert not sequences.is_behind(A)


def test_a_call_that_began_while_away_is_behind_from_its_first_event() -> None:
    sequences = Sequences()
    sequences.begin([call(3)])
    assert sequences.begin([call(3), call(5, B)]) == [B]
    assert sequences.last(B) == 0
    assert sequences.is_behind(B)


def test_on_the_first_connection_nothing_was_missed() -> None:
    sequences = Sequences()
    assert sequences.begin([call(7)]) == []
    assert sequences.began_and_ended([call(9, B)]) == []


def test_a_call_that_began_and_ended_while_away_is_found_by_when_it_began() -> None:
    sequences = Sequences()
    sequences.begin([call(3)])
    sequences.begin([call(3)])
    later = msgspec.structs.replace(call(4, B), started_at=call(3).started_at + timedelta(seconds=1))
    before = msgspec.structs.replace(call(4, "CAold"), started_at=call(3).started_at - timedelta(seconds=1))

    assert sequences.began_and_ended([later, before]) == [B]
    assert sequences.is_behind(B)
    assert sequences.began_and_ended([later]) == []
