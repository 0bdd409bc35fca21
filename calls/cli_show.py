"""Calls as a person reads them: the list, and one call with its conversation."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from calls.cli_output import console, json_text, printable
from calls.conversation import in_spoken_order
from calls.events import AgentTranscript, CallerTranscript, CallEvent, parse_timestamp
from calls.record import CallRecord

_SHORT_SID = 12  # enough to name a call to `show`; the rest of the line is for what was said
_WIDE = 150

_PHASE_STYLES = {
    "connecting": "yellow",
    "greeting": "cyan",
    "conversing": "green",
    "closing": "magenta",
    "ended": "dim",
}


def print_calls(records: Sequence[CallRecord]) -> None:
    """One line a call."""
    out = console()
    short = sys.stdout.isatty() and out.width < _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("CALL", "STARTED (UTC)", "BUSINESS", "FROM", "PHASE", "GREETING", "CUTS"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("GREETING", "CUTS") else "left")
    table.add_column("LAST LINE", no_wrap=True, overflow="ellipsis", ratio=1 if sys.stdout.isatty() else None)
    for record in records:
        table.add_row(
            Text(record.call_sid[:_SHORT_SID] if short else record.call_sid),
            Text(_time(record.started_at)),
            Text(printable(record.business_id)),
            Text(printable(f"→ {record.from_}" if record.direction == "outbound" else record.from_)),
            Text(record.phase, style=_PHASE_STYLES[record.phase]),
            Text("" if record.greeting_latency_ms is None else f"{record.greeting_latency_ms} ms"),
            Text(str(record.barge_ins)),
            Text(printable(record.last_line or "")),
        )
    _print_table(out, table)


def print_call(record: CallRecord, events: Sequence[CallEvent]) -> None:
    """The facts, the conversation in the order it was spoken, then everything else that happened."""
    out = console()
    _print_facts(out, record)
    spoken = in_spoken_order(events)
    others = [event for event in events if event not in spoken]
    started_at = parse_timestamp(record.started_at)
    out.print(Text("\nConversation", style="bold"))
    _print_lines(out, (_spoken_line(event, started_at) for event in spoken), nothing="  nobody has said anything")
    out.print(Text("\nEvents", style="bold"))
    _print_lines(out, (_event_line(event, started_at) for event in others), nothing="  none")


def print_events(record: CallRecord, events: Sequence[CallEvent]) -> None:
    """Every event in the order it was stored."""
    started_at = parse_timestamp(record.started_at)
    _print_lines(console(), (_event_line(event, started_at) for event in events), nothing="  none")


def _print_facts(out: Console, record: CallRecord) -> None:
    for name, fact in _facts(record):
        out.print(Text.assemble((f"{name:<12}", "bold"), printable(fact)), soft_wrap=True)


def _facts(record: CallRecord) -> Iterable[tuple[str, str]]:
    yield "Call", record.call_sid
    yield "Business", record.business_id
    person, business = ("To", "From") if record.direction == "outbound" else ("From", "To")
    yield person, f"{record.from_} ({record.channel})"
    yield business, record.to
    yield "Started", f"{_time(record.started_at)} UTC"
    if record.ended_at is not None:
        duration = "" if record.duration_ms is None else f", {record.duration_ms / 1000:.1f} s"
        yield "Ended", f"{_time(record.ended_at)} UTC, {record.end_reason}{duration}"
    else:
        yield "Phase", record.phase
    if record.owner is not None:
        yield "Bridge", record.owner
    if record.disposition is not None:
        yield "Then", f"{record.disposition.action} ({record.disposition.reason})"
    if record.greeting_latency_ms is not None:
        yield "Greeting", f"first audio after {record.greeting_latency_ms} ms"
    yield "Cut short", f"{record.barge_ins} {'time' if record.barge_ins == 1 else 'times'} by the caller"
    for message in record.messages:
        length = "" if message.duration_s is None else f", {message.duration_s} s"
        yield "Message", f"{message.recording_url} ({message.status}{length})"
    if record.recording is not None:
        yield "Recording", record.recording
    if record.summary is not None:
        yield "Summary", record.summary
    if record.outcome is not None:
        yield "Outcome", json_text(record.outcome)
    if record.cost_usd is not None:
        yield "Cost", f"{record.cost_usd:.4f} USD"


def _spoken_line(event: CallEvent, started_at: datetime) -> Text:
    match event.body:
        case AgentTranscript() as said:
            mark = f"  [cut after {said.heard_ms} ms]" if said.interrupted else f"  [heard {said.heard_ms} ms]"
            style = "red" if said.interrupted else "dim"
            return Text.assemble(_offset(event, started_at), ("agent   ", "cyan"), printable(said.text), (mark, style))
        case CallerTranscript() as said:
            return Text.assemble(_offset(event, started_at), ("caller  ", "green"), printable(said.text))
    return _event_line(event, started_at)


def _event_line(event: CallEvent, started_at: datetime) -> Text:
    fields = {key: value for key, value in event.flat().items() if key not in ("type", "call_sid", "seq", "at", "kind")}
    words = " ".join(f"{name}={_value(value)}" for name, value in fields.items() if value is not None)
    return Text.assemble(_offset(event, started_at), (f"{event.kind:<20}", "bold"), " ", words)


def _value(value: Any) -> str:
    return printable(json_text(value))


def _offset(event: CallEvent, started_at: datetime) -> str:
    return f"{(event.at - started_at).total_seconds() * 1000:>9.0f} ms  "


def _time(stamp: str) -> str:
    return stamp[:19].replace("T", " ")


def _print_lines(out: Console, lines: Iterable[Text], *, nothing: str) -> None:
    any_line = False
    for line in lines:
        any_line = True
        out.print(line, soft_wrap=True)
    if not any_line:
        out.print(Text(nothing, style="dim"))


def _print_table(out: Console, table: Table) -> None:
    if sys.stdout.isatty():
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
