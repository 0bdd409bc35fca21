"""What a bridge can carry: calls and lag, as a table of samples."""

import asyncio
from collections.abc import Iterable

import pytest

from bridge.capacity import Capacity, CapacitySampled
from bridge.loop_lag import SAMPLED_EVERY_S, LagWindow, loop_lag_sampled
from bridge.metrics import BridgeMetrics
from tests.calls.virtual_loop import run_virtually

LIMIT_MS = 100


class House:
    """A capacity whose calls are a number, and whose clock goes by samples."""

    def __init__(self, max_calls: int = 10) -> None:
        self.calls = 0
        self.finishing = 0
        self.capacity = Capacity(lambda: self.calls, max_calls=max_calls, max_lag_ms=LIMIT_MS, finishing=lambda: self.finishing)
        self.at_s = 0.0

    def lags(self, ms: float, for_s: float) -> "House":
        for _ in range(round(for_s / SAMPLED_EVERY_S)):
            self.at_s += SAMPLED_EVERY_S
            self.capacity.note_lag(self.at_s, ms / 1000)
        return self

    def lags_in_turn(self, pieces: Iterable[tuple[float, float]]) -> "House":
        for ms, for_s in pieces:
            self.lags(ms, for_s)
        return self


@pytest.mark.parametrize(
    ("pieces", "refusal"),
    [
        ([], None),
        ([(1, 30)], None),
        ([(24, 30)], None),
        ([(26, 30)], "overloaded"),  # always late
        ([(1, 30), (26, 4.8)], None),  # half of the time
        ([(1000, 4)], None),  # it has just begun
        ([(1, 30), (1000, 0.4)], None),  # one long breath
        ([(1, 30), (99, 1)], None),
        ([(1, 30), (101, 1)], "overloaded"),  # one in ten is more than one in twenty
        ([(101, 30), (1, 5)], "overloaded"),
        ([(101, 30), (1, 9.2)], "overloaded"),
        ([(101, 30), (13, 30)], "overloaded"),  # not yet half of the limit
        ([(101, 30), (12, 11)], None),
        ([(101, 30), (12, 11), (20, 30)], None),  # and does not waver
        ([(101, 30), (12, 11), (101, 11)], "overloaded"),
    ],
)
def test_lag_refuses_new_calls_until_it_is_well_below_its_limit_again(
    pieces: list[tuple[float, float]], refusal: str | None
) -> None:
    assert House().lags_in_turn(pieces).capacity.refusal() == refusal


def test_a_call_whose_stream_is_over_takes_nobody_s_place() -> None:
    house = House(max_calls=2)
    house.calls = 2
    assert house.capacity.refusal() == "at_capacity"
    house.finishing = 1
    assert house.capacity.refusal() is None
    assert house.capacity.standing.live_calls == 2


def test_samples_that_come_seldom_because_the_loop_is_late_count_all_the_same() -> None:
    window = LagWindow(LIMIT_MS / 1000)
    for second in range(30):
        window.note(second, 0.9)
    assert window.is_too_late


def test_the_lag_that_is_shown_is_what_95_of_100_samples_stay_below() -> None:
    house = House().lags(1, 9.4).lags(80, 0.6)
    assert house.capacity.standing.lag_ms == pytest.approx(80)
    assert House().lags(1, 9.6).lags(80, 0.4).capacity.standing.lag_ms == pytest.approx(1)


def test_a_house_is_full_with_its_last_call_and_has_room_when_one_is_over() -> None:
    house = House(max_calls=2)
    answers = []
    for house.calls in (0, 1, 2, 3, 1):
        answers.append(house.capacity.refusal())
    assert answers == [None, None, "at_capacity", "at_capacity", None]


def test_of_several_reasons_the_one_that_lasts_is_given() -> None:
    house = House(max_calls=1).lags(500, 30)
    assert house.capacity.refusal() == "overloaded"
    house.calls = 1
    assert house.capacity.refusal() == "at_capacity"
    house.capacity.drain()
    assert house.capacity.refusal() == "draining"


@pytest.mark.parametrize(("calls", "lag_ms", "used"), [(0, 0, 0.0), (3, 5, 0.3), (3, 20, 0.8), (12, 10, 1.2), (1, 250, 10.0)])
def test_what_is_used_is_the_nearer_of_the_two_limits(calls: int, lag_ms: float, used: float) -> None:
    house = House().lags(lag_ms, 20)
    house.calls = calls
    assert house.capacity.standing.used == pytest.approx(used)


def test_a_lag_that_comes_now_and_then_uses_less_than_one_that_is_always_there() -> None:
    assert House().lags(1, 9).lags(80, 1).capacity.standing.used == pytest.approx(0.8)


def test_the_loop_is_sampled_ten_times_a_second_and_no_more_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    samples: list[tuple[float, float]] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        # the loop is kept from running for 0.3 s between the first sample and the second
        late = {0.1: 0.0, 0.2: 0.3}
        monkeypatch.setattr("time.monotonic", lambda: loop.time() + late.get(round(loop.time(), 1), 0.0))
        with loop_lag_sampled(lambda at_s, lag_s: samples.append((round(at_s, 3), round(lag_s, 3)))):
            await asyncio.sleep(0.35)
        await asyncio.sleep(1)

    run_virtually(play())
    assert samples == [(0.1, 0.0), (0.5, 0.3), (0.3, 0.0)]


def test_those_who_want_to_know_are_told_of_calls_of_lag_and_of_the_end() -> None:
    house, told = House(), []
    house.capacity.on_change(lambda: told.append(house.capacity.refusal()))
    house.capacity.changed()
    house.lags(200, 30).lags(1, 30)
    house.capacity.drain()
    assert told == [None, "overloaded", None, "draining"]


def test_the_figures_follow_every_sample() -> None:
    house, metrics = House(), BridgeMetrics()
    sampled = CapacitySampled(house.capacity, metrics)

    def figure(name: str) -> float | None:
        return metrics.registry.get_sample_value(name)

    house.calls = 5
    sampled.note(1, 0.003)
    assert (figure("frontdesk_capacity_used"), figure("frontdesk_accepting")) == (0.5, 1.0)
    house.calls = 10
    sampled.note(2, 0.3)
    assert (figure("frontdesk_capacity_used"), figure("frontdesk_accepting")) == (1.0, 0.0)
    assert figure("frontdesk_loop_lag_seconds_count") == 2
    assert metrics.registry.get_sample_value("frontdesk_loop_lag_seconds_bucket", {"le": "0.005"}) == 1
