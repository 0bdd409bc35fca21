"""The way of an event from the audio path to the store, without the audio ever waiting.

``record`` hands the event to the bus and to memory; one task a process writes what has come together, at the latest
``INTERVAL_S`` after the first of it, so that an event is stored well within 250 ms. While the store is away events are kept
and their order with them.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import islice
from types import TracebackType
from typing import Protocol, Self

import structlog

from calls.events import CallEvent
from calls.ids import CallSid
from calls.store.base import CallStore, SequenceConflict, StoreError, StoreUnavailable

INTERVAL_S = 0.05
"""How long events are gathered before they are written together."""

BOUND = 100_000
"""How many events may wait for a store that is away; about an hour of a hundred calls."""

_BATCH = 500  # events in one transaction: encoding them takes the loop a few milliseconds
_RETRY_FIRST_S = 0.1
_RETRY_LAST_S = 2.0
_CLOSE_TIMEOUT_S = 10.0

_log = structlog.get_logger(__name__)


class EventBus(Protocol):
    """What the journal needs of a bus."""

    def publish(self, event: CallEvent) -> None:
        """Takes the event; never waits and never fails."""


class Journal:
    """Stores events behind the caller's back, in order. Use as ``async with``: leaving it writes what is left.

    An event that cannot be stored (more than ``bound`` are waiting, or another writer got in between) is logged without its
    text and counted in ``lost``. ``owner``: the bridge that writes, if only what is its may be written.
    """

    def __init__(
        self,
        store: CallStore,
        bus: EventBus,
        *,
        owner: str | None = None,
        interval_s: float = INTERVAL_S,
        bound: int = BOUND,
        close_timeout_s: float = _CLOSE_TIMEOUT_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store, self._bus, self._owner = store, bus, owner
        self._interval_s, self._bound, self._close_timeout_s, self._sleep = interval_s, bound, close_timeout_s, sleep
        self._pending: deque[CallEvent] = deque()
        self._taken = 0  # events accepted so far; an event's place in the line is its count
        self._settled = 0  # events of that line that are stored or lost
        self._place: dict[CallSid, int] = {}  # the last place of each call that may still be waiting
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._something = asyncio.Event()
        self._hurry = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closed = False
        self.lost = 0
        """Events that were recorded and will never be stored."""

    @property
    def waiting(self) -> int:
        """How many events are recorded and not yet stored."""
        return self._taken - self._settled

    def record(self, event: CallEvent) -> None:
        """Publishes the event and takes it for storing. Never waits, never raises."""
        if self._closed or self.waiting >= self._bound:
            self._lose([event], "the journal is closed" if self._closed else f"{self._bound} events are waiting for the store")
        else:
            self._pending.append(event)
            self._taken += 1
            self._place[event.call_sid] = self._taken
            self._something.set()
        self._bus.publish(event)

    async def flush(self, call_sid: CallSid | None = None) -> None:
        """Returns once all that was recorded so far (of one call, if given) is stored or lost. Waits as long as the store is
        away: put a timeout around it."""
        place = self._taken if call_sid is None else self._place.get(call_sid, 0)
        if place <= self._settled:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((place, done))
        self._hurry.set()
        await done

    async def open(self) -> None:
        """Starts the writer. To be called once."""
        self._writer = asyncio.create_task(self._write(), name="journal")

    async def close(self) -> None:
        """Writes what is left, for at most ``close_timeout_s``, and stops; later events are lost."""
        self._closed = True
        if self._writer is None:
            return
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._close_timeout_s):
                    await self.flush()
        finally:
            writer, self._writer = self._writer, None
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._lose(list(self._pending), "the store did not come back before the journal was closed")
            self._settle(len(self._pending))

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # The writer's task

    async def _write(self) -> None:
        while True:
            await self._something.wait()
            await self._gather()
            self._something.clear()
            while self._pending:
                # The events stay in the line until they are settled, so that a cancelled writer leaves them to be counted.
                batch = list(islice(self._pending, _BATCH))
                await self._store_batch(batch)
                self._settle(len(batch))

    async def _gather(self) -> None:
        # Not `wait_for`: before Python 3.12 it may swallow the cancellation that ends this task.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval_s):
                await self._hurry.wait()
        self._hurry.clear()

    async def _store_batch(self, batch: list[CallEvent]) -> None:
        while batch:
            try:
                await self._append(batch)
            except SequenceConflict as conflict:
                refused = _refused(_of_call(batch, conflict.call_sid), conflict.last_seq)
                self._lose(refused, str(conflict))
                batch = [event for event in batch if not any(event is one for one in refused)]
            except Exception:
                await self._store_call_by_call(batch)
                return
            else:
                return

    async def _store_call_by_call(self, batch: list[CallEvent]) -> None:
        """The store refused the batch for what is in it: one call's events must not cost the others theirs."""
        for call_sid in dict.fromkeys(event.call_sid for event in batch):
            events = _of_call(batch, call_sid)
            try:
                await self._append(events)
            except Exception as refused:
                self._lose(events, str(refused) if isinstance(refused, StoreError) else type(refused).__name__)

    async def _append(self, batch: Sequence[CallEvent]) -> None:
        """Appends, however long the store is away."""
        pause_s = _RETRY_FIRST_S
        while True:
            try:
                return await self._store.append(batch, self._owner)
            except StoreUnavailable as error:
                _log.warning("journal.store_unavailable", error=str(error), waiting=self.waiting, retry_in_s=pause_s)
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, _RETRY_LAST_S)

    def _settle(self, count: int) -> None:
        for _ in range(count):
            event = self._pending.popleft()
            self._settled += 1
            if self._place.get(event.call_sid, 0) <= self._settled:
                self._place.pop(event.call_sid, None)
        for place, done in self._waiting:
            if place <= self._settled and not done.done():
                done.set_result(None)
        self._waiting = [(place, done) for place, done in self._waiting if not done.done()]

    def _lose(self, events: Sequence[CallEvent], reason: str) -> None:
        self.lost += len(events)
        for call_sid in dict.fromkeys(event.call_sid for event in events):
            kinds = Counter(event.kind for event in events if event.call_sid == call_sid)
            _log.error("journal.events_lost", call_sid=call_sid, kinds=dict(kinds), lost=kinds.total(), reason=reason)


def _refused(events: Sequence[CallEvent], last_seq: int) -> list[CallEvent]:
    """Those of a call's events that do not follow ``last_seq``; all of them if they do, for then the call has ended."""
    refused: list[CallEvent] = []
    for event in events:
        if event.seq == last_seq + 1:
            last_seq = event.seq
        else:
            refused.append(event)
    return refused or list(events)


def _of_call(batch: Sequence[CallEvent], call_sid: CallSid) -> list[CallEvent]:
    return [event for event in batch if event.call_sid == call_sid]
