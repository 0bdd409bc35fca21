"""The record of a call: what its events add up to, and the facts that decide what Twilio is told next."""

from typing import Any, Literal

import msgspec

from calls import events
from calls.address import Channel
from calls.events import CallEvent, Usage
from calls.ids import BusinessId, CallSid

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


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One call. The first group is what operators see (``CALL``), the second what the webhooks decide on."""

    call_sid: CallSid
    business_id: BusinessId
    from_: str = msgspec.field(name="from")
    to: str
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

    accepted_at: str | None = None
    """When a bridge accepted the stream's token for the first time."""
    released_at: str | None = None
    """When the bridge let the stream go with its record complete."""
    disposition: Disposition | None = None
    action_requested_at: str | None = None
    """When Twilio asked ``/stream-ended`` last."""
    usage: Usage = {}
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
            case events.ClosingStarted() | events.TransferStarted():
                changes["phase"] = "closing"
            case events.OperatorCommand(action="mute" | "unmute" as action):
                changes["muted"] = action == "mute"
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

    @property
    def ended(self) -> bool:
        """Whether ``call.ended`` is on the record."""
        return self.ended_at is not None
