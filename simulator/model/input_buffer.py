"""The input audio buffer: what was appended and not committed yet, on the session's audio clock."""

from .audio import AudioFormat


class InputBuffer:
    """Audio in one format, addressed by milliseconds of the audio clock, which began when the session did."""

    def __init__(self, audio_format: AudioFormat, now_ms: float = 0) -> None:
        self.format = audio_format
        self._start_ms = now_ms
        self._audio = bytearray()

    @property
    def now_ms(self) -> float:
        """The audio clock: how much audio has ever been appended."""
        return self._start_ms + self.duration_ms

    @property
    def duration_ms(self) -> float:
        """How much audio waits to be committed."""
        return len(self._audio) / self.format.bytes_per_ms

    def append(self, audio: bytes) -> None:
        """Audio that follows what is here."""
        self._audio += audio

    def take(self, start_ms: float, end_ms: float) -> bytes:
        """The audio between two moments, as far as it is still here; it and all before it are gone afterwards."""
        audio = bytes(self._audio[self._position(start_ms) : self._position(end_ms)])
        self.forget_before(end_ms)
        return audio

    def take_all(self) -> bytes:
        """Everything that waits."""
        return self.take(self._start_ms, self.now_ms)

    def forget_before(self, moment_ms: float) -> None:
        """Drops what lies before a moment."""
        count = self._position(moment_ms)
        del self._audio[:count]
        self._start_ms += count / self.format.bytes_per_ms

    def _position(self, moment_ms: float) -> int:
        sample = int((moment_ms - self._start_ms) * self.format.rate_hz / 1000)
        return min(max(sample, 0) * self.format.bytes_per_sample, len(self._audio))
