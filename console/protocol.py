"""What a bridge tells an operator, decoded and made safe.

Everything here comes over a network, and much of it was said by strangers: it may be no JSON, of the wrong shape, of an unknown
kind, or hold text that a terminal would obey. :func:`decode` never raises; what cannot be used becomes :class:`Malformed`, and
every text has its control characters taken out, so that whoever draws it needs to think of markup only (docs/reference/operator-api.md).
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

MAX_TEXT = 8_000
"""Characters kept of one text; nothing a person says in one breath needs more."""
MAX_LIST = 5_000
"""Calls taken from one snapshot."""
MAX_ID = 100
"""Characters of a call id; Twilio's have 34."""
MAX_FIELDS = 20_000
"""Characters kept of all fields of one event together: events are kept in thousands."""

# C0, DEL and C1, what turns the direction of a line around for good, and halves of characters; the marks Hebrew needs stay.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNUSABLE = (ValueError, TypeError, OverflowError, KeyError, RecursionError)
_BLANK = re.compile(r"\s+")


def safe(text: str) -> str:
    """``text`` as one line that cannot steer a terminal."""
    return _BLANK.sub(" ", _UNSAFE.sub(" ", text[:MAX_TEXT])).strip()


class CallSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One call as the list shows it (``CALL``)."""

    call_sid: str
    business_id: str = ""
    from_: str = ""
    to: str = ""
    channel: str = ""
    phase: str = "connecting"
    started_at: datetime
    owner: str = ""
    last_seq: int = 0
    last_line: str = ""
    greeting_latency_ms: int | None = None
    barge_ins: int = 0
    cost_usd: float | None = None
    muted: bool = False
    ended_at: datetime | None = None
    end_reason: str = ""
    duration_ms: int | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """All live calls, first thing after connecting."""

    calls: list[CallSummary]


class Event(msgspec.Struct, frozen=True):
    """One numbered event of one call. ``fields`` holds what else it says, cut to a size but unchecked: read it with the methods."""

    call_sid: str
    seq: int
    at: datetime
    kind: str
    fields: dict[str, Any]

    def text(self, name: str) -> str:
        """A text field, safe; empty if there is none or it is something else."""
        return _text(self.fields, name)

    def number(self, name: str) -> float | None:
        """A number field, or ``None``."""
        return _number(self.fields, name)

    def whole(self, name: str) -> int | None:
        """A number field, rounded, or ``None``."""
        number = _number(self.fields, name)
        return None if number is None else round(number)

    def flag(self, name: str) -> bool:
        """A true or false field."""
        return self.fields.get(name) is True

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return 200 + _weight(self.fields)

    def texts(self, name: str) -> dict[str, str]:
        """A field that is an object of texts, safe; such as the lead."""
        value = self.fields.get(name)
        if not isinstance(value, dict):
            return {}
        return {safe(str(key)): safe(str(text)) for key, text in list(value.items())[:50]}


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is being said. Of the AI's text the first ``heard_chars`` have been heard; ``over``: nothing more will be."""

    call_sid: str
    side: Literal["caller", "agent"]
    item_id: str
    text: str
    heard_chars: int
    over: bool


class Levels(msgspec.Struct, frozen=True):
    """How loud both sides are: RMS on the 16-bit scale."""

    call_sid: str
    caller_rms: int
    agent_rms: int


class PhaseChanged(msgspec.Struct, frozen=True):
    """Where a call stands now."""

    call_sid: str
    phase: str
    muted: bool
    owner: str = ""
    """The bridge that serves it."""
    cost_usd: float | None = None
    """What it has cost so far."""


class Audio(msgspec.Struct, frozen=True):
    """A piece of one side's audio while listening: μ-law at 8 kHz, ``at_ms`` of the call."""

    call_sid: str
    side: Literal["caller", "agent"]
    at_ms: float
    audio: bytes


class Result(msgspec.Struct, frozen=True):
    """The answer to a command. ``error`` is empty if it was accepted."""

    id: str
    ok: bool
    error: str


class Dropped(msgspec.Struct, frozen=True):
    """The bridge lets this reader go because it does not keep up."""

    reason: str


class BusChanged(msgspec.Struct, frozen=True):
    """Whether the bridge and its fellows can tell each other anything; ``message`` is a sentence of the bridge's."""

    up: bool
    message: str


class Malformed(msgspec.Struct, frozen=True):
    """A message that cannot be used. ``why`` is one short sentence."""

    why: str


Message = Snapshot | Event | Partial | Levels | PhaseChanged | Audio | Result | Dropped | BusChanged | Malformed


def decode(frame: str | bytes) -> Message:
    """One message of the operator WebSocket. Never raises."""
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Malformed("not JSON")
    if not isinstance(message, dict):
        return Malformed("not an object")
    try:
        return _decoded(message)
    except _UNUSABLE as wrong:
        return Malformed(f"a message of type {_named(message.get('type'))} with a wrong field: {safe(str(wrong))[:80]}")


def summary_of(call: Any) -> CallSummary | None:
    """One ``CALL`` object; ``None`` if it is none."""
    if not isinstance(call, dict) or not _sid(call):
        return None
    try:
        return CallSummary(
            call_sid=_sid(call),
            business_id=_text(call, "business_id"),
            from_=_text(call, "from"),
            to=_text(call, "to"),
            channel=_text(call, "channel"),
            phase=_text(call, "phase") or "connecting",
            started_at=_time(call, "started_at"),
            owner=_text(call, "owner"),
            last_seq=_whole(call, "last_seq") or 0,
            last_line=_text(call, "last_line"),
            greeting_latency_ms=_whole(call, "greeting_latency_ms"),
            barge_ins=_whole(call, "barge_ins") or 0,
            cost_usd=_number(call, "cost_usd"),
            muted=call.get("muted") is True,
            ended_at=_time(call, "ended_at") if call.get("ended_at") else None,
            end_reason=_text(call, "end_reason"),
            duration_ms=_whole(call, "duration_ms"),
        )
    except _UNUSABLE:
        return None


def event_of(event: Any) -> Event | None:
    """One event object, as the WebSocket and ``GET /calls/{sid}/events`` have it; ``None`` if it is none."""
    if not isinstance(event, dict) or event.get("type", "event") != "event":
        return None
    try:
        decoded = _event(event)
    except _UNUSABLE:
        return None
    return decoded if isinstance(decoded, Event) else None


def _decoded(message: dict[str, Any]) -> Message:
    match message.get("type"):
        case "event":
            return _event(message)
        case "live":
            return _live(message)
        case "snapshot":
            calls = message.get("calls")
            if not isinstance(calls, list):
                return Malformed("a snapshot without calls")
            return Snapshot([call for call in map(summary_of, calls[:MAX_LIST]) if call is not None])
        case "audio":
            return _audio(message)
        case "result":
            return Result(_text(message, "id"), message.get("ok") is True, _text(message, "error"))
        case "dropped":
            return Dropped(_text(message, "reason"))
        case "bus":
            return BusChanged(message.get("up") is True, _text(message, "message"))
        case other:
            return Malformed(f"an unknown type: {_named(other)}")


_ENVELOPE = {"type", "call_sid", "seq", "at", "kind"}


def _event(message: dict[str, Any]) -> Event | Malformed:
    seq, kind = _whole(message, "seq"), _text(message, "kind")
    if not _sid(message) or seq is None or seq < 1 or not kind:
        return Malformed("an event without call_sid, seq or kind")
    fields = _cut({name: value for name, value in message.items() if name not in _ENVELOPE})
    return Event(_sid(message), seq, _time(message, "at"), kind, fields)


def _named(name: Any) -> str:
    """What should have been a word, for a complaint about it."""
    return safe(name)[:40] if isinstance(name, str) else type(name).__name__


def _cut(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as they are if they are small, as all of an honest bridge's are; else what of them is worth keeping."""
    if _weight(fields) <= MAX_FIELDS:
        return fields
    kept, room = {}, MAX_FIELDS
    for name, value in fields.items():
        shortened = value[:MAX_TEXT] if isinstance(value, str) else value
        room -= _weight({name: shortened})
        if room < 0:
            break
        kept[name] = shortened
    return kept


def _weight(value: Any) -> int:
    """About how many bytes a JSON value takes. It is not nested deeper than its decoder allows."""
    match value:
        case str():
            return len(value)
        case dict():
            return sum(len(name) + 50 + _weight(inner) for name, inner in value.items())
        case list():
            return sum(20 + _weight(inner) for inner in value)
    return 8


def _live(message: dict[str, Any]) -> Message:
    call_sid = _sid(message)
    if not call_sid:
        return Malformed("a live message without call_sid")
    match message.get("kind"):
        case "partial":
            return _partial(message, call_sid)
        case "levels":
            return Levels(call_sid, _level(message, "caller_rms"), _level(message, "agent_rms"))
        case "phase":
            owner, cost_usd = _text(message, "owner"), _number(message, "cost_usd")
            return PhaseChanged(call_sid, _text(message, "phase"), message.get("muted") is True, owner, cost_usd)
        case other:
            return Malformed(f"an unknown live kind: {_named(other)}")


def _partial(message: dict[str, Any], call_sid: str) -> Partial | Malformed:
    item_id, said = _text(message, "item_id"), message.get("text")
    if message.get("side") not in ("caller", "agent") or not item_id or not isinstance(said, str):
        return Malformed("a partial without side, item_id or text")
    heard = max(0, _whole(message, "heard_chars") or 0)
    # What is taken out before the border moves the border.
    begun = len(safe(said[:heard]))
    return Partial(
        call_sid=call_sid,
        side="caller" if message["side"] == "caller" else "agent",
        item_id=item_id,
        text=safe(said),
        heard_chars=begun,
        over=message.get("over") is True,
    )


def _audio(message: dict[str, Any]) -> Audio | Malformed:
    call_sid, payload, at_ms = _sid(message), message.get("payload"), _number(message, "at_ms")
    if not call_sid or not isinstance(payload, str) or at_ms is None or message.get("side") not in ("caller", "agent"):
        return Malformed("audio without call_sid, side, at_ms or payload")
    try:
        audio = b64decode(payload, validate=True)
    except (NotBase64, ValueError):
        return Malformed("audio that is not base64")
    return Audio(call_sid, "caller" if message["side"] == "caller" else "agent", at_ms, audio)


def _sid(fields: dict[str, Any]) -> str:
    """The call id; empty if there is none worth the name."""
    sid = _text(fields, "call_sid")
    return sid if len(sid) <= MAX_ID else ""


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return safe(value) if isinstance(value, str) else ""


def _number(fields: dict[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        return None
    return value


def _whole(fields: dict[str, Any], name: str) -> int | None:
    number = _number(fields, name)
    return None if number is None else round(number)


def _level(fields: dict[str, Any], name: str) -> int:
    return min(max(_whole(fields, name) or 0, 0), 32_767)


def _time(fields: dict[str, Any], name: str) -> datetime:
    """Raises ``ValueError`` for anything but a time."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no time")
    at = datetime.fromisoformat(value[:40])
    if not 2000 <= at.year < 2200:
        raise ValueError(f"{name} is out of time")  # the first and last years do not survive a change of time zone
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
