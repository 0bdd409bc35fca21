"""Where connections come from, and hypercorn serving the application on them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from quart import Quart

from frontdesk.listening import url_of

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""What the server reads of one WebSocket message before it closes the socket itself; the core's own limits are far below."""
CLOSED_WITHIN_S = 5
"""How long connections have, at the end, to finish what they are at."""


class Entrance(Protocol):
    """Where connections come from."""

    @property
    def url(self) -> str:
        """The address people connect to, ``http://host:port``."""

    def serving(self, app: Quart) -> AbstractAsyncContextManager[None]:
        """Serves the application while the block runs, then ends the connections that are left."""


class Listener:
    """A listening socket, which it closes at the end."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.url = url_of(listener)

    @asynccontextmanager
    async def serving(self, app: Quart) -> AsyncIterator[None]:
        """See ``Entrance``."""
        config = server_config()
        config.bind = [f"fd://{self._listener.detach()}"]
        stop = asyncio.Event()
        server = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stop.wait, mode="asgi"), name="server")
        try:
            yield
        finally:
            stop.set()
            await server


def server_config() -> Config:
    """How hypercorn is to serve, wherever its connections come from."""
    config = Config()
    config.websocket_max_message_size = MAX_MESSAGE_BYTES
    config.graceful_timeout = CLOSED_WITHIN_S
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    return config
