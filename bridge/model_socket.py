"""The model's socket: connects, hands over what arrives, sends what it is given."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from bridge.settings import ModelEndpoint

OPEN_TIMEOUT_S = 6.0
MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Far above any event seen; the library's own megabyte is not."""
QUEUED_EVENTS = 1500
"""Events waiting to be sent: 30 s of caller audio. More means that the model does not listen."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ModelUnreachable(Exception):
    """No session could be opened. ``str()`` says why, without the key."""


class ModelSocket:
    """One session's socket. ``send`` never waits; ``run`` does the work until the socket is gone."""

    def __init__(self, endpoint: ModelEndpoint, model: str | None) -> None:
        self._endpoint = endpoint
        self._model = model
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUED_EVENTS)

    def send(self, text: str) -> bool:
        """Queues an event; ``False`` if the queue is full and the session must be given up."""
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            return False
        return True

    async def run(self, opened: Callable[[], None], received: Callable[[bytes], None]) -> str:
        """Connects, then passes events both ways until the socket closes; returns why it did.

        Raises:
            ModelUnreachable: it was never open.
        """
        connection = await self._connect()
        writer = asyncio.create_task(self._write(connection), name="model-writer")
        try:
            opened()
            while True:
                received(await connection.recv(decode=False))
        except ConnectionClosed:
            return f"closed by the model ({connection.close_code})"
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await connection.close()

    async def _connect(self) -> ClientConnection:
        address = self._endpoint.address_of(self._model)
        try:
            return await connect(
                address,
                additional_headers={"Authorization": f"Bearer {self._endpoint.api_key}"},
                compression=None,
                max_size=MAX_EVENT_BYTES,
                max_queue=2048,  # the default of 16 stops reading, and a socket that is not read cannot be closed politely
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=1,
                proxy=None if urlsplit(address).hostname in _LOOPBACK else True,
            )
        except InvalidStatus as refused:
            raise ModelUnreachable(f"the handshake was refused with HTTP {refused.response.status_code}") from refused
        except TimeoutError as late:
            raise ModelUnreachable(f"no connection within {OPEN_TIMEOUT_S:.0f} s") from late
        except (OSError, InvalidHandshake, InvalidURI) as failed:
            raise ModelUnreachable(f"no connection: {type(failed).__name__}") from failed

    async def _write(self, connection: ClientConnection) -> None:
        try:
            while True:
                await connection.send(await self._queue.get())
        except ConnectionClosed:
            return  # the reader sees it too, and says so
