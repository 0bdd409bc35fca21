"""What the caller said lately and nobody has written down yet, kept so that another session of the model can hear it again.

A turn is kept from its first sound on until its text is known or it was answered: then it is either told to a new session as text or
has been dealt with. Positions are those of the session's input-audio clock (milliseconds of audio appended).
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
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

    __slots__ = ("_audios", "_end", "_ends", "_first", "_open", "_payloads", "_trimmed_at", "_turns")

    def __init__(self) -> None:
        # Side by side: a tuple a frame would be thousands that every collection of garbage has to look at.
        self._payloads: list[str] = []
        self._audios: list[bytes] = []
        self._ends: list[int] = []  # in bytes, as all positions here
        self._end = 0
        self._trimmed_at = 0
        self._turns: dict[str, float] = {}  # not written down yet → where it began
        self._open: str | None = None
        self._first = inf  # where the first of those turns began

    def add(self, payloads: Sequence[str], audios: Sequence[bytes]) -> None:
        """Pieces that the model was sent, at least one, as Twilio sent them and decoded."""
        self._payloads += payloads
        self._audios += audios
        ends = accumulate(map(len, audios), initial=self._end)
        next(ends)
        self._ends += ends
        self._end = self._ends[-1]
        if self._end > self._trimmed_at + TRIMMED_EVERY_MS * BYTES_PER_MS:
            self._trim()

    def _trim(self) -> None:
        self._trimmed_at = self._end
        keep_from: float = self._end - BETWEEN_TURNS_MS * BYTES_PER_MS
        if self._first < keep_from:
            keep_from = max(self._end - KEPT_MS * BYTES_PER_MS, self._first)
        gone = bisect_right(self._ends, keep_from)
        del self._payloads[:gone], self._audios[:gone], self._ends[:gone]

    def turn_began(self, item_id: str, start_ms: float) -> None:
        """``speech_started``. A detector hears one turn at a time: one that was open before is over."""
        self._trim()
        if self._open is not None:
            self._turns.pop(self._open, None)
        self._turns[item_id], self._open = start_ms * BYTES_PER_MS, item_id
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
        self._turns = {item_id: start for item_id, start in self._turns.items() if item_id == self._open}
        self._look_for_the_first()

    def _look_for_the_first(self) -> None:
        self._first = min(self._turns.values(), default=inf)

    def unheard(self) -> list[Frame]:
        """Everything from the first turn on that is kept; empty if there is none."""
        self._trim()
        first = bisect_right(self._ends, self._first)
        return list(zip(self._payloads[first:], self._audios[first:], strict=True))
