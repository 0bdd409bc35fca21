"""One side of a call in time: audio comes when the network brings it and is handed out when it is heard."""

from collections import deque

import msgspec

BYTES_PER_MS = 8
"""μ-law at 8 kHz."""
NETWORK_PAUSE_MS = 1_000
"""A caller's audio that is late by less is late; by more, there was none."""
KEPT_MS = 120_000
"""How much audio waits to be heard unless more is asked for."""
ALL_MS = 1e12
"""Later than anything."""
_ADJACENT_MS = 1.0


class Piece(msgspec.Struct):
    """Audio in one go. ``at_ms``: when its first sample is heard."""

    at_ms: float
    audio: bytes

    @property
    def end_ms(self) -> float:
        """When its last sample has been heard."""
        return self.at_ms + len(self.audio) / BYTES_PER_MS


class Track:
    """Audio of one side. Every piece begins where the one before ends, or when it came if that is later.

    ``slack_ms``: how much later it may come and still be taken for what follows without a break. The caller's audio is never
    interrupted, only delayed, so for it a pause is the network's; the AI pauses whenever it has nothing to say.
    ``kept_ms``: how much may wait to be taken; beyond it the newest is let go.
    """

    __slots__ = ("_end_ms", "_kept_ms", "_slack_ms", "_waiting")

    def __init__(self, slack_ms: float = 0, kept_ms: float = KEPT_MS) -> None:
        self._slack_ms, self._kept_ms = slack_ms, kept_ms
        self._waiting: deque[Piece] = deque()
        self._end_ms: float | None = None

    def offer(self, audio: bytes, at_ms: float) -> None:
        """Audio came at ``at_ms``."""
        if not audio:
            return
        end_ms = self._end_ms
        start_ms = at_ms if end_ms is None or at_ms > end_ms + self._slack_ms else end_ms
        piece = Piece(start_ms, audio)
        self._end_ms = piece.end_ms
        if not self._waiting or piece.end_ms - self._waiting[0].at_ms <= self._kept_ms:
            self._waiting.append(piece)

    def clear(self, at_ms: float) -> None:
        """What is not heard by ``at_ms`` never will be."""
        while self._waiting and self._waiting[-1].end_ms > at_ms:
            last = self._waiting.pop()
            heard = last.audio[: _bytes(at_ms - last.at_ms)]
            if heard:
                self._waiting.append(Piece(last.at_ms, heard))
                break
        if self._end_ms is not None:
            self._end_ms = min(self._end_ms, at_ms)

    @property
    def end_ms(self) -> float | None:
        """Until when there is audio, taken or not; ``None``: there never was any."""
        return self._end_ms

    @property
    def begins_ms(self) -> float | None:
        """When the first audio that was not taken is heard."""
        return self._waiting[0].at_ms if self._waiting else None

    def pull(self, by_ms: float) -> None:
        """What was not taken is heard earlier, after all."""
        for piece in self._waiting:
            piece.at_ms -= by_ms
        if self._end_ms is not None:
            self._end_ms -= by_ms

    def take(self, until_ms: float = ALL_MS) -> list[Piece]:
        """What has been heard by ``until_ms`` and not been taken before, in pieces that lie apart from each other."""
        heard: list[Piece] = []
        while (piece := self._first(until_ms)) is not None:
            if heard and abs(piece.at_ms - heard[-1].end_ms) < _ADJACENT_MS:
                heard[-1].audio += piece.audio
            else:
                heard.append(piece)
        return heard

    def _first(self, until_ms: float) -> Piece | None:
        """Takes the first piece, or as much of it as has been heard."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        size = _bytes(until_ms - first.at_ms)
        if size >= len(first.audio):
            return self._waiting.popleft()
        if size == 0:
            return None
        head = Piece(first.at_ms, first.audio[:size])
        first.at_ms, first.audio = head.end_ms, first.audio[size:]
        return head


def _bytes(span_ms: float) -> int:
    return max(0, int(span_ms * BYTES_PER_MS))
