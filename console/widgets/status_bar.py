"""The line at the top of every screen: whether the bridge is there, how many calls are on, which screen this is, what mode it is in."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Literal

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from console import wording
from console.widgets.cells import drawable

TABS = (("calls", "1 Calls"), ("overview", "2 Overview"), ("history", "3 History"))
Pill = tuple[str, Literal["good", "bad", "note"]]
_PILL_STYLES = {"good": "reverse green", "bad": "bold white on red", "note": "reverse"}


@dataclass
class LinkState:
    """How the connection to the bridge stands."""

    state: Literal["connecting", "live", "lost", "refused"] = "connecting"
    why: str = ""
    retry_at: datetime | None = None

    def words(self, now: datetime) -> str:
        """In one phrase."""
        match self.state:
            case "connecting":
                return "○ connecting…"
            case "live":
                return "● live"
            case "lost":
                return f"▲ connection lost: {drawable(self.why)}; {self._next_try(now)}"
            case "refused":
                return f"▲ refused: {drawable(self.why)}"

    def _next_try(self, now: datetime) -> str:
        left_s = ceil((self.retry_at - now).total_seconds()) if self.retry_at is not None else 0
        return f"retrying in {left_s} s" if left_s > 0 else "retrying now"

    @property
    def style(self) -> str:
        """Its colour; the words say the same."""
        return {"connecting": "yellow", "live": "green"}.get(self.state, "bold white on red")


def status_line(link: LinkState, now: datetime, calls: str, tab: str, *, pills: list[Pill], width: int) -> Text:
    """The whole line, ``width`` cells wide. Pills are never left out; the names of the screens are, when there is little room."""
    right = Text()
    for words, kind in pills:
        right.append(f" {words} ", _PILL_STYLES[kind]).append(" ")
    left = Text(f" {link.words(now)} ", link.style)
    if calls:
        left.append(f" {calls} ", "none")
    middle = _tabs(tab)
    if left.cell_len + middle.cell_len + right.cell_len > width:
        middle = Text()
    left.truncate(max(0, width - right.cell_len - middle.cell_len), overflow="ellipsis")
    blanks = max(0, width - left.cell_len - middle.cell_len - right.cell_len)
    return Text.assemble(left, " " * (blanks // 2), middle, " " * (blanks - blanks // 2), right)


def _tabs(current: str) -> Text:
    tabs = Text()
    for tab, words in TABS:
        tabs.append(f" {words} ", "reverse" if tab == current else "dim")
    return tabs


def calls_in_words(live: int, ended: int, not_listed: int) -> str:
    """``40 calls, 3 ended``."""
    words = wording.count(live, "call")
    if ended:
        words += f", {ended:,} ended"
    return words + (f", {not_listed:,} not listed" if not_listed else "")


class StatusBar(Static):
    """The line. The app paints it, a few times a second, on whatever screen has one; ``pills`` are the screen's own."""

    DEFAULT_CSS = "StatusBar { dock: top; height: 1; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.pills: list[Pill] = []
        self._shown: Text | None = None

    def paint(self, link: LinkState, now: datetime, calls: str, tab: str, pills: list[Pill]) -> None:
        """Shows how things stand; does nothing if that is how it looks already."""
        line = status_line(link, now, calls, tab, pills=[*pills, *self.pills], width=self.size.width or self.app.size.width)
        if self._shown is None or line != self._shown or cell_len(line.plain) != self.size.width:
            self._shown = line
            self.update(line, layout=False)
