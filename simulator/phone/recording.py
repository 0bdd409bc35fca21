"""Both sides of a call as the caller's ear and mouth had them."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator import g711

RATE_HZ = 8000


@dataclass(frozen=True, slots=True)
class Recording:
    """Two tracks, μ-law at 8 kHz, aligned: byte *n* of both is the same moment, *n*/8 ms after the caller dialled."""

    caller: bytes
    """What the caller said."""
    heard: bytes
    """What the caller heard: the server's audio as it was played, ``<Say>``, people, silence."""

    @property
    def duration_ms(self) -> float:
        """From dialling to the end."""
        return len(self.caller) / g711.SAMPLES_PER_MS

    def stereo(self) -> NDArray[np.int16]:
        """Samples of shape (n, 2): the caller left, what the caller heard right."""
        return np.stack([g711.decode(self.caller), g711.decode(self.heard)], axis=1)

    def write_wav(self, path: Path) -> None:
        """Writes 16-bit stereo WAV at 8 kHz. Raises :class:`OSError`."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(self.stereo().astype("<i2").tobytes())
