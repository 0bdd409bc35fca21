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


def differing(recorded: NDArray[np.int16], real: NDArray[np.int16], within_ms: int) -> list[int]:
    """The frames at which a recorded channel has what the real one has not, not even up to so much earlier or later: each tenth
    of a second is looked for nearby."""
    stretch, slack = 100 * MS, within_ms * MS
    length = min(len(recorded), len(real))
    padded = np.pad(real[:length], slack)

    def is_nearby(at: int) -> bool:
        piece = recorded[at : at + stretch]
        windows = np.lib.stride_tricks.sliding_window_view(padded[at : at + stretch + 2 * slack], stretch)
        return bool((windows == piece).all(axis=1).any())

    return [at for at in range(0, length - stretch, stretch) if recorded[at : at + stretch].any() and not is_nearby(at)]


def loud_ms(channel: NDArray[np.int16]) -> float:
    """How much of it is speech."""
    return float(np.count_nonzero(np.abs(channel.astype(np.int32)) > 8)) / MS
