"""The three audio formats of the Realtime API, and what becomes of telephone audio in them."""

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from simulator import g711

_PCM_RATE_HZ = 24_000


class AudioFormat:
    """One of ``audio/pcm`` (24 kHz, 16 bit, little-endian), ``audio/pcmu`` and ``audio/pcma`` (8 kHz), from a configuration."""

    def __init__(self, configured: dict[str, Any]) -> None:
        self.name: str = configured["type"]
        self.rate_hz = _PCM_RATE_HZ if self.name == "audio/pcm" else 8_000
        self.bytes_per_sample = 2 if self.name == "audio/pcm" else 1

    @property
    def configured(self) -> dict[str, Any]:
        """As a configuration shows it; only PCM has a rate."""
        return {"type": self.name, "rate": _PCM_RATE_HZ} if self.name == "audio/pcm" else {"type": self.name}

    @property
    def bytes_per_ms(self) -> int:
        """48 or 8."""
        return self.rate_hz // 1000 * self.bytes_per_sample

    def samples(self, audio: bytes) -> NDArray[np.int16]:
        """At this format's rate; half a sample at the end is dropped."""
        if self.name == "audio/pcmu":
            return g711.decode(audio)
        if self.name == "audio/pcma":
            return g711.decode_alaw(audio)
        return np.frombuffer(audio[: len(audio) // 2 * 2], "<i2").astype(np.int16, copy=False)

    def to_ulaw(self, audio: bytes) -> bytes:
        """As telephone audio: μ-law, 8 kHz."""
        if self.name == "audio/pcmu":
            return audio
        if self.name == "audio/pcma":
            return g711.encode(self.samples(audio))
        return g711.encode(soxr.resample(self.samples(audio).astype(np.float32), _PCM_RATE_HZ, 8_000))

    def from_ulaw(self, ulaw: bytes) -> bytes:
        """Telephone audio in this format."""
        if self.name == "audio/pcmu":
            return ulaw
        if self.name == "audio/pcma":
            return g711.encode_alaw(g711.decode(ulaw))
        wide: NDArray[np.float32] = soxr.resample(g711.decode(ulaw).astype(np.float32), 8_000, _PCM_RATE_HZ)
        return np.clip(np.rint(wide), -32_768, 32_767).astype("<i2").tobytes()
