"""Two sides of a live call as one stereo WAV stream: 8 kHz, 16 bit, the caller left and the AI right.

Pieces of μ-law come with the time they were heard at; they are laid on a common line of time, gaps become silence. Follows ITU-T
G.711 for the decoding and the RIFF/WAVE header of a stream whose length is not known yet (both sizes 0xFFFFFFFF).
"""

import struct
from typing import Literal

RATE_HZ = 8_000
SAMPLES_PER_MS = RATE_HZ // 1_000
BYTES_PER_SAMPLE = 4
"""Of both sides together."""
HEADER_BYTES = 44
UNKNOWN_LENGTH = 0xFFFF_FFFF

LAG_MS = 400
"""How far behind the newest piece is written: the other side's piece of the same moment may still be on its way."""
SNAP_MS = 30
"""A piece that begins this close to the end of the one before follows it without a seam."""
MAX_GAP_MS = 600_000
"""A piece further ahead than this belongs to no call."""

_SILENCE = b"\xff"

Side = Literal["caller", "agent"]


def header(data_bytes: int | None = None) -> bytes:
    """The WAV header before ``data_bytes`` of audio; without a number, of a stream whose end is not known."""
    known = data_bytes is not None and data_bytes + HEADER_BYTES - 8 < UNKNOWN_LENGTH
    data = data_bytes if known and data_bytes is not None else UNKNOWN_LENGTH
    riff = data + HEADER_BYTES - 8 if known else UNKNOWN_LENGTH
    form = struct.pack("<HHIIHH", 1, 2, RATE_HZ, RATE_HZ * BYTES_PER_SAMPLE, BYTES_PER_SAMPLE, 16)
    return (
        b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", data)
    )


def linear(code: int) -> int:
    """The 16-bit sample of a μ-law code."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 132 << ((code & 0x70) >> 4)) - 132
    return -size if code & 0x80 else size


_LOW = bytes(linear(code) & 0xFF for code in range(256))
_HIGH = bytes(linear(code) >> 8 & 0xFF for code in range(256))


def stereo(left: bytes, right: bytes) -> bytes:
    """Interleaved 16-bit samples of two equally long pieces of μ-law."""
    samples = bytearray(len(left) * BYTES_PER_SAMPLE)
    samples[0::4], samples[1::4] = left.translate(_LOW), left.translate(_HIGH)
    samples[2::4], samples[3::4] = right.translate(_LOW), right.translate(_HIGH)
    return bytes(samples)


class Timeline:
    """Lays pieces where they were heard; gives out what is complete. Begins with the first piece."""

    def __init__(self) -> None:
        self._origin_ms: float | None = None
        self._written = 0
        self._sides: dict[Side, bytearray] = {"caller": bytearray(), "agent": bytearray()}
        self.ignored = 0
        """Pieces that came too late or belong to no time of this call."""

    def lay(self, side: Side, at_ms: float, ulaw: bytes) -> None:
        """Adds a piece heard at ``at_ms``. What of it has been given out already is left out."""
        if self._origin_ms is None:
            self._origin_ms = at_ms
        buffer = self._sides[side]
        start = round((at_ms - self._origin_ms) * SAMPLES_PER_MS) - self._written
        if abs(start - len(buffer)) <= SNAP_MS * SAMPLES_PER_MS:
            start = len(buffer)
        ulaw = ulaw[max(0, -start) :]
        start = max(0, start)
        if not ulaw or start > MAX_GAP_MS * SAMPLES_PER_MS:
            self.ignored += 1
            return
        buffer.extend(_SILENCE * (start - len(buffer)))
        buffer[start : start + len(ulaw)] = ulaw

    def take(self, *, everything: bool = False, at_most: int | None = None) -> bytes:
        """What is complete by now as interleaved samples; at the end of the call, all of it. ``at_most``: samples a side."""
        ready = max(map(len, self._sides.values())) - (0 if everything else LAG_MS * SAMPLES_PER_MS)
        if at_most is not None:
            ready = min(ready, at_most)
        if ready <= 0:
            return b""
        self._written += ready
        return stereo(self._cut("caller", ready), self._cut("agent", ready))

    @property
    def written(self) -> int:
        """Samples a side given out so far."""
        return self._written

    def _cut(self, side: Side, samples: int) -> bytes:
        buffer = self._sides[side]
        piece = bytes(buffer[:samples]).ljust(samples, _SILENCE)
        del buffer[:samples]
        return piece
