"""How the calls are going: rolling figures of the last hour, kept per minute.

Pure: whoever feeds it says when things happened and what time it is. A minute keeps at most :data:`SAMPLES` values of a figure,
so that no flood of calls makes it grow.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

MINUTES = 60
"""How far back the figures go."""
SAMPLES = 500
"""Values of one figure kept per minute; the latest stay."""
BARS = "▁▂▃▄▅▆▇█"


class Spread(NamedTuple):
    """The middle and the slow end of some values."""

    number: int
    p50: float | None
    p95: float | None


class History:
    """One figure over the last :data:`MINUTES` minutes."""

    def __init__(self) -> None:
        self._minutes: dict[int, deque[float]] = {}
        self._counts: dict[int, int] = {}

    def add(self, at: datetime, now: datetime, value: float = 1.0) -> None:
        """Counts ``value`` in the minute of ``at``; what is ahead of ``now`` (a clock that is off) counts as now."""
        minute = min(_minute(at), _minute(now))
        if minute <= _minute(now) - MINUTES:
            return
        self._minutes.setdefault(minute, deque(maxlen=SAMPLES)).append(value)
        self._counts[minute] = self._counts.get(minute, 0) + 1
        if len(self._counts) > MINUTES:
            self._forget(_minute(now))

    def total(self, now: datetime) -> int:
        """How many there were."""
        return sum(self.counts(now))

    def counts(self, now: datetime) -> list[int]:
        """How many there were, minute by minute; the current one is the last."""
        return [self._counts.get(minute, 0) for minute in _last_minutes(now)]

    def spread(self, now: datetime) -> Spread:
        """Percentiles over the whole window."""
        values = sorted(value for minute in _last_minutes(now) for value in self._minutes.get(minute, ()))
        return Spread(self.total(now), percentile(values, 50), percentile(values, 95))

    def percentiles(self, now: datetime, percent: float) -> list[float | None]:
        """One percentile, minute by minute; ``None`` where nothing happened."""
        return [percentile(sorted(self._minutes.get(minute, ())), percent) for minute in _last_minutes(now)]

    def above(self, limit: float, now: datetime) -> int:
        """How many of the kept values are above ``limit``."""
        return sum(value > limit for minute in _last_minutes(now) for value in self._minutes.get(minute, ()))

    def _forget(self, this_minute: int) -> None:
        for minute in [minute for minute in self._counts if minute <= this_minute - MINUTES]:
            del self._counts[minute], self._minutes[minute]


class Figures:
    """The figures of the overview."""

    def __init__(self) -> None:
        self.greeting_ms = History()
        """Greeting latencies."""
        self.turn_ms = History()
        """Caller stopped → reply heard."""
        self.barge_ins = History()
        """Times the AI was cut."""
        self.false_alarms = History()
        """Times it was only a noise."""
        self.errors = History()
        self.calls = History()
        """Calls that began."""


def percentile(ordered: list[float], percent: float) -> float | None:
    """The value that ``percent`` of the values do not exceed (nearest rank); ``ordered`` is sorted."""
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def bars(values: Iterable[float | None], width: int, top: float | None = None) -> str:
    """The last ``width`` values as a line of bars; a blank where there is none. ``top``: the value of a full bar."""
    shown = list(values)[-width:] if width > 0 else []
    highest = top or max((value for value in shown if value is not None), default=0.0)
    return "".join(_bar(value, highest) for value in shown)


def _bar(value: float | None, highest: float) -> str:
    if not value or highest <= 0:
        return " " if value is None else "·"
    return BARS[max(0, min(int(value / highest * (len(BARS) - 1) + 0.5), len(BARS) - 1))]


def _minute(at: datetime) -> int:
    return int(at.timestamp() // 60)


def _last_minutes(now: datetime) -> range:
    this = _minute(now)
    return range(this - MINUTES + 1, this + 1)
