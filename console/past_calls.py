"""Past calls as a list: their columns, their order, and which of them match what is searched for."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from console import wording
from console.board import Board, CallRow, matches
from console.protocol import CallSummary, Snapshot


class Column(NamedTuple):
    """One column; the one with the highest ``rank`` goes first when there is little room."""

    name: str
    title: str
    width: int
    rank: int
    cell: Callable[[CallRow], str]
    value: Callable[[CallRow], float | str | None]
    """What the calls are ordered by; ``None`` comes last, whichever way they are."""
    align: Literal["left", "right"] = "left"
    keep: Literal["begin", "end"] = "begin"


def _started(row: CallRow) -> str:
    """In local time."""
    return row.started_at.astimezone().strftime("%m-%d %H:%M")


def _length_s(row: CallRow) -> float:
    return row.age_s(row.ended_at or row.started_at)


def _greeting(row: CallRow) -> str:
    late = wording.is_late(row.greeting_latency_ms)
    return wording.latency(row.greeting_latency_ms) + ("!" if late else " ")


LAST_LINE = Column("last line", "Last line", 17, 0, lambda row: row.last_line, lambda row: row.last_line or None)
"""Takes what the others leave."""
COLUMNS = (
    Column("started", "Started", 11, 0, _started, lambda row: row.started_at.timestamp()),
    Column("caller", "Caller", 12, 0, lambda row: wording.caller(row.caller), lambda row: row.caller or None, keep="end"),
    Column("business", "Business", 10, 4, lambda row: row.business_id or wording.NOTHING, lambda row: row.business_id or None),
    Column("length", "Length", 6, 1, lambda row: wording.short_age(_length_s(row)), _length_s, "right"),
    Column("greeting", "Greet", 7, 5, _greeting, lambda row: row.greeting_latency_ms, "right"),
    Column("cuts", "Cut", 3, 3, lambda row: str(row.barge_ins), lambda row: row.barge_ins, "right"),
    Column("cost", "Cost", 7, 6, lambda row: wording.cost(row.cost_usd), lambda row: row.cost_usd, "right"),
    Column("reason", "Ended", 14, 2, lambda row: wording.reason(row.end_reason), lambda row: row.end_reason or None),
    LAST_LINE,
)
SORTS = tuple(column.name for column in COLUMNS)


def rows_of(calls: Iterable[CallSummary], now: datetime) -> list[CallRow]:
    """Calls as a bridge lists them, as rows; calls that are still on are left out."""
    board = Board()
    board.take(Snapshot(list(calls)), now)
    return [row for row in board.rows.values() if row.ended]


def arranged(rows: Iterable[CallRow], expression: str = "", sort: str = "started", inverted: bool = False) -> list[CallRow]:
    """The calls that match, ordered: by their start the newest first, by anything else upwards; ``inverted`` the other way."""
    column = COLUMNS[SORTS.index(sort)]
    chosen = sorted(
        (row for row in rows if matches(row, expression)), key=lambda row: (row.started_at, row.call_sid), reverse=True
    )
    have = [row for row in chosen if column.value(row) is not None]
    have.sort(key=lambda row: column.value(row) or 0, reverse=inverted != (sort == "started"))
    return [*have, *(row for row in chosen if column.value(row) is None)]


def fitting(width: int) -> list[tuple[Column, int]]:
    """The columns that fit ``width`` cells, with their widths; one blank between them."""
    chosen = list(COLUMNS)
    while len(chosen) > 1 and _needed(chosen) > width:
        chosen.remove(max((column for column in chosen if column is not LAST_LINE), key=lambda column: column.rank))
    rest = width - _needed(chosen) + LAST_LINE.width
    return [*((column, column.width) for column in chosen[:-1]), (LAST_LINE, max(rest, 0))]


def _needed(columns: list[Column]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1
