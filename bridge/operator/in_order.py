"""Which events of which call readers have been told, so that they are told each one once and in order, wherever it came from.

Events come over the bus, in order from one process but not from several, and some get lost with it; the store has them all. This
decides what can be told and what is missing; who asks the store is :mod:`bridge.operator.catching_up`.
"""

from collections.abc import Iterable
from datetime import datetime

from calls.events import CallEnded, CallEvent, CallResumed, CallSummary
from calls.ids import CallSid
from calls.record import CallRecord

MAX_CALLS = 10_000
"""Calls whose last number is remembered; those that ended longest ago are forgotten first."""
MAX_HELD = 5_000
"""Events, of all calls together, that may wait for those before them."""


class InOrder:
    """The last event told of each call. Knows no time, no store and no reader."""

    def __init__(self, max_calls: int = MAX_CALLS, max_held: int = MAX_HELD) -> None:
        self._max_calls, self._max_held = max_calls, max_held
        self._last: dict[CallSid, tuple[int, datetime | None]] = {}
        self._live: set[CallSid] = set()
        self._over: dict[CallSid, None] = {}  # in the order they ended
        self._held: dict[CallSid, dict[int, CallEvent]] = {}
        self._target: dict[CallSid, int] = {}

    @property
    def live(self) -> frozenset[CallSid]:
        """Calls that have begun and, as far as was told, not ended."""
        return frozenset(self._live)

    def last(self, call_sid: CallSid) -> int:
        """The number of the last event told; 0 for a call of which nothing was."""
        return self._last.get(call_sid, (0, None))[0]

    def is_behind(self, call_sid: CallSid) -> bool:
        """Whether events of the call are missing."""
        return call_sid in self._held

    def begin(self, record: CallRecord) -> list[CallEvent]:
        """Whoever is told anything knows the call as it is recorded. What can be told, now that what comes next is what follows."""
        sid = record.call_sid
        if record.last_seq < self.last(sid) or record.ended:
            return []
        self._remember(sid, record.last_seq, None)
        self._live.add(sid)
        held = self._held.get(sid)
        if held is None:
            return []
        for seq in [seq for seq in held if seq <= record.last_seq]:
            del held[seq]
        return self._followers(sid)

    def pass_by(self, event: CallEvent) -> None:
        """An event while there is nobody to be told."""
        if event.seq > self.last(event.call_sid):
            self._told(event)

    def take(self, event: CallEvent) -> list[CallEvent]:
        """What can be told now that ``event`` came: it, or nothing. If nothing, see :meth:`is_behind`."""
        sid = event.call_sid
        if event.seq <= self.last(sid):
            return [self._told(event)] if self._is_given_out_again(event) else []
        if sid not in self._held and (event.seq == self.last(sid) + 1 or self._is_afterthought(event)):
            return [self._told(event)]
        held = self._held.setdefault(sid, {})
        held[event.seq] = event
        if sum(map(len, self._held.values())) > self._max_held:
            return self.give_up(sid)
        return self._followers(sid)

    def expect(self, call_sid: CallSid, last_seq: int) -> bool:
        """The record has events up to ``last_seq``. Returns whether any of them are missing here."""
        if last_seq <= self.last(call_sid):
            return False
        self._held.setdefault(call_sid, {})
        self._target[call_sid] = max(last_seq, self._target.get(call_sid, 0))
        return True

    def fetched(self, call_sid: CallSid, events: Iterable[CallEvent]) -> list[CallEvent]:
        """What can be told now that the store was asked for the events after :meth:`last`."""
        if call_sid not in self._held:
            return []
        self._held[call_sid] |= {event.seq: event for event in events if event.seq > self.last(call_sid)}
        return self._followers(call_sid)

    def give_up(self, call_sid: CallSid) -> list[CallEvent]:
        """The missing events cannot be had: what has been held, gaps and all."""
        held = self._held.get(call_sid, {})
        told = [self._told(held[seq]) for seq in sorted(held)]
        self._drop_held(call_sid)
        return told

    def ended(self, call_sid: CallSid) -> None:
        """The call is over, whatever its events say."""
        self._end(call_sid)
        self._drop_held(call_sid)

    def forget(self) -> None:
        """Nothing is certain any more."""
        self._last.clear()
        self._live.clear()
        self._over.clear()
        self._held.clear()
        self._target.clear()

    # --- inside ------------------------------------------------------------------------------------------------------------

    def _followers(self, call_sid: CallSid) -> list[CallEvent]:
        """Tells what is held as far as it goes on without a gap."""
        held, told = self._held[call_sid], []
        while (event := held.pop(self.last(call_sid) + 1, None)) is not None:
            told.append(self._told(event))
        if not held and self.last(call_sid) >= self._target.get(call_sid, 0):
            self._drop_held(call_sid)
        return told

    def _is_given_out_again(self, event: CallEvent) -> bool:
        """A bridge that was killed may have told numbers that it never stored; whoever takes its call over gives them out again."""
        at = self._last[event.call_sid][1]
        is_news = isinstance(event.body, CallResumed | CallEnded) and event.call_sid in self._live
        return is_news and at is not None and event.at > at

    def _is_afterthought(self, event: CallEvent) -> bool:
        """The summary of a call that was over before anybody looked."""
        return isinstance(event.body, CallSummary) and event.call_sid not in self._last

    def _told(self, event: CallEvent) -> CallEvent:
        self._remember(event.call_sid, event.seq, event.at)
        if isinstance(event.body, CallEnded):
            self._end(event.call_sid)
        elif not isinstance(event.body, CallSummary):
            self._live.add(event.call_sid)
        return event

    def _end(self, call_sid: CallSid) -> None:
        self._live.discard(call_sid)
        self._over[call_sid] = None

    def _remember(self, call_sid: CallSid, seq: int, at: datetime | None) -> None:
        if call_sid not in self._last and len(self._last) >= self._max_calls:
            forgotten = next(iter(self._over), None) or next(iter(self._last))
            self._last.pop(forgotten, None)
            self._over.pop(forgotten, None)
            self._live.discard(forgotten)
        self._last[call_sid] = (seq, at)

    def _drop_held(self, call_sid: CallSid) -> None:
        self._held.pop(call_sid, None)
        self._target.pop(call_sid, None)
