"""The bus of one machine: a Unix socket that processes publish to and listen at, with nothing to install.

What a peer does not read in time is dropped, the oldest first, and counted; nobody else notices, and whoever publishes never waits
for whoever reads. Nothing is kept for peers that are not there.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from calls.bus.frames import BadFrame, Kind, frame, read_frame

MAX_WAITING = 10_000
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""What may wait for one peer."""

log = structlog.get_logger()


class Outgoing:
    """What waits for a peer."""

    def __init__(self, max_frames: int = MAX_WAITING, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_frames, self._max_bytes = max_frames, max_bytes
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self.dropped = 0
        """How many frames were lost because the peer did not read them in time."""

    def put(self, one: bytes) -> None:
        """Adds a frame; if there is no room, the oldest go."""
        self._frames.append(one)
        self._bytes += len(one)
        while len(self._frames) > self._max_frames or self._bytes > self._max_bytes:
            self._bytes -= len(self._frames.popleft())
            self.dropped += 1
        self._something.set()

    async def batch(self, most: int) -> Sequence[bytes]:
        """The oldest; waits for the first."""
        await self._something.wait()
        taken = [self._frames.popleft() for _ in range(min(len(self._frames), most))]
        self._bytes -= sum(map(len, taken))
        if not self._frames:
            self._something.clear()
        return taken


class Hub:
    """Passes messages on among its peers."""

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._listeners: dict[str, set[Outgoing]] = {}
        self._peers: set[asyncio.Task[None]] = set()
        self._waiting: set[Outgoing] = set()
        self._dropped_before = 0

    @property
    def dropped(self) -> int:
        """How many messages were lost because a peer did not read them in time."""
        return self._dropped_before + sum(waiting.dropped for waiting in self._waiting)

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a peer until it goes."""
        task = asyncio.create_task(self._serve(reader, writer), name="hub-peer")
        self._peers.add(task)
        task.add_done_callback(self._peers.discard)

    async def close(self) -> None:
        """Lets all peers go."""
        peers = list(self._peers)
        for peer in peers:
            peer.cancel()
        await asyncio.gather(*peers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = Outgoing(self._max_waiting)
        self._waiting.add(waiting)
        writing = asyncio.create_task(_write(waiting, writer), name="hub-writer")
        try:
            while True:
                self._act(*await read_frame(reader), waiting)
        except BadFrame as bad:
            log.error("hub.peer_dropped", why=str(bad))
        except (EOFError, OSError):
            pass  # it has gone
        finally:
            self._forget(waiting)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            writer.transport.abort()

    def _act(self, kind: Kind, topic: str, payload: bytes, waiting: Outgoing) -> None:
        match kind:
            case Kind.PUBLISH:
                told = frame(Kind.PUBLISH, topic, payload)
                for listener in self._listeners.get(topic, ()):
                    listener.put(told)
            case Kind.LISTEN:
                self._listeners.setdefault(topic, set()).add(waiting)
            case Kind.UNLISTEN:
                self._unlisten(topic, waiting)
            case Kind.PING:
                waiting.put(frame(Kind.PONG))

    def _unlisten(self, topic: str, waiting: Outgoing) -> None:
        listeners = self._listeners.get(topic, set())
        listeners.discard(waiting)
        if not listeners:
            self._listeners.pop(topic, None)

    def _forget(self, waiting: Outgoing) -> None:
        for topic in list(self._listeners):
            self._unlisten(topic, waiting)
        self._waiting.discard(waiting)
        self._dropped_before += waiting.dropped
        if waiting.dropped:
            log.warning("hub.peer_too_slow", dropped=waiting.dropped)


async def _write(waiting: Outgoing, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while True:
            writer.write(b"".join(await waiting.batch(256)))
            await writer.drain()


@asynccontextmanager
async def hub(path: Path, *, max_waiting: int = MAX_WAITING) -> AsyncIterator[Hub]:
    """A hub at ``path``, while the block runs. Whoever may open the path may take part."""
    passing_on = Hub(max_waiting=max_waiting)
    server = await asyncio.start_unix_server(passing_on.meet, path)
    try:
        yield passing_on
    finally:
        server.close()
        await passing_on.close()
