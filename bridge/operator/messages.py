"""What operators are told, as JSON. A message is encoded once, however many read it."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Any

import msgspec

from bridge.operator.live_call import Standing
from calls.events import CallEvent
from calls.ids import CallSid
from calls.operator import Glimpse, Side
from calls.record import CallRecord

_OF_A_LIVE_CALL = (
    *("call_sid", "business_id", "from", "to", "channel", "phase", "started_at", "owner", "last_seq", "last_line"),
    *("greeting_latency_ms", "barge_ins", "cost_usd", "muted"),
)
_OF_ANY_CALL = (*_OF_A_LIVE_CALL, "ended_at", "end_reason", "duration_ms")

BUS_DOWN = (
    "The bus between the bridges is down: calls of other bridges are shown a few seconds late, and can only be hung up by force."
)
BUS_UP = "The bus between the bridges is up."

_encoder = msgspec.json.Encoder()


def encoded(message: dict[str, Any]) -> bytes:
    """A message as it is sent."""
    return _encoder.encode(message)


def summary(record: CallRecord, *, ended: bool = False) -> dict[str, Any]:
    """``CALL``; with ``ended``, what is known of its end too."""
    fields = msgspec.to_builtins(record)
    return {name: fields.get(name) for name in (_OF_ANY_CALL if ended else _OF_A_LIVE_CALL)}


def snapshot(calls: Iterable[CallRecord]) -> bytes:
    """All live calls."""
    return encoded({"type": "snapshot", "calls": [summary(call) for call in calls]})


def event(happened: CallEvent) -> bytes:
    """One event."""
    return encoded(happened.flat())


def levels(call_sid: CallSid, caller_rms: float, agent_rms: float) -> bytes:
    """How loud both sides are."""
    return encoded(
        {
            "type": "live",
            "call_sid": call_sid,
            "kind": "levels",
            "caller_rms": round(caller_rms),
            "agent_rms": round(agent_rms),
        }
    )


def partial(call_sid: CallSid, line: Glimpse) -> bytes:
    """A line that is being said."""
    return encoded({"type": "live", "call_sid": call_sid, "kind": "partial", **msgspec.structs.asdict(line)})


def phase(call_sid: CallSid, owner: str, stands: Standing) -> bytes:
    """Where a call stands."""
    facts = msgspec.structs.asdict(stands)
    return encoded({"type": "live", "call_sid": call_sid, "kind": "phase", "owner": owner, **facts})


def audio(call_sid: CallSid, side: Side, at_ms: float, ulaw: bytes) -> bytes:
    """A piece of one side."""
    return encoded(
        {
            "type": "audio",
            "call_sid": call_sid,
            "side": side,
            "at_ms": round(at_ms),
            "payload": b64encode(ulaw).decode("ascii"),
        }
    )


def result(command_id: str, error: str | None) -> bytes:
    """The answer to a command."""
    answer: dict[str, Any] = {"type": "result", "id": command_id, "ok": error is None}
    return encoded(answer if error is None else {**answer, "error": error})


def bus(*, up: bool) -> bytes:
    """Whether the bridges can tell each other anything."""
    return encoded({"type": "bus", "up": up, "message": BUS_UP if up else BUS_DOWN})


def dropped(reason: str) -> bytes:
    """The last message to a reader that does not keep up."""
    return encoded({"type": "dropped", "reason": reason})
