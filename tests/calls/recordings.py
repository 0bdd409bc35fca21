"""Recordings the tests of this folder are about."""

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calls.recordings.wav import GrowingWav, header

MS = 8
"""Frames."""


def tone(frames: int, left: int = 1, right: int = 2) -> bytes:
    """Interleaved samples: one value a side."""
    return np.tile(np.array([left, right], "<i2"), frames).tobytes()


def samples(wav: bytes | Path) -> NDArray[np.int16]:
    """What the standard library reads of a recording."""
    with wave.open(str(wav) if isinstance(wav, Path) else io.BytesIO(wav), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def wav_of(frames: int, left: int = 1, right: int = 2) -> bytes:
    return header(frames) + tone(frames, left, right)


def made(path: Path, frames: int, left: int = 1, right: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    wav = GrowingWav(path)
    wav.write(0, tone(frames, left, right))
    wav.close()
    return path
