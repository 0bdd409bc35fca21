"""The caller's mouth: one μ-law frame every 20 ms, speech or the near-silence of a live line."""

import random
from binascii import b2a_base64
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator import g711

FRAME_MS = 20
FRAME_BYTES = FRAME_MS * g711.SAMPLES_PER_MS
NOISE_MS = 4000
"""How much of a line's noise is made; it is repeated."""
NO_NOISE: NDArray[np.int16] = np.zeros(0, np.int16)
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
    """What the caller is about to say, and what was said. ``noise_rms`` is under all of it, the same for the same ``seed``."""

    def __init__(self, noise_rms: int = 0, seed: int = 0) -> None:
        self.said = bytearray()
        """μ-law, one byte a sample, since the caller dialled."""
        self._speech = b""
        self._spoken = 0
        self._comfort = 0
        self._quiet = _COMFORT
        self._noise = NO_NOISE
        if noise_rms:
            self._noise = g711.decode(noise(NOISE_MS, noise_rms, seed))
            frames = [g711.encode(frame) for frame in self._noise.reshape(-1, FRAME_BYTES)]
            self._quiet = [(frame, base64_of(frame)) for frame in frames]

    @property
    def is_talking(self) -> bool:
        """Whether there is something left to say."""
        return self._spoken < len(self._speech)

    def say(self, audio: bytes) -> None:
        """Adds μ-law audio to what is being said."""
        self._speech = self._speech[self._spoken :] + self._over_noise(audio)
        self._spoken = 0

    def hush(self) -> None:
        """Stops in the middle of a word."""
        self._speech, self._spoken = b"", 0

    def stay_silent_until(self, position: int) -> None:
        """Fills the track up to a sample: nobody is on the line yet, or no longer."""
        self.said += bytes((g711.SILENCE,)) * max(0, position - len(self.said))

    def frame(self) -> Frame:
        """The next 20 ms."""
        self._comfort = (self._comfort + 1) % len(self._quiet)
        frame, encoded = self._quiet[self._comfort]
        if self.is_talking:
            speech = self._speech[self._spoken : self._spoken + FRAME_BYTES]
            self._spoken += FRAME_BYTES
            frame = speech + frame[len(speech) :]
            encoded = base64_of(frame)
        self.said += frame
        return Frame(frame, encoded)

    def _over_noise(self, audio: bytes) -> bytes:
        if not self._noise.size:
            return audio
        samples = g711.decode(audio).astype(np.int32)
        return g711.encode(samples + np.resize(self._noise, len(samples)))
