"""G.711 companding: what the telephone network and the Realtime API call PCMU (μ-law) and PCMA (A-law).

Follows ITU-T Recommendation G.711 (11/88), tables 1 and 2, on the 16-bit scale: the 14-bit values of μ-law are shifted left by two,
the 13-bit values of A-law by three. One byte a sample, 8,000 samples a second.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SAMPLES_PER_MS = 8
"""Also bytes a millisecond."""
SILENCE = 0xFF
"""The μ-law code of zero; ``0x7F`` is its negative twin."""

_ULAW_BIAS = 132
_ULAW_CLIP = 32_635


def decode(ulaw: bytes) -> NDArray[np.int16]:
    """16-bit samples of μ-law bytes, at most 32,124 in size."""
    return _ULAW_TO_LINEAR[np.frombuffer(ulaw, np.uint8)]


def encode(samples: ArrayLike) -> bytes:
    """μ-law bytes of 16-bit samples; values outside the 16-bit range are clipped."""
    return _LINEAR_TO_ULAW[_as_index(samples)].tobytes()


def decode_alaw(alaw: bytes) -> NDArray[np.int16]:
    """16-bit samples of A-law bytes, at most 32,256 in size."""
    return _ALAW_TO_LINEAR[np.frombuffer(alaw, np.uint8)]


def encode_alaw(samples: ArrayLike) -> bytes:
    """A-law bytes of 16-bit samples; values outside the 16-bit range are clipped."""
    return _LINEAR_TO_ALAW[_as_index(samples)].tobytes()


def _as_index(samples: ArrayLike) -> NDArray[np.uint16]:
    wide = np.asarray(samples)
    if wide.dtype != np.int16:
        wide = np.clip(np.rint(wide), -32_768, 32_767).astype(np.int16)
    return wide.view(np.uint16)


def _ulaw_to_linear() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = (((code & 0x0F) << 3) + _ULAW_BIAS << ((code & 0x70) >> 4)) - _ULAW_BIAS
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _linear_to_ulaw() -> NDArray[np.uint8]:
    linear = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    size = np.minimum(np.abs(linear), _ULAW_CLIP) + _ULAW_BIAS
    segment = np.log2(size >> 7).astype(np.int32)
    code = np.where(linear < 0, 0x80, 0) | segment << 4 | size >> (segment + 3) & 0x0F
    return np.asarray(~code & 0xFF, np.uint8)


def _alaw_to_linear() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = (code & 0x70) >> 4, (code & 0x0F) << 4
    size = np.where(segment == 0, step + 8, step + 0x108 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


def _linear_to_alaw() -> NDArray[np.uint8]:
    linear = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    size = np.where(linear < 0, ~linear, linear) >> 4
    segment = np.maximum(np.log2(np.maximum(size, 1)).astype(np.int32) - 3, 0)
    step = size >> np.maximum(segment - 1, 0) & 0x0F
    return np.asarray((np.where(linear < 0, 0, 0x80) | segment << 4 | step) ^ 0x55, np.uint8)


_ULAW_TO_LINEAR = _ulaw_to_linear()
_LINEAR_TO_ULAW = _linear_to_ulaw()
_ALAW_TO_LINEAR = _alaw_to_linear()
_LINEAR_TO_ALAW = _linear_to_alaw()
