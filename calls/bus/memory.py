"""Live events within one process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

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
