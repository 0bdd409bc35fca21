"""What Twilio's messages do to the conversation (Twilio, *Media Streams: WebSocket messages*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.conversation import twilio_messages as tw
from calls.events import Dtmf
from calls.ids import CallSid

if TYPE_CHECKING:
    from bridge.conversation.machine import Conversation

OVERSIZED = 1024 * 1024
"""A frame beyond this is no telephone's: the stream is left."""
_DIGITS = frozenset("0123456789*#ABCDabcd")


class TwilioSide:
    """Takes in the frames of the media WebSocket."""

    __slots__ = ("_conversation", "_stream_sid", "last_was_news")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._stream_sid: str | None = None
        self.last_was_news = True
        """Whether the last frame was anything but a plain piece of audio, or a mark within what the caller is hearing."""

    def take(self, message: tw.AnyMessage | tw.Unreadable, frame: str | bytes) -> None:
        """One message, as it was read from ``frame``."""
        self.last_was_news = True
        match message:
            case tw.Media():
                self._media(message)
            case tw.Mark() if self._belongs(message.stream_sid, "mark"):
                playback = self._conversation.voice.playback
                playback.confirm(message.mark.name, self._conversation.now_ms)
                self.last_was_news = playback.last_mark_was_news
            case tw.Start():
                self._start(message)
            case tw.Dtmf() if self._belongs(message.stream_sid, "dtmf"):
                self._dtmf(message.dtmf.digit)
            case tw.Stop() if self._belongs(message.stream_sid, "stop"):
                self._conversation.stream_over(None)
            case tw.Unreadable() if len(frame) > OVERSIZED:
                self._error("oversized", f"a frame of {len(frame):,} characters: the stream is left")
                self._conversation.ending.fall_back("oversized_message", None)
            case tw.Unreadable():
                self._error(message.kind, message.why)

    def _start(self, message: tw.Start) -> None:
        if self._stream_sid is not None:
            self._error("second_start", "a second start on the same stream was ignored")
            return
        if not message.start.media_format.is_mulaw_8_khz:
            self._error("media_format", "the stream is not μ-law at 8 kHz, mono; its audio will not be understood")
        self._stream_sid = self._conversation.plain_audio.stream_sid = message.start.stream_sid or message.stream_sid
        token = message.start.custom_parameters.get("token")
        self._conversation.stream_started(self._stream_sid, CallSid(message.start.call_sid), token)

    def _media(self, message: tw.Media) -> None:
        if message.stream_sid != self._stream_sid and not self._belongs(message.stream_sid, "media"):
            return
        media, conversation = message.media, self._conversation
        if media.track != "inbound":
            return
        audio = tw.audio_of(media.payload)
        if audio is None:
            self._error("bad_audio", "caller audio that is not base64 was dropped")
            return
        conversation.outbox.sounded((audio,), (conversation.outbox.now_ms,))
        if audio and not conversation.model_is_gone:
            self.last_was_news = conversation.caller_heard(media.payload, audio)

    def _dtmf(self, digit: str) -> None:
        if digit in _DIGITS:
            self._conversation.outbox.record(Dtmf(digit=digit.upper()))
            self._conversation.key_pressed(digit)
        else:
            self._error("bad_digit", "a key that no telephone has was ignored")

    def _belongs(self, stream_sid: str, kind: str) -> bool:
        if self._stream_sid is None:
            self._error(f"early_{kind}", f"a {kind} message before start was dropped")
            return False
        if stream_sid != self._stream_sid:
            self._error("wrong_stream", f"a {kind} message of another stream was dropped")
            return False
        return True

    def _error(self, kind: str, message: str) -> None:
        self._conversation.outbox.error("twilio", kind, message)
