"""The columns of the live calls: what they show, how wide they are, and which go first when there is little room."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from console import wording
from console.board import CallRow

Cell = tuple[str, str]
"""The text of a cell and the name of its style; no style: that of the line."""

WIDE = 106
"""From this many cells on the columns take their wider form: a terminal of 110, with a scroll bar or without."""
LAST_LINE_MIN = 18
"""Below this the last line is not worth reading; another column goes instead."""


@dataclass(frozen=True)
class Column:
    """One column. ``sort`` is its name among :data:`console.board.SORTS`; the one with the highest ``rank`` is dropped first."""

    sort: str
    title: str
    width: int
    wide: int
    rank: int
    cell: Callable[[CallRow, datetime], Cell]
    align: Literal["left", "right"] = "left"


def _caller(row: CallRow, _now: datetime) -> Cell:
    return wording.short_caller(row.caller), "" if row.caller else "quiet"


def _business(row: CallRow, _now: datetime) -> Cell:
    return row.business_id or wording.NOTHING, ""


def _phase(row: CallRow, _now: datetime) -> Cell:
    return wording.phase(row.phase), row.phase if row.phase in wording.PHASES else ""


def _age(row: CallRow, now: datetime) -> Cell:
    return wording.short_age(row.age_s(now)), ""


def _greeting(row: CallRow, _now: datetime) -> Cell:
    if row.greeting_latency_ms is None:
        return wording.NOTHING, "quiet"
    late = wording.is_late(row.greeting_latency_ms)
    return wording.latency(row.greeting_latency_ms) + ("!" if late else " "), "late" if late else "good"


def _cuts(row: CallRow, _now: datetime) -> Cell:
    return str(row.barge_ins), "" if row.barge_ins else "quiet"


def _cost(row: CallRow, _now: datetime) -> Cell:
    return wording.cost(row.cost_usd), "" if row.cost_usd is not None else "quiet"


def _task(row: CallRow, _now: datetime) -> Cell:
    return row.owner or wording.NOTHING, "quiet"


def _id(row: CallRow, _now: datetime) -> Cell:
    return wording.short_id(row.call_sid), "quiet"


def _last_line(row: CallRow, _now: datetime) -> Cell:
    if row.ended:
        return wording.reason(row.end_reason) if row.end_reason else "ended while not connected", ""
    return ("AI: " if row.last_side == "agent" else "") + row.last_line, ""


LAST_LINE = Column("last line", "Last line", LAST_LINE_MIN, 30, 0, _last_line)
"""Takes what the others leave, and stands last: right-to-left text and characters of doubtful width have nothing behind them."""
COLUMNS = (
    Column("caller", "Caller", 13, 18, 0, _caller),
    Column("business", "Business", 11, 16, 4, _business),
    Column("phase", "Phase", 10, 10, 1, _phase),
    Column("age", "Age", 5, 5, 2, _age, "right"),
    Column("greeting", "Greet", 7, 8, 3, _greeting, "right"),
    Column("cuts", "Cut", 3, 4, 5, _cuts, "right"),
    Column("cost", "Cost", 5, 6, 6, _cost, "right"),
    Column("", "Task", 0, 12, 8, _task),
    Column("", "Id", 0, 6, 7, _id),
    LAST_LINE,
)


def flags(row: CallRow) -> list[Cell]:
    """What stands before the last line: facts an operator should not miss."""
    if row.ended:
        return []
    found = [("MUTED ", "late")] if row.muted else []
    if row.errors:
        found.append((wording.count(row.errors, "ERROR", "ERRORS") + " ", "late"))
    return found + ([("LEAD ", "good")] if row.lead else [])


def fitting(width: int) -> list[tuple[Column, int]]:
    """The columns that fit ``width`` cells, with their widths; one blank between them."""
    wide = width >= WIDE
    chosen = [column for column in COLUMNS if (column.wide if wide else column.width)]
    while len(chosen) > 2 and _needed(chosen, wide) > width:
        least = max((column for column in chosen if column is not LAST_LINE), key=lambda column: column.rank)
        chosen.remove(least)
    widths = [(column, column.wide if wide else column.width) for column in chosen]
    rest = width - _needed(chosen, wide) + widths[-1][1]
    return [*widths[:-1], (LAST_LINE, max(rest, 0))]


def _needed(columns: list[Column], wide: bool) -> int:
    return sum(column.wide if wide else column.width for column in columns) + len(columns) - 1
