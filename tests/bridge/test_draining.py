"""How a process waits for its calls, and how it tells the others what it carries; on a clock that jumps."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.capacity import Capacity
from bridge.draining import LEFT_WITHIN_S, Draining
from bridge.fleet_notes import FleetNotes
from calls.fleet import NOTED_EVERY_S, TaskLoad
from calls.store.base import StoreUnavailable
from tests.calls.virtual_loop import run_virtually

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


class House:
    """A bridge with so many calls, of which some end at their time."""

    def __init__(self, calls: int, max_calls: int = 100) -> None:
        self.calls = calls
        self.capacity = Capacity(lambda: self.calls, max_calls=max_calls, max_lag_ms=100)

    def has(self, calls: int) -> None:
        self.calls = calls
        self.capacity.changed()

    def later(self, at_s: float, do: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(at_s, do)


def drained(calls: int, drain_s: float, changes: dict[float, int], told_at_s: float | None = None) -> tuple[float, list[Any]]:
    """When it was over, and what was logged: event, calls, seconds."""

    async def play() -> float:
        house, leave_now = House(calls), asyncio.Event()
        loop = asyncio.get_running_loop()
        for at_s, left in changes.items():
            house.later(at_s, lambda left=left: house.has(left))  # type: ignore[misc]
        if told_at_s is not None:
            house.later(told_at_s, leave_now.set)
        await Draining(house.capacity, clock_s=loop.time).run(leave_now, drain_s)
        assert house.capacity.refusal() == "draining"
        return round(loop.time(), 3)

    with capture_logs() as lines:
        over_s = run_virtually(play())
    return over_s, [(line["event"], line["live_calls"], line.get("waited_s")) for line in lines]


def test_without_calls_it_is_over_at_once() -> None:
    assert drained(0, 110, {}) == (0, [("serve.draining", 0, None), ("serve.drained", 0, 0)])


def test_it_is_over_with_the_last_call_and_says_every_ten_seconds_how_far_it_is() -> None:
    over_s, lines = drained(2, 110, {12: 1, 23: 0})
    assert over_s == 23
    assert lines == [
        ("serve.draining", 2, None),
        ("serve.still_draining", 2, 10),
        ("serve.still_draining", 1, 20),
        ("serve.drained", 0, 23),
    ]


def test_at_the_deadline_it_leaves_those_that_are_left() -> None:
    assert drained(3, 10, {4: 1}) == (10, [("serve.draining", 3, None), ("serve.leaves_calls", 1, 10)])


def test_without_time_it_leaves_all_of_them_at_once() -> None:
    assert drained(3, 0, {}) == (0, [("serve.draining", 3, None), ("serve.leaves_calls", 3, 0)])


def test_told_again_it_leaves_now() -> None:
    assert drained(3, 110, {}, told_at_s=2) == (2, [("serve.draining", 3, None), ("serve.leaves_calls", 3, 2)])


@pytest.mark.parametrize(("gone_at_s", "over_s"), [(1, 1), (LEFT_WITHIN_S + 5, LEFT_WITHIN_S)])
def test_calls_that_are_left_have_a_moment_to_write_down_what_was_said(gone_at_s: float, over_s: float) -> None:
    async def play() -> float:
        house = House(2)
        house.later(0.5, lambda: house.has(1))
        house.later(gone_at_s, lambda: house.has(0))
        await Draining(house.capacity).left()
        return asyncio.get_running_loop().time()

    assert run_virtually(play()) == over_s


# --- what it tells the others ----------------------------------------------------------------------------------------------


class Fleet:
    """Keeps what is noted, with the second; away at some of them."""

    def __init__(self, *away_at_s: float) -> None:
        self.noted: list[tuple[float, int, bool]] = []
        self.forgotten: list[str] = []
        self._away_at_s = away_at_s

    async def note(self, load: TaskLoad) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s in self._away_at_s:
            raise StoreUnavailable("the call store is gone")
        self.noted.append((now_s, load.live_calls, load.accepting))

    async def forget(self, owner: str) -> None:
        self.forgotten.append(owner)

    async def loads(self, since: datetime) -> list[TaskLoad]:
        return []


def noted(fleet: Fleet, for_s: float, changes: dict[float, int]) -> list[tuple[float, int, bool]]:
    """What a house with room for two has noted by then."""

    async def play() -> None:
        house, loop = House(0, max_calls=2), asyncio.get_running_loop()
        notes = FleetNotes(fleet, "bridge-1", house.capacity, now=lambda: BEGAN + timedelta(seconds=loop.time()))
        for at_s, calls in changes.items():
            house.later(at_s, lambda calls=calls: house.has(calls))  # type: ignore[misc]
        task = asyncio.create_task(notes.run())
        await asyncio.wait([task], timeout=for_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await notes.forget()

    run_virtually(play())
    return fleet.noted


def test_it_is_noted_every_few_seconds() -> None:
    assert NOTED_EVERY_S == 5
    assert noted(Fleet(), 11, {2: 1}) == [(0, 0, True), (5, 1, True), (10, 1, True)]


def test_that_it_is_full_is_noted_at_once_and_that_it_has_room_again_too() -> None:
    assert noted(Fleet(), 9, {1: 1, 2: 2, 3: 1}) == [(0, 0, True), (2, 2, False), (3, 1, True), (8, 1, True)]


def test_a_store_that_is_away_is_told_later_and_complained_of_once() -> None:
    with capture_logs() as lines:
        assert noted(Fleet(0, 5), 11, {}) == [(10, 0, True)]
    assert [line["event"] for line in lines] == ["fleet.not_noted"]


def test_who_goes_takes_it_back() -> None:
    fleet = Fleet()
    noted(fleet, 1, {})
    assert fleet.forgotten == ["bridge-1"]
