"""The caller's audio that decides nothing.

Most of what a telephone sends only has to go on to the model: nobody speaks, or nobody speaks whom the caller could interrupt. Such a
frame goes on at once. That it was there matters to the turns, to what is kept for another session, to the noise floor and to the clock
that watches the line, and to them only when they are asked. So it is entered there together with those that came after it, in one go,
before anything else of the conversation is looked at.
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import TYPE_CHECKING

from bridge.conversation.g711 import rms_of_each

if TYPE_CHECKING:
    from bridge.conversation.agent_voice import AgentVoice
    from bridge.conversation.caller_ear import CallerEar
    from bridge.conversation.clocks import Clocks
    from bridge.conversation.interruption import Interruption
    from bridge.conversation.outbox import Outbox
    from bridge.conversation.twilio_messages import Media

MOST_FRAMES = 64
"""Entered at once: a good second of a telephone's, in a fraction of a millisecond."""


class PlainAudio:
    """Takes frames of the caller that decide nothing. ``stream_sid`` is the stream they have to be of."""

    __slots__ = (
        "_any_loud",
        "_at_ms",
        "_audios",
        "_clocks",
        "_ear",
        "_interruption",
        "_outbox",
        "_payloads",
        "_told",
        "_voice",
        "stream_sid",
    )

    def __init__(self, outbox: Outbox, voice: AgentVoice, ear: CallerEar, interruption: Interruption, clocks: Clocks) -> None:
        self.stream_sid: str | None = None
        self._outbox = outbox
        self._voice = voice
        self._ear = ear
        self._interruption = interruption
        self._clocks = clocks
        self._payloads: list[str] = []
        self._audios: list[bytes] = []
        self._at_ms: list[float] = []
        self._told = 0  # of these, to who watches
        self._any_loud = False

    def take(self, message: Media) -> bytes | None:
        """The audio of a frame that only has to go on to the model as it is; ``None``: it is to be looked at, and was not taken."""
        media, gate = message.media, self._interruption.gate
        if message.stream_sid != self.stream_sid or media.track != "inbound" or gate.hears_speech or not self._ear.is_direct:
            return None
        if len(self._audios) == MOST_FRAMES:  # the one that is looked at has them entered
            return None
        try:
            audio = a2b_base64(media.payload, strict_mode=True)
        except ValueError:
            return None
        if audio.translate(None, gate.quiet):
            if self._voice.is_sounding() or self._interruption.waits_for_quiet:
                return None
            self._any_loud = True
        elif not audio:
            return None
        self._payloads.append(media.payload)
        self._audios.append(audio)
        self._at_ms.append(self._outbox.now_ms)
        return audio

    def tell_clocks(self) -> None:
        """Enters no more than that something of the caller arrived."""
        if self._at_ms:
            self._clocks.media(self._at_ms[-1])

    def tell(self) -> None:
        """Tells who watches of what was taken."""
        told, self._told = self._told, len(self._audios)
        if told < self._told:
            self._outbox.sounded(self._audios[told:], self._at_ms[told:])

    def enter(self) -> None:
        """Enters what was taken since this was done last."""
        audios = self._audios
        if not audios:
            return
        self.tell()
        levels_rms = rms_of_each(audios) if self._any_loud else None
        payloads, at_ms = self._payloads, self._at_ms
        self._payloads, self._audios, self._at_ms, self._told, self._any_loud = [], [], [], 0, False
        self._clocks.media(at_ms[-1])
        self._ear.passed(payloads, audios, levels_rms, at_ms[-1])
        self._interruption.passed(audios, levels_rms)
