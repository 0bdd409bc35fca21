"""A WebSocket on a transport of its own, from the moment the handshake is done to the end of the connection."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context

from bridge.frame_engine.frames import Frames, text_of_server

FAREWELL_WITHIN_S = 2.0
"""How long a peer has to answer a close, and to take what is still to be sent; then it is cut off."""


class EngineSocket(asyncio.Protocol):
    """Reads without a task and writes without a queue: messages are handed over in the turn of the event loop in which they arrived, those
    that came in one go together, and one that is sent is with the transport before the call returns, unless the peer does not read.

    It takes the place of ``before`` as the transport's protocol, which is told of nothing but the connection's end.
    """

    __slots__ = ("_before", "_context", "_cut", "_early", "_frames", "_over", "_received", "_room", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, before: asyncio.BaseProtocol, max_message_bytes: int) -> None:
        self._transport, self._before = transport, before
        self._frames = Frames(max_message_bytes)
        self._received: Callable[[Sequence[str | bytes]], object] | None = None
        self._context = copy_context()
        self._early: list[str | bytes] = []
        self._over = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting = 0
        self._cut: asyncio.TimerHandle | None = None

    # --- for who uses it ---------------------------------------------------------------------------------------------------

    async def read(self, received: Callable[[Sequence[str | bytes]], object]) -> None:
        """Hands over every message, in the context of the caller; returns once no more will come."""
        self._received, self._context = received, copy_context()
        early, self._early = self._early, []
        if early:
            received(early)
        try:
            await self._over.wait()
        finally:
            self._received = None

    def send_now(self, *texts: str) -> bool:
        """Sends text messages if that needs no waiting; ``False``: none was sent, because the peer is behind with reading."""
        if self._waiting or not self._room.is_set():
            return False
        if not self._frames.is_closing and not self._over.is_set():
            self._transport.write(b"".join(map(text_of_server, texts)))
        return True

    async def send(self, text: str) -> None:
        """Sends a text message as soon as there is room for it. Nothing on a closed socket."""
        self._waiting += 1
        try:
            await self._room.wait()
        finally:
            self._waiting -= 1
        self.send_now(text)

    async def close(self, code: int) -> None:
        """Closes, once. The connection is gone within :data:`FAREWELL_WITHIN_S`, whatever the peer does."""
        self._frames.close(code)
        self._answer()
        self._cut_off_later()

    # --- for the event loop ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        messages = self._frames.feed(data)
        if self._received is None:
            self._early += messages
        elif messages:
            self._context.run(self._received, messages)
        if self._frames.has_answers:
            self._answer()

    def eof_received(self) -> None:
        """The peer sends nothing more; the transport closes."""
        self._frames.peer_is_gone()
        self._answer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._over.set()
        self._room.set()
        if self._cut is not None:
            self._cut.cancel()
        self._before.connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer is behind with reading."""
        self._room.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._room.set()

    def _answer(self) -> None:
        for piece in self._frames.answers():
            if piece:
                self._transport.write(piece)
        if self._frames.is_over and not self._over.is_set():
            self._over.set()
            self._room.set()
            self._cut_off_later()
            self._transport.close()

    def _cut_off_later(self) -> None:
        if self._cut is None and not self._transport.is_closing():
            self._cut = asyncio.get_running_loop().call_later(FAREWELL_WITHIN_S, self._transport.abort)
