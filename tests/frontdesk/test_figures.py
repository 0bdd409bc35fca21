"""Figures of a process that shares its port with others."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import Gauge

from bridge.metrics import BridgeMetrics, JournalCollector, SharedBacklog
from frontdesk.chores import ALL_CHORES, SETTLED_S, Chores, chores_of, sweeping
from frontdesk.figures import EVERY_S, telling_others


class Backlog:
    """A journal."""

    waiting = 0
    lost = 0


class Slept:
    """Sleeps as long as it is let."""

    def __init__(self) -> None:
        self.for_s: list[float] = []
        self.asleep, self.awake = asyncio.Event(), asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.for_s.append(seconds)
        self.asleep.set()
        await self.awake.wait()
        self.awake.clear()


def shown(metric: object) -> dict[str, float]:
    """The samples of a metric that is in no registry."""
    collect = metric.collect  # type: ignore[attr-defined]
    return {sample.name: sample.value for family in collect() for sample in family.samples if "created" not in sample.name}


def test_every_gauge_says_how_its_values_in_several_processes_make_one_and_forgets_those_that_have_gone() -> None:
    metrics = BridgeMetrics()
    gauges = [each for each in vars(metrics).values() if isinstance(each, Gauge)]
    assert len(gauges) > 5
    assert {gauge._name: gauge._multiprocess_mode for gauge in gauges if not gauge._multiprocess_mode.startswith("live")} == {}
    assert all(gauge._multiprocess_mode != "liveall" for gauge in gauges)  # a series for each process


def test_what_is_only_looked_at_is_told_as_it_is_and_what_is_lost_is_counted_once() -> None:
    looked_at = JournalCollector()
    shared = SharedBacklog(looked_at)
    shared.tell()  # there is no journal yet
    looked_at.journal = journal = Backlog()
    for waiting, lost in ((3, 0), (5, 2), (0, 2), (1, 7)):
        journal.waiting, journal.lost = waiting, lost
        shared.tell()
        assert shown(shared._waiting) == {"frontdesk_events_waiting": waiting}
        assert shown(shared._lost) == {"frontdesk_events_lost_total": lost}


async def test_others_are_told_again_and_again_while_there_are_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    metrics, slept = BridgeMetrics(), Slept()
    told: list[bool] = []
    monkeypatch.setattr(metrics, "tell_others", lambda: told.append(True))
    async with telling_others(metrics, slept):
        await slept.asleep.wait()
        assert (len(told), slept.for_s) == (1, [EVERY_S])
        slept.asleep.clear()
        slept.awake.set()
        await slept.asleep.wait()
        assert len(told) == 2


async def test_a_process_that_is_alone_tells_nobody() -> None:
    slept = Slept()
    async with telling_others(BridgeMetrics(), slept):
        await asyncio.sleep(0)
        assert slept.for_s == []


# --- chores ----------------------------------------------------------------------------------------------------------------


def test_of_several_workers_one_keeps_house_and_only_the_very_first_sweeps_at_once() -> None:
    assert chores_of(0, is_first_start=True) == ALL_CHORES
    assert chores_of(0, is_first_start=False) == Chores(keeps_house=True, sweeps_after_s=SETTLED_S)
    assert chores_of(1, is_first_start=True) == Chores(keeps_house=False, sweeps_after_s=SETTLED_S)
    assert chores_of(1, is_first_start=False) == Chores(keeps_house=False, sweeps_after_s=SETTLED_S)


class Swept:
    """Whether it has been done, and how often."""

    def __init__(self) -> None:
        self.times = 0
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        self.times += 1
        self.done.set()


async def test_who_is_alone_has_swept_before_anything_else() -> None:
    slept, sweep = Slept(), Swept()
    async with sweeping(sweep, 0, slept):
        assert (sweep.times, slept.for_s) == (1, [])


async def test_who_is_not_sweeps_once_and_later() -> None:
    slept, sweep = Slept(), Swept()
    async with sweeping(sweep, SETTLED_S, slept):
        await slept.asleep.wait()
        assert (sweep.times, slept.for_s) == (0, [SETTLED_S])
        slept.awake.set()
        await sweep.done.wait()
    assert sweep.times == 1


async def test_who_goes_before_it_is_time_does_not_sweep() -> None:
    slept, sweep = Slept(), Swept()
    async with sweeping(sweep, SETTLED_S, slept):
        await slept.asleep.wait()
    assert sweep.times == 0
