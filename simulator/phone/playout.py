"""The caller's ear: what is played to the caller, sample for sample, and what is still waiting to be.

Positions are samples at 8 kHz since the caller dialled. Audio that comes while nothing is waiting starts at once; a mark is due
when everything before it has been played (Twilio, *Media Streams: WebSocket messages*, ``mark`` and ``clear``).
"""

from collections import deque

from simulator import g711

SILENCE = 0xFF
SAMPLES_PER_MS = 8
_SPEECH_AMPLITUDE = 300
_SPEECH_SHARE = 16  # a frame counts as speech when one sample in this many is loud

LOUD = bytes(abs(int(sample)) > _SPEECH_AMPLITUDE for sample in g711.decode(bytes(range(256))))


def is_speech(frame: bytes | bytearray) -> bool:
    """Whether someone can be heard in a μ-law frame; comfort noise and the carrier's soft tones are nobody."""
    return frame.translate(LOUD).count(1) * _SPEECH_SHARE > len(frame)


class Playout:
    """The buffer in front of the ear, and everything that went through it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        """μ-law, one byte a sample, silence where nothing was played."""
        self._waiting: deque[bytes] = deque()
        self._end = 0
        self._marks: deque[tuple[int, str]] = deque()
        self._reached: list[str] = []

    @property
    def position(self) -> int:
        """The sample played next."""
        return len(self.heard)

    @property
    def end(self) -> int:
        """The sample at which the buffer runs dry, if nothing more comes."""
        return max(self._end, self.position)

    @property
    def buffered(self) -> int:
        """Samples waiting."""
        return self.end - self.position

    @property
    def next_mark(self) -> int | None:
        """The sample at which the next mark is due; now, when one was reached that nobody has taken."""
        if self._reached:
            return self.position
        return self._marks[0][0] if self._marks else None

    def append(self, audio: bytes) -> None:
        """Queues μ-law audio behind what is waiting."""
        if audio:
            self._end = self.end + len(audio)
            self._waiting.append(audio)

    def mark(self, name: str) -> bool:
        """Sets a mark behind what is waiting; ``False`` when nothing is, so that it is due now."""
        if not self.buffered:
            return False
        self._marks.append((self._end, name))
        return True

    def clear(self) -> tuple[str, ...]:
        """Forgets what is waiting. Returns the marks that were outstanding."""
        self._waiting.clear()
        self._end = self.position
        names = tuple(self.take_reached()) + tuple(name for _, name in self._marks)
        self._marks.clear()
        return names

    def take_reached(self) -> list[str]:
        """The marks that came due since this was last asked, in order."""
        reached, self._reached = self._reached, []
        return reached

    def play_until(self, position: int) -> None:
        """Lets time pass."""
        missing = position - self.position
        while missing > 0 and self._waiting:
            piece = self._waiting.popleft()
            if len(piece) > missing:
                self._waiting.appendleft(piece[missing:])
                piece = piece[:missing]
            self.heard += piece
            missing -= len(piece)
        if missing > 0:
            self.heard += bytes((SILENCE,)) * missing
        while self._marks and self._marks[0][0] <= self.position:
            self._reached.append(self._marks.popleft()[1])
