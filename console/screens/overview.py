"""How the calls are going: latencies, interruptions and errors of the last hour, and which task holds how many calls."""

from datetime import datetime
from textwrap import wrap
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, VerticalScroll
from textual.widgets import Footer, Static

from console import keys, wording
from console.board import Board
from console.figures import MINUTES, History, bars
from console.screens.live import Holdable
from console.widgets.cells import drawable, isolated
from console.widgets.status_bar import StatusBar

ERRORS_SHOWN = 8
TASKS_SHOWN = 8
LABEL = 14
"""Cells of what stands before a figure."""


class Panel(Static):
    """One box of the overview."""

    def __init__(self, name: str, title: str) -> None:
        super().__init__(id=name, classes="panel", markup=False)
        self.border_title = title

    def show(self, text: Text) -> None:
        """Shows ``text``, if it is another one."""
        text.rstrip()
        if self.content != text:
            self.update(text)

    @property
    def room(self) -> int:
        """Cells of a line."""
        return max(10, self.content_size.width or 30)


class OverviewScreen(Holdable):
    """All calls at a glance."""

    HELP = (
        "The last hour over all calls, as far as this console has seen them.\n"
        "Greeting: from the start of a call to the first sound; over 1.2 s counts as late. Turn: from the caller's last word to the answer.\n"
        "p50: half were faster than this. p95: one in twenty was slower. The bars are minutes; the last one is now."
    )
    BINDINGS: ClassVar[list[BindingType]] = keys.OVERVIEW

    def compose(self) -> ComposeResult:
        """The line at the top, the boxes, the keys."""
        yield StatusBar()
        with VerticalScroll(id="panels"):
            with Grid(id="grid"):
                yield Panel("greeting", "Greeting latency")
                yield Panel("turn", "Turn latency")
                yield Panel("barge-ins", "Interruptions")
                yield Panel("calls", "Calls")
            yield Panel("tasks", "Calls per task")
            yield Panel("errors", "Errors")
        yield Footer(show_command_palette=True)

    def action_scroll(self, lines: int) -> None:
        """Scrolls the boxes."""
        self.query_one("#panels").scroll_relative(y=lines, animate=False)

    def draw(self) -> None:
        """Computes the figures and shows them."""
        board, now = self.desk.board, self.desk.now()
        figures = board.figures
        self.query_one("#panels").set_class(not self.desk.connected, "-stale")
        greeting, turn = self.query_one("#greeting", Panel), self.query_one("#turn", Panel)
        greeting.show(latencies(figures.greeting_ms, now, greeting.room, wording.GREETING_LIMIT_MS))
        turn.show(latencies(figures.turn_ms, now, turn.room, None))
        barge_ins = self.query_one("#barge-ins", Panel)
        barge_ins.show(interruptions(figures.barge_ins, figures.false_alarms, now, barge_ins.room))
        errors = self.query_one("#errors", Panel)
        errors.show(recent_errors(board, now, errors.room))
        calls = self.query_one("#calls", Panel)
        calls.show(calls_now(board, now, calls.room))
        tasks = self.query_one("#tasks", Panel)
        tasks.show(calls_per_task(board.by_owner(), tasks.room))


def latencies(history: History, now: datetime, room: int, limit_ms: float | None) -> Text:
    """Both percentiles with their history, how many there were, and how many were late."""
    spread = history.spread(now)
    text = Text(no_wrap=True, overflow="ellipsis")
    top = max((value for value in history.percentiles(now, 95) if value is not None), default=None)
    for name, value, percent in (("p50", spread.p50, 50), ("p95", spread.p95, 95)):
        late = limit_ms is not None and value is not None and value > limit_ms
        text.append(f"{name} ").append(f"{wording.latency(value):>7}{'!' if late else ' '} ", _judged(value, limit_ms))
        text.append(bars(history.percentiles(now, percent), min(room - 13, MINUTES), top) + "\n", "cyan")
    text.append(wording.count(spread.number, "measured", "measured"))
    if limit_ms is not None:
        late_ones = history.above(limit_ms, now)
        text.append(", ").append(f"{late_ones:,} over {wording.latency(limit_ms)}", "bold red" if late_ones else "")
    return text


def _judged(value: float | None, limit_ms: float | None) -> str:
    if value is None:
        return "dim"
    if limit_ms is None:
        return "bold"
    return "bold red" if value > limit_ms else "bold green"


def interruptions(cuts: History, false_alarms: History, now: datetime, room: int) -> Text:
    """How often the AI was cut, and how often it was only a noise."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for name, history in (("AI cut off", cuts), ("only a noise", false_alarms)):
        text.append(f"{name:<{LABEL}}").append(f"{history.total(now):>5,} ", "bold")
        text.append(bars(history.counts(now), min(room - LABEL - 6, MINUTES)) + "\n", "cyan")
    return text


def recent_errors(board: Board, now: datetime, room: int) -> Text:
    """How many errors, and the latest of them."""
    errors = board.figures.errors
    total = errors.total(now)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{'last hour':<{LABEL}}").append(f"{total:>5,} ", "bold red" if total else "bold")
    text.append(bars(errors.counts(now), min(room - LABEL - 6, MINUTES)), "red")
    for error in sorted(board.errors, key=lambda error: error.at, reverse=True)[:ERRORS_SHOWN]:
        text.append(f"\n{wording.clock(error.at)} {wording.short_id(drawable(error.call_sid))} ", "dim")
        text.append(isolated(drawable(f"{error.where}: {error.message}")))
    return text


def calls_now(board: Board, now: datetime, room: int) -> Text:
    """How many calls, by phase, and how many began, minute by minute."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{'live':<{LABEL}}").append(f"{board.live:>5,}\n", "bold")
    text.append(f"{'began':<{LABEL}}").append(f"{board.figures.calls.total(now):>5,} ", "bold")
    text.append(bars(board.figures.calls.counts(now), min(room - LABEL - 6, MINUTES)) + "\n", "cyan")
    phases = board.by_phase()
    named = [f"{phases[name]} {words}" for name, words in wording.PHASES.items() if phases.get(name)]
    return text.append("\n".join(wrap(", ".join(named), room)))


def calls_per_task(owners: dict[str, int], room: int) -> Text:
    """The tasks with the most calls, a bar for each."""
    text = Text(no_wrap=True, overflow="ellipsis")
    most = max(owners.values(), default=0)
    for name, calls in list(owners.items())[:TASKS_SHOWN]:
        words = (drawable(name) or "no task")[:LABEL]
        text.append(f"{words:<{LABEL}}").append(f"{calls:>5,} ", "bold")
        text.append("█" * max(1, (room - LABEL - 6) * calls // most) + "\n", "cyan")
    if len(owners) > TASKS_SHOWN:
        text.append(f"and {wording.count(len(owners) - TASKS_SHOWN, 'more task', 'more tasks')}", "dim")
    return text if owners else Text("no live calls", "dim")
