from typing import Any

import pytest

from benchmarks.readings import (
    Cut,
    Run,
    UnreadableCall,
    answer_delays_ms,
    confirmations,
    cuts_of,
    first_deltas,
    first_loud_ms,
    items_of,
    last_sample_played_ms,
    runs_of,
    times_of,
    truncates_of,
)
from simulator.model.server import SentAudio
from simulator.phone.mouth import noise
from simulator.phone.playout import SILENCE
from simulator.phone.timeline import ClearReceived, MarkEchoed, MediaReceived, Observation, StartSent


def media(at_ms: float, length_ms: float, buffered_ms: float) -> MediaReceived:
    """Audio that arrives while ``buffered_ms``, itself included, wait to be played."""
    return MediaReceived(at_ms=at_ms, length=round(length_ms * 8), buffered_ms=buffered_ms)


def clear(at_ms: float) -> ClearReceived:
    return ClearReceived(at_ms=at_ms, dropped_ms=0, marks=())


def delta(item_id: str, length_ms: float, *, response_id: str = "", at_ms: float = 0) -> SentAudio:
    return SentAudio(at_ms=at_ms, response_id=response_id or f"of {item_id}", item_id=item_id, length=round(length_ms * 8))


def cuts(timeline: list[Observation], deltas: list[SentAudio]) -> list[Cut]:
    runs = runs_of(timeline)
    return cuts_of(runs, items_of(runs, deltas))


FIVE_SECONDS: list[Observation] = [media(1000, 200, 200), *(media(1001, 200, 199 + 200 * nth) for nth in range(1, 25))]
"""Sent in one burst from 1000 ms on, in 25 pieces."""


def test_a_burst_of_five_seconds_is_played_one_piece_after_the_other() -> None:
    (run,) = runs_of(FIVE_SECONDS)
    assert [(piece.begin_ms, piece.end_ms) for piece in run.pieces[:3]] == [(1000, 1200), (1200, 1400), (1400, 1600)]
    assert run.pieces[-1].end_ms == 6000


def test_a_caller_who_cuts_in_after_a_second_has_heard_a_second_of_five() -> None:
    assert cuts([*FIVE_SECONDS, clear(2000)], [delta("A", 5000)]) == [Cut(1000, 2000, {"A": 1000})]


def test_of_a_reply_queued_behind_another_nothing_was_heard() -> None:
    timeline = [media(0, 2000, 2000), media(10, 3000, 4990), clear(1000)]
    assert cuts(timeline, [delta("A", 2000), delta("B", 3000)]) == [Cut(0, 1000, {"A": 1000, "B": 0})]


def test_a_pause_of_the_model_is_not_counted_as_heard() -> None:
    timeline = [media(0, 200, 200), media(700, 1000, 1000), clear(900)]
    assert cuts(timeline, [delta("A", 200), delta("A", 1000)]) == [Cut(0, 900, {"A": 400})]


def test_an_item_that_was_played_to_its_end_was_not_cut() -> None:
    timeline = [media(0, 500, 500), media(400, 1000, 1100), clear(1000)]
    assert cuts(timeline, [delta("A", 500), delta("B", 1000)]) == [Cut(400, 1000, {"B": 500})]


def test_a_clear_after_everything_was_played_cuts_nothing() -> None:
    assert cuts([media(0, 500, 500), clear(501)], [delta("A", 500)]) == []


def test_a_second_cut_is_read_from_its_own_item_and_time() -> None:
    timeline = [media(0, 2000, 2000), clear(1000), media(3000, 2000, 2000), clear(3300)]
    assert cuts(timeline, [delta("A", 2000), delta("B", 2000)]) == [Cut(0, 1000, {"A": 1000}), Cut(3000, 3300, {"B": 300})]


def test_late_audio_of_a_reply_that_was_cut_is_not_taken_for_the_next_one() -> None:
    timeline = [media(0, 2000, 2000), clear(1000), media(3000, 500, 500)]
    deltas = [delta("A", 2000), delta("A", 300), delta("B", 500)]
    runs = runs_of(timeline)
    assert [[item.item_id for item in run] for run in items_of(runs, deltas)] == [["A"], ["B"]]


def test_only_marks_of_what_was_cut_confirm_it() -> None:
    marks: list[Observation] = [
        MarkEchoed(at_ms=990, name="of the greeting", why="played"),
        MarkEchoed(at_ms=1200, name="1", why="played"),
        MarkEchoed(at_ms=1400, name="2", why="played"),
        MarkEchoed(at_ms=1400, name="3", why="cleared"),
        MarkEchoed(at_ms=2500, name="4", why="played"),
    ]
    assert confirmations(marks, Cut(1000, 2000, {"A": 1000})) == 2
    assert confirmations(marks, Cut(1000, 1100, {"A": 100})) == 0


def test_audio_the_model_never_sent_makes_a_call_unreadable() -> None:
    with pytest.raises(UnreadableCall, match="more audio than the model sent"):
        items_of(runs_of([media(0, 500, 500), media(0, 500, 1000)]), [delta("A", 500)])


def test_a_delta_that_arrived_in_part_makes_a_call_unreadable() -> None:
    with pytest.raises(UnreadableCall, match=r"ends 100\.0 ms before"):
        items_of(runs_of([media(0, 400, 400)]), [delta("A", 500)])


def test_a_delta_that_never_arrived_makes_a_call_unreadable() -> None:
    with pytest.raises(UnreadableCall, match="1 deltas of the model never reached"):
        items_of(runs_of([media(0, 500, 500)]), [delta("A", 500), delta("A", 300)])


def test_a_turn_is_paired_with_the_response_asked_for_before_the_next_turn() -> None:
    assert answer_delays_ms([1000, 5000, 9000], [10, 1004, 9003]) == [4, 3]


def test_a_response_asked_for_at_the_same_moment_took_no_time() -> None:
    assert answer_delays_ms([1000], [1000]) == [0]


def test_loudness_is_found_at_its_first_sample() -> None:
    track = bytes((SILENCE,)) * 800 + noise(20, 2000, seed=1)
    found = first_loud_ms(track, 0)
    assert found is not None
    assert 100 <= found < 101
    assert first_loud_ms(track, 110) == pytest.approx(110, abs=1)


def test_a_silent_line_is_never_loud() -> None:
    assert first_loud_ms(bytes((SILENCE, 0x7E)) * 800, 0) is None


def test_the_last_sample_is_that_of_the_audio_nobody_cleared() -> None:
    runs = runs_of([media(0, 9000, 9000), clear(1000), media(2000, 500, 500)])
    assert last_sample_played_ms(runs) == 2500
    assert last_sample_played_ms([Run(runs[0].pieces, 1000)]) is None


def test_client_events_are_found_by_their_kind() -> None:
    received: list[tuple[float, dict[str, Any]]] = [
        (1.0, {"type": "response.create"}),
        (2.0, {"type": "conversation.item.truncate", "item_id": "A", "audio_end_ms": 300}),
        (3.0, {"type": None}),
        (4.0, {"type": "response.create"}),
    ]
    assert times_of(received, "response.create") == [1.0, 4.0]
    assert truncates_of(received) == [("A", 300)]


def test_the_first_audio_of_each_response_is_found() -> None:
    deltas = [delta("A", 9, at_ms=1), delta("A", 9, at_ms=2), delta("B", 9, at_ms=3)]
    assert [(first.item_id, first.at_ms) for first in first_deltas(deltas)] == [("A", 1), ("B", 3)]


def test_what_is_no_audio_leaves_no_piece() -> None:
    assert runs_of([StartSent(at_ms=0, stream_sid="MZ", custom_parameters={}), clear(5)]) == []
