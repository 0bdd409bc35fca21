"""What is reported: distributions of milliseconds, as a table for people and as JSON for machines."""

import json
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PLAIN_COLUMNS = 160
"""How wide a table is where there is no terminal to ask."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a distribution should be like; both bounds hold for the value of ``statistic``."""

    statistic: str
    """``min``, ``p50``, ``p95``, ``max``, or ``span``: every value between the bounds."""
    least: float | None = None
    most: float | None = None

    def is_met_by(self, row: "Row") -> bool:
        """Whether a row keeps it. A row of nothing keeps nothing."""
        if not row.n:
            return False
        low, high = (row.min, row.max) if self.statistic == "span" else (getattr(row, self.statistic),) * 2
        return (self.least is None or low >= self.least) and (self.most is None or high <= self.most)

    def __str__(self) -> str:
        name = "" if self.statistic == "span" else f"{self.statistic} "
        if self.least is not None and self.most is not None:
            return f"{name}{self.least:g} to {self.most:g}"
        return f"{name}≤ {self.most:g}" if self.most is not None else f"{name}≥ {self.least:g}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table: a distribution, in milliseconds."""

    figure: str
    case: str
    n: int
    min: float
    p50: float
    p95: float
    max: float
    target: Target | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or nothing where there is no target."""
        if self.target is None:
            return ""
        return "met" if self.target.is_met_by(self) else "missed"


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """One value that is no distribution: a share of a core, megabytes."""

    figure: str
    case: str
    value: float
    unit: str
    most: float | None = None
    """The target, if there is one."""

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or nothing where there is no target."""
        if self.most is None:
            return ""
        return "met" if self.value <= self.most else "missed"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is right or wrong, counted."""

    case: str
    what: str
    good: int
    n: int

    @property
    def verdict(self) -> str:
        """``met`` if all are right; none at all are not."""
        return "met" if self.n and self.good == self.n else "missed"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not exceed: a value that was measured.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values: nothing was measured")
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def row(figure: str, case: str, values: Sequence[float], target: Target | None = None, note: str = "") -> Row:
    """The distribution of some values. Without values it says so instead of failing."""
    if not values:
        return Row(figure=figure, case=case, n=0, min=0, p50=0, p95=0, max=0, target=target, note=note or "nothing was measured")
    p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
    return Row(
        figure=figure, case=case, n=len(values), min=min(values), p50=p50, p95=p95, max=max(values), target=target, note=note
    )


def show(title: str, rows: Sequence[Row]) -> None:
    """Prints a table on stdout; a row's note stands under it."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("figure, ms", no_wrap=True)
    table.add_column("case", no_wrap=True)
    for name in ("n", "min", "p50", "p95", "max"):
        table.add_column(name, justify="right")
    table.add_column("target", no_wrap=True)
    table.add_column("", no_wrap=True)
    for line in rows:
        shown = [f"{value:.1f}" for value in (line.min, line.p50, line.p95, line.max)]
        table.add_row(line.figure, line.case, str(line.n), *shown, str(line.target or ""), line.verdict)
    console = _console()
    console.print(table)
    for line in rows:
        if line.note:
            console.print(f"{line.figure.strip()}, {line.case}: {line.note}", highlight=False, markup=False)


def show_checks(title: str, checks: Sequence[Check]) -> None:
    """Prints a table on stdout."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("case", "what", "right", ""):
        table.add_column(name, no_wrap=True)
    for line in checks:
        table.add_row(line.case, line.what, f"{line.good} of {line.n}", line.verdict)
    _console().print(table)


def show_amounts(title: str, amounts: Sequence[Amount]) -> None:
    """Prints a table on stdout."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("figure", "case"):
        table.add_column(name, no_wrap=True)
    table.add_column("value", justify="right")
    for name in ("", "target", ""):
        table.add_column(name, no_wrap=True)
    for line in amounts:
        target = "" if line.most is None else f"≤ {line.most:g}"
        table.add_row(line.figure, line.case, f"{line.value:.1f}", line.unit, target, line.verdict)
    _console().print(table)


def write_json(
    path: Path, facts: dict[str, object], rows: Sequence[Row], checks: Sequence[Check] = (), amounts: Sequence[Amount] = ()
) -> None:
    """Writes the figures, and what they were measured with. Raises ``OSError``."""
    judged: dict[str, object] = {"rows": [_judged(line) for line in rows], "checks": [_judged(line) for line in checks]}
    if amounts:
        judged["amounts"] = [_judged(line) for line in amounts]
    path.write_text(json.dumps({**facts, **judged}, indent=2) + "\n", encoding="utf-8")


def _judged(line: Row | Check | Amount) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(line)
    return plain | {"verdict": line.verdict}


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PLAIN_COLUMNS)


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
