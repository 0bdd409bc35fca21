"""A load balancer for a benchmark: TCP connections go to the tasks that are ready, and wait while none is.

A task is ready while its ``/readyz`` answers 200. A connection that was made stays where it is for as long as it lasts, as it does
behind a real one; when the task dies it is reset.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

LOOK_EVERY_S = 0.2
ANSWER_WITHIN_S = 2.0
PIECE_BYTES = 65536


class Balancer:
    """Passes connections to the ready task that has the fewest."""

    def __init__(self) -> None:
        self.url = ""
        self._open: dict[int, int] = {}
        """Connections by the port of their task."""
        self._ready: set[int] = set()
        self._changed = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    def add(self, port: int) -> None:
        """A task listens on that port, and will be asked whether it is ready."""
        self._open[port] = 0

    def forget(self, port: int) -> None:
        """The task is gone."""
        self._open.pop(port, None)
        self._ready.discard(port)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Balancer"]:
        """Balances while the block runs."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        looking = asyncio.create_task(self._look())
        try:
            yield self
        finally:
            server.close()
            ending = [looking, *self._connections]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            await server.wait_closed()

    async def ready(self, port: int, within_s: float) -> None:
        """Returns once the task takes calls. Raises ``TimeoutError``."""
        async with asyncio.timeout(within_s):
            while port not in self._ready:
                self._changed.clear()
                await self._changed.wait()

    async def _look(self) -> None:
        while True:
            ports = list(self._open)
            answers = await asyncio.gather(*(_is_ready(port) for port in ports))
            now = {port for port, is_ready in zip(ports, answers, strict=True) if is_ready and port in self._open}
            if now != self._ready:
                self._ready = now
                self._changed.set()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with suppress(asyncio.CancelledError):
            try:
                port, behind_reader, behind_writer = await self._connect()
                _at_once(writer)
                _at_once(behind_writer)
                await self._join(port, reader, writer, behind_reader, behind_writer)
            finally:
                writer.transport.abort()

    async def _join(
        self,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        behind_reader: asyncio.StreamReader,
        behind_writer: asyncio.StreamWriter,
    ) -> None:
        if port in self._open:
            self._open[port] += 1
        try:
            with suppress(OSError):
                await asyncio.gather(_copy(reader, behind_writer), _copy(behind_reader, writer))
        finally:
            if port in self._open:
                self._open[port] -= 1
            behind_writer.transport.abort()

    async def _connect(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to a task that takes one; waited for."""
        while True:
            for port in sorted(self._ready, key=lambda one: self._open.get(one, 0)):
                try:
                    return port, *await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    self._ready.discard(port)  # until it answers again
            self._changed.clear()
            await self._changed.wait()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To the end of the stream, which is passed on, too. Raises ``OSError`` if a connection breaks."""
    while data := await reader.read(PIECE_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _at_once(writer: asyncio.StreamWriter) -> None:
    tcp = writer.get_extra_info("socket")
    if tcp is not None:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                return b" 200" in await reader.readline()
            finally:
                writer.transport.abort()
    except OSError:  # a timeout, too
        return False
