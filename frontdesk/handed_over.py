"""Connections that a supervisor has accepted and hands over, served by hypercorn as it serves those it accepts itself."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper
from hypercorn.utils import wrap_app
from quart import Quart

from frontdesk.entrance import CLOSED_WITHIN_S, server_config
from frontdesk.worker_channel import ChannelClosed, WorkerEnd

AT_ONCE = 16
"""Connections taken before the loop has another turn."""


class HandedOver:
    """The entrance of a worker. ``url`` is what the supervisor listens on; ``orphaned`` is called when that has gone."""

    def __init__(self, end: WorkerEnd, url: str, orphaned: Callable[[], None]) -> None:
        self.url = url
        self._end, self._orphaned = end, orphaned
        self._loop = asyncio.get_running_loop()
        self._config = server_config()
        self._context = WorkerContext(None)
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, app: Quart) -> AsyncIterator[None]:
        """See ``Entrance``."""
        await app.startup()
        wrapped = wrap_app(app, self._config.wsgi_max_body_size, "asgi")
        self._loop.add_reader(self._end, self._take, wrapped)
        try:
            yield
        finally:
            self._loop.remove_reader(self._end)
            await self.finish()
            await self._close()
            await app.shutdown()

    async def finish(self) -> None:
        """Connections are closed after the request they are at; one that comes with the next goes to another worker. One that is handed
        over all the same, because all workers are going, is served: calls are ended and put through to the last."""
        context, self._context = self._context, WorkerContext(None)
        await context.terminated.set()

    def _take(self, app: AppWrapper) -> None:
        try:
            for _ in range(AT_ONCE):
                connection = self._end.take()
                if connection is None:
                    return
                self._begin(app, connection)
        except ChannelClosed:
            self._loop.remove_reader(self._end)
            self._orphaned()

    def _begin(self, app: AppWrapper, connection: socket.socket) -> None:
        task = self._loop.create_task(self._serve(app, connection), name="connection")
        self._connections.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._end.connection_closed()

    async def _serve(self, app: AppWrapper, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = asyncio.StreamReader()
        transport, protocol = await self._loop.connect_accepted_socket(lambda: asyncio.StreamReaderProtocol(reader), connection)
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        await TCPServer(app, self._loop, self._config, self._context, {}, reader, writer)

    async def _close(self) -> None:
        """What has not ended by itself soon is cut off."""
        if self._connections:
            await asyncio.wait(self._connections, timeout=CLOSED_WITHIN_S)
        left = list(self._connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
