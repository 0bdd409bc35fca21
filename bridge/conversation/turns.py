"""The caller's turns: how long they were and when they ended.

The detector's times are on the model's input-audio clock (milliseconds of audio appended). They include its own padding: a turn
starts ``prefix_padding_ms`` before the speech does, and ends ``silence_duration_ms`` after it (OpenAI Realtime,
``speech_started``, ``speech_stopped``). Semantic VAD has neither setting; there the bridge's own count of voiced audio stands in.
"""

from math import inf

import msgspec

from calls.business import Turns as TurnSettings

LONGEST_TURN_MS = 60_000
"""A turn that was begun and never ended is forgotten after this."""
REMEMBERED_TURNS = 50


class _Turn(msgspec.Struct):
    item_id: str
    start_ms: float
    end_ms: float | None = None
    voiced_ms: float = 0.0
    opened_at_ms: float = 0.0


class CallerTurns:
    """The turns of one stream, on the model's input-audio clock."""

    __slots__ = ("_appended_at_ms", "_appended_ms", "_ended", "_open", "_settings", "_voiced_ms", "stopped_at_ms")

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._open: dict[str, _Turn] = {}
        self._appended_ms = 0.0
        self._appended_at_ms = 0.0
        self._voiced_ms = 0.0
        self._ended: list[str] = []
        self.stopped_at_ms: float | None = None
        """When the caller last stopped speaking, for the latency of the answer."""

    def appended(self, audio_ms: float, now_ms: float, *, voiced_ms: float) -> None:
        """Caller audio went to the model, ``voiced_ms`` of it loud enough to be speech."""
        self._appended_ms += audio_ms
        self._appended_at_ms = now_ms
        self._voiced_ms += voiced_ms

    @property
    def _needs_voiced_audio(self) -> bool:
        """Whether turns are measured by the bridge's own ear."""
        return self._settings.detector == "semantic_vad"

    @property
    def caller_is_speaking(self) -> bool:
        """Whether a turn is open, as far as the detector has said."""
        return bool(self._open)

    @property
    def forgotten_at_ms(self) -> float:
        """When an open turn is not believed in any more; ``inf`` if none is open."""
        return min((turn.opened_at_ms + LONGEST_TURN_MS for turn in self._open.values()), default=inf)

    def forget_overdue(self, now_ms: float) -> bool:
        """Lets go of a turn that was begun long ago and never ended; ``True`` if there was one."""
        if now_ms < self.forgotten_at_ms:
            return False
        self._open.clear()
        return True

    def after(self, item_id: str) -> list[str]:
        """The turns that ended after this one."""
        return self._ended[self._ended.index(item_id) + 1 :] if item_id in self._ended else []

    def started(self, item_id: str, audio_start_ms: float, now_ms: float) -> None:
        """``speech_started``. A detector hears one turn at a time: whatever was open before is over."""
        self._open.clear()
        self._open[item_id] = _Turn(item_id, audio_start_ms, voiced_ms=self._voiced_ms, opened_at_ms=now_ms)

    def stopped(self, item_id: str, audio_end_ms: float, now_ms: float) -> None:
        """``speech_stopped``: the caller's last sound was the detector's silence ago."""
        turn = self._open.get(item_id)
        if turn is not None:
            turn.end_ms = audio_end_ms
        silence_ms = 0.0 if self._needs_voiced_audio else self._settings.silence_duration_ms
        speech_end_ms = audio_end_ms - silence_ms
        behind_ms = max(0.0, self._appended_ms - speech_end_ms)
        self.stopped_at_ms = min(now_ms, self._appended_at_ms - behind_ms)

    def committed(self, item_id: str) -> float:
        """``committed``: the turn is over; returns how long its speech was."""
        turn = self._open.pop(item_id, None)
        self._ended = [*self._ended[-REMEMBERED_TURNS:], item_id]
        if turn is None:
            return 0.0
        if self._needs_voiced_audio:
            return self._voiced_ms - turn.voiced_ms
        end_ms = turn.end_ms if turn.end_ms is not None else self._appended_ms
        padding_ms = self._settings.prefix_padding_ms + self._settings.silence_duration_ms
        return max(0.0, end_ms - turn.start_ms - padding_ms)

    def is_not_answered(self) -> None:
        """The last turn gets no answer of its own: there is no latency to be measured."""
        self.stopped_at_ms = None

    def answer_latency_ms(self, now_ms: float) -> int | None:
        """Caller stopped → now; once per turn."""
        stopped_at_ms, self.stopped_at_ms = self.stopped_at_ms, None
        return None if stopped_at_ms is None else max(0, round(now_ms - stopped_at_ms))
