"""The calls an operator sees, kept current from what the bridge tells. Pure: no terminal, no clock, no network.

A row belongs to a call id for good; where it stands on a screen is the screen's affair. What a snapshot says includes every event
up to its ``last_seq``, so an event that comes later with a lower number changes no row, but is still counted as an error, a tool
or a figure if it was not seen before.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from console.figures import Figures
from console.protocol import MAX_LIST, CallSummary, Event, Message, Partial, PhaseChanged, Snapshot

ENDED_KEPT = timedelta(minutes=10)
"""How long an ended call stays listed …"""
ENDED_KEPT_CALLS = 200
"""… and how many of them."""
MAX_CALLS = 2_000
"""Calls kept in all; a bridge that tells of more is told apart by a note, not by more memory."""
LAST_LINE_KEPT = 300
"""Characters of a last line; no screen shows more."""
NAME_KEPT = 100
"""Characters of an address or a name."""
ERRORS_KEPT = 50


@dataclass(slots=True)
class CallRow:
    """One call as the list shows it."""

    call_sid: str
    started_at: datetime
    business_id: str = ""
    caller: str = ""
    to: str = ""
    channel: str = ""
    phase: str = "connecting"
    owner: str = ""
    last_line: str = ""
    last_side: str = ""
    """Who said it: ``agent``, ``caller``, or nobody knows."""
    greeting_latency_ms: int | None = None
    barge_ins: int = 0
    cost_usd: float | None = None
    muted: bool = False
    ended_at: datetime | None = None
    end_reason: str = ""
    duration_ms: int | None = None
    errors: int = 0
    tools: int = 0
    lead: bool = False
    last_seq: int = 0
    """What the fields above include."""
    seen_seq: int = 0
    """The last event that was counted."""
    revision: int = 0
    """Grows with every change; what was painted of a lower one is stale."""

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self.ended_at is not None

    def age_s(self, now: datetime) -> float:
        """Seconds since the call began; of an ended one, how long it lasted."""
        if self.duration_ms is not None:
            return self.duration_ms / 1000
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())


class RecentError(NamedTuple):
    """An error, for the overview."""

    at: datetime
    call_sid: str
    where: str
    message: str


class Board:
    """All calls known, and the figures over them. Feed it with :meth:`take`; draw what is in ``dirty``."""

    def __init__(self) -> None:
        self.rows: dict[str, CallRow] = {}
        self.figures = Figures()
        self.errors: deque[RecentError] = deque(maxlen=ERRORS_KEPT)
        self.dirty: set[str] = set()
        """The calls that changed, came or went since this was last emptied."""
        self.not_listed = 0
        """Calls there was no room for."""

    def take(self, message: Message, now: datetime) -> None:
        """Counts one message in. What concerns no row is passed over."""
        match message:
            case Snapshot(calls):
                self._take_snapshot(calls, now)
            case Event():
                self._take_event(message, now)
            case Partial():
                self._take_partial(message)
            case PhaseChanged():
                self._take_phase(message, now)
            case _:
                pass

    def forget_old(self, now: datetime) -> None:
        """Lets go of calls that ended a while ago."""
        ended = sorted((row for row in self.rows.values() if row.ended_at is not None), key=_ended_at)
        surplus = max(0, len(ended) - ENDED_KEPT_CALLS)
        for index, row in enumerate(ended):
            if index >= surplus and now - _ended_at(row) <= ENDED_KEPT:
                break
            self._remove(row.call_sid)

    @property
    def live(self) -> int:
        """How many calls are on."""
        return sum(not row.ended for row in self.rows.values())

    def by_owner(self) -> dict[str, int]:
        """Live calls per task of the bridge, by its name; calls no task holds are under the empty one."""
        owners: dict[str, int] = {}
        for row in self.rows.values():
            if not row.ended:
                owners[row.owner] = owners.get(row.owner, 0) + 1
        return dict(sorted(owners.items(), key=lambda item: (-item[1], item[0])))

    def by_phase(self) -> dict[str, int]:
        """Live calls per phase."""
        phases: dict[str, int] = {}
        for row in self.rows.values():
            if not row.ended:
                phases[row.phase] = phases.get(row.phase, 0) + 1
        return phases

    # --- what comes in

    def _take_snapshot(self, calls: list[CallSummary], now: datetime) -> None:
        for call in calls:
            self._take_summary(call, now)
        if len(calls) >= MAX_LIST:
            return  # cut short: a call that is not in it may well be on
        listed = {call.call_sid for call in calls}
        for row in self.rows.values():
            if not row.ended and row.call_sid not in listed:
                # It ended while nobody told us; its call.ended, when it comes, knows better when and why.
                row.phase, row.ended_at = "ended", now
                self._changed(row)

    def _take_summary(self, call: CallSummary, now: datetime) -> None:
        row = self.rows.get(call.call_sid)
        if row is None:
            row = self._add(call.call_sid, call.started_at)
            if row is None:
                return
            row.seen_seq = call.last_seq
            self._count_greeting(call, now)
        if call.last_seq < row.last_seq:
            return
        _copy(call, row)
        self._changed(row)

    def _count_greeting(self, call: CallSummary, now: datetime) -> None:
        self.figures.calls.add(call.started_at, now)
        if call.greeting_latency_ms is not None:
            self.figures.greeting_ms.add(call.started_at, now, call.greeting_latency_ms)

    def _take_event(self, event: Event, now: datetime) -> None:
        row = self.rows.get(event.call_sid)
        if row is None:
            row = self._add(event.call_sid, event.at)
            if row is None:
                return
            if event.kind != "call.ended":
                self.figures.calls.add(event.at, now)
        if event.kind == "call.resumed" and event.seq <= row.seen_seq:
            # Its bridge was killed; the numbers it had told and never stored are given out again from here on.
            row.seen_seq = row.last_seq = event.seq - 1
        if event.seq <= row.seen_seq:
            return
        row.seen_seq = event.seq
        self._count(row, event, now)
        if event.seq > row.last_seq:
            row.last_seq = event.seq
            _apply(event, row)
            row.phase = "ended" if row.ended else row.phase
        self._changed(row)

    def _count(self, row: CallRow, event: Event, now: datetime) -> None:
        figures = self.figures
        match event.kind:
            case "greeting.first_audio" if (ms := event.number("latency_ms")) is not None:
                figures.greeting_ms.add(event.at, now, ms)
            case "turn.first_audio" if (ms := event.number("latency_ms")) is not None:
                figures.turn_ms.add(event.at, now, ms)
            case "barge_in.cut":
                figures.barge_ins.add(event.at, now)
            case "barge_in.dismissed":
                figures.false_alarms.add(event.at, now)
            case "tool.called":
                row.tools += 1
            case "lead.captured":
                row.lead = True
            case "error" | "model.lost":
                row.errors += 1
                figures.errors.add(event.at, now)
                where, message = event.text("where") or "model", event.text("message") or event.text("reason")
                self.errors.append(RecentError(event.at, event.call_sid, _name(where), message[:LAST_LINE_KEPT]))

    def _take_partial(self, partial: Partial) -> None:
        row = self.rows.get(partial.call_sid)
        said = partial.text[: partial.heard_chars] if partial.side == "agent" else partial.text
        if row is None or row.ended or not said:
            return
        row.last_line, row.last_side = said[-LAST_LINE_KEPT:], partial.side
        self._changed(row)

    def _take_phase(self, stands: PhaseChanged, now: datetime) -> None:
        row = self.rows.get(stands.call_sid)
        if row is not None and not row.ended:
            row.phase, row.muted = _name(stands.phase) or row.phase, stands.muted
            row.owner = _name(stands.owner) or row.owner
            row.cost_usd = row.cost_usd if stands.cost_usd is None else stands.cost_usd
            row.ended_at = now if stands.phase == "ended" else None
            self._changed(row)

    # --- rows

    def _add(self, call_sid: str, started_at: datetime) -> CallRow | None:
        if len(self.rows) >= MAX_CALLS and not self._make_room():
            self.not_listed += 1
            return None
        row = self.rows[call_sid] = CallRow(call_sid, started_at)
        return row

    def _make_room(self) -> bool:
        ended = min((row for row in self.rows.values() if row.ended), key=_ended_at, default=None)
        if ended is not None:
            self._remove(ended.call_sid)
        return ended is not None

    def _remove(self, call_sid: str) -> None:
        del self.rows[call_sid]
        self.dirty.add(call_sid)

    def _changed(self, row: CallRow) -> None:
        row.revision += 1
        self.dirty.add(row.call_sid)


def _name(text: str) -> str:
    return text[:NAME_KEPT]


def _copy(call: CallSummary, row: CallRow) -> None:
    row.started_at = call.started_at
    row.business_id, row.caller, row.to = map(_name, (call.business_id, call.from_, call.to))
    row.channel, row.phase, row.owner = map(_name, (call.channel, call.phase, call.owner))
    row.muted = call.muted
    if call.last_line[:LAST_LINE_KEPT] != row.last_line:
        row.last_line, row.last_side = call.last_line[:LAST_LINE_KEPT], ""
    row.greeting_latency_ms, row.barge_ins, row.cost_usd = call.greeting_latency_ms, call.barge_ins, call.cost_usd
    row.ended_at, row.end_reason, row.duration_ms = call.ended_at, _name(call.end_reason), call.duration_ms
    if row.ended_at is None and row.phase == "ended":
        row.ended_at = row.started_at
    row.last_seq = call.last_seq


def _apply(event: Event, row: CallRow) -> None:
    match event.kind:
        case "call.started":
            row.started_at = event.at
            row.business_id, row.caller = _name(event.text("business_id")), _name(event.text("from"))
            row.to, row.channel = _name(event.text("to")), _name(event.text("channel"))
        case "greeting.requested":
            row.phase = "greeting"
        case "greeting.first_audio":
            row.greeting_latency_ms = event.whole("latency_ms")
        case "greeting.finished" | "closing.reopened" | "call.resumed":
            row.phase = "conversing"
        case "agent.transcript" | "caller.transcript":
            row.last_line, row.last_side = event.text("text")[:LAST_LINE_KEPT], event.kind.partition(".")[0]
        case "barge_in.cut":
            row.barge_ins += 1
        case "closing.started" | "transfer.started":
            row.phase = "closing"
        case "operator.command" if event.text("action") in ("mute", "unmute"):
            row.muted = event.text("action") == "mute"
        case "call.ended":
            _end(event, row)


def _end(event: Event, row: CallRow) -> None:
    row.phase, row.owner, row.muted = "ended", "", False
    row.ended_at, row.end_reason = event.at, _name(event.text("reason"))
    row.duration_ms = event.whole("duration_ms")
    cost_usd, barge_ins, latency_ms = event.number("cost_usd"), event.whole("barge_ins"), event.whole("greeting_latency_ms")
    row.cost_usd = row.cost_usd if cost_usd is None else cost_usd
    row.barge_ins = row.barge_ins if barge_ins is None else barge_ins
    row.greeting_latency_ms = row.greeting_latency_ms if latency_ms is None else latency_ms


def _ended_at(row: CallRow) -> datetime:
    return row.ended_at or row.started_at


# --- what is shown, and in which order ---------------------------------------------------------------------------------------

SORTS = ("caller", "business", "phase", "age", "greeting", "cuts", "cost", "last line")
"""What calls can be ordered by: the columns, left to right as keys walk them."""
_PHASE_ORDER = {"connecting": 0, "greeting": 1, "conversing": 2, "closing": 3, "ended": 4}


def matches(row: CallRow, expression: str) -> bool:
    """Whether a call has every word of ``expression`` somewhere, in any case; ``!word``: has it nowhere."""
    if not expression.strip():
        return True
    haystack = _haystack(row)
    return all(_has(haystack, word) for word in expression.casefold().split())


def _has(haystack: str, word: str) -> bool:
    if word.startswith("!") and len(word) > 1:
        return word[1:] not in haystack
    return word in haystack


def _haystack(row: CallRow) -> str:
    said = (row.caller, row.business_id, row.to, row.phase, row.last_line, row.call_sid, row.owner, row.channel, row.end_reason)
    flags = (
        "talking" if row.phase == "conversing" else "",
        "muted" if row.muted else "",
        "error" if row.errors else "",
        "lead" if row.lead else "",
    )
    return "\n".join((*said, *flags)).casefold()


def arranged(rows: Iterable[CallRow], expression: str = "", sort: str = "age", inverted: bool = False) -> list[CallRow]:
    """The calls that match, ordered: live ones before ended ones, those without a value last, equals by start and id."""
    chosen = [row for row in rows if matches(row, expression)]
    chosen.sort(key=lambda row: (row.started_at, row.call_sid))
    have = [row for row in chosen if _sort_value(row, sort) is not None]
    have.sort(key=lambda row: _sort_value(row, sort) or 0, reverse=inverted)
    ordered = [*have, *(row for row in chosen if _sort_value(row, sort) is None)]
    return [*_of(ordered, ended=False), *_of(ordered, ended=True)]


def _of(rows: list[CallRow], *, ended: bool) -> Iterator[CallRow]:
    return (row for row in rows if row.ended is ended)


def _sort_value(row: CallRow, sort: str) -> float | str | None:
    match sort:
        case "caller":
            return row.caller or None
        case "business":
            return row.business_id or None
        case "phase":
            return float(_PHASE_ORDER.get(row.phase, 5))
        case "greeting":
            return row.greeting_latency_ms
        case "cuts":
            return float(row.barge_ins)
        case "cost":
            return row.cost_usd
        case "last line":
            return row.last_line or None
        case _:
            return row.started_at.timestamp()
