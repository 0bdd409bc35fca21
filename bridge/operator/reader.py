"""One operator who reads along: a queue that is filled without ever waiting, and a task that empties it into their socket."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from bridge.operator import messages
from bridge.operator.tokens import OperatorKey
from calls.ids import CallSid

MAX_MESSAGES = 5_000
MAX_BYTES = 8 * 1024 * 1024
SENT_AT_ONCE_BYTES = 64 * 1024
SEND_WITHIN_S = 5.0
"""How long a reader may take to make room for ``SENT_AT_ONCE_BYTES``."""
SENT_EVERY_S = 0.05
"""What comes within that time after a sending goes together: nobody sees the difference, and the calls of a process that has many have
the use of the rest."""

GOING_AWAY = 1001
TRY_AGAIN_LATER = 1013


class Outlet(Protocol):
    """The sending half of an operator's socket."""

    async def send(self, texts: Sequence[bytes]) -> None:
        """Sends text messages; returns once there is room for more."""

    async def close(self, code: int) -> None:
        """Closes politely."""


async def rest() -> None:
    """As long as an operator does without news and does not notice."""
    await asyncio.sleep(SENT_EVERY_S)


class Reader:
    """What one operator has yet to read. ``on_drop`` is called when they are let go for not keeping up; ``rest`` is waited for after each
    sending."""

    def __init__(
        self,
        key: OperatorKey,
        on_drop: Callable[[], None],
        *,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        send_within_s: float = SEND_WITHIN_S,
        rest: Callable[[], Awaitable[None]] = rest,
    ) -> None:
        self.key = key
        self._on_drop = on_drop
        self._max_messages, self._max_bytes, self._send_within_s = max_messages, max_bytes, send_within_s
        self._rest = rest
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._something = asyncio.Event()
        self._close_code: int | None = None
        self._seen: dict[CallSid, int] | None = None  # where the snapshot ended; None before it
        self._held: list[tuple[CallSid, int, bytes]] = []

    @property
    def is_leaving(self) -> bool:
        """Whether nothing more will be queued."""
        return self._close_code is not None

    def offer(self, message: bytes) -> None:
        """Queues a message, without waiting. A reader whose queue is full is let go."""
        if self.is_leaving:
            return
        if len(self._queue) >= self._max_messages or self._queued_bytes + len(message) > self._max_bytes:
            self.drop(f"You do not keep up: {len(self._queue)} messages are waiting for you. Connect again.")
            return
        self._put(message)

    def begin(self, snapshot: bytes, seen: Mapping[CallSid, int]) -> None:
        """The first message; then the events that came while it was made and are not in it. ``seen``: the last seq of each of its
        calls."""
        held, self._held, self._seen = self._held, [], dict(seen)
        self.offer(snapshot)
        for call_sid, seq, message in held:
            self.tell(call_sid, seq, message)

    def tell(self, call_sid: CallSid, seq: int, message: bytes) -> None:
        """An event: held back until the snapshot is there, passed over if it is in it."""
        if self._seen is None:
            if not self.is_leaving:
                self._held.append((call_sid, seq, message))
            if len(self._held) > self._max_messages:
                self.drop("Too much happened while you came in. Connect again.")
        elif seq > self._seen.get(call_sid, 0):
            self.offer(message)

    def show(self, message: bytes) -> None:
        """Something of the moment, worth nothing before the snapshot."""
        if self._seen is not None:
            self.offer(message)

    def drop(self, reason: str) -> None:
        """Lets the reader go: what waits is thrown away, the reason is the last they are told."""
        if self.is_leaving:
            return
        self._queue.clear()
        self._held.clear()
        self._queued_bytes = 0
        self._put(messages.dropped(reason))
        self._close_code = TRY_AGAIN_LATER
        self._on_drop()

    def leave(self, code: int) -> None:
        """Closes behind what is queued."""
        if not self.is_leaving:
            self._close_code = code
            self._something.set()

    async def write_to(self, outlet: Outlet) -> None:
        """Sends what is queued until the reader is to leave, or does not take ``SENT_AT_ONCE_BYTES`` in ``SEND_WITHIN_S``."""
        try:
            while not (self.is_leaving and not self._queue):
                await self._something.wait()
                self._something.clear()
                while self._queue:
                    async with asyncio.timeout(self._send_within_s):
                        await outlet.send(self._next())
                if not self.is_leaving:
                    await self._rest()
            async with asyncio.timeout(self._send_within_s):
                await outlet.close(self._close_code or GOING_AWAY)
        except TimeoutError:
            self.drop("You do not read.")

    def _put(self, message: bytes) -> None:
        self._queue.append(message)
        self._queued_bytes += len(message)
        self._something.set()

    def _next(self) -> list[bytes]:
        """What is sent at once; at least one message."""
        batch = [self._queue.popleft()]
        size = len(batch[0])
        while self._queue and size + len(self._queue[0]) <= SENT_AT_ONCE_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1])
        self._queued_bytes -= size
        return batch
