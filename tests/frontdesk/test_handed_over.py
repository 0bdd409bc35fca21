"""Connections a worker is handed, served in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from quart import Quart

from frontdesk.handed_over import HandedOver
from frontdesk.worker_channel import SupervisorEnd, WorkerEnd, channel

WITHIN_S = 10.0
ASKED = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"


class Caller:
    """Who has connected."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def asks(self) -> bytes:
        """The first line of the answer; empty if the connection is closed instead."""
        self._writer.write(ASKED)
        async with asyncio.timeout(WITHIN_S):
            line = await self._reader.readline()
            while line and (await self._reader.readline()).strip():
                pass  # the headers
            return line and line + await self._reader.readexactly(2)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(WITHIN_S):
            return await self._reader.read() == b""


class Worker:
    """A worker's entrance, and the supervisor in front of it."""

    def __init__(self, entrance: HandedOver, supervisor: SupervisorEnd) -> None:
        self.entrance, self._supervisor = entrance, supervisor
        self._writers: list[asyncio.StreamWriter] = []

    async def connected(self) -> Caller:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
        with far:
            assert self._supervisor.hand_over(far)
        reader, writer = await asyncio.open_connection(sock=near)
        self._writers.append(writer)
        return Caller(reader, writer)

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def worker() -> AsyncIterator[Worker]:
    app = Quart("test")
    app.add_url_rule("/readyz", "readyz", lambda: "ok")
    supervisor, theirs = channel()
    with theirs:
        entrance = HandedOver(WorkerEnd(theirs), "http://127.0.0.1:1", orphaned=lambda: None)
        async with entrance.serving(app):
            one = Worker(entrance, supervisor)
            yield one
            await one.close()
    supervisor.close()


async def test_what_is_handed_over_is_answered() -> None:
    async with worker() as one:
        caller = await one.connected()
        assert [await caller.asks(), await caller.asks()] == [b"HTTP/1.1 200 \r\nok"] * 2


async def test_a_worker_that_is_going_closes_the_connections_it_has() -> None:
    async with worker() as one:
        caller = await one.connected()
        await caller.asks()
        await one.entrance.finish()
        assert await caller.is_closed()


async def test_a_worker_that_is_going_answers_what_it_is_handed_all_the_same() -> None:
    async with worker() as one:
        await one.entrance.finish()
        caller = await one.connected()
        assert await caller.asks() == b"HTTP/1.1 200 \r\nok"
