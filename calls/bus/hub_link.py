"""A process's link to a hub (:mod:`calls.bus.hub`)."""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

import structlog

from calls.bus.frames import BadFrame, Kind, frame, read_frame
from calls.bus.linked import Message

CONNECT_WITHIN_S = 3.0
SEND_WITHIN_S = 2.0
PING_EVERY_S = 2.0
SILENT_AFTER_S = 5.0
"""A hub that has not answered a ping by then hangs."""

log = structlog.get_logger()


class HubLink:
    """A connection to the hub."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._pinging: asyncio.Task[None] | None = None

    async def begin(self, topics: Collection[str]) -> None:
        """Returns once the hub knows every topic."""
        self._writer.write(b"".join([*(frame(Kind.LISTEN, topic) for topic in topics), frame(Kind.PING)]))
        while (await read_frame(self._reader))[0] is not Kind.PONG:
            continue  # a message that was quicker than the answer; nobody has been promised it
        self._pinging = asyncio.create_task(self._ping(), name="bus-ping")

    async def send(self, messages: Sequence[Message]) -> None:
        """See ``Link``. A message that is too long is left out."""
        self._writer.write(b"".join(_published(messages)))
        async with asyncio.timeout(SEND_WITHIN_S):
            await self._writer.drain()

    async def receive(self) -> Message:
        """See ``Link``."""
        while True:
            async with asyncio.timeout(SILENT_AFTER_S):
                kind, topic, payload = await read_frame(self._reader)
            if kind is Kind.PUBLISH:
                return topic, payload

    async def listen(self, topic: str) -> None:
        """See ``Link``."""
        self._writer.write(frame(Kind.LISTEN, topic))

    async def unlisten(self, topic: str) -> None:
        """See ``Link``."""
        self._writer.write(frame(Kind.UNLISTEN, topic))

    async def close(self) -> None:
        """See ``Link``."""
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.gather(self._pinging, return_exceptions=True)
        self._writer.transport.abort()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            self._writer.write(frame(Kind.PING))


class HubAt:
    """Where the hub is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def connect(self, topics: Collection[str]) -> HubLink:
        """A link that listens to ``topics``."""
        async with asyncio.timeout(CONNECT_WITHIN_S):
            link = HubLink(*await asyncio.open_unix_connection(self._path))
            try:
                await link.begin(topics)
            except BaseException:
                await link.close()
                raise
        return link


def _published(messages: Sequence[Message]) -> list[bytes]:
    frames = []
    for topic, payload in messages:
        try:
            frames.append(frame(Kind.PUBLISH, topic, payload))
        except BadFrame as bad:
            log.error("bus.message_dropped", topic=topic, why=str(bad))
    return frames
