"""A circuit breaker in front of the model: once nothing connects any more, nobody tries for a while.

One per process. *Closed*: every attempt is let through. ``FAILURES`` in a row within ``WINDOW_S``: *open*, no attempt is let through, and
calls get their business's fallback at once instead of adding to what is wrong. After a pause *half open*: one attempt is let through;
if it connects all is well, otherwise the next pause is twice as long, up to ``LONGEST_PAUSE_S``.
"""

import random
from collections import deque
from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge

FAILURES = 10
"""Attempts in a row that failed, none having succeeded in between."""
WINDOW_S = 10.0
PAUSE_S = 3.0
LONGEST_PAUSE_S = 30.0
PROBE_WITHIN_S = 10.0
"""A probe that has not reported by then is not waited for; another one is let through."""

log = structlog.get_logger()


class ModelBreaker:
    """``clock``: seconds, going forward only. ``chance``: between 0 and 1, spreads the pauses of many processes."""

    def __init__(
        self,
        is_open: Gauge,
        barred: Counter,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._gauge, self._barred = is_open, barred
        self._clock, self._chance = clock, chance
        self._failed_at_s: deque[float] = deque(maxlen=FAILURES)
        self._tries_at_s: float | None = None  # open: when the next probe is let through
        self._is_probing = False
        self._pause_s = PAUSE_S

    @property
    def is_open(self) -> bool:
        """Whether attempts are being barred."""
        return self._tries_at_s is not None

    def lets_through(self) -> bool:
        """Asked before each attempt, whose outcome is to be reported."""
        if self._tries_at_s is None:
            return True
        if self._clock() < self._tries_at_s:
            self._barred.inc()
            return False
        self._tries_at_s, self._is_probing = self._clock() + PROBE_WITHIN_S, True  # this one is the probe
        return True

    def succeeded(self) -> None:
        """An attempt has connected."""
        self._failed_at_s.clear()
        if self.is_open:
            log.warning("model.breaker_closed")
        self._tries_at_s, self._is_probing, self._pause_s = None, False, PAUSE_S
        self._gauge.set(0)

    def failed(self) -> None:
        """An attempt has failed. Those that were under way when the breaker opened change nothing."""
        now_s = self._clock()
        if self._tries_at_s is not None:
            if self._is_probing:
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
                self._open(now_s)
            return
        self._failed_at_s.append(now_s)
        if len(self._failed_at_s) == FAILURES and now_s - self._failed_at_s[0] <= WINDOW_S:
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        pause_s = self._pause_s * (0.75 + self._chance() / 2)
        self._tries_at_s, self._is_probing = now_s + pause_s, False
        self._gauge.set(1)
        log.error("model.breaker_open", failures=FAILURES, pause_s=round(pause_s, 1))
