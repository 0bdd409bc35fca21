"""The messages of a bidirectional media stream (Twilio, *Media Streams: WebSocket messages*).

Reading is lenient about what Twilio may add and strict about what is used; a frame that cannot be used becomes
:class:`Unreadable`, never an exception. Writing emits exactly the documented fields: Twilio reports an extra one as
warning 31951, once a stream, and drops the message.
"""

import json
from binascii import Error as Base64Error
from binascii import a2b_base64

import msgspec

MAX_FRAME_BYTES = 64 * 1024
"""A larger frame is not read. Twilio's own are about 400 bytes."""


class Message(msgspec.Struct, frozen=True, tag_field="event"):
    """A message from Twilio."""


class Connected(Message, frozen=True, tag="connected"):
    """The first message; it names the protocol and no stream."""


class MediaFormat(msgspec.Struct, frozen=True, rename="camel"):
    """Always μ-law, 8 kHz, mono on a phone call."""

    encoding: str = "audio/x-mulaw"
    sample_rate: int | str = 8000
    channels: int | str = 1

    @property
    def is_mulaw_8_khz(self) -> bool:
        """Whether the bridge can work with it."""
        return self.encoding == "audio/x-mulaw" and str(self.sample_rate) == "8000" and str(self.channels) == "1"


class StartDetail(msgspec.Struct, frozen=True, rename="camel"):
    """What ``start`` says about the stream."""

    call_sid: str
    stream_sid: str = ""
    custom_parameters: dict[str, str] = {}
    media_format: MediaFormat = MediaFormat()


class Start(Message, frozen=True, tag="start", rename="camel"):
    """The stream begins. Comes once, right after ``connected``."""

    start: StartDetail
    stream_sid: str = ""


class MediaDetail(msgspec.Struct, frozen=True, gc=False):
    """A piece of the caller's audio; ``timestamp`` is its presentation time in ms since the stream began."""

    payload: str
    timestamp: str | int = "0"
    track: str = "inbound"


class Media(Message, frozen=True, tag="media", rename="camel", gc=False):
    """The caller's audio, usually 20 ms of it."""

    media: MediaDetail
    stream_sid: str = ""


class MarkDetail(msgspec.Struct, frozen=True, gc=False):
    """The mark's name, as it was sent."""

    name: str


class Mark(Message, frozen=True, tag="mark", rename="camel", gc=False):
    """Everything queued before this mark has been played, or was cleared."""

    mark: MarkDetail
    stream_sid: str = ""


class DtmfDetail(msgspec.Struct, frozen=True):
    """The key: ``0``-``9``, ``*``, ``#``, ``A``-``D``."""

    digit: str


class Dtmf(Message, frozen=True, tag="dtmf", rename="camel"):
    """The caller pressed a key."""

    dtmf: DtmfDetail
    stream_sid: str = ""


class Stop(Message, frozen=True, tag="stop", rename="camel"):
    """The stream is over. The call need not be."""

    stream_sid: str = ""


class Unreadable(msgspec.Struct, frozen=True):
    """A frame that was not used, and why. ``kind`` is a fixed word, ``why`` a sentence without any of the frame's content."""

    kind: str
    why: str


class _Envelope(msgspec.Struct, frozen=True):
    event: str


AnyMessage = Connected | Start | Media | Mark | Dtmf | Stop

_decoder = msgspec.json.Decoder(AnyMessage)
_event_decoder = msgspec.json.Decoder(_Envelope)
_KNOWN = frozenset({"connected", "start", "media", "mark", "dtmf", "stop"})


def read(frame: str | bytes) -> AnyMessage | Unreadable:
    """One frame as a message, or why it is none."""
    if isinstance(frame, bytes):
        return Unreadable("binary_frame", "Twilio sent a binary frame; media streams are text only")
    if len(frame) > MAX_FRAME_BYTES:
        return Unreadable("too_large", f"a frame of {len(frame):,} characters was dropped; {MAX_FRAME_BYTES:,} are allowed")
    try:
        message: AnyMessage = _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return _unreadable(frame, error)
    return message


def _unreadable(frame: str, error: Exception) -> Unreadable:
    try:
        event = _event_decoder.decode(frame).event
    except msgspec.ValidationError:
        return Unreadable("no_event", "a frame without an event name was dropped")
    except (msgspec.DecodeError, UnicodeEncodeError):
        return Unreadable("not_json", "a frame that is not JSON was dropped")
    if event in _KNOWN:
        return Unreadable(f"bad_{event}", f"a malformed {event} message was dropped: {error}")
    return Unreadable("unknown_event", "a message with an unknown event name was dropped")


def audio_of(payload: str) -> bytes | None:
    """The μ-law bytes of a payload, or ``None`` if it is not base64."""
    try:
        return a2b_base64(payload, strict_mode=True)
    except (Base64Error, ValueError):
        return None


class StreamWriter:
    """Writes the three messages a stream may be sent. Bound to one stream, whose id is encoded once."""

    __slots__ = ("_sid",)

    def __init__(self, stream_sid: str) -> None:
        self._sid = json.dumps(stream_sid)

    def media(self, payload: str) -> str:
        """Audio to be played behind what is queued; ``payload`` is base64 of μ-law."""
        return f'{{"event":"media","streamSid":{self._sid},"media":{{"payload":"{payload}"}}}}'

    def mark(self, name: str) -> str:
        """Asks to be told when everything sent so far has been played."""
        return f'{{"event":"mark","streamSid":{self._sid},"mark":{{"name":"{name}"}}}}'

    def clear(self) -> str:
        """Drops what is queued and not yet played; outstanding marks come back."""
        return f'{{"event":"clear","streamSid":{self._sid}}}'
