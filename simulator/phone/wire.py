"""The messages of the media WebSocket, both ways (Twilio, *Media Streams: WebSocket messages*).

Written by hand rather than through an encoder: key order differs from message to message as it does in captures of the real
one, numbers travel as strings, and a frame costs a microsecond.
"""

import json
from typing import Annotated

import msgspec

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'


def start(number: int, stream_sid: str, account_sid: str, call_sid: str, parameters: dict[str, str]) -> str:
    """``start``, the first numbered message."""
    custom = json.dumps(parameters, ensure_ascii=False, separators=(",", ":"))
    return (
        f'{{"event":"start","sequenceNumber":"{number}","start":{{"accountSid":"{account_sid}","streamSid":"{stream_sid}",'
        f'"callSid":"{call_sid}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},'
        f'"customParameters":{custom}}},"streamSid":"{stream_sid}"}}'
    )


def media(number: int, stream_sid: str, chunk: int, timestamp_ms: int, payload: str) -> str:
    """A frame of the caller; ``payload`` is base64."""
    return (
        f'{{"event":"media","sequenceNumber":"{number}","media":{{"track":"inbound","chunk":"{chunk}",'
        f'"timestamp":"{timestamp_ms}","payload":"{payload}"}},"streamSid":"{stream_sid}"}}'
    )


def dtmf(number: int, stream_sid: str, digit: str) -> str:
    """A key the caller pressed."""
    return (
        f'{{"event":"dtmf","streamSid":"{stream_sid}","sequenceNumber":"{number}",'
        f'"dtmf":{{"track":"inbound_track","digit":{json.dumps(digit)}}}}}'
    )


def mark(number: int, stream_sid: str, name: str) -> str:
    """An echoed mark."""
    quoted = json.dumps(name, ensure_ascii=False)
    return f'{{"event":"mark","sequenceNumber":"{number}","streamSid":"{stream_sid}","mark":{{"name":{quoted}}}}}'


def stop(number: int, stream_sid: str, account_sid: str, call_sid: str) -> str:
    """The last message of a stream."""
    return (
        f'{{"event":"stop","sequenceNumber":"{number}","streamSid":"{stream_sid}",'
        f'"stop":{{"accountSid":"{account_sid}","callSid":"{call_sid}"}}}}'
    )


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event"):
    streamSid: str  # noqa: N815 - the wire's name; msgspec would otherwise need a rename per struct


class _Payload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: bytes  # base64 on the wire, decoded by msgspec


class _Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]


class MediaMessage(_Strict, frozen=True, tag="media"):
    """Audio to play."""

    media: _Payload


class MarkMessage(_Strict, frozen=True, tag="mark"):
    """A label behind the audio so far."""

    mark: _Name


class ClearMessage(_Strict, frozen=True, tag="clear"):
    """Forget the audio that has not been played."""


ServerMessage = MediaMessage | MarkMessage | ClearMessage

_decode = msgspec.json.Decoder(ServerMessage).decode


class Refused(Exception):
    """A message the carrier does not understand: ``code`` 31950 (cannot be decoded) or 31951 (not as it should be)."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(why)


def read(message: str | bytes, stream_sid: str) -> ServerMessage:
    """A message from the server, exactly as documented and nothing more. Raises :class:`Refused`."""
    if not isinstance(message, str):
        raise Refused(31950, "a binary message; the stream carries JSON text")
    try:
        read: ServerMessage = _decode(message)
    except msgspec.ValidationError as error:
        raise Refused(31951, f"not a message of the protocol: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(31951, f"not JSON: {error}") from None
    if read.streamSid != stream_sid:
        raise Refused(31951, f"the stream is {stream_sid}, not {read.streamSid}")
    return read
