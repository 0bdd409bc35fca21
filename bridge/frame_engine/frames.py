"""The server's side of an open WebSocket, without I/O (RFC 6455).

A telephone sends the same thing fifty times a second: one whole, masked, unfragmented frame of text. That one is read here, at the
cost of a comparison and a mask. Every other frame, and every decision that the protocol asks for, is left to ``websockets``: pings
and their answers, fragments, the closing handshake, and what is said to a peer that does it wrong.
"""

from itertools import chain, repeat
from secrets import token_bytes
from struct import Struct

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import SEND_EOF, Protocol, Side, State

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover  (where no compiled part was to be had)
    from websockets.utils import apply_mask

_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")
_pack_medium = Struct("!HH4s").pack
_READ_MEDIUM, _READ_LONG = Struct("!H").unpack_from, Struct("!Q").unpack_from
WHOLE_TEXT = 0x80 | Opcode.TEXT.value
"""The first byte of a text that is one frame."""
WRONG = 0
"""No payload begins there."""
_MASKED = 0x80
_MASK_BYTES = 4
_MASKS_AT_ONCE = 256
_MASK_AT = 4
_HEAD_BYTES = _MASK_AT + _MASK_BYTES
_WHOLE_MASKED_MEDIUM = WHOLE_TEXT << 8 | _MASKED | 126  # a whole masked text of 126 to 65,535 bytes: what a telephone sends
_WHOLE_MASKED_SHORT = WHOLE_TEXT << 8 | _MASKED  # and this, to which the length is added, is how its marks come back
read_head = Struct("!HH").unpack_from
"""The first two bytes of a frame, and the length of such a one."""
_MESSAGES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


def text_of_server(text: str) -> bytes:
    """A text message as a server sends it."""
    payload = text.encode()
    return _header(len(payload), 0) + payload


def text_of_client(text: str) -> bytes:
    """A text message as a client sends it: masked with what nobody can foresee."""
    payload, mask = text.encode(), _next_mask()
    length = len(payload)
    if 126 <= length < 65_536:
        return _pack_medium(_WHOLE_MASKED_MEDIUM, length, mask) + apply_mask(payload, mask)
    return _header(length, _MASKED) + mask + apply_mask(payload, mask)


def _some_masks(_: None) -> list[bytes]:
    drawn = token_bytes(_MASKS_AT_ONCE * _MASK_BYTES)
    return [drawn[at : at + _MASK_BYTES] for at in range(0, len(drawn), _MASK_BYTES)]


_next_mask = chain.from_iterable(map(_some_masks, repeat(None))).__next__
"""One nobody can foresee: drawn from the system many at a time, and given out without a step of Python."""


def _header(length: int, masked: int) -> bytes:
    if length < 126:
        return _SHORT.pack(WHOLE_TEXT, masked | length)
    if length < 65_536:
        return _MEDIUM.pack(WHOLE_TEXT, masked | 126, length)
    return _LONG.pack(WHOLE_TEXT, masked | 127, length)


def extent(data: bytes | bytearray, at: int, max_bytes: int, *, masked: bool) -> tuple[int, int]:
    """Where the payload of the frame at ``at`` begins and ends, beyond the data as long as that is not known. One that must
    not be, because of its length or its mask, has no payload (:data:`WRONG`), and ends where the data does: the peer is told
    before more is waited for."""
    there = len(data)
    payload = at + 2
    if there < payload:
        return there, there + 1
    second = data[at + 1]
    length = second & ~_MASKED
    if length > 125:
        payload = at + (4 if length == 126 else 10)
        if there < payload:
            return there, there + 1
        (length,) = (_READ_MEDIUM if length == 126 else _READ_LONG)(data, at + 2)
    if length > max_bytes or (second >= _MASKED) is not masked:
        return WRONG, there
    if masked:
        payload += _MASK_BYTES
    return payload, payload + length


class Frames:
    """What comes in becomes messages, what goes out becomes bytes. A message of more than ``max_message_bytes`` is refused (1009)."""

    __slots__ = ("_answers", "_begun", "_fragments", "_is_text", "_library", "_max_bytes", "has_answers", "is_over")

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes
        self._library = Protocol(Side.SERVER, state=State.OPEN, max_size=max_message_bytes)
        self._begun = bytearray()  # a frame whose end has not come
        self._fragments: list[bytes] = []
        self._is_text = True
        self._answers: list[bytes] = []
        self.has_answers = False
        """Whether there is anything in :meth:`answers`, or :attr:`is_over` has changed."""
        self.is_over = False
        """The peer has closed, or was found to be wrong: nothing more is read."""

    def feed(self, arrived: bytes) -> list[str | bytes]:
        """The messages that are complete now, in order. What is to be answered is in :meth:`answers`."""
        if len(arrived) > _HEAD_BYTES and not (self._begun or self._fragments or self.is_over):
            head, length = read_head(arrived)
            if head == _WHOLE_MASKED_MEDIUM and length + _HEAD_BYTES == len(arrived) and length <= self._max_bytes:
                try:
                    return [str(apply_mask(arrived[_HEAD_BYTES:], arrived[_MASK_AT:_HEAD_BYTES]), "utf-8")]
                except UnicodeDecodeError:
                    pass  # refused below
            elif 0 <= (length := head - _WHOLE_MASKED_SHORT) < 126 and length + 6 == len(arrived) and length <= self._max_bytes:
                try:
                    return [str(apply_mask(arrived[6:], arrived[2:6]), "utf-8")]
                except UnicodeDecodeError:
                    pass  # refused below
        messages: list[str | bytes] = []
        if self._begun:
            self._begun += arrived
            used = self._take(self._begun, messages)
            del self._begun[:used]
        else:
            used = self._take(arrived, messages)
            if used < len(arrived):
                self._begun += arrived[used:]
        return messages

    def peer_is_gone(self) -> None:
        """The peer sends nothing more, whether it has closed or not."""
        self._library.receive_eof()
        self._collect()

    def close(self, code: int) -> None:
        """Begins to close, unless that has begun. What is to be sent is in :meth:`answers`."""
        if self._library.state is State.OPEN:
            self._library.send_close(code)
            self._collect()

    @property
    def is_closing(self) -> bool:
        """Whether a close was sent: no message may follow it."""
        return self._library.state is not State.OPEN

    def answers(self) -> list[bytes]:
        """What is to be sent because of what came, or was closed. An empty piece says that nothing follows it."""
        answers, self._answers, self.has_answers = self._answers, [], False
        return answers

    def _take(self, data: bytes | bytearray, messages: list[str | bytes]) -> int:
        """Reads whole frames; returns how many bytes they were."""
        at = 0
        while at < len(data) and not self.is_over:
            payload, end = extent(data, at, self._max_bytes, masked=True)
            if end > len(data):
                return at
            if data[at] == WHOLE_TEXT and payload != WRONG and not self._fragments:
                self._text(apply_mask(data[payload:end], data[payload - _MASK_BYTES : payload]), messages)
            else:
                self._ask_library(bytes(data[at:end]), messages)
            at = end
        return len(data)

    def _text(self, payload: bytes, messages: list[str | bytes]) -> None:
        try:
            messages.append(str(payload, "utf-8"))
        except UnicodeDecodeError:
            self._library.fail(CloseCode.INVALID_DATA)
            self._collect()

    def _ask_library(self, data: bytes, messages: list[str | bytes]) -> None:
        self._library.receive_data(data)
        for frame in self._library.events_received():
            if isinstance(frame, Frame) and frame.opcode in _MESSAGES:
                self._join(frame, messages)
        self._collect()

    def _join(self, frame: Frame, messages: list[str | bytes]) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            message, self._fragments = b"".join(self._fragments), []
            if self._is_text:
                self._text(message, messages)
            else:
                messages.append(message)

    def _collect(self) -> None:
        answers = self._library.data_to_send()
        self._answers += answers
        self.has_answers = True
        self.is_over = self.is_over or SEND_EOF in answers
