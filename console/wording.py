"""What the console calls things: short words for phases, kinds of events and reasons, and how figures are written.

Everything here is a plain function from values to text; nothing knows a terminal. What is not in a table is shown by its own
name, so that a newer bridge can be watched with an older console.
"""

from collections.abc import Callable
from datetime import datetime, tzinfo

from console.protocol import Event

NOTHING = "–"
"""Stands where there is no value (yet)."""
GREETING_LIMIT_MS = 1_200
"""A greeting that starts later than this is late."""

PHASES = {
    "connecting": "connecting",
    "greeting": "greeting",
    "conversing": "talking",
    "closing": "closing",
    "ended": "ended",
}

KINDS = {
    "call.started": "call",
    "model.connected": "model connected",
    "greeting.requested": "greeting asked for",
    "greeting.first_audio": "greeting starts",
    "greeting.finished": "greeting over",
    "agent.transcript": "AI",
    "caller.transcript": "caller",
    "turn.first_audio": "reply starts",
    "barge_in.triggered": "caller speaks over",
    "barge_in.dismissed": "only a noise",
    "barge_in.cut": "AI cut off",
    "barge_in.resumed": "AI goes on",
    "tool.called": "tool",
    "tool.finished": "tool done",
    "lead.captured": "lead",
    "appointment.booked": "appointment",
    "dtmf": "key pressed",
    "closing.started": "closing",
    "closing.reopened": "goes on",
    "transfer.started": "transfer",
    "operator.command": "operator",
    "model.lost": "model lost",
    "model.resumed": "model back",
    "call.resumed": "call resumed",
    "error": "error",
    "call.summary": "summary",
    "call.ended": "ended",
}

REASONS = {
    "farewell": "said goodbye",
    "silence": "silence",
    "no_inbound_media": "no audio came",
    "max_duration": "too long",
    "model_lost": "model lost",
    "oversized_message": "message too large",
    "end_call": "the AI ended it",
    "lead_captured": "lead captured",
    "operator": "an operator ended it",
    "transferred": "handed to a human",
    "max_cost": "cost too much",
    "blocked": "blocked",
    "closed": "outside opening hours",
    "all_lines_busy": "all lines busy",
    "over_budget": "over the day's budget",
    "at_capacity": "no bridge had room",
    "lost": "lost",
    "caller_hung_up": "caller hung up",
    "busy": "busy",
    "failed": "failed",
    "no-answer": "no answer",
    "canceled": "cancelled",
}

ACTIONS = {
    "hangup": "hang up",
    "force_hangup": "force hang up",
    "escalate": "hand to a human",
    "whisper": "whisper",
    "say": "say",
    "mute": "mute the AI",
    "unmute": "unmute the AI",
    "listen": "listen",
    "unlisten": "stop listening",
}


def phase(name: str) -> str:
    """A phase in one word."""
    return PHASES.get(name, name or NOTHING)


def kind(name: str) -> str:
    """An event kind in two or three words."""
    return KINDS.get(name, name)


def reason(name: str) -> str:
    """Why a call ended or is being ended."""
    return REASONS.get(name, name.replace("_", " ") or NOTHING)


def action(name: str) -> str:
    """What an operator does, as a verb."""
    return ACTIONS.get(name, name.replace("_", " "))


def caller(address: str) -> str:
    """Who calls, as Twilio writes it; a withheld number gets a word."""
    return address or "unknown caller"


def short_caller(address: str) -> str:
    """Who calls without how: the number of a WhatsApp caller, the user of a SIP address."""
    scheme, colon, rest = address.partition(":")
    return caller(rest if colon and scheme in ("whatsapp", "sip", "sips", "client") else address)


def short_id(call_sid: str) -> str:
    """The end of a call id: enough to tell calls apart."""
    return call_sid[-6:]


def age(seconds: float) -> str:
    """A length of time as a clock shows it: ``0:42``, ``12:05``, ``1:02:05``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


def short_age(seconds: float) -> str:
    """A length of time in five cells: ``0:42``, ``12:05``, ``1h02``, ``3 d``."""
    whole = max(0, int(seconds))
    if whole < 3600:
        return age(whole)
    return f"{whole // 3600}h{whole % 3600 // 60:02}" if whole < 100 * 3600 else f"{min(whole // 86_400, 999)} d"


def spoken_age(seconds: float) -> str:
    """A length of time in a sentence: ``42 s``, ``12 min 5 s``, ``1 h 2 min``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def latency(ms: float | None) -> str:
    """Milliseconds as seconds with two places: ``0.82 s``."""
    return NOTHING if ms is None else f"{ms / 1000:.2f} s"


def milliseconds(ms: float | None) -> str:
    """Milliseconds as they are: ``180 ms``."""
    return NOTHING if ms is None else f"{ms:,.0f} ms"


def is_late(greeting_latency_ms: int | None) -> bool:
    """Whether a greeting came too late."""
    return greeting_latency_ms is not None and greeting_latency_ms > GREETING_LIMIT_MS


def cost(usd: float | None) -> str:
    """Money: ``$0.12``; below a cent in cents, ``0.8¢``."""
    if usd is None:
        return NOTHING
    return f"{usd * 100:.1f}¢" if 0 < usd < 0.01 else f"${usd:,.2f}"


def clock(at: datetime, zone: tzinfo | None = None) -> str:
    """The time of day, ``14:05:09``; local time unless a zone is given."""
    try:
        return at.astimezone(zone).strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):  # the year 1 or 9999 has no local time
        return at.strftime("%H:%M:%S")


def count(number: int, one: str, many: str = "") -> str:
    """``1 call``, ``40 calls``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def details(event: Event) -> str:
    """What an event says beyond its kind, in one line; empty if nothing. Safe for a terminal, but it may hold markup."""
    tell = _DETAILS.get(event.kind)
    return tell(event) if tell is not None else ""


def _started(event: Event) -> str:
    return f"{caller(event.text('from'))} → {event.text('to')}, {event.text('business_id')}"


def _said(event: Event) -> str:
    return event.text("text") + (" ⟂ cut off" if event.flag("interrupted") else "")


def _latency(event: Event) -> str:
    return f"after {latency(event.number('latency_ms'))}"


def _took(event: Event) -> str:
    return f"after {milliseconds(event.number('ms'))}"


def _cut(event: Event) -> str:
    return f"{milliseconds(event.number('reaction_ms'))} after the caller began"


def _tool_finished(event: Event) -> str:
    return f"{event.text('name')} {'ok' if event.flag('ok') else 'failed'}, {milliseconds(event.number('ms'))}"


def _lead(event: Event) -> str:
    return ", ".join(f"{name}: {value}" for name, value in event.texts("fields").items())


def _closing(event: Event) -> str:
    phrase = event.text("phrase")
    return reason(event.text("reason")) + (f": “{phrase}”" if phrase else "")


def _ended(event: Event) -> str:
    duration_ms = event.number("duration_ms")
    lasted = "" if duration_ms is None else f", {age(duration_ms / 1000)}"
    return reason(event.text("reason")) + lasted


def _operator(event: Event) -> str:
    words = event.text("text")
    return f"{event.text('operator')}: {action(event.text('action'))}" + (f" “{words}”" if words else "")


def _error(event: Event) -> str:
    return ": ".join(filter(None, (event.text("where"), event.text("message"))))


_DETAILS: dict[str, Callable[[Event], str]] = {
    "call.started": _started,
    "model.connected": _took,
    "greeting.requested": lambda event: event.text("mode"),
    "greeting.first_audio": _latency,
    "greeting.finished": lambda event: f"{milliseconds(event.number('heard_ms'))} heard",
    "agent.transcript": _said,
    "caller.transcript": _said,
    "turn.first_audio": _latency,
    "barge_in.triggered": lambda event: f"RMS {event.whole('rms') or 0}",
    "barge_in.cut": _cut,
    "tool.called": lambda event: f"{event.text('name')} {event.text('arguments')}".strip(),
    "tool.finished": _tool_finished,
    "lead.captured": _lead,
    "appointment.booked": lambda event: f"{event.text('starts_at')} {event.text('summary')}".strip(),
    "dtmf": lambda event: event.text("digit"),
    "closing.started": _closing,
    "transfer.started": lambda event: f"to {event.text('to')}",
    "operator.command": _operator,
    "model.lost": lambda event: event.text("reason"),
    "model.resumed": _took,
    "call.resumed": _took,
    "error": _error,
    "call.summary": lambda event: event.text("summary"),
    "call.ended": _ended,
}
