"""Which events of which call have been passed on, and which are missing.

A call's events are numbered 1, 2, 3 … without gaps, so whoever reads them can tell that some got lost, with the connection or
without it. :class:`Sequences` decides; who asks the bridge for the missing ones is :mod:`console.connection`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from console.protocol import CallSummary, Event

MAX_CALLS = 10_000
"""Calls whose last number is remembered."""
MAX_HELD = 5_000
"""Events, of all calls together, that may wait for the ones before them."""


class HeldTooMuch(Exception):
    """More events wait for missing ones than are worth keeping; a new start is cheaper."""


class Sequences:
    """Passes each event on once and in order; holds back what came too early. Knows no time and no sockets."""

    def __init__(self, max_calls: int = MAX_CALLS, max_held: int = MAX_HELD) -> None:
        self._max_calls = max_calls
        self._max_held = max_held
        self._last: dict[str, int] = {}
        self._at: dict[str, datetime] = {}  # when that event happened
        self._over: dict[str, None] = {}  # in the order they ended: the longest over is forgotten first
        self._held: dict[str, dict[int, Event]] = {}
        self._target: dict[str, int] = {}
        self._has_begun = False
        self._latest_at: datetime | None = None  # by the bridge's clock, of all that was passed on
        self._away_since: datetime | None = None

    def begin(self, calls: Sequence[CallSummary]) -> list[str]:
        """A connection begins with these live calls. Returns those known from before that have gone on, or ended, meanwhile, and those
        that began meanwhile: their events after :meth:`last` are to be fetched. On the first connection nothing was missed."""
        self._held.clear()
        self._target.clear()
        self._away_since = self._latest_at
        stands = {call.call_sid: call.last_seq for call in calls}
        behind = [sid for sid, last in self._last.items() if sid not in self._over and stands.get(sid, last + 1) > last]
        if self._has_begun:
            behind += self._unknown(calls)
        self._has_begun = True
        for call in calls:
            self._seen_at(call.started_at)
        for sid, seq in stands.items():
            # A bridge that crashed may have lost numbers that had been seen; they are given out again.
            if self._last.get(sid, seq) >= seq:
                self._remember(sid, seq)
        for sid in behind:
            self._held[sid] = {}
            self._target[sid] = stands.get(sid, 0)
        return behind

    def began_and_ended(self, calls: Sequence[CallSummary]) -> list[str]:
        """Of calls that are over, those that began after all that had been passed on when the present connection began: nobody here has
        heard of them, and all their events are to be fetched."""
        since = self._away_since
        missed = self._unknown([call for call in calls if since is not None and call.started_at > since])
        for call in calls:
            if call.call_sid in missed:
                self._held[call.call_sid] = {}
                self._target[call.call_sid] = call.last_seq
        return missed

    def _unknown(self, calls: Sequence[CallSummary]) -> list[str]:
        unknown = [call.call_sid for call in calls if call.call_sid not in self._last]
        for call_sid in unknown:
            self._remember(call_sid, 0)
        return unknown

    def take(self, event: Event) -> list[Event]:
        """What can be passed on now that ``event`` came: it, or nothing. If nothing, see :meth:`is_behind`."""
        sid, last = event.call_sid, self._last.get(event.call_sid, 0)
        if event.seq <= last:
            if self._is_given_out_again(event):
                return [self._passed(event)]
            return [event] if self._is_news(event) else []
        if sid not in self._held:
            if event.seq == last + 1:
                return [self._passed(event)]
            self._held[sid] = {}
        self._held[sid][event.seq] = event
        if sum(map(len, self._held.values())) > self._max_held:
            raise HeldTooMuch
        return []

    def fetched(self, call_sid: str, events: Iterable[Event]) -> list[Event]:
        """What can be passed on now that the bridge was asked for the events after :meth:`last`."""
        held = self._held.get(call_sid)
        if held is None:
            return []
        held |= {event.seq: event for event in events if event.call_sid == call_sid and event.seq > self.last(call_sid)}
        passed = []
        while (event := held.pop(self.last(call_sid) + 1, None)) is not None:
            passed.append(self._passed(event))
        if not held and self.last(call_sid) >= self._target.get(call_sid, 0):
            self._caught_up(call_sid)
        return passed

    def give_up(self, call_sid: str) -> list[Event]:
        """The missing events cannot be had: passes on what has been held, gaps and all."""
        held = self._held.get(call_sid, {})
        passed = [self._passed(held[seq]) for seq in sorted(held)]
        if call_sid in self._last:
            self._last[call_sid] = max(self._last[call_sid], self._target.get(call_sid, 0))
        self._caught_up(call_sid)
        return passed

    def take_back(self, event: Event) -> None:
        """``event`` could not be passed on after all, nor could what follows it: it is missing again."""
        self._last[event.call_sid] = min(self.last(event.call_sid), event.seq - 1)
        self._over.pop(event.call_sid, None)

    def ended(self, call_sid: str) -> None:
        """The call is over, whatever its events say."""
        self._over[call_sid] = None

    def last(self, call_sid: str) -> int:
        """The number of the last event passed on; 0 for a call of which none was."""
        return self._last.get(call_sid, 0)

    def is_behind(self, call_sid: str) -> bool:
        """Whether events of this call are missing, so that later ones are held back."""
        return call_sid in self._held

    def is_over(self, call_sid: str) -> bool:
        """Whether the call is known to have ended."""
        return call_sid in self._over

    def _is_news(self, event: Event) -> bool:
        """The end of a call counts even under a number that had been given out before a crash."""
        if event.kind != "call.ended" or event.call_sid in self._over:
            return False
        self._over[event.call_sid] = None
        return True

    def _is_given_out_again(self, event: Event) -> bool:
        """A bridge that was killed may have told numbers that it never stored; the one that carries its call on begins with this, and
        what follows has the numbers behind it."""
        told_at = self._at.get(event.call_sid)
        return event.kind == "call.resumed" and event.call_sid not in self._over and told_at is not None and event.at > told_at

    def _seen_at(self, at: datetime) -> None:
        self._latest_at = at if self._latest_at is None else max(at, self._latest_at)

    def _passed(self, event: Event) -> Event:
        self._seen_at(event.at)
        self._remember(event.call_sid, event.seq)
        self._at[event.call_sid] = event.at
        if event.kind == "call.ended":
            self._over[event.call_sid] = None
        return event

    def _remember(self, call_sid: str, seq: int) -> None:
        if call_sid not in self._last and len(self._last) >= self._max_calls:
            forgotten = next(iter(self._over), None) or next(iter(self._last))
            self._last.pop(forgotten, None)
            self._at.pop(forgotten, None)
            self._over.pop(forgotten, None)
        self._last[call_sid] = seq

    def _caught_up(self, call_sid: str) -> None:
        self._held.pop(call_sid, None)
        self._target.pop(call_sid, None)
