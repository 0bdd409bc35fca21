"""Both sides of a stream as they were heard, handed out in blocks that follow each other without a gap.

The caller's audio lies where it arrived, the AI's where it was heard: what was sent and then cleared is not in it. Handing out keeps
references only; :func:`pcm` does the work, in another thread.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from bridge.conversation.g711 import LINEAR
from bridge.heard_audio import NETWORK_PAUSE_MS, Piece, Track
from calls.recordings.wav import FRAMES_PER_MS

KEPT_MS = 600_000
"""Audio that may wait to be heard, or for a slow disk."""
LONGEST_PIECE_MS = 100
"""Twilio's have 20 ms. What arrives next began no longer ago."""


class Block(msgspec.Struct, frozen=True):
    """A span of both sides, in frames of the stream."""

    first: int
    frames: int
    caller: Sequence[Piece]
    agent: Sequence[Piece]


class Channels:
    """Observes a session (:class:`bridge.call.CallObserver`)."""

    def __init__(self) -> None:
        self._caller, self._agent = Track(NETWORK_PAUSE_MS, KEPT_MS), Track(kept_ms=KEPT_MS)
        self._taken = 0
        self._caller_is_placed = False
        """Some of their audio was handed out, and the rest follows it."""

    def caller_audio(self, audios: Sequence[bytes], at_ms: Sequence[float], began_ms: float = 0.0) -> None:
        """See ``CallObserver.caller_audio``."""
        for audio, came_at_ms in zip(audios, at_ms, strict=True):
            self._caller_said(audio, came_at_ms - began_ms)

    def _caller_said(self, audio: bytes, at_ms: float) -> None:
        # What arrives now has been said by now.
        said_ms = _whole_frame(at_ms) - len(audio) / FRAMES_PER_MS
        if not self._caller_is_placed:
            self._place_caller(said_ms)
        self._caller.offer(audio, said_ms)

    def agent_audio(self, audio: bytes, at_ms: float) -> None:
        """See ``CallObserver.agent_audio``."""
        self._agent.offer(audio, _whole_frame(at_ms))

    def cleared(self, at_ms: float) -> None:
        """See ``CallObserver.cleared``."""
        self._agent.clear(_whole_frame(at_ms))

    def take(self, now_ms: float) -> Block:
        """What is certain by now and was not taken before. Audio of the caller that is only late is waited for."""
        end_ms, certain_ms = self._caller.end_ms, now_ms - LONGEST_PIECE_MS
        if end_ms is not None and certain_ms - end_ms <= NETWORK_PAUSE_MS:
            return self._until(min(now_ms, end_ms))
        return self._until(certain_ms)

    def _place_caller(self, said_ms: float) -> None:
        """The piece that was least delayed says where all of it belongs: the first may have come late."""
        begins_ms, end_ms = self._caller.begins_ms, self._caller.end_ms
        if begins_ms is not None and end_ms is not None and end_ms > said_ms:
            self._caller.pull(min(end_ms - said_ms, max(begins_ms - self._taken / FRAMES_PER_MS, 0)))

    def rest(self, now_ms: float) -> Block:
        """The stream is over: all that was not taken before."""
        return self._until(max(now_ms, self._caller.end_ms or 0))

    def _until(self, until_ms: float) -> Block:
        until_ms = _whole_frame(until_ms)
        first, self._taken = self._taken, max(self._taken, int(until_ms * FRAMES_PER_MS))
        caller = self._caller.take(until_ms)
        self._caller_is_placed |= bool(caller)
        return Block(first, self._taken - first, caller, self._agent.take(until_ms))


def _whole_frame(at_ms: float) -> float:
    """The beginning of the frame; an eighth of a millisecond is exact, so that no frame is lost between two blocks."""
    return int(at_ms * FRAMES_PER_MS) / FRAMES_PER_MS


def pcm(block: Block) -> bytes:
    """The block as interleaved 16-bit samples; where nothing was heard, silence."""
    samples = np.zeros((block.frames, 2), "<i2")
    for channel, pieces in enumerate((block.caller, block.agent)):
        for piece in pieces:
            _lay(samples[:, channel], piece, block.first)
    return samples.tobytes()


def _lay(channel: np.ndarray[tuple[int], np.dtype[np.int16]], piece: Piece, first: int) -> None:
    start = int(piece.at_ms * FRAMES_PER_MS) - first
    heard = LINEAR[np.frombuffer(piece.audio, np.uint8)][max(0, -start) :]
    start = max(0, start)
    room = channel[start : start + len(heard)]
    room[:] = heard[: len(room)]
