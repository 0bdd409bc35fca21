"""Rolling figures: percentiles, minutes, bounds."""

from datetime import timedelta

import pytest

from console.figures import MINUTES, SAMPLES, History, bars, percentile
from tests.console.fake_bridge import START

NOW = START + timedelta(hours=2)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7.0], 50, 7.0),
        ([7.0], 95, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        ([float(value) for value in range(1, 101)], 50, 50.0),
        ([float(value) for value in range(1, 101)], 95, 95.0),
        ([float(value) for value in range(1, 21)], 95, 19.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == expected


def test_values_are_told_apart_by_the_minute_they_belong_to() -> None:
    history = History()
    for minutes, value in ((0, 5.0), (0, 7.0), (2, 1.0)):
        history.add(NOW - minutes * MINUTE, NOW, value)
    assert history.counts(NOW)[-3:] == [1, 0, 2]
    assert history.percentiles(NOW, 95)[-3:] == [1.0, None, 7.0]
    assert history.spread(NOW) == (3, 5.0, 7.0)
    assert history.above(5.0, NOW) == 1


def test_what_is_older_than_the_window_is_not_counted() -> None:
    history = History()
    history.add(NOW - MINUTES * MINUTE, NOW, 5.0)
    assert history.total(NOW) == 0
    history.add(NOW, NOW, 5.0)
    assert history.total(NOW + (MINUTES - 1) * MINUTE) == 1
    assert history.total(NOW + MINUTES * MINUTE) == 0


def test_a_clock_that_is_ahead_counts_as_now() -> None:
    history = History()
    history.add(NOW + timedelta(days=900), NOW, 5.0)
    assert history.counts(NOW)[-1] == 1


def test_memory_stays_in_bounds() -> None:
    history = History()
    for minute in range(3 * MINUTES):
        for _ in range(SAMPLES + 10 if minute == 0 else 1):
            history.add(START + minute * MINUTE, START + minute * MINUTE, 1.0)
    assert len(history._minutes) <= MINUTES
    flooded = History()
    for value in range(SAMPLES + 10):
        flooded.add(NOW, NOW, float(value))
    assert flooded.total(NOW) == SAMPLES + 10
    assert len(flooded._minutes[max(flooded._minutes)]) == SAMPLES
    assert flooded.spread(NOW).p50 == pytest.approx(10 + SAMPLES / 2 - 1)


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([], 5, ""),
        ([None, 0, 1, 4, 8], 5, " ·▂▅█"),
        ([1, 2, 3], 2, "▆█"),
        ([1, 2, 3], 0, ""),
        ([1, 2, 3], -4, ""),
        ([0, 0], 5, "··"),
        ([-5, 5], 5, "▁█"),
    ],
)
def test_bars_grow_with_their_values(values: list[float | None], width: int, expected: str) -> None:
    assert bars(values, width) == expected


def test_bars_above_the_top_are_full() -> None:
    assert bars([10, 5], 2, top=5) == "██"
