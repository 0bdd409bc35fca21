"""The caller's side of the line: audio goes to the model once the gate is open, and turns are kept count of."""

from base64 import b64encode
from collections import deque
from collections.abc import Sequence

from bridge.conversation.asides import Asides
from bridge.conversation.g711 import rms
from bridge.conversation.model_audio import CallerInPcm, NewResampler
from bridge.conversation.outbox import Outbox
from bridge.conversation.playback import BYTES_PER_MS
from bridge.conversation.recent_audio import KEPT_MS, RecentAudio
from bridge.conversation.turns import CallerTurns
from calls.business import BusinessProfile, Turns

HELD_MS = 5000
"""Caller audio kept while the gate is shut; beyond it the oldest is dropped."""


class CallerEar:
    """Passes the caller's audio on, byte for byte unless the model hears PCM. Shut, it holds the last five seconds and lets them
    follow in order."""

    __slots__ = (
        "_held",
        "_held_at_most_ms",
        "_held_ms",
        "_in_pcm",
        "_new_resampler",
        "_outbox",
        "_settings",
        "_voiced_above_rms",
        "asides",
        "hears_again",
        "is_direct",
        "is_open",
        "recent",
        "turns",
    )

    def __init__(self, outbox: Outbox) -> None:
        self.turns = CallerTurns(Turns())
        self.asides = Asides("en")
        self.is_open = self.is_direct = False
        """Whether the caller's audio goes to the model, and whether it does as Twilio sent it."""
        self.recent = RecentAudio()
        self.hears_again = False
        """What is held begins with a turn that another session had heard, or a part of it."""
        self._outbox = outbox
        self._settings = Turns()
        self._held_at_most_ms: float = HELD_MS
        self._held: deque[tuple[str, bytes]] = deque()
        self._held_ms = 0.0
        self._voiced_above_rms = 0.0
        self._in_pcm: CallerInPcm | None = None
        self._new_resampler: NewResampler | None = None

    def configure(self, profile: BusinessProfile, new_resampler: NewResampler) -> None:
        """The business is known, and with it the format its model hears."""
        self._new_resampler = new_resampler if profile.audio.input == "pcm" else None
        self._in_pcm = CallerInPcm(new_resampler) if profile.audio.input == "pcm" else None
        self._settings = profile.turns
        self.turns = CallerTurns(profile.turns)
        self.asides = Asides(profile.language)
        self._voiced_above_rms = profile.barge_in.rms
        self.is_direct = self.is_open and self._in_pcm is None

    def hear(self, payload: str, audio: bytes, loudness_rms: float | None) -> None:
        """A piece of the caller's audio, as Twilio sent it and decoded, and how loud it is; ``None``: below every bar."""
        if self.is_open:
            self._forward(payload, audio, voiced=loudness_rms is not None and loudness_rms > self._voiced_above_rms)
            return
        self._held.append((payload, audio))
        self._held_ms += len(audio) / BYTES_PER_MS
        while self._held_ms > self._held_at_most_ms and len(self._held) > 1:
            self._held_ms -= len(self._held.popleft()[1]) / BYTES_PER_MS

    def passed(self, payloads: Sequence[str], audios: Sequence[bytes], levels_rms: Sequence[float] | None, now_ms: float) -> None:
        """Audio that went to the model as it was while the ear was open, the last of it at ``now_ms``. ``levels_rms``: how loud each piece
        is; ``None``: none is above any bar."""
        voiced_bytes = 0
        if levels_rms is not None:
            voiced_bytes = sum(len(audio) for audio, rms in zip(audios, levels_rms, strict=True) if rms > self._voiced_above_rms)
        self.turns.appended(sum(map(len, audios)) / BYTES_PER_MS, now_ms, voiced_ms=voiced_bytes / BYTES_PER_MS)
        self.recent.add(payloads, audios)

    def open(self) -> None:
        """The greeting has been asked for: what was held follows, then what comes."""
        self.is_open, self.hears_again = True, False
        self.is_direct = self._in_pcm is None
        while self._held:
            payload, audio = self._held.popleft()
            self._forward(payload, audio, voiced=rms(audio) > self._voiced_above_rms)
        self._held_ms = 0.0

    def hold(self) -> None:
        """The model's session is lost: what it heard of turns that nobody has written down is kept for the next one, and what comes."""
        self._held.extendleft(reversed(self.recent.unheard()))
        self._held_ms = sum(len(audio) for _, audio in self._held) / BYTES_PER_MS
        self.is_open, self.hears_again = False, bool(self._held)
        self.is_direct = False
        self._held_at_most_ms = KEPT_MS
        self.recent, self.turns = RecentAudio(), CallerTurns(self._settings)
        if self._new_resampler is not None:
            self._in_pcm = CallerInPcm(self._new_resampler)

    def shut(self) -> None:
        """There is no model to hear the caller any more; nothing is kept for it."""
        self.is_open = self.is_direct = False
        self._held.clear()
        self._held_ms = 0.0

    def _forward(self, payload: str, audio: bytes, *, voiced: bool) -> None:
        audio_ms = len(audio) / BYTES_PER_MS
        self.turns.appended(audio_ms, self._outbox.now_ms, voiced_ms=audio_ms if voiced else 0.0)
        self.recent.add((payload,), (audio,))
        if self._in_pcm is not None:
            audio = self._in_pcm.convert(audio)
            payload = b64encode(audio).decode("ascii")
        if audio:
            self._outbox.caller_audio(payload, audio)
