"""A call as spans: what it consisted of, one within the other, with a beginning and an end.

A :class:`CallTrace` adds up a call's events as they happen in one process, or as they stand on the record. Spans hold what kinds of
things happened and how long they took; they never hold who called, what was said, what a tool was given, or whom a caller was put
through to.

Keys are made so that processes which know nothing of each other name the same thing the same way: the call is ``call``, and
everything else hangs on the number of the event that ended it or on the stream it happened in.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from calls import events
from calls.events import AnyEvent, CallEvent, parse_timestamp
from calls.ids import CallSid
from calls.record import CallRecord

Facts = Mapping[str, str | int | float | bool]

ROOT = "call"
"""The key of the span that all others are within."""

WENT_WRONG = frozenset({"lost", "no_bridge", "model_lost", "core_failed", "stream_lost", "failed"})
"""Reasons of ``call.ended`` that nobody wanted."""

_CODE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,59}")
_DIGITS = re.compile(r"\d{6}")
_HARMLESS = frozenset(
    (
        *("business_id", "channel", "direction", "mode", "warm", "name", "ok", "reason", "action", "where", "interrupted", "rms"),
        *("ms", "latency_ms", "heard_ms", "reaction_ms", "speech_ms", "triggered_ms", "clear_ms", "truncate_ms", "duration_ms"),
        *("greeting_latency_ms", "barge_ins", "cost_usd"),
    )
)
"""Fields of events that say nothing about a person."""


class Note(msgspec.Struct, frozen=True):
    """Something that happened within a span and took no time."""

    name: str
    at: datetime
    facts: Facts = {}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a call that is over."""

    name: str
    key: str
    parent: str | None
    began_at: datetime
    ended_at: datetime
    facts: Facts = {}
    notes: tuple[Note, ...] = ()
    ok: bool = True

    @property
    def ms(self) -> int:
        """How long it took."""
        return round((self.ended_at - self.began_at) / timedelta(milliseconds=1))


class _Open(msgspec.Struct):
    """A part of a call that is not over."""

    name: str
    began_at: datetime
    facts: dict[str, str | int | float | bool]
    notes: list[Note]
    key: str = ""


class CallTrace:
    """The spans of one call. What is told comes back as the spans that are over by it."""

    def __init__(self, call_sid: CallSid) -> None:
        self.call_sid = call_sid
        self._call = _Open(ROOT, datetime.max.replace(tzinfo=UTC), {}, [], ROOT)
        self._stream: _Open | None = None
        self._stream_over_at: datetime | None = None
        self._parts: dict[str, _Open] = {}

    @property
    def has_stream(self) -> bool:
        """Whether a stream of the call is going on, as far as is known here."""
        return self._stream is not None

    def stream_began(self, owner: str, at: datetime) -> list[Span]:
        """``owner`` has accepted a stream of the call; it may be empty, where nobody knows any more."""
        spans = self.stream_over(at) if self._stream is not None else []
        if self._call.began_at < at and self._stream_over_at is None:
            spans.append(self._span(_Open("connect", self._call.began_at, {}, [], f"connect:{owner}"), at))
        self._stream = _Open("stream", at, {"owner": owner} if owner else {}, [], f"stream:{owner}:{at.timestamp():.3f}")
        return spans

    def stream_over(self, at: datetime) -> list[Span]:
        """The stream is over, and with it whatever was going on in it."""
        if self._stream is None:
            return []
        stream = self._stream
        spans = [self._close(name, at, stream.key) for name in list(self._parts)]
        self._stream, self._stream_over_at = None, at
        return [*spans, self._span(stream, at)]

    def event(self, event: CallEvent) -> list[Span]:
        """Something has happened."""
        at, body, key = event.at, event.body, str(event.seq)
        match body:
            case events.CallStarted():
                self._call.began_at = at
                self._call.facts |= harmless(body)
            case events.ModelConnected(ms=ms):
                return [self._past("model.connect", ms, event)]
            case events.TurnFirstAudio(latency_ms=ms):
                return [self._past("turn", ms, event)]
            case events.ToolFinished(ms=ms, ok=ok):
                return [self._past("tool", ms, event, ok=ok)]
            case events.CallResumed(ms=ms):
                return [self._past("gap", ms, event)]
            case events.GreetingRequested() | events.BargeInTriggered() | events.ClosingStarted() | events.ModelLost():
                self._begin(_PART_OF[type(body)], event)
            case events.TransferStarted():
                return [*self._end("closing", event, key), *self._begin("transfer", event)]
            case (
                events.GreetingFinished()
                | events.BargeInCut()
                | events.BargeInDismissed()
                | events.ClosingReopened()
                | events.ModelResumed()
            ):
                return self._end(_PART_OF[type(body)], event, key)
            case events.CallEnded():
                return self._over(event, body)
            case events.GreetingFirstAudio():
                self._note(event, self._parts.get("greeting"))
            case events.BargeInResumed() | events.OperatorCommand() | events.ErrorHappened():
                self._note(event)
            case events.LeadCaptured() | events.AppointmentBooked() | events.Dtmf():
                self._note(event)
        return []

    def _begin(self, name: str, event: CallEvent) -> list[Span]:
        before = self._end(name, event, str(event.seq))
        self._parts[name] = _Open(name, event.at, harmless(event.body), [])
        return before

    def _end(self, name: str, event: CallEvent, key: str) -> list[Span]:
        part = self._parts.get(name)
        if part is None:
            return []
        if type(event.body) in _PART_OF:
            part.facts |= {**harmless(event.body), "outcome": event.kind.partition(".")[2]}
        return [self._close(name, event.at, key)]

    def _close(self, name: str, at: datetime, key: str) -> Span:
        part = self._parts.pop(name)
        part.key = f"{name}:{key}"
        return self._span(part, at, ok=name != "model.lost" or "outcome" in part.facts)

    def _past(self, name: str, ms: int, event: CallEvent, *, ok: bool = True) -> Span:
        """A span that an event speaks of when it is over."""
        began_at = event.at - timedelta(milliseconds=ms)
        return self._span(_Open(name, began_at, harmless(event.body), [], f"{name}:{event.seq}"), event.at, ok=ok)

    def _over(self, event: CallEvent, ended: events.CallEnded) -> list[Span]:
        spans = self.stream_over(event.at)
        spans += [self._close(name, event.at, str(event.seq)) for name in list(self._parts)]
        if self._stream_over_at is not None and self._stream_over_at < event.at:
            spans.append(self._span(_Open("hang_up", self._stream_over_at, {}, [], "hang_up"), event.at))
        self._call.facts |= harmless(ended)
        self._call.began_at = min(self._call.began_at, event.at - timedelta(milliseconds=ended.duration_ms))
        return [*spans, self._span(self._call, event.at, ok=ended.reason not in WENT_WRONG)]

    def _note(self, event: CallEvent, within: _Open | None = None) -> None:
        part = within or self._stream or self._call
        part.notes.append(Note(event.kind, event.at, harmless(event.body)))

    def _span(self, part: _Open, ended_at: datetime, *, ok: bool = True) -> Span:
        parent = None if part is self._call else self._stream.key if self._is_within_stream(part) and self._stream else ROOT
        began_at = min(part.began_at, ended_at)
        return Span(
            name=part.name, key=part.key, parent=parent, began_at=began_at, ended_at=ended_at,
            facts=part.facts, notes=tuple(part.notes), ok=ok,
        )  # fmt: skip

    def _is_within_stream(self, part: _Open) -> bool:
        return part.name not in ("stream", "connect", "hang_up", "gap")


_PART_OF: dict[type[events.EventBody], str] = {
    events.GreetingRequested: "greeting",
    events.GreetingFinished: "greeting",
    events.BargeInTriggered: "barge_in",
    events.BargeInCut: "barge_in",
    events.BargeInDismissed: "barge_in",
    events.ClosingStarted: "closing",
    events.ClosingReopened: "closing",
    events.ModelLost: "model.lost",
    events.ModelResumed: "model.lost",
}
"""Which part of a call an event begins or ends."""


def harmless(body: AnyEvent) -> dict[str, str | int | float | bool]:
    """The fields of an event that say nothing about a person: figures, and words that can only be names of things of ours."""
    facts: dict[str, str | int | float | bool] = {}
    for name in body.__struct_fields__:
        value = getattr(body, name)
        if name in _HARMLESS and value is not None and (not isinstance(value, str) or _is_code(value)):
            facts[name] = value
    return facts


def _is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None and _DIGITS.search(text) is None


def trace_of_record(record: CallRecord, happened: Sequence[CallEvent]) -> list[Span]:
    """The spans of a call as its record tells them, in the order they began. Where streams begin and end is not on the record but
    for the first and the last; in between it is taken from the events, and what is going on still has no span."""
    trace = CallTrace(record.call_sid)
    spans: list[Span] = []
    accepted_at = parse_timestamp(record.accepted_at) if record.accepted_at is not None else None
    last_at = accepted_at
    for event in happened:
        match event.body:
            case events.CallResumed() if trace.has_stream and last_at is not None:
                spans += trace.stream_over(last_at)
                spans += trace.stream_began(record.owner or "", event.at)
            case events.CallEnded():
                spans += trace.stream_over(_released_at(record, event.at) or last_at or event.at)
            case events.CallStarted() | events.CallSummary():
                pass
            case _ if not trace.has_stream and accepted_at is not None:
                spans += trace.stream_began(record.owner or "", accepted_at if last_at == accepted_at else event.at)
        spans += trace.event(event)
        last_at = event.at if not isinstance(event.body, events.CallStarted) else last_at
    return sorted(spans, key=lambda span: (span.began_at, -span.ms))


def _released_at(record: CallRecord, ended_at: datetime) -> datetime | None:
    at = parse_timestamp(record.released_at) if record.released_at is not None else None
    return at if at is not None and at <= ended_at else None
