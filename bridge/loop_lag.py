"""How late the event loop comes to what is due: what a process that is asked too much of has first, and what callers hear last.

One timer, ten times a second; looking at it costs the audio nothing that can be measured.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil

SAMPLED_EVERY_S = 0.1
WINDOW_S = 10.0
WARM_UP_S = 5.0
"""Nothing is said before: a process that has just begun is busy with beginning."""
ALWAYS_LATE = 4
"""What half of the samples are, counts so much: a process that is late now and then has bursts of work, one that always is has too
much."""
RECOVERED_BELOW = 0.5
"""An overloaded process has recovered below this share of what made it so, so that it does not waver between the two."""


class LagWindow:
    """The lag of the last ``WINDOW_S``, and whether it is too much. ``limit_s``: what 95 of 100 samples must stay below, and half of them
    :data:`ALWAYS_LATE` times over."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._samples: deque[tuple[float, float]] = deque()
        self._began_s: float | None = None
        self.is_too_late = False

    def note(self, at_s: float, lag_s: float) -> None:
        """One sample. ``at_s`` goes forward only."""
        self._began_s = at_s if self._began_s is None else self._began_s
        self._samples.append((at_s, lag_s))
        while self._samples[0][0] < at_s - WINDOW_S:
            self._samples.popleft()
        self._judge()

    @property
    def p95_s(self) -> float:
        """What 95 of 100 samples stay below; 0 in the first seconds."""
        return self._read()[0]

    @property
    def used(self) -> float:
        """How much of what it may be the lag is; 1 is all of it."""
        p95_s, p50_s = self._read()
        return max(p95_s, ALWAYS_LATE * p50_s) / self._limit_s

    def _read(self) -> tuple[float, float]:
        if self._began_s is None or self._samples[-1][0] - self._began_s < WARM_UP_S:
            return 0.0, 0.0
        ordered = sorted(lag_s for _, lag_s in self._samples)
        return ordered[ceil(len(ordered) * 0.95) - 1], ordered[ceil(len(ordered) * 0.5) - 1]

    def _judge(self) -> None:
        self.is_too_late = self.used > (RECOVERED_BELOW if self.is_too_late else 1)


@contextmanager
def loop_lag_sampled(note: Callable[[float, float], None]) -> Iterator[None]:
    """Tells ``note`` the time and the lag, both in seconds, while the block runs."""
    timer = _Timer(note)
    try:
        yield
    finally:
        timer.stop()


class _Timer:
    def __init__(self, note: Callable[[float, float], None]) -> None:
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._wind()

    def stop(self) -> None:
        self._handle.cancel()

    def _wind(self) -> None:
        # Not the loop's own clock: uvloop's stands still while the loop is kept from running, and is as coarse as a millisecond.
        self._due_s = time.monotonic() + SAMPLED_EVERY_S
        self._handle = self._loop.call_later(SAMPLED_EVERY_S, self._ring)

    def _ring(self) -> None:
        now_s = time.monotonic()
        self._note(now_s, max(0.0, now_s - self._due_s))
        self._wind()
