"""``frontdesk calls trace``: the way of one call, from the webhook to the hang-up, as its record tells it."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from calls.call_trace import ROOT, Note, Span, trace_of_record
from calls.cli_output import echo_json, printable
from calls.cli_store import from_store, json_option, store_option
from calls.events import parse_timestamp, timestamp

if TYPE_CHECKING:
    from calls.events import CallEvent
    from calls.record import CallRecord
    from calls.store.base import CallStore

_BAR = 30
_NAME = 26


@click.command("trace")
@click.argument("sid")
@json_option
@store_option
def trace_command(sid: str, as_json: bool, store_url: str) -> None:
    """Show what one call consisted of and how long each part took, from the webhook to the hang-up.

    SID may be shortened as long as it names one call. Times are milliseconds since the call came in; a part is shown below what it
    belongs to. Parts are what OpenTelemetry gets to see of a call, so neither words nor numbers are among them.

    \b
    Examples:
      frontdesk calls trace CA12ab
      frontdesk calls trace CA12ab --json | jq '.[] | select(.name=="turn").ms'
    """
    record, events = from_store(store_url, lambda store: _call_with_events(store, sid))
    spans = trace_of_record(record, events)
    if as_json:
        echo_json([_plain(span) for span in spans])
    else:
        _print(record, spans)


async def _call_with_events(store: "CallStore", sid: str) -> "tuple[CallRecord, list[CallEvent]]":
    from calls.cli import named_call  # noqa: PLC0415 - which is where this command is put into its group

    record = await named_call(store, sid)
    return record, await store.events(record.call_sid)


def _plain(span: Span) -> dict[str, Any]:
    return {
        "name": span.name,
        "key": span.key,
        "parent": span.parent,
        "began_at": timestamp(span.began_at),
        "ms": span.ms,
        "ok": span.ok,
        "facts": dict(span.facts),
        "notes": [{"name": note.name, "at": timestamp(note.at), "facts": dict(note.facts)} for note in span.notes],
    }


def _print(record: "CallRecord", spans: Sequence[Span]) -> None:
    began_at = min((span.began_at for span in spans), default=parse_timestamp(record.started_at))
    whole_ms = max((_ms(span.ended_at, began_at) for span in spans), default=0)
    depths: dict[str | None, int] = {None: -1}
    for key, parent in [(span.key, span.parent) for span in sorted(spans, key=_outer_first)]:
        depths[key] = depths.get(parent, 0) + 1
    lines: list[tuple[float, str]] = []
    for span in spans:
        at_ms, indent = _ms(span.began_at, began_at), "  " * depths[span.key]
        bar = _bar(at_ms, span.ms, whole_ms)
        lines.append((at_ms, f"{at_ms:>8.0f} ms {span.ms:>8} ms  {bar}  {_title(indent + span.name, span.ok, span.facts)}"))
        lines += [(_ms(note.at, began_at), _noted(note, _ms(note.at, began_at), indent)) for note in span.notes]
    sys.stdout.write("".join(f"{printable(line)}\n" for _, line in sorted(lines, key=lambda line: line[0])))
    if not any(span.key == ROOT for span in spans):
        sys.stdout.write("The call is not over; what is going on has no line yet.\n")


def _outer_first(span: Span) -> int:
    return 0 if span.key == ROOT else 1 if span.parent == ROOT else 2


def _noted(note: Note, at_ms: float, indent: str) -> str:
    return f"{at_ms:>8.0f} ms {'':>11}  {'':{_BAR}}  {_title(indent + '· ' + note.name, True, note.facts)}"


def _title(name: str, ok: bool, facts: Any) -> str:
    words = " ".join(f"{key}={value}" for key, value in facts.items() if key not in ("ms", "latency_ms", "duration_ms"))
    return f"{name:<{_NAME}} {'' if ok else 'FAILED '}{words}".rstrip()


def _bar(at_ms: float, ms: float, whole_ms: float) -> str:
    """Where in the call it was."""
    scale = _BAR / whole_ms if whole_ms else 0.0
    start = min(int(at_ms * scale), _BAR - 1)
    length = max(1, min(round(ms * scale), _BAR - start))
    return (" " * start + "━" * length).ljust(_BAR)


def _ms(at: Any, began_at: Any) -> float:
    return float((at - began_at).total_seconds() * 1000)
