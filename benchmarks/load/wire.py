"""WebSocket frames and handshakes of the far ends (RFC 6455), and audio that says which frame it is.

A frame of telephone audio is 160 bytes of μ-law. The first nine of them carry a number in their lower halves: bytes from 0xF0 to 0xFF are
the quietest there are (an amplitude of 120 at most), so a silent line stays silent. As nine bytes are twelve characters of base64
whatever comes after them, the number is read without decoding anything while calls are running.
"""

from base64 import b64decode, b64encode, standard_b64encode
from hashlib import sha1
from secrets import token_bytes
from struct import Struct
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from simulator import g711

FRAME_MS = 20
FRAME_BYTES = FRAME_MS * g711.SAMPLES_PER_MS
TAG_BYTES, TAG_CHARS = 9, 12
FRAME_CHARS = 216
"""Of base64, for one frame of audio."""
MOST_LINES = 4096
TAGGED = frozenset(b"89+/")
"""How the base64 of a tag begins, and of no other audio written here."""
LOUD_CHAR = ord("o")
"""How the audio behind the tag begins where the caller speaks."""

_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")
_TEXT, _MASKED = 0x81, 0x80
_NO_MASK = bytes(4)
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LOUD_BYTE, _QUIET_BYTE = 0xA0, 0xFF
_VARIANTS = 8
_SPEECH_RMS, _LINE_RMS = 2500.0, 8.0
_DIGITS = [b64encode(bytes((0xF0 | n >> 8, 0xF0 | n >> 4 & 15, 0xF0 | n & 15))) for n in range(4096)]


def tag(line: int, number: int) -> bytes:
    """Twelve characters of base64 for a frame: of which line (below :data:`MOST_LINES`), and its number (below 2**24)."""
    return _DIGITS[line] + _DIGITS[number >> 12] + _DIGITS[number & 4095]


def tag_of_audio(audio: bytes) -> bytes:
    """The tag of decoded audio."""
    return b64encode(audio[:TAG_BYTES])


def keys_of(tags: bytes | bytearray) -> NDArray[np.int64]:
    """Line and number of tags that were noted one behind the other, as ``line << 24 | number``."""
    digits = np.frombuffer(b64decode(bytes(tags)), np.uint8).reshape(-1, TAG_BYTES).astype(np.int64) & 15
    keys = np.zeros(len(digits), np.int64)
    for column in range(TAG_BYTES):
        keys = keys << 4 | digits[:, column]
    return keys


def _tails(first: int, rms: float) -> tuple[bytes, ...]:
    chance = np.random.default_rng(first)
    size = FRAME_BYTES - TAG_BYTES - 1
    return tuple(
        standard_b64encode(bytes((first,)) + g711.encode(chance.normal(0, rms, size).astype(np.float64)))
        for _ in range(_VARIANTS)
    )


LOUD_TAILS = _tails(LOUD_BYTE, _SPEECH_RMS)
"""Base64 of what follows the tag while the caller speaks."""
QUIET_TAILS = _tails(_QUIET_BYTE, _LINE_RMS)
"""And of what follows it on a silent line."""


def speech_behind_tag(duration_ms: int, variant: int) -> bytes:
    """Base64 of what follows the tag in a piece of the AI's audio. Wherever it is cut, no piece of it begins like a tag."""
    size = duration_ms * g711.SAMPLES_PER_MS - TAG_BYTES
    return b64encode(np.random.default_rng(variant).integers(0, 0xF0, size, np.uint8).tobytes())


def from_client(payload: bytes) -> bytes:
    """A text frame of a client. The mask is all zeros, which its reader cannot know: it has the work of every other one."""
    length = len(payload)
    if length < 126:
        return _SHORT.pack(_TEXT, _MASKED | length) + _NO_MASK + payload
    return _MEDIUM.pack(_TEXT, _MASKED | 126, length) + _NO_MASK + payload


def from_server(payload: bytes) -> bytes:
    """A text frame of a server."""
    length = len(payload)
    if length < 126:
        return _SHORT.pack(_TEXT, length) + payload
    if length < 65_536:
        return _MEDIUM.pack(_TEXT, 126, length) + payload
    return _LONG.pack(_TEXT, 127, length) + payload


def close_of_client(code: int) -> bytes:
    """A closing frame of a client."""
    return b"\x88\x82" + _NO_MASK + code.to_bytes(2, "big")


def pong_of_client(payload: bytes) -> bytes:
    """The answer to a ping of the server."""
    return bytes((0x8A, _MASKED | len(payload))) + _NO_MASK + payload


def handshake(url: str, headers: dict[str, str]) -> bytes:
    """A client's request to open a WebSocket."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"GET {target or '/'} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {b64encode(token_bytes(16)).decode()}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def acceptance(request: bytes) -> bytes | None:
    """The server's answer to such a request; ``None`` if it asks for something else."""
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"sec-websocket-key":
            accept = b64encode(sha1(value.strip() + _MAGIC).digest())
            return (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                + accept
                + b"\r\n\r\n"
            )
    return None
