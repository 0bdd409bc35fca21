"""What happens on a call: one struct an event kind, numbered 1, 2, 3 … without gaps per call.

The kinds and their fields are an interface: the store keeps them, operators read them, scripts parse them. On the wire and in
exports an event is one flat object, ``{"type": "event", "call_sid", "seq", "at", "kind", …fields}``.
"""

from datetime import UTC, datetime
from typing import Any, Literal, get_args

import msgspec

from calls.ids import CallSid

Usage = dict[str, int]
"""Summed token counts of a call, keyed as the Realtime API's ``usage`` details are (``input_text``, ``output_audio`` …)."""


class EventBody(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """The fields of one event kind; the kind itself is the struct's tag."""


class CallStarted(EventBody, frozen=True, kw_only=True, omit_defaults=True, tag="call.started"):
    """A call reached the voice webhook. ``from``: the person on the line; ``to``: the business's address; whoever rang whom."""

    business_id: str
    from_: str = msgspec.field(name="from")
    to: str
    channel: Literal["pstn", "whatsapp", "sip", "client"]
    direction: Literal["inbound", "outbound"] = "inbound"


class ModelConnected(EventBody, frozen=True, kw_only=True, tag="model.connected"):
    """The model's socket is open. ``ms``: how long connecting took; ``warm``: it had been opened beforehand."""

    ms: int
    warm: bool


class GreetingRequested(EventBody, frozen=True, kw_only=True, tag="greeting.requested"):
    """The greeting was asked for (live) or started (recorded)."""

    mode: Literal["live", "recorded"]


class GreetingFirstAudio(EventBody, frozen=True, kw_only=True, tag="greeting.first_audio"):
    """``latency_ms``: Twilio's ``start`` received → first greeting audio sent."""

    latency_ms: int


class GreetingFinished(EventBody, frozen=True, kw_only=True, tag="greeting.finished"):
    """The greeting was played to its end, or the caller left during it."""

    heard_ms: int


class AgentTranscript(EventBody, frozen=True, kw_only=True, omit_defaults=True, tag="agent.transcript"):
    """What the caller heard the AI say: ``text`` ends where the audio was cut."""

    item_id: str
    text: str
    heard_ms: int
    interrupted: bool
    previous_item_id: str | None = None
    """The item said before it, so that both sides can be put in order."""
    unheard: str | None = None
    """What the AI was about to say when it was cut."""


class CallerTranscript(EventBody, frozen=True, kw_only=True, omit_defaults=True, tag="caller.transcript"):
    """What the caller said, as the transcription model understood it."""

    item_id: str
    text: str
    previous_item_id: str | None = None


class TurnFirstAudio(EventBody, frozen=True, kw_only=True, tag="turn.first_audio"):
    """``latency_ms``: the caller stopped speaking → first AI audio of the reply sent."""

    latency_ms: int


class BargeInTriggered(EventBody, frozen=True, kw_only=True, tag="barge_in.triggered"):
    """The caller has been loud for the hold time while the AI spoke."""

    rms: int


class BargeInDismissed(EventBody, frozen=True, kw_only=True, tag="barge_in.dismissed"):
    """It was a cough: the AI talked on."""


class BargeInCut(EventBody, frozen=True, kw_only=True, tag="barge_in.cut"):
    """The AI was cut. The last four are milliseconds since the stream's ``start``."""

    item_id: str
    heard_ms: int
    reaction_ms: int
    speech_ms: int
    triggered_ms: int
    clear_ms: int
    truncate_ms: int


class BargeInResumed(EventBody, frozen=True, kw_only=True, tag="barge_in.resumed"):
    """Nothing was said after a cut, and the AI went on."""


class ToolCalled(EventBody, frozen=True, kw_only=True, tag="tool.called"):
    """The model asked for a tool. ``arguments`` as the model wrote them."""

    name: str
    arguments: str


class ToolFinished(EventBody, frozen=True, kw_only=True, tag="tool.finished"):
    """A tool has answered, or failed (``ok`` false)."""

    name: str
    ms: int
    ok: bool


class LeadCaptured(EventBody, frozen=True, kw_only=True, tag="lead.captured"):
    """All lead fields are given."""

    fields: dict[str, str]


class AppointmentBooked(EventBody, frozen=True, kw_only=True, omit_defaults=True, tag="appointment.booked"):
    """An appointment is in the calendar. Times are RFC 3339, with the business's offset from UTC."""

    appointment_id: str
    starts_at: str
    ends_at: str
    summary: str
    moved_from: str | None = None
    """When it began before, if it was in the calendar already."""


class Dtmf(EventBody, frozen=True, kw_only=True, tag="dtmf"):
    """The caller pressed a key."""

    digit: str


class ClosingStarted(EventBody, frozen=True, kw_only=True, tag="closing.started"):
    """The call is being ended in a polite way."""

    reason: str
    phrase: str | None = None


class ClosingReopened(EventBody, frozen=True, kw_only=True, tag="closing.reopened"):
    """The caller had more to say."""


class TransferStarted(EventBody, frozen=True, kw_only=True, tag="transfer.started"):
    """The caller is handed to a human."""

    to: str


class OperatorCommand(EventBody, frozen=True, kw_only=True, omit_defaults=True, tag="operator.command"):
    """An operator stepped in. ``text``: what was whispered or said; ``to``: whom the caller is put through to, if the operator
    chose."""

    operator: str
    action: str
    text: str | None = None
    to: str | None = None


class ModelLost(EventBody, frozen=True, kw_only=True, tag="model.lost"):
    """The model's socket is gone, or the model does not answer."""

    reason: str


class ModelResumed(EventBody, frozen=True, kw_only=True, tag="model.resumed"):
    """A new model session carries the conversation on."""

    ms: int


class CallResumed(EventBody, frozen=True, kw_only=True, tag="call.resumed"):
    """Another task carries the call on."""

    ms: int


class ErrorHappened(EventBody, frozen=True, kw_only=True, tag="error"):
    """Something went wrong that a person may want to know; the call goes on unless another event says otherwise."""

    where: str
    message: str


class CallSummary(EventBody, frozen=True, kw_only=True, omit_defaults=True, tag="call.summary"):
    """What the call was about, as the model wrote it down once a stream was over. It may come after ``call.ended``."""

    summary: str
    outcome: dict[str, Any] | None = None
    """The business's own questions, answered."""


class CallEnded(EventBody, frozen=True, kw_only=True, tag="call.ended"):
    """The call is over. Nothing comes after it but ``call.summary``."""

    reason: str
    duration_ms: int
    greeting_latency_ms: int | None = None
    barge_ins: int = 0
    usage: Usage = {}
    cost_usd: float | None = None


AnyEvent = (
    CallStarted
    | ModelConnected
    | GreetingRequested
    | GreetingFirstAudio
    | GreetingFinished
    | AgentTranscript
    | CallerTranscript
    | TurnFirstAudio
    | BargeInTriggered
    | BargeInDismissed
    | BargeInCut
    | BargeInResumed
    | ToolCalled
    | ToolFinished
    | LeadCaptured
    | AppointmentBooked
    | Dtmf
    | ClosingStarted
    | ClosingReopened
    | TransferStarted
    | OperatorCommand
    | ModelLost
    | ModelResumed
    | CallResumed
    | ErrorHappened
    | CallSummary
    | CallEnded
)

KINDS: tuple[str, ...] = tuple(str(body.__struct_config__.tag) for body in get_args(AnyEvent))
"""The kinds there are."""

_body_encoder = msgspec.json.Encoder()
_body_decoder = msgspec.json.Decoder(AnyEvent)


class CallEvent(msgspec.Struct, frozen=True):
    """One numbered event of one call."""

    call_sid: CallSid
    seq: int
    at: datetime
    """Aware, UTC; milliseconds."""
    body: AnyEvent

    @property
    def kind(self) -> str:
        """The event kind, such as ``caller.transcript``."""
        return kind_of(self.body)

    def flat(self) -> dict[str, Any]:
        """The event as it is sent and exported: one flat object of plain JSON values."""
        return {
            "type": "event",
            "call_sid": self.call_sid,
            "seq": self.seq,
            "at": timestamp(self.at),
            **msgspec.to_builtins(self.body),
        }


def kind_of(body: AnyEvent) -> str:
    """The kind of an event body."""
    return str(body.__struct_config__.tag)


def encode_body(body: AnyEvent) -> bytes:
    """The body as JSON, its kind under ``kind``."""
    return _body_encoder.encode(body)


def decode_body(encoded: bytes | str) -> AnyEvent:
    """The inverse of :func:`encode_body`. Raises ``msgspec.ValidationError`` for anything else."""
    body: AnyEvent = _body_decoder.decode(encoded)
    return body


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: ``2026-01-01T00:00:00.000Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """The inverse of :func:`timestamp`."""
    return datetime.fromisoformat(text)
