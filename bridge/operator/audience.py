"""Everybody who reads along, and what all of them are told: each message encoded once, none of them ever waited for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog

from bridge.operator import messages
from bridge.operator.catching_up import LOOK_EVERY_S, CatchingUp, bounded
from bridge.operator.in_order import InOrder
from bridge.operator.live_call import LiveSessions, standing_of
from bridge.operator.live_calls import LiveCalls
from bridge.operator.live_view import LiveView
from bridge.operator.reader import GOING_AWAY, Reader
from bridge.operator.relay import Ear, Relay
from calls.bus.base import Transport, Undo
from calls.events import CallEnded, CallEvent
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.base import CallStore, StoreError

MAX_CALLS = 5_000
"""Live calls asked of a store."""
NEWEST_CALLS = 100
"""Calls, live or not, among which those are looked for that began and ended between two looks."""

log = structlog.get_logger()


class Events(Protocol):
    """A subscription to the bus."""

    dropped: int

    async def batch(self) -> Sequence[CallEvent]:
        """The next events; at least one."""


class Audience:
    """The readers of one process. ``transport``: how it reaches the others; ``owner``: its name among them."""

    def __init__(self, store: CallStore, sessions: LiveSessions, events: Events, transport: Transport, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._sessions = sessions
        self._events = events
        self._transport = transport
        self._readers: set[Reader] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._lost = 0
        self._order = InOrder()
        self._catching_up = CatchingUp(store, self._order, self._pass_on)
        self._look_now = asyncio.Event()
        self._undo: Undo | None = None
        self.calls = LiveCalls()
        self.view = LiveView(sessions, self._show, owner)
        self.relay = Relay(transport, owner, self, self._show_here)

    def __len__(self) -> int:
        return len(self._readers)

    async def open(self) -> None:
        """Learns which calls there are, and follows the bus from now on."""
        self._begin(await self._stored() or ())
        self._undo = self._transport.on_change(self._link_changed)
        self.relay.open()
        self._tasks = [
            asyncio.create_task(self._follow(), name="operators-bus"),
            asyncio.create_task(self._compare(), name="operators-store"),
        ]

    async def close(self) -> None:
        """Asks every reader to leave, and follows nothing any more."""
        for reader in self._readers:
            reader.leave(GOING_AWAY)
        if self._undo is not None:
            self._undo()
        await self.relay.close()
        self.view.end()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._catching_up.close()

    def attach(self, reader: Reader) -> None:
        """From now on nothing is missed; :meth:`welcome` tells what there is already."""
        self._readers.add(reader)
        self.view.begin()
        self.relay.begin()

    def detach(self, reader: Reader) -> None:
        """The reader is gone."""
        self._readers.discard(reader)
        self.view.forget(reader)
        self.relay.forget(reader)
        if not self._readers:
            self.relay.end()
            self._look_away()

    async def welcome(self, reader: Reader) -> None:
        """Gives an attached reader the snapshot. A store that is away makes it later by a second at most."""
        known = self.calls.names()
        stored = await self._stored()
        if stored is not None and len(stored) < MAX_CALLS:
            self.calls.drop(known - {record.call_sid for record in stored})
        live = [self._as_it_stands(record) for record in self.calls.merged(stored or ())]
        reader.begin(messages.snapshot(live), {record.call_sid: record.last_seq for record in live})
        if not self._transport.is_up:
            reader.offer(messages.bus(up=False))
        if self._readers == {reader}:
            self._begin(stored or ())
        # The others may not have heard of all that either; and what is past from now on has to be known.
        self._look_now.set()

    def listen(self, call_sid: CallSid, ear: Ear) -> None:
        """An ear for a call that is served here."""
        session = self._sessions.session_of(call_sid)
        if session is not None:
            self.view.listen(session, call_sid, ear)

    def unlisten(self, call_sid: CallSid, ear: Ear) -> None:
        """No ear any more."""
        self.view.unlisten(call_sid, ear)

    def hear(self, call_sid: CallSid, reader: Reader) -> None:
        """From now on the reader hears the call, wherever it is served now or will be."""
        self.listen(call_sid, reader)
        self.relay.hear(call_sid, reader)

    def unhear(self, call_sid: CallSid, reader: Reader) -> None:
        """The reader does not hear the call any more."""
        self.view.unlisten(call_sid, reader)
        self.relay.unhear(call_sid, reader)

    def hears(self, call_sid: CallSid, reader: Reader) -> bool:
        """Whether the reader hears that call."""
        return self.view.hears(call_sid, reader) or self.relay.hears(call_sid, reader)

    def wanted(self, *, on: bool, is_new: bool) -> None:
        """Readers of another process look at the calls that are served here, or do so no more."""
        if not on:
            self._look_away()
            return
        self.view.begin()
        if is_new:
            self.view.begin_again()

    def _look_away(self) -> None:
        if not self._readers and not self.relay.is_wanted:
            self.view.end()

    def _as_it_stands(self, record: CallRecord) -> CallRecord:
        """The record of a call that is served here, as its session has it."""
        session = self._sessions.session_of(record.call_sid)
        if session is None:
            return record
        stands = standing_of(session)
        return msgspec.structs.replace(record, owner=self._owner, muted=stands.muted, cost_usd=stands.cost_usd)

    # --- the store ---------------------------------------------------------------------------------------------------------

    async def _stored(self, *, limit: int = MAX_CALLS, live: bool = True) -> list[CallRecord] | None:
        """The live calls of the store, or the newest of all; ``None`` if it does not answer."""
        try:
            return await bounded(self._store.list_calls(limit=limit, live=live))
        except (StoreError, TimeoutError) as error:
            log.warning("operator.store_away", why=str(error) or "timeout")
            return None

    def _begin(self, stored: Sequence[CallRecord]) -> None:
        """Takes the store's word for what has happened, while nobody has been told anything else."""
        self.calls.seed(stored)
        for record in stored:
            for event in self._order.begin(record):
                self._pass_on(event)

    async def _compare(self) -> None:
        """While somebody reads along, sees every few seconds whether the store knows more."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._look_now.wait()
            self._look_now.clear()
            try:
                if self._readers:
                    await self._look()
                else:
                    self._catching_up.look_away()
            except Exception:
                log.exception("operator.look_failed")

    async def _look(self) -> None:
        stored = await self._stored()
        newest = await self._stored(limit=NEWEST_CALLS, live=False)
        if stored is not None:
            here = {session.call_sid for session in self._sessions.live() if session.call_sid is not None}
            await self._catching_up.compare(stored, all_of_them=len(stored) < MAX_CALLS, served_here=here)
        if newest is not None:
            self._catching_up.compare_newest(newest)

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
        self._order.forget()
        for reader in self._readers:
            reader.drop("The bridge has lost events. Connect again.")
        self._begin(await self._stored() or ())

    def _link_changed(self, up: bool) -> None:
        """The bus came or went. What was missed meanwhile is in the store."""
        message = messages.bus(up=up)
        for reader in self._readers:
            reader.show(message)
        if up:
            self._look_now.set()

    def _take(self, event: CallEvent) -> None:
        if not self._readers:
            self._order.pass_by(event)
            self._count_in(event)
            return
        for each in self._order.take(event):
            self._pass_on(each)
        if self._order.is_behind(event.call_sid):
            self._catching_up.fetch(event.call_sid)

    def _pass_on(self, event: CallEvent) -> None:
        """Tells an event whose turn it is."""
        self._count_in(event)
        try:
            if self._readers:
                self._tell(event)
        except Exception:
            log.exception("operator.event_failed", call_sid=event.call_sid, kind=event.kind)

    def _count_in(self, event: CallEvent) -> None:
        try:
            self.calls.take(event)
            self.view.take(event)
            if isinstance(event.body, CallEnded):
                self.relay.over(event.call_sid)
        except Exception:
            log.exception("operator.event_failed", call_sid=event.call_sid, kind=event.kind)

    def _tell(self, event: CallEvent) -> None:
        message = messages.event(event)
        for reader in self._readers:
            reader.tell(event.call_sid, event.seq, message)

    def _show(self, message: bytes) -> None:
        self._show_here(message)
        self.relay.tell(message)

    def _show_here(self, message: bytes) -> None:
        for reader in self._readers:
            reader.show(message)
