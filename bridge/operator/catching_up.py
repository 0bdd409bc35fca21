"""Asking the store for what the bus did not bring: gaps as they show, and every few seconds whether there is anything unheard of.

Webhooks that run elsewhere have no bus, a bus can be down, a process can be killed; the store has every event all the same. It is
asked only while somebody reads along, beside the calls, and within bounds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from bridge.operator.in_order import InOrder
from calls.events import CallEvent
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.base import CallStore, StoreError

LOOK_EVERY_S = 5.0
AT_ONCE = 4
MAX_BEHIND = 500
"""Calls whose events may be asked for at a time; the rest have their turn at the next look."""
PAUSES_S = (0.2, 0.4, 0.8, 1.6)
"""Before each question: what is late may come by itself, and an owner stores its events within 250 ms."""
STORE_WITHIN_S = 1.0
MAX_LOOKED_FOR = 100
"""Calls of which one look asks whether they have ended."""

log = structlog.get_logger()
_T = TypeVar("_T")


class CatchingUp:
    """Fetches for one audience. ``tell`` is given what was missing, in order for each call."""

    def __init__(self, store: CallStore, order: InOrder, tell: Callable[[CallEvent], None]) -> None:
        self._store, self._order, self._tell = store, order, tell
        self._fetches: dict[CallSid, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._newest: frozenset[CallSid] | None = None

    def fetch(self, call_sid: CallSid) -> None:
        """Begins to ask for the events of a call that is behind; does nothing if that is being done already."""
        if call_sid in self._fetches:
            return
        if len(self._fetches) >= MAX_BEHIND:
            self._all(self._order.give_up(call_sid))
            return
        task = asyncio.create_task(self._catch_up(call_sid), name=f"catching-up-{call_sid}")
        self._fetches[call_sid] = task
        task.add_done_callback(lambda _: self._fetches.pop(call_sid, None))

    async def compare(self, stored: Iterable[CallRecord], *, all_of_them: bool, served_here: set[CallSid]) -> None:
        """Asks for whatever the store's live calls have that was not told, and how calls went on that are not among them any more.

        Args:
            all_of_them: ``stored`` is every live call there is.
            served_here: calls of which nothing can have been missed.
        """
        live = {record.call_sid: record for record in stored if record.call_sid not in served_here}
        for record in live.values():
            if self._order.expect(record.call_sid, record.last_seq):
                self.fetch(record.call_sid)
        if all_of_them:
            gone = sorted(self._order.live - live.keys() - served_here)
            await asyncio.gather(*(self._look_after(call_sid) for call_sid in gone[:MAX_LOOKED_FOR]))

    def compare_newest(self, newest: Iterable[CallRecord]) -> None:
        """Asks for calls that began and ended between two looks. ``newest``: the latest calls, live or not; those of the first look are
        taken as known."""
        records = {record.call_sid: record for record in newest}
        known, self._newest = self._newest, frozenset(records)
        if known is None:
            return
        for call_sid in records.keys() - known:
            record = records[call_sid]
            if record.ended and self._order.expect(call_sid, record.last_seq):
                self.fetch(call_sid)

    def look_away(self) -> None:
        """Nobody reads along any more; who comes next wants to know of nothing that is past."""
        self._newest = None

    async def close(self) -> None:
        """Asks nothing any more."""
        tasks = list(self._fetches.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_after(self, call_sid: CallSid) -> None:
        """A call that is not live any more has ended, unless it is the list that lags behind."""
        try:
            async with self._slots:
                record = await bounded(self._store.get_call(call_sid))
        except (StoreError, TimeoutError):
            return
        if record is None:
            self._order.ended(call_sid)
        elif self._order.expect(call_sid, record.last_seq):
            self.fetch(call_sid)

    async def _catch_up(self, call_sid: CallSid) -> None:
        for pause_s in PAUSES_S:
            await asyncio.sleep(pause_s)
            if not self._order.is_behind(call_sid):
                return
            await self._ask(call_sid)
        if self._order.is_behind(call_sid):
            log.warning("operator.events_missing", call_sid=call_sid, after=self._order.last(call_sid))
            self._all(self._order.give_up(call_sid))

    async def _ask(self, call_sid: CallSid) -> None:
        try:
            async with self._slots:
                events = await bounded(self._store.events(call_sid, self._order.last(call_sid)))
        except (StoreError, TimeoutError) as error:
            log.warning("operator.store_away", why=str(error) or "timeout")
            return
        self._all(self._order.fetched(call_sid, events))

    def _all(self, events: Iterable[CallEvent]) -> None:
        for event in events:
            self._tell(event)


async def bounded(work: Awaitable[_T]) -> _T:
    """What the store answers. Raises ``TimeoutError`` if that takes longer than ``STORE_WITHIN_S``."""
    async with asyncio.timeout(STORE_WITHIN_S):
        return await work
