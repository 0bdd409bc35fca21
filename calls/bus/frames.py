"""How messages travel between a hub and its peers: frames on a stream, each with its length before it.

``length`` (4 bytes, of what follows) · ``kind`` (1) · length of the topic (2) · topic (UTF-8) · payload. Numbers are big-endian.
"""

import asyncio
import struct
from enum import IntEnum

MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Whoever announces more is not spoken to any longer."""
_HEAD = struct.Struct("!IBH")
_LENGTH = struct.Struct("!I")
_REST = struct.Struct("!BH")


class Kind(IntEnum):
    """What a frame is."""

    PUBLISH = 1
    """To the hub: everybody who listens to the topic is to be told. From it: somebody has published."""
    LISTEN = 2
    UNLISTEN = 3
    PING = 4
    """To the hub, which answers it; by then it has done all that came before."""
    PONG = 5


class BadFrame(Exception):
    """What came is no frame; ``str()`` says why."""


def frame(kind: Kind, topic: str = "", payload: bytes = b"") -> bytes:
    """A frame. Raises :class:`BadFrame` if it would be too long."""
    name = topic.encode()
    length = _REST.size + len(name) + len(payload)
    if length > MAX_FRAME_BYTES or len(name) > 0xFFFF:
        raise BadFrame(f"a message of {length} bytes is too long")
    return b"".join((_HEAD.pack(length, kind, len(name)), name, payload))


async def read_frame(reader: asyncio.StreamReader) -> tuple[Kind, str, bytes]:
    """The next frame.

    Raises:
        BadFrame: what came is none.
        EOFError: the stream has ended.
        OSError: it broke.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if not _REST.size <= length <= MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {length} bytes")
    body = await reader.readexactly(length)
    kind, topic_bytes = _REST.unpack_from(body)
    end = _REST.size + topic_bytes
    try:
        return Kind(kind), body[_REST.size : end].decode(), body[end:]
    except (ValueError, UnicodeDecodeError):
        raise BadFrame(f"a frame of kind {kind} that makes no sense") from None
