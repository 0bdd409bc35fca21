"""A transport over a link that may break: what goes out is queued and never waited for, and a lost link is made again for ever.

What a link is made of is the business of :mod:`calls.bus.redis` and its like; queues, bounds, reconnecting and who listens to what
are here.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from calls.bus.base import Counts, Take, Undo
from calls.bus.listeners import Listeners, Watchers

MAX_MESSAGES = 10_000
MAX_BYTES = 16 * 1024 * 1024
"""What may wait to go out; the rest is dropped, and counted."""
SENT_AT_ONCE = 256
TAKEN_AT_ONCE = 64
"""Messages taken before others have a turn."""

OPENED_WITHIN_S = 1.0
FIRST_DELAY_S = 0.1
LAST_DELAY_S = 3.0
STABLE_S = 5.0
"""A link that lasted so long counts as a success: the next delay is the first again."""
CLOSED_WITHIN_S = 1.0

log = structlog.get_logger()

Message = tuple[str, bytes]
"""A topic, and what is published to it."""


class Link(Protocol):
    """A connection that carries messages. Every method may raise, whatever it likes; then the link counts as lost."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Publishes; returns once it is done. To be bounded in time by the link itself."""

    async def receive(self) -> Message:
        """The next message. Raises when the other side has been silent for too long, not only when it has gone."""

    async def listen(self, topic: str) -> None:
        """One topic more."""

    async def unlisten(self, topic: str) -> None:
        """One topic less."""

    async def close(self) -> None:
        """Lets go."""


Connect = Callable[[Collection[str]], Awaitable[Link]]
"""Makes a link that listens to these topics by the time it is returned."""


class Nothing:
    """Counts nothing."""

    def inc(self, amount: float = 1) -> None:
        """Once more."""


class LinkedTransport:
    """Topics over a link. ``name`` is what the log calls it."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        published: Counts | None = None,
        received: Counts | None = None,
        dropped: Counts | None = None,
        max_messages: int = MAX_MESSAGES,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._name, self._connect = name, connect
        self._published, self._received, self._dropped = published or Nothing(), received or Nothing(), dropped or Nothing()
        self._max_messages, self._jitter = max_messages, jitter
        self._listeners, self._watchers = Listeners(), Watchers()
        self._going_out: deque[Message] = deque()
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._link: Link | None = None
        self._came_up = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self._is_closing = False

    @property
    def is_shared(self) -> bool:
        """See ``Transport``."""
        return True

    @property
    def is_up(self) -> bool:
        """See ``Transport``."""
        return self._link is not None

    def publish(self, topic: str, payload: bytes) -> bool:
        """See ``Transport``."""
        too_much = len(self._going_out) >= self._max_messages or self._waiting_bytes + len(payload) > MAX_BYTES
        if self._link is None or too_much:
            self._dropped.inc()
            return False
        self._going_out.append((topic, payload))
        self._waiting_bytes += len(payload)
        self._something.set()
        self._all_sent.clear()
        return True

    def listen(self, topic: str, take: Take) -> Undo:
        """See ``Transport``."""
        is_new = topic not in self._listeners
        self._listeners.add(topic, take)
        if is_new:
            self._adjust(topic)
        return lambda: self._unlisten(topic, take)

    def on_change(self, tell: Callable[[bool], None]) -> Undo:
        """See ``Transport``."""
        return self._watchers.add(tell)

    async def open(self) -> None:
        """See ``Transport``."""
        self._running = asyncio.create_task(self._run(), name=f"bus-{self._name}")
        with suppress(TimeoutError):
            async with asyncio.timeout(OPENED_WITHIN_S):
                await self._came_up.wait()

    async def close(self) -> None:
        """See ``Transport``. What waits to go out has a second to do so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await self._all_sent.wait()
        self._is_closing = True
        tasks = [task for task in (self._running, *self._errands) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the link ----------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            why = await self._until_lost()
            failures = 0 if loop.time() - began_s >= STABLE_S else failures
            delay_s = min(FIRST_DELAY_S * 2 ** min(failures, 10), LAST_DELAY_S) * (0.5 + self._jitter() / 2)
            # Said once when it goes, and then each time it has been tried for as long as it ever will be.
            tell = log.warning if failures == 0 or delay_s >= LAST_DELAY_S / 2 else log.debug
            tell("bus.down", bus=self._name, why=why, retry_in_s=round(delay_s, 2))
            failures += 1
            await asyncio.sleep(delay_s)

    async def _until_lost(self) -> str:
        """One link from beginning to end; says why it ended."""
        try:
            topics = self._listeners.topics
            link = await self._connect(topics)
        except Exception as error:
            return _why(error)
        lost = "it ended"
        try:
            await self._use(link, topics)
        except* Exception as group:
            lost = _why(_first(group))
        finally:
            self._went_down()
            with suppress(Exception):
                await link.close()
        return lost

    async def _use(self, link: Link, topics: Sequence[str]) -> None:
        self._link = link
        for topic in set(self._listeners.topics) ^ set(topics):  # what changed meanwhile
            self._adjust(topic)
        self._came_up.set()
        log.info("bus.up", bus=self._name)
        self._watchers.tell(up=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(link))
            tasks.create_task(self._receive(link))

    def _went_down(self) -> None:
        self._link = None
        self._dropped.inc(len(self._going_out))
        self._going_out.clear()
        self._waiting_bytes = 0
        self._all_sent.set()
        if not self._is_closing:
            self._watchers.tell(up=False)

    async def _send(self, link: Link) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._going_out:
                batch = [self._going_out.popleft() for _ in range(min(len(self._going_out), SENT_AT_ONCE))]
                self._waiting_bytes -= sum(len(payload) for _, payload in batch)
                try:
                    await link.send(batch)
                except BaseException:
                    self._dropped.inc(len(batch))
                    raise
                self._published.inc(len(batch))
            self._all_sent.set()

    async def _receive(self, link: Link) -> None:
        taken = 0
        while True:
            topic, payload = await link.receive()
            self._received.inc()
            self._listeners.tell(topic, payload)
            taken += 1
            if taken % TAKEN_AT_ONCE == 0:  # what has arrived is read without waiting
                await asyncio.sleep(0)

    # --- topics ------------------------------------------------------------------------------------------------------------

    def _unlisten(self, topic: str, take: Take) -> None:
        was_there = topic in self._listeners
        self._listeners.remove(topic, take)
        if was_there and topic not in self._listeners:
            self._adjust(topic)

    def _adjust(self, topic: str) -> None:
        """Has the link listen to the topic if anybody does; a link that is made later knows by itself."""
        link = self._link
        if link is not None:
            task = asyncio.create_task(self._tell_link(link, topic), name="bus-topic")
            self._errands.add(task)
            task.add_done_callback(self._errands.discard)

    async def _tell_link(self, link: Link, topic: str) -> None:
        try:
            await (link.listen(topic) if topic in self._listeners else link.unlisten(topic))
        except Exception as error:  # the link is lost, and its reader notices
            log.debug("bus.topic_failed", topic=topic, why=_why(error))


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
