"""An operator's WebSocket, below ASGI where ASGI is silent.

ASGI knows no way to abandon a peer that does not read: closing politely waits for it, and whatever waits is leaked. Nor does it
take several messages at once, and one system call a message and reader is what a media process cannot spare. So where the
server is hypercorn, its transport is used for both; on any other server messages go one by one, and the server's own patience
decides about a peer that does not read.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

from hypercorn.protocol.events import Data
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable

FAREWELL_WITHIN_S = 2.0
"""How long a peer has to take note of a close."""
SEND_BUFFER_BYTES = 256 * 1024
"""What the kernel keeps for a reader; the rest waits in their queue, which is bounded."""
_SILENT_AFTER_S = 30
_PROBES_EVERY_S = 5
_PROBES = 3


class OperatorSocket:
    """An accepted WebSocket. Sending is for one task, receiving for another."""

    def __init__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._receive = receive
        self._send = send
        stream = getattr(send, "__self__", None)
        self._stream = stream if isinstance(stream, WSStream) else None
        self._transport = _transport_of(self._stream)
        self._is_over = False
        if self._transport is not None:
            _tune(self._transport)

    async def receive(self) -> str | bytes | None:
        """The next message; ``None`` once the peer is gone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._is_over = True
            return None
        text = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def send(self, texts: Sequence[bytes]) -> None:
        """Sends text messages (UTF-8); returns once there is room for more."""
        if self._is_over:
            return
        if self._stream is not None and not self._stream.closed:
            frames = b"".join([part for text in texts for part in (_header(len(text)), text)])
            await self._stream.send(Data(stream_id=self._stream.stream_id, data=frames))
        else:
            for text in texts:
                await self._send({"type": "websocket.send", "text": text.decode(), "bytes": None})

    async def close(self, code: int) -> None:
        """Closes politely."""
        if not self._is_over:
            await self._send({"type": "websocket.close", "code": code, "reason": None})

    async def finish(self) -> None:
        """Waits until the peer is gone, and sees to it that it is: nothing of the connection is left."""
        await self._until_over()
        if not self._is_over and self._transport is not None:
            self._transport.abort()
            await self._until_over()

    async def _until_over(self) -> None:
        """Throws away what still comes; what is left in the server's queue would keep it from saying that the peer is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_WITHIN_S):
                while not self._is_over:
                    await self.receive()


def _transport_of(stream: WSStream | None) -> asyncio.WriteTransport | None:
    """The transport of the stream's connection, if hypercorn is built as it was when this was written."""
    protocol = getattr(getattr(stream, "send", None), "__self__", None)
    server = getattr(getattr(protocol, "send", None), "__self__", None)
    transport: asyncio.WriteTransport | None = getattr(getattr(server, "writer", None), "transport", None)
    return transport if hasattr(transport, "abort") else None


def _tune(transport: asyncio.WriteTransport) -> None:
    """A peer that vanished without a word is noticed, and the kernel does not keep megabytes for one that does not read."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENT_AFTER_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBES_EVERY_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def _header(size: int) -> bytes:
    """The header of an unmasked text frame in one piece (RFC 6455, section 5.2)."""
    if size < 126:
        return struct.pack("!BB", 0x81, size)
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size)
    return struct.pack("!BBQ", 0x81, 127, size)
