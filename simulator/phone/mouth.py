"""The caller's mouth: one μ-law frame every 20 ms, speech or the near-silence of a live line."""

import random
from binascii import b2a_base64
from typing import NamedTuple

import numpy as np

from simulator import g711

FRAME_MS = 20
FRAME_BYTES = FRAME_MS * g711.SAMPLES_PER_MS
_COMFORT_FRAMES = 64
_COMFORT_CODES = (0x7F, 0xFF, 0x7E, 0xFE)  # zero and the step next to it, as captures of a silent line show them
_COMFORT_WEIGHTS = (40, 57, 1, 2)


def base64_of(frame: bytes) -> str:
    """As ``media.payload`` holds it."""
    return b2a_base64(frame, newline=False).decode("ascii")


def _comfort_frames() -> list[bytes]:
    rng = random.Random(711)
    return [bytes(rng.choices(_COMFORT_CODES, _COMFORT_WEIGHTS, k=FRAME_BYTES)) for _ in range(_COMFORT_FRAMES)]


# encoded once: most frames of most calls are these
_COMFORT = [(frame, base64_of(frame)) for frame in _comfort_frames()]


def noise(duration_ms: int, rms: int, seed: int) -> bytes:
    """White noise of exactly this RMS on the 16-bit scale (before μ-law rounds it); the same seed, the same noise."""
    samples = np.random.default_rng(seed).standard_normal(duration_ms * g711.SAMPLES_PER_MS)
    if samples.size:
        samples *= rms / np.sqrt(np.mean(samples**2))
    return g711.encode(samples)


class Frame(NamedTuple):
    """20 ms of the caller."""

    audio: bytes
    encoded: str
    """The same in base64."""


class Mouth:
    """What the caller is about to say, and what was said."""

    def __init__(self) -> None:
        self.said = bytearray()
        """μ-law, one byte a sample, since the caller dialled."""
        self._speech = b""
        self._spoken = 0
        self._comfort = 0

    @property
    def is_talking(self) -> bool:
        """Whether there is something left to say."""
        return self._spoken < len(self._speech)

    def say(self, audio: bytes) -> None:
        """Adds μ-law audio to what is being said."""
        self._speech = self._speech[self._spoken :] + audio
        self._spoken = 0

    def hush(self) -> None:
        """Stops in the middle of a word."""
        self._speech, self._spoken = b"", 0

    def stay_silent_until(self, position: int) -> None:
        """Fills the track up to a sample: nobody is on the line yet, or no longer."""
        self.said += bytes((g711.SILENCE,)) * max(0, position - len(self.said))

    def frame(self) -> Frame:
        """The next 20 ms."""
        self._comfort = (self._comfort + 1) % _COMFORT_FRAMES
        frame, encoded = _COMFORT[self._comfort]
        if self.is_talking:
            speech = self._speech[self._spoken : self._spoken + FRAME_BYTES]
            self._spoken += FRAME_BYTES
            frame = speech + frame[len(speech) :]
            encoded = base64_of(frame)
        self.said += frame
        return Frame(frame, encoded)
