"""A connection of ``websockets`` to a server that sends texts: the same connection, with less work a text."""

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, NoReturn

from websockets.asyncio.client import ClientConnection
from websockets.frames import Opcode
from websockets.protocol import State

from bridge.frame_engine.frames import WHOLE_TEXT, WRONG, extent, read_head, text_of_client

_END_OF_HEAD = b"\r\n\r\n"
_OPCODE = 0x0F
_HEAD_BYTES = 4
_A_MODELS = WHOLE_TEXT << 8 | 126  # a whole text of 126 to 65,535 bytes
_BEGINS_A_MESSAGE = (Opcode.TEXT.value, Opcode.BINARY.value)


class EngineConnection(ClientConnection):
    """Hands a text that is one frame over in the turn of the event loop in which it arrived. Every other frame, and everything that is
    not reading, is left to the library: the handshake, pings and their answers, fragments, the closing handshake.

    To be given to ``websockets.connect`` as ``create_connection``, without compression. Sending is as ever, and :meth:`send_now` does
    without a task.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._max_bytes = self.protocol.max_message_size or 2**63
        self._received: Callable[[bytes], object] | None = None
        self._context: Context = copy_context()
        self._is_shaken = False
        self._head = b""  # the last bytes of an answer to the handshake whose end has not come
        self._begun = bytearray()  # a frame whose end has not come
        self._with_library = 0  # messages that it has and that were not handed over
        self._is_wrong = False
        self._has_room = True

    def send_now(self, text: str) -> bool:
        """Sends a text if that needs no waiting; ``False``: it was not sent. Not to be called while a :meth:`send` is under way."""
        if not self._has_room or self.protocol.state is not State.OPEN:
            return False
        self.transport.write(text_of_client(text))
        return True

    async def hand_over(self, received: Callable[[bytes], object]) -> NoReturn:
        """Hands over every message in the context of the caller, texts as UTF-8.

        Raises:
            websockets.exceptions.ConnectionClosed: no more will come.
        """
        self._received, self._context = received, copy_context()
        try:
            while True:
                message = await self.recv(decode=False)
                self._with_library -= 1
                received(message)
        finally:
            self._received = None

    # --- for the event loop ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._received is not None and len(data) > _HEAD_BYTES and not (self._begun or self._is_wrong):
            head, length = read_head(data)
            if head == _A_MODELS and length + _HEAD_BYTES == len(data) and length <= self._max_bytes and self._is_next():
                self._context.run(self._received, data[_HEAD_BYTES:])
                return
        if not self._is_shaken:
            data = self._shake_hands(data)
        if self._begun:
            self._begun += data
            used = self._take(self._begun)
            del self._begun[:used]
        elif data:
            used = self._take(data)
            if used < len(data):
                self._begun += data[used:]

    def pause_writing(self) -> None:
        """The peer is behind with reading."""
        self._has_room = False
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._has_room = True
        super().resume_writing()

    def _shake_hands(self, data: bytes) -> bytes:
        """The answer to the handshake is the library's; returns what comes behind it."""
        end = (self._head + data).find(_END_OF_HEAD)
        if end < 0:
            self._head = (self._head + data)[-len(_END_OF_HEAD) + 1 :]
            super().data_received(data)
            return b""
        begins = end + len(_END_OF_HEAD) - len(self._head)
        self._is_shaken = True
        super().data_received(data[:begins])
        self._is_wrong = self.protocol.state is not State.OPEN
        return data[begins:]

    def _take(self, data: bytes | bytearray) -> int:
        """Reads whole frames; returns how many bytes they were."""
        at = 0
        while at < len(data) and not self._is_wrong:
            payload, end = extent(data, at, self._max_bytes, masked=False)
            if end > len(data):
                return at
            if data[at] == WHOLE_TEXT and payload != WRONG and self._received is not None and self._is_next():
                self._context.run(self._received, bytes(data[payload:end]))
            else:
                self._is_wrong = payload == WRONG
                self._leave(bytes(data[at:end]))
            at = end
        if at < len(data):
            super().data_received(bytes(data[at:]))
        return len(data)

    def _is_next(self) -> bool:
        """Whether a message may be handed over past the library: nothing it has comes before, and the connection is open."""
        return not self._with_library and self.protocol.state is State.OPEN

    def _leave(self, frame: bytes) -> None:
        if frame and frame[0] & _OPCODE in _BEGINS_A_MESSAGE:
            self._with_library += 1
        super().data_received(frame)
