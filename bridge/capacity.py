"""What one bridge can carry, and whether it takes one call more."""

from collections.abc import Callable
from typing import Literal

import msgspec

from bridge.loop_lag import LagWindow
from bridge.metrics import BridgeMetrics

Refused = Literal["draining", "at_capacity", "overloaded"]
"""Why no new stream is taken: the process is going, it has as many calls as it may have, or it comes to everything too late."""


class Standing(msgspec.Struct, frozen=True):
    """A bridge at one moment."""

    refusal: Refused | None
    live_calls: int
    max_calls: int
    lag_ms: float
    """The event loop's lag: what 95 of 100 samples of the last seconds stay below."""
    used: float
    """What of it is taken: calls or lag, whichever is nearer to its limit; 1 is full."""


class Capacity:
    """Of one process. ``live_calls``: how many it has at the moment; ``finishing``: of how many of them the stream is over, so that they
    take nobody's place; ``max_lag_ms``: how late its loop may be for new ones now and then; all the time, a quarter of that."""

    def __init__(
        self, live_calls: Callable[[], int], *, max_calls: int, max_lag_ms: float, finishing: Callable[[], int] = lambda: 0
    ) -> None:
        self._live_calls, self._finishing = live_calls, finishing
        self._max_calls = max_calls
        self._lag = LagWindow(max_lag_ms / 1000)
        self._listeners: list[Callable[[], None]] = []
        self.is_draining = False

    def on_change(self, tell: Callable[[], None]) -> None:
        """``tell`` is called whenever a call has come or gone, or the answer to :meth:`refusal` may be another."""
        self._listeners.append(tell)

    def changed(self) -> None:
        """A call has come or gone."""
        for tell in self._listeners:
            tell()

    def drain(self) -> None:
        """Takes no new streams from now on."""
        self.is_draining = True
        self.changed()

    def note_lag(self, at_s: float, lag_s: float) -> None:
        """One sample of the loop's lag."""
        was_too_late = self._lag.is_too_late
        self._lag.note(at_s, lag_s)
        if self._lag.is_too_late is not was_too_late:
            self.changed()

    @property
    def live_calls(self) -> int:
        """How many calls there are."""
        return self._live_calls()

    def refusal(self) -> Refused | None:
        """Why no new stream is taken; ``None`` if one is."""
        if self.is_draining:
            return "draining"
        live_calls = self._live_calls()
        if live_calls >= self._max_calls and live_calls - self._finishing() >= self._max_calls:
            return "at_capacity"
        return "overloaded" if self._lag.is_too_late else None

    @property
    def standing(self) -> Standing:
        """All of it."""
        live_calls = self._live_calls()
        used = max(live_calls / self._max_calls, self._lag.used)
        return Standing(self.refusal(), live_calls, self._max_calls, self._lag.p95_s * 1000, used)


class CapacitySampled:
    """Takes the samples of the loop's lag, and shows with each what the process can still carry."""

    def __init__(self, capacity: Capacity, metrics: BridgeMetrics) -> None:
        self._capacity, self._metrics = capacity, metrics

    def note(self, at_s: float, lag_s: float) -> None:
        """One sample."""
        self._capacity.note_lag(at_s, lag_s)
        self._metrics.loop_lag_s.observe(lag_s)
        standing = self._capacity.standing
        self._metrics.capacity_used.set(standing.used)
        self._metrics.accepting.set(standing.refusal is None)
