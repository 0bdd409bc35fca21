"""The bus of one process: its own events at once, those of the others as they come, and a mailbox."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import msgspec
import structlog

from calls.bus.base import Transport, Undo
from calls.bus.mailbox import Mailbox
from calls.bus.memory import MemoryBus, Subscription
from calls.events import CallEvent

EVENTS = "frontdesk:events"
BACKLOG = 1000

log = structlog.get_logger()

_encode = msgspec.msgpack.Encoder().encode
_heading = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw]).decode
_event = msgspec.msgpack.Decoder(CallEvent).decode


class SharedBus:
    """Events of all processes on one ``transport``. ``name``: this process's among them. Use as ``async with``.

    What this process publishes reaches its own subscribers whether or not the transport is up.
    """

    def __init__(self, transport: Transport, name: str) -> None:
        self.transport = transport
        self.name = name
        self.mailbox = Mailbox(transport, name)
        """Where the other processes are asked, and ask."""
        self._here = MemoryBus()
        self._subscribers = 0
        self._undo: Undo | None = None

    async def __aenter__(self) -> Self:
        await self.mailbox.open()
        await self.transport.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.mailbox.close()
        await self.transport.close()

    def publish(self, event: CallEvent) -> None:
        """Tells everybody. Never waits and never fails."""
        self._here.publish(event)
        if self.transport.is_shared:
            self.transport.publish(EVENTS, _encode((self.name, event)))

    @contextmanager
    def subscribe(self, backlog: int = BACKLOG) -> Iterator[Subscription]:
        """A subscription to the events of all processes while the block runs. ``backlog``: how many may wait to be read."""
        with self._here.subscribe(backlog) as subscription:
            self._count(+1)
            try:
                yield subscription
            finally:
                self._count(-1)

    def _count(self, change: int) -> None:
        """Listens to the others while anybody here wants to know."""
        self._subscribers += change
        if self._subscribers and self._undo is None:
            self._undo = self.transport.listen(EVENTS, self._take)
        elif not self._subscribers and self._undo is not None:
            self._undo()
            self._undo = None

    def _take(self, payload: bytes) -> None:
        try:
            name, event = _heading(payload)
            if name != self.name:
                self._here.publish(_event(event))
        except (msgspec.MsgspecError, UnicodeError) as error:
            # Of a newer version, perhaps: whoever reads along notices the gap and asks the store.
            log.warning("bus.unreadable_event", why=str(error))
