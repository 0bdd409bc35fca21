"""Turn detection on the audio that was appended, by loudness.

Time here is audio: it passes as bytes arrive, and stands still when none do. The real detector judges windows of 32 ms, as the
recorded ``audio_start_ms`` and ``audio_end_ms`` show; so does this one, though it cannot tell speech from other loud sounds.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WINDOW_MS: Final = 32
_ONSET_WINDOWS: Final = 2
"""Speech lasts; a click does not."""
_HYSTERESIS: Final = 0.6
_FLOOR_WINDOWS: Final = 94
"""3 s."""
_FLOOR_FACTOR: Final = 2.5
_EAGERNESS_SILENCE_MS: Final = {"low": 1_600, "medium": 800, "auto": 800, "high": 400}
"""The real ``semantic_vad`` waits for a thought to end; here the eager one waits less."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began to speak; ``audio_start_ms`` is already earlier by the padding."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller has been silent long enough; ``audio_end_ms`` is the end of that silence."""

    audio_end_ms: int


class Detector:
    """``server_vad`` and ``semantic_vad`` for 16-bit samples of one rate, beginning at a moment of the audio clock."""

    def __init__(self, settings: dict[str, Any], rate_hz: int, now_ms: int) -> None:
        self._window = rate_hz * WINDOW_MS // 1000
        self._rms_to_start = 100.0 * 10 ** float(settings.get("threshold", 0.5))
        self.padding_ms = int(settings.get("prefix_padding_ms", 300))
        silence_ms = settings.get("silence_duration_ms", _EAGERNESS_SILENCE_MS[settings.get("eagerness", "auto")])
        self._silence_windows = max(-(-int(silence_ms) // WINDOW_MS), 1)
        self._now_ms = now_ms
        self._begun_ms = now_ms
        self._rest = np.zeros(0, np.int16)
        self._recent: deque[float] = deque(maxlen=_FLOOR_WINDOWS)
        self._loud = 0
        self._quiet = 0
        self.speaking = False

    def hear(self, samples: NDArray[np.int16]) -> list[SpeechStarted | SpeechStopped]:
        """What these samples, following the last ones, reveal."""
        self._rest = np.concatenate([self._rest, samples])
        whole = len(self._rest) // self._window * self._window
        if not whole:
            return []
        windows, self._rest = self._rest[:whole].reshape(-1, self._window), self._rest[whole:]
        loudness = np.sqrt(np.mean(windows.astype(np.float64) ** 2, axis=1)).tolist()
        return [boundary for rms in loudness if (boundary := self._window_heard(rms)) is not None]

    def _window_heard(self, rms: float) -> SpeechStarted | SpeechStopped | None:
        self._now_ms += WINDOW_MS
        self._recent.append(rms)
        if self.speaking:
            return self._while_speaking(self._stands_out(rms / _HYSTERESIS))
        return self._while_silent(self._stands_out(rms))

    def _stands_out(self, rms: float) -> bool:
        """Loud, and louder than a steady noise; speech has pauses."""
        if rms <= self._rms_to_start:
            return False
        if len(self._recent) < _FLOOR_WINDOWS:
            return True
        return rms > sorted(self._recent)[_FLOOR_WINDOWS // 10] * _FLOOR_FACTOR

    def _while_silent(self, loud: bool) -> SpeechStarted | None:
        self._loud = self._loud + 1 if loud else 0
        if self._loud < _ONSET_WINDOWS:
            return None
        self.speaking, self._quiet = True, 0
        return SpeechStarted(max(self._now_ms - self._loud * WINDOW_MS - self.padding_ms, self._begun_ms))

    def _while_speaking(self, loud: bool) -> SpeechStopped | None:
        self._quiet = 0 if loud else self._quiet + 1
        if self._quiet < self._silence_windows:
            return None
        self.speaking, self._loud = False, 0
        # A next turn's padding does not reach into this one.
        self._begun_ms = self._now_ms
        return SpeechStopped(self._now_ms)
