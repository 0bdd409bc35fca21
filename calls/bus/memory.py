"""Live events within one process, and topics that reach nobody else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from calls.bus.base import Take, Undo
from calls.bus.listeners import Listeners, Watchers
from calls.events import CallEvent

_BACKLOG = 1000


class Subscription:
    """What one reader has yet to read. A reader that falls behind loses the oldest events and can see that it did."""

    def __init__(self, backlog: int = _BACKLOG) -> None:
        self._queue: asyncio.Queue[CallEvent] = asyncio.Queue(backlog)
        self.dropped = 0
        """How many events were lost because nobody read them in time."""

    def offer(self, event: CallEvent) -> None:
        """Hands over an event without ever waiting."""
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
        self._queue.put_nowait(event)

    async def get(self) -> CallEvent:
        """The next event."""
        return await self._queue.get()

    async def batch(self) -> list[CallEvent]:
        """All there is to read; waits for the first."""
        events = [await self._queue.get()]
        while not self._queue.empty():
            events.append(self._queue.get_nowait())
        return events

    async def __aiter__(self) -> AsyncIterator[CallEvent]:
        while True:
            yield await self._queue.get()


class MemoryBus:
    """Hands every event to every subscriber of the process; publishing never waits and never fails."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: CallEvent) -> None:
        """Offers the event to all subscribers."""
        for subscription in self._subscriptions:
            subscription.offer(event)

    @contextmanager
    def subscribe(self, backlog: int = _BACKLOG) -> Iterator[Subscription]:
        """A subscription to everything published while the block runs. ``backlog``: how many events may wait to be read."""
        subscription = Subscription(backlog)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


class Alone:
    """The transport of a process that has no others beside it: nothing goes out, nothing is ever down."""

    is_shared = False
    is_up = True

    def publish(self, topic: str, payload: bytes) -> bool:  # noqa: ARG002
        """See ``Transport``. There is nobody to tell."""
        return True

    def listen(self, topic: str, take: Take) -> Undo:  # noqa: ARG002
        """See ``Transport``."""
        return _nothing

    def on_change(self, tell: Callable[[bool], None]) -> Undo:  # noqa: ARG002
        """See ``Transport``. It never does."""
        return _nothing

    async def open(self) -> None:
        """See ``Transport``."""

    async def close(self) -> None:
        """See ``Transport``."""


def _nothing() -> None:
    pass


class MemoryHub:
    """Joins the :class:`MemoryTransport` of several deployments in one process, as a server joins processes."""

    def __init__(self) -> None:
        self.transports: list[MemoryTransport] = []

    def go(self, *, up: bool) -> None:
        """Comes up, or goes down for everybody."""
        for transport in self.transports:
            transport.went(up=up)


class MemoryTransport:
    """One deployment's end of a hub. What is published is delivered when the loop has its next turn."""

    is_shared = True

    def __init__(self, hub: MemoryHub) -> None:
        self._hub = hub
        self._listeners, self._watchers = Listeners(), Watchers()
        self._is_up = False

    @property
    def is_up(self) -> bool:
        """See ``Transport``."""
        return self._is_up

    def publish(self, topic: str, payload: bytes) -> bool:
        """See ``Transport``."""
        if self._is_up:
            asyncio.get_running_loop().call_soon(self._deliver, topic, payload)
        return self._is_up

    def listen(self, topic: str, take: Take) -> Undo:
        """See ``Transport``."""
        self._listeners.add(topic, take)
        return lambda: self._listeners.remove(topic, take)

    def on_change(self, tell: Callable[[bool], None]) -> Undo:
        """See ``Transport``."""
        return self._watchers.add(tell)

    def went(self, *, up: bool) -> None:
        """The hub came up or went down."""
        self._is_up = up
        self._watchers.tell(up=up)

    async def open(self) -> None:
        """See ``Transport``."""
        self._hub.transports.append(self)
        self.went(up=True)

    async def close(self) -> None:
        """See ``Transport``."""
        self._is_up = False
        self._hub.transports.remove(self)

    def _deliver(self, topic: str, payload: bytes) -> None:
        for transport in tuple(self._hub.transports):
            if transport.is_up:
                transport.take(topic, payload)

    def take(self, topic: str, payload: bytes) -> None:
        """Somebody published."""
        self._listeners.tell(topic, payload)
