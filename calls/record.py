"""The record of a call: what its events add up to, and the facts that decide what Twilio is told next."""

from typing import Any, Literal

import msgspec

from calls import events
from calls.address import Channel
from calls.events import CallEvent, Usage
from calls.ids import BusinessId, CallSid
from calls.outbound import Direction

Phase = Literal["connecting", "greeting", "conversing", "closing", "ended"]


class Disposition(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the caller when the stream is over. Stored before the stream is left, so that
    ``/stream-ended`` never guesses."""

    action: Literal["hang_up", "dial", "voicemail"]
    reason: str
    """Why, in the words of ``call.ended``: ``model_lost``, ``farewell``, ``operator`` …"""
    say: str | None = None
    """Spoken by Twilio first."""
    to: str | None = None
    """Whom to dial."""
    timeout_s: int | None = None
    briefing: str | None = None
    """What the human is told before they take the call."""
    by: str | None = None
    """The operator who decided it while the call's bridge could not be asked."""


MAX_MESSAGES = 20
"""Messages kept of one call."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message the caller left (Twilio, *TwiML Voice: Record*)."""

    recording_url: str
    duration_s: int | None = None
    status: str = "in-progress"
    """``completed`` once it can be fetched, ``absent`` or ``failed`` if it never can."""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One call. The first group is what operators see (``CALL``), the second what the webhooks decide on."""

    call_sid: CallSid
    business_id: BusinessId
    from_: str = msgspec.field(name="from")
    """The person on the line, be it that they called or that they were called."""
    to: str
    """The business's address."""
    channel: Channel
    phase: Phase = "connecting"
    started_at: str
    owner: str | None = None
    """The bridge that holds the call's stream; ``None`` before and after."""
    last_seq: int = 0
    last_line: str | None = None
    greeting_latency_ms: int | None = None
    barge_ins: int = 0
    cost_usd: float | None = None
    muted: bool = False

    direction: Direction = "inbound"
    """``outbound``: the business has called."""
    accepted_at: str | None = None
    """When a bridge accepted the stream's token for the first time."""
    released_at: str | None = None
    """When the bridge let the stream go with its record complete."""
    disposition: Disposition | None = None
    action_requested_at: str | None = None
    """When Twilio asked ``/stream-ended`` last."""
    usage: Usage = {}
    resumed: Literal["no_answer", "lost"] | None = None
    """Why the present stream is not the call's first: the human did not answer, or the bridge vanished."""
    resumed_at: str | None = None
    """When the present stream was asked for, if it is not the first."""
    unreleased: tuple[str, ...] = ()
    """Bridges whose stream was taken from them before they had let go of it; what it has used is still to come."""
    messages: tuple[Message, ...] = ()
    """What the caller left after the tone."""
    recording: str | None = None
    """Where its audio is kept: ``file:PATH`` or ``s3://BUCKET/KEY``."""
    summary: str | None = None
    """What the call was about, in the model's words."""
    outcome: dict[str, Any] | None = None
    """The business's own questions about the call, answered by the model."""
    ended_at: str | None = None
    end_reason: str | None = None
    duration_ms: int | None = None

    def after(self, event: CallEvent) -> "CallRecord":
        """The record with ``event`` counted in."""
        changes: dict[str, Any] = {"last_seq": event.seq}
        match event.body:
            case events.GreetingRequested():
                changes["phase"] = "greeting"
            case events.GreetingFirstAudio(latency_ms=latency_ms):
                changes["greeting_latency_ms"] = latency_ms
            case events.GreetingFinished() | events.ClosingReopened():
                changes["phase"] = "conversing"
            case events.AgentTranscript(text=text) | events.CallerTranscript(text=text):
                changes["last_line"] = text
            case events.BargeInCut():
                changes["barge_ins"] = self.barge_ins + 1
            case events.CallResumed():
                changes["phase"] = "conversing"
            case events.ClosingStarted() | events.TransferStarted():
                changes["phase"] = "closing"
            case events.OperatorCommand(action="mute" | "unmute" as action):
                changes["muted"] = action == "mute"
            case events.CallSummary(summary=summary, outcome=outcome):
                changes |= {"summary": summary, "outcome": outcome}
            case events.CallEnded() as ended:
                changes |= {
                    "phase": "ended",
                    "ended_at": events.timestamp(event.at),
                    "end_reason": ended.reason,
                    "duration_ms": ended.duration_ms,
                    "owner": None,
                }
                if ended.usage:
                    changes["usage"] = ended.usage
                if ended.cost_usd is not None:
                    changes["cost_usd"] = ended.cost_usd
        return msgspec.structs.replace(self, **changes)

    def cost_with(self, usage: Usage, cost_usd: float | None) -> float | None:
        """What the call has cost once a stream that used ``usage`` has cost ``cost_usd``: unknown if either cost is."""
        if cost_usd is None:
            return None if usage else self.cost_usd
        return None if self.usage and self.cost_usd is None else round((self.cost_usd or 0.0) + cost_usd, 6)

    def with_message(self, message: Message) -> "CallRecord":
        """The record with a message the caller left. What has become of it is not forgotten by a report that comes late."""
        known = next((left for left in self.messages if left.recording_url == message.recording_url), None)
        if known is not None and message.status == "in-progress":
            message = msgspec.structs.replace(known, duration_s=known.duration_s or message.duration_s)
        others = tuple(left for left in self.messages if left.recording_url != message.recording_url)
        return msgspec.structs.replace(self, messages=(*others, message)[-MAX_MESSAGES:])

    @property
    def awaits_stream(self) -> bool:
        """Whether no bridge has accepted the stream that was asked for last."""
        return self.owner is None and self.released_at is None

    @property
    def ended(self) -> bool:
        """Whether ``call.ended`` is on the record."""
        return self.ended_at is not None
