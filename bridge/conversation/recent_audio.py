"""What the caller said lately and nobody has written down yet, kept so that another session of the model can hear it again.

A turn is kept from its first sound on until its text is known or it was answered: then it is either told to a new session as text or
has been dealt with. Positions are those of the session's input-audio clock (milliseconds of audio appended).
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf

from bridge.conversation.playback import BYTES_PER_MS

KEPT_MS = 20_000
"""No more than this is heard again."""
BETWEEN_TURNS_MS = 1500
"""Kept at any time: the detector tells of a turn after it has begun, and lets it begin before the speech does."""
TRIMMED_EVERY_MS = 500

Frame = tuple[str, bytes]
"""A piece of audio as Twilio sent it, and decoded."""


class RecentAudio:
    """The caller's latest audio of one session."""

    def __init__(self) -> None:
        # Side by side: a tuple a frame would be thousands that every collection of garbage has to look at.
        self._payloads: list[str] = []
        self._audios: list[bytes] = []
        self._ends_ms: list[float] = []
        self._end_ms = 0.0
        self._trimmed_at_ms = 0.0
        self._turns: dict[str, float] = {}  # not written down yet → where it began
        self._open: str | None = None
        self._first_ms = inf  # where the first of those turns began

    def add(self, payload: str, audio: bytes, audio_ms: float) -> None:
        """A piece that the model was sent."""
        self._end_ms = end_ms = self._end_ms + audio_ms
        self._payloads.append(payload)
        self._audios.append(audio)
        self._ends_ms.append(end_ms)
        if end_ms > self._trimmed_at_ms + TRIMMED_EVERY_MS:
            self._trim()

    def add_all(self, payloads: Sequence[str], audios: Sequence[bytes]) -> None:
        """Several, in order."""
        self._payloads += payloads
        self._audios += audios
        end_ms = self._end_ms
        self._ends_ms += [end_ms := end_ms + len(audio) / BYTES_PER_MS for audio in audios]
        self._end_ms = end_ms
        if self._end_ms > self._trimmed_at_ms + TRIMMED_EVERY_MS:
            self._trim()

    def _trim(self) -> None:
        self._trimmed_at_ms = self._end_ms
        keep_from_ms = self._end_ms - BETWEEN_TURNS_MS
        if self._first_ms < keep_from_ms:
            keep_from_ms = max(self._end_ms - KEPT_MS, self._first_ms)
        gone = bisect_right(self._ends_ms, keep_from_ms)
        del self._payloads[:gone], self._audios[:gone], self._ends_ms[:gone]

    def turn_began(self, item_id: str, start_ms: float) -> None:
        """``speech_started``. A detector hears one turn at a time: one that was open before is over."""
        self._trim()
        if self._open is not None:
            self._turns.pop(self._open, None)
        self._turns[item_id], self._open = start_ms, item_id
        self._look_for_the_first()

    def turn_ended(self, item_id: str) -> None:
        """``committed``."""
        if self._open == item_id:
            self._open = None

    def written_down(self, item_id: str) -> None:
        """The turn's text is known, or it was nothing but noise."""
        self._turns.pop(item_id, None)
        self._look_for_the_first()

    def answered(self) -> None:
        """The AI speaks about what was said; a turn that is still open is not among that."""
        if not self._turns:
            return
        self._turns = {item_id: start_ms for item_id, start_ms in self._turns.items() if item_id == self._open}
        self._look_for_the_first()

    def _look_for_the_first(self) -> None:
        self._first_ms = min(self._turns.values(), default=inf)

    def unheard(self) -> list[Frame]:
        """Everything from the first turn on that is kept; empty if there is none."""
        self._trim()
        first = bisect_right(self._ends_ms, self._first_ms)
        return list(zip(self._payloads[first:], self._audios[first:], strict=True))
