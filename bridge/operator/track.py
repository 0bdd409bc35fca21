"""One side of a call in time: audio comes when the network brings it and is handed out when it is heard."""

from collections import deque

import msgspec

BYTES_PER_MS = 8
"""μ-law at 8 kHz."""
KEPT_MS = 120_000
"""How much audio may wait to be heard; beyond it the newest is let go."""
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
    """

    def __init__(self, slack_ms: float = 0) -> None:
        self._slack_ms = slack_ms
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
        if not self._waiting or piece.end_ms - self._waiting[0].at_ms <= KEPT_MS:
            self._waiting.append(piece)

    def clear(self, at_ms: float) -> None:
        """What is not heard by ``at_ms`` never will be."""
        while self._waiting and self._waiting[-1].at_ms >= at_ms:
            self._waiting.pop()
        if self._waiting:
            last = self._waiting[-1]
            last.audio = last.audio[: _bytes(at_ms - last.at_ms)]
        if self._end_ms is not None:
            self._end_ms = min(self._end_ms, at_ms)

    def take(self, until_ms: float) -> list[Piece]:
        """What has been heard by ``until_ms`` and not been taken before, in pieces that lie apart from each other."""
        heard: list[Piece] = []
        while self._waiting and self._waiting[0].at_ms < until_ms:
            first = self._waiting[0]
            if first.end_ms <= until_ms:
                self._waiting.popleft()
            else:
                first = self._split(_bytes(until_ms - first.at_ms))
            _join(heard, first)
            if first is not heard[-1] and first.end_ms > until_ms:
                break
            if self._waiting and self._waiting[0].end_ms > until_ms and _bytes(until_ms - self._waiting[0].at_ms) == 0:
                break
        return [piece for piece in heard if piece.audio]

    def _split(self, size: int) -> Piece:
        """Takes ``size`` bytes off the first piece."""
        first = self._waiting[0]
        head = Piece(first.at_ms, first.audio[:size])
        first.at_ms, first.audio = head.end_ms, first.audio[size:]
        return head


def _join(pieces: list[Piece], piece: Piece) -> None:
    if pieces and abs(piece.at_ms - pieces[-1].end_ms) < _ADJACENT_MS:
        pieces[-1].audio += piece.audio
    else:
        pieces.append(Piece(piece.at_ms, piece.audio))


def _bytes(span_ms: float) -> int:
    return max(0, int(span_ms * BYTES_PER_MS))
