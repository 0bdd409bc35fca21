"""What was sent is paired with what came, by hand-made arrays."""

import numpy as np
import pytest

from benchmarks.load.pairing import Spread, heard_bytes_of, missing_bytes, paired, spread


def keys(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def times(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, np.float64)


def test_each_frame_is_paired_with_its_own_arrival_whatever_order_they_come_in() -> None:
    found = paired(keys(7, 8, 9), times(1.0, 1.02, 1.04), keys(9, 7, 8), times(1.05, 1.004, 1.021))
    assert found.delays_ms == pytest.approx([4, 1, 10])
    assert (found.lost, found.repeated) == (0, 0)


def test_a_frame_that_never_came_is_lost_and_has_no_delay() -> None:
    found = paired(keys(7, 8, 9), times(1.0, 1.02, 1.04), keys(7, 9), times(1.001, 1.043))
    assert found.delays_ms == pytest.approx([1, 3])
    assert found.lost == 1


def test_of_a_frame_that_came_twice_the_first_arrival_counts() -> None:
    found = paired(keys(7), times(1.0), keys(7, 7), times(1.5, 1.002))
    assert found.delays_ms == pytest.approx([2])
    assert found.repeated == 1


def test_what_was_sent_outside_the_window_is_neither_lost_nor_repeated() -> None:
    found = paired(keys(7), times(1.0), keys(1, 7, 99), times(0.5, 1.001, 9.0))
    assert (found.lost, found.repeated, len(found.delays_ms)) == (0, 0, 1)


def test_everything_is_lost_where_nothing_came() -> None:
    found = paired(keys(7, 8), times(1.0, 1.02), keys(), times())
    assert (found.lost, len(found.delays_ms)) == (2, 0)


def test_nothing_is_lost_where_nothing_was_sent() -> None:
    found = paired(keys(), times(), keys(7), times(1.0))
    assert (found.lost, found.repeated, len(found.delays_ms)) == (0, 0, 0)


def test_percentiles_are_values_that_were_measured() -> None:
    assert spread(list(range(100, 0, -1))) == Spread(100, 50.0, 99.0, 100.0)
    assert spread([3.0]) == Spread(1, 3.0, 3.0, 3.0)


def test_nothing_measured_says_so() -> None:
    assert spread([]).n == 0


def test_one_delay_in_a_hundred_does_not_move_the_99th_percentile_and_two_do() -> None:
    assert spread([1.0] * 99 + [50.0]).p99 == 1.0
    assert spread([1.0] * 98 + [50.0] * 2).p99 == 50.0


def test_audio_is_counted_for_the_delta_it_goes_on_with() -> None:
    assert heard_bytes_of([160, -160, -80, 400, 240, -240]).tolist() == [400, 400, 480]


def test_audio_before_any_delta_began_is_nobodys() -> None:
    assert heard_bytes_of([-160, -160, 80]).tolist() == [80]
    assert heard_bytes_of([-160]).tolist() == []


def test_missing_audio_is_counted_by_delta_and_never_made_up_for_by_another() -> None:
    assert missing_bytes(keys(800, 800, 400), keys(1, 2, 3), keys(1, 2), keys(800, 1600)) == 400
    assert missing_bytes(keys(800), keys(1), keys(1, 1), keys(300, 300)) == 200
