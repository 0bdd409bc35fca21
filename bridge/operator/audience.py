"""Everybody who reads along, and what all of them are told: each message encoded once, none of them ever waited for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog

from bridge.operator import messages
from bridge.operator.live_call import LiveSessions, standing_of
from bridge.operator.live_calls import LiveCalls
from bridge.operator.live_view import LiveView
from bridge.operator.reader import GOING_AWAY, Reader
from calls.events import CallEvent
from calls.record import CallRecord
from calls.store.base import CallStore, StoreError

STORE_WITHIN_S = 1.0
"""How long a snapshot waits for the store before it does without."""
MAX_CALLS = 5_000
"""Live calls asked of a store."""

log = structlog.get_logger()


class Events(Protocol):
    """A subscription to the bus."""

    dropped: int

    async def batch(self) -> Sequence[CallEvent]:
        """The next events; at least one."""


class Audience:
    """The readers of one process."""

    def __init__(self, store: CallStore, sessions: LiveSessions, events: Events, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._sessions = sessions
        self._events = events
        self._readers: set[Reader] = set()
        self._follower: asyncio.Task[None] | None = None
        self._lost = 0
        self.calls = LiveCalls()
        self.view = LiveView(sessions, self._show, owner)

    def __len__(self) -> int:
        return len(self._readers)

    async def open(self) -> None:
        """Learns which calls there are, and follows the bus from now on."""
        self.calls.seed(await self._stored() or ())
        self._follower = asyncio.create_task(self._follow(), name="operators-bus")

    async def close(self) -> None:
        """Asks every reader to leave, and follows nothing any more."""
        for reader in self._readers:
            reader.leave(GOING_AWAY)
        self.view.end()
        if self._follower is not None:
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower

    def attach(self, reader: Reader) -> None:
        """From now on nothing is missed; :meth:`welcome` tells what there is already."""
        self._readers.add(reader)
        self.view.begin()

    def detach(self, reader: Reader) -> None:
        """The reader is gone."""
        self._readers.discard(reader)
        self.view.forget(reader)
        if not self._readers:
            self.view.end()

    async def welcome(self, reader: Reader) -> None:
        """Gives an attached reader the snapshot. A store that is away makes it no later than ``STORE_WITHIN_S``."""
        known = self.calls.names()
        stored = await self._stored()
        if stored is not None and len(stored) < MAX_CALLS:
            self.calls.drop(known - {record.call_sid for record in stored})
        live = [self._as_it_stands(record) for record in self.calls.merged(stored or ())]
        reader.begin(messages.snapshot(live), {record.call_sid: record.last_seq for record in live})

    def _as_it_stands(self, record: CallRecord) -> CallRecord:
        """The record of a call that is served here, as its session has it."""
        session = self._sessions.session_of(record.call_sid)
        if session is None:
            return record
        stands = standing_of(session)
        return msgspec.structs.replace(record, owner=self._owner, muted=stands.muted, cost_usd=stands.cost_usd)

    async def _stored(self) -> list[CallRecord] | None:
        """The live calls of the store, ``None`` if it does not answer."""
        try:
            async with asyncio.timeout(STORE_WITHIN_S):
                return await self._store.list_calls(limit=MAX_CALLS, live=True)
        except (StoreError, TimeoutError) as error:
            log.warning("operator.store_away", why=str(error) or "timeout")
            return None

    # --- the bus -----------------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            batch = await self._events.batch()
            if self._events.dropped != self._lost:
                self._lost = self._events.dropped
                await self._begin_again()
            for event in batch:
                self._take(event)

    async def _begin_again(self) -> None:
        """Events were lost: whoever reads along has to look anew."""
        log.error("operator.events_lost", lost=self._lost)
        self.calls.forget()
        for reader in self._readers:
            reader.drop("The bridge has lost events. Connect again.")
        self.calls.seed(await self._stored() or ())

    def _take(self, event: CallEvent) -> None:
        try:
            self.calls.take(event)
            if self._readers:
                self._tell(event)
        except Exception:
            log.exception("operator.event_failed", call_sid=event.call_sid, kind=event.kind)

    def _tell(self, event: CallEvent) -> None:
        message = messages.event(event)
        for reader in self._readers:
            reader.tell(event.call_sid, event.seq, message)
        self.view.take(event)

    def _show(self, message: bytes) -> None:
        for reader in self._readers:
            reader.show(message)
