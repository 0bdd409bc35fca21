"""The clocks that watch over a call: nobody speaks, nothing arrives, time is up. (A model that stalls has its clock in ``responses.py``.)"""

from math import inf

from calls.business import Limits

NO_MEDIA_MS = 10_000
"""Twilio sends a frame every 20 ms, silence included; none for this long means that the line is dead."""
ASKS = 2
"""How often a silent caller is asked before the call is ended."""


class Clocks:
    """The clocks of one stream. They run from the end of the greeting on, except the call's own."""

    __slots__ = ("_asked", "_last_media_ms", "_quiet_since_ms", "_silence_ms", "max_call_at_ms")

    def __init__(self) -> None:
        self._silence_ms = inf
        self._quiet_since_ms: float | None = None
        self._asked = 0
        self._last_media_ms: float | None = None
        self.max_call_at_ms = inf
        """When the call's time is up."""

    def start(self, limits: Limits, now_ms: float, *, has_lasted_ms: float = 0.0, asked: int = 0) -> None:
        """The call is ours. ``has_lasted_ms``, ``asked``: how long it has been going on already, and how often a caller who is silent
        has been asked."""
        self._silence_ms = limits.silence_s * 1000
        self.max_call_at_ms = now_ms + max(limits.max_call_s * 1000 - has_lasted_ms, 0.0)
        self._asked = asked
        self._last_media_ms = now_ms

    def stop(self) -> None:
        """The call is being ended; nothing more is watched."""
        self._silence_ms = self.max_call_at_ms = inf
        self._quiet_since_ms = self._last_media_ms = None

    def media(self, now_ms: float) -> None:
        """Something of the caller arrived."""
        if self._last_media_ms is not None:
            self._last_media_ms = now_ms

    def caller_spoke(self) -> None:
        """A turn of the caller: they are there."""
        self._asked = 0
        self._quiet_since_ms = None

    def line_is(self, *, busy: bool, now_ms: float) -> None:
        """Whether anybody speaks or is about to: the AI audible or being asked, a turn open, a tool at work."""
        if busy:
            self._quiet_since_ms = None
        elif self._quiet_since_ms is None:
            self._quiet_since_ms = now_ms

    @property
    def media_missing_at_ms(self) -> float:
        """When the line counts as dead."""
        return inf if self._last_media_ms is None else self._last_media_ms + NO_MEDIA_MS

    @property
    def silent_at_ms(self) -> float:
        """When the caller has been silent for too long."""
        return inf if self._quiet_since_ms is None else self._quiet_since_ms + self._silence_ms

    def ask_again(self, now_ms: float) -> bool:
        """The caller is silent: ``True`` to ask whether they are there, ``False`` once that has been asked often enough."""
        self._quiet_since_ms = now_ms
        self._asked += 1
        return self._asked <= ASKS

    @property
    def wake_at_ms(self) -> float:
        """The next of these moments."""
        return min(self.max_call_at_ms, self.media_missing_at_ms, self.silent_at_ms)
