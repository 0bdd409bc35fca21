"""What stands above and beside the conversation: who it is, how it goes, and what came of it."""

from collections.abc import Iterator
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from console import wording
from console.facts import Facts, Tool
from console.widgets.cells import drawable, fitted, isolated

_PHASE_STYLES = {"connecting": "yellow", "greeting": "cyan", "conversing": "green", "closing": "magenta", "ended": "dim"}
_MAX_ROWS = 60
_CALLER, _BUSINESS = 28, 20


def head(facts: Facts, call_sid: str, now: datetime) -> Text:
    """Two lines: the call, and its figures."""
    first, second = Text(" ", no_wrap=True, overflow="ellipsis"), Text(" ", no_wrap=True, overflow="ellipsis")
    first.append(_short(wording.caller(facts.caller), _CALLER), "bold")
    first.append(f" {'←' if facts.outbound else '→'} {_short(facts.business_id, _BUSINESS) or wording.NOTHING}")
    first.append(f"  {_short(wording.phase(facts.phase), _BUSINESS)}", _PHASE_STYLES.get(facts.phase, ""))
    age_s = facts.age_s(now)
    first.append(f"  {wording.NOTHING if age_s is None else wording.age(age_s)}")
    if facts.muted and facts.phase != "ended":
        first.append("  ").append(" MUTED ", "reverse")
    if facts.phase == "ended" and facts.end_reason:
        first.append(f"  {_short(wording.reason(facts.end_reason), _CALLER)}", "bold")
    for words, style in _figures(facts):
        second.append(" · " if len(second) > 1 else "", "dim").append(words, style)
    second.append(f" · …{drawable(wording.short_id(call_sid))}", "dim")
    return Text("\n", no_wrap=True).join([first, second])


def _figures(facts: Facts) -> Iterator[tuple[str, str]]:
    late = wording.is_late(facts.greeting_latency_ms)
    greeting = f"greeting {wording.latency(facts.greeting_latency_ms)}"
    yield (f"{greeting} late!", "bold red") if late else (greeting, "")
    yield wording.count(facts.barge_ins, "interruption"), ""
    if facts.errors:
        yield wording.count(facts.errors, "error"), "bold red"
    if facts.turn_latency_ms is not None:
        yield f"reply {wording.latency(facts.turn_latency_ms)}", ""
    if facts.cost_usd is not None:
        yield wording.cost(facts.cost_usd), ""
    if facts.owner:
        yield drawable(facts.owner), ""


def outcome(facts: Facts, call_sid: str) -> Text:
    """Lead, appointments, tools, at the end the cost, and what the head has no room for: a block each."""
    return Text("\n\n").join(Text("\n").join(block) for block in (*_blocks(facts), _call(facts, call_sid)))


def _call(facts: Facts, call_sid: str) -> list[Text]:
    started = "" if facts.started_at is None else timestamp_text(facts.started_at)
    known = (("id", call_sid), ("dialled", facts.to), ("channel", facts.channel), ("started", started))
    return [Text("Call", "bold"), *(_fact(name, value) for name, value in known if value)]


def timestamp_text(at: datetime) -> str:
    """A moment as it is on record, without what nobody reads: ``2026-01-01 12:00:00 UTC``."""
    return at.strftime("%Y-%m-%d %H:%M:%S %Z")


def _blocks(facts: Facts) -> Iterator[list[Text]]:
    if not facts.lead and not facts.tools:
        yield [Text("No tool used, no lead.", "dim")]
    if facts.summary:
        yield [Text("Summary", "bold"), Text(f"  {_said(facts.summary)}"), *_named(facts.outcome)]
    if facts.lead:
        yield [Text("Lead", "bold"), *_named(facts.lead)]
    if facts.appointments:
        yield [Text("Appointments", "bold"), *(Text(f"  {_said(words)}") for words in facts.appointments[-_MAX_ROWS:])]
    if facts.transferred_to:
        yield [Text.assemble(("Handed to ", "bold"), _said(facts.transferred_to))]
    if facts.tools:
        yield [Text("Tools", "bold"), *map(_tool, facts.tools[-_MAX_ROWS:])]
    if facts.phase == "ended":
        yield list(_ending(facts))


def _named(values: dict[str, str]) -> Iterator[Text]:
    return (_fact(name, value) for name, value in list(values.items())[:_MAX_ROWS])


def _ending(facts: Facts) -> Iterator[Text]:
    yield Text("Ended", "bold")
    yield _fact("why", wording.reason(facts.end_reason))
    if facts.duration_ms is not None:
        yield _fact("lasted", wording.spoken_age(facts.duration_ms / 1000))
    yield _fact("cost", wording.cost(facts.cost_usd))
    for name, amount in list(facts.usage.items())[:_MAX_ROWS]:
        yield _fact(name.removesuffix("_ms").replace("_", " "), f"{amount:,} {'ms' if name.endswith('_ms') else 'tokens'}")


def _fact(name: str, value: str) -> Text:
    return Text.assemble("  ", (f"{_said(name)}: ", "dim"), _said(value))


def _tool(tool: Tool) -> Text:
    took = f" {wording.milliseconds(tool.ms)}" if tool.ms is not None else ""
    state, style = {None: ("… running", "yellow"), True: (f"✓ ok{took}", "green"), False: (f"✗ failed{took}", "bold red")}[
        tool.ok
    ]
    return Text.assemble("  ", (_said(tool.name), "bold"), " ", (state, style), (f" {_said(tool.arguments)}", "dim"))


def _short(text: str, cells: int) -> str:
    """Cut, so that a stranger's long name does not push away what stands behind it."""
    return fitted(text, cells) if cell_len(drawable(text)) > cells else _said(text)


def _said(text: str) -> str:
    return isolated(drawable(text))
