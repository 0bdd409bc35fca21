"""μ-law audio (ITU-T G.711): its samples, and its loudness without decoding it first."""

import numpy as np


def _linear(code: int) -> int:
    """G.711 μ-law to 16-bit linear: the byte is inverted; sign, 3 bits of segment, 4 of mantissa; bias 132."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    return -magnitude if code & 0x80 else magnitude


LINEAR = np.array([_linear(code) for code in range(256)], dtype=np.int16)
"""The 16-bit sample of each μ-law code."""
_SQUARES = LINEAR.astype(np.float64) ** 2


def rms(audio: bytes) -> float:
    """Root mean square of μ-law ``audio`` on the 16-bit linear scale; 0 for no audio."""
    if not audio:
        return 0.0
    return float(np.sqrt(_SQUARES[np.frombuffer(audio, dtype=np.uint8)].mean()))
