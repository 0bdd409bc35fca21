"""What happened in a call, as typed observations. ``at_ms`` counts from the moment the caller dialled."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something seen on the line."""

    at_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPosted(Observation):
    """A webhook went out. ``purpose``: voice, action, redirect, fallback, status, stream-status, recording-status, screen."""

    request_id: int
    purpose: str
    url: str
    params: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswered(Observation):
    """A webhook was answered, ``took_ms`` after it went out."""

    request_id: int
    purpose: str
    url: str
    status: int
    took_ms: float
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFailed(Observation):
    """A webhook got no answer. ``reason`` says why; ``retried`` whether it is sent once more."""

    request_id: int
    purpose: str
    url: str
    reason: str
    retried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbRun(Observation):
    """A TwiML verb began. ``what`` is its name and what matters of it, for people."""

    verb: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(Observation):
    """The media WebSocket was accepted."""

    stream_sid: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRefused(Observation):
    """The media WebSocket was not accepted; ``status`` is ``None`` when nobody answered."""

    url: str
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSent(Observation):
    """``start`` went out: greeting latency counts from here."""

    stream_sid: str
    custom_parameters: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMedia(Observation):
    """The first audio of a stream came from the server, ``after_start_ms`` after ``start``: the greeting latency on the wire."""

    after_start_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReceived(Observation):
    """Audio came from the server: ``length`` bytes, that is, eighths of a millisecond."""

    length: int
    buffered_ms: float
    """Audio waiting to be played, this included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkReceived(Observation):
    """The server set a mark behind the audio sent so far."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkEchoed(Observation):
    """A mark went back, because its audio was ``played``, there was nothing to play (``empty``), or it was ``cleared``."""

    name: str
    why: Literal["played", "empty", "cleared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearReceived(Observation):
    """The server emptied the playout buffer; ``dropped_ms`` of audio will never be heard."""

    dropped_ms: float
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused(Observation):
    """The server sent what the carrier does not understand."""

    code: int
    why: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOver(Observation):
    """The media stream ended: ``server`` closed it, the ``carrier`` stopped it, or it was ``lost``."""

    by: Literal["server", "carrier", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBegan(Observation):
    """The caller began step ``index`` (from 0) of the script."""

    index: int
    what: str
    """For people: the words, ``*noise*``, ``keys 12`` or ``hangs up``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOver(Observation):
    """The last sample of the step was spoken, its last key pressed."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySent(Observation):
    """The caller's key went to the stream as ``dtmf``."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(Observation):
    """The caller heard the other side speak from ``from_ms`` to ``at_ms``; pauses under half a second are part of it."""

    from_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Observation):
    """The carrier itself spoke: ``<Say>``, or its canned error message."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanRang(Observation):
    """A person's phone rings."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanAnswered(Observation):
    """A person is on the line with the caller (after screening, if there is any)."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOver(Observation):
    """``<Dial>`` ended with this ``DialCallStatus``."""

    status: str
    bridged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Observation):
    """The caller left a message of this length."""

    duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DebuggerEntry(Observation):
    """What the carrier's debugger would show."""

    code: int
    message: str
    level: Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Observation):
    """The call is over. ``status`` is its final CallStatus."""

    reason: str
    status: str
