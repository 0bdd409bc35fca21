"""The ladder of a call: a rung a row between phone line, bridge and model, with the time since the rung before."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.events import Click, Resize
from textual.message import Message
from textual.strip import Strip

from console import ladder
from console.ladder import Rung
from console.widgets.call_rows import RowsView
from console.widgets.cells import drawable, fitted, isolated

STYLES = ("cut", "error", "good", "operator", "cursor", "time", "lanes")
_TIME = 9
_DELTA = 9
_WIDE = 66
"""From this many cells on the lanes stand farther apart."""


def gap_of(width: int) -> int:
    """Cells between two lanes."""
    return 8 if width >= _WIDE else 6


def heading(width: int) -> str:
    """What stands above the columns."""
    apart = gap_of(width) + 1
    return f"{'time':>{_TIME}} {'delta':>{_DELTA}}  {'phone':<{apart}}{'bridge':<{apart}}model"


class LadderView(RowsView):
    """Rungs. The cursor stays with its rung; following, it is on the newest."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ladder-view--{style}" for style in STYLES}
    DEFAULT_CSS = """
    LadderView {
        .ladder-view--cut { color: $text-warning; text-style: bold; }
        .ladder-view--error { color: $text-error; text-style: bold; }
        .ladder-view--good { color: $text-success; }
        .ladder-view--operator { color: $text-accent; }
        .ladder-view--cursor { text-style: reverse; }
        .ladder-view--time { text-style: dim; }
        .ladder-view--lanes { color: $text-primary; }
    }
    """

    class Chosen(Message):
        """Another rung has the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rungs: Sequence[Rung] = ()
        self.cursor = 0
        self.marked: Rung | None = None
        """The rung all deltas count from, if the operator chose one."""
        self._deltas: list[float | None] = []

    @property
    def chosen(self) -> Rung | None:
        """The rung with the cursor."""
        return self.rungs[self.cursor] if 0 <= self.cursor < len(self.rungs) else None

    def show(self, rungs: Sequence[Rung]) -> None:
        """Shows ``rungs``."""
        chosen = self.chosen
        self.rungs = rungs
        if self.marked is not None and self.marked not in rungs:
            self.marked = None
        self._deltas = ladder.deltas_ms(rungs, self.marked)
        if self.follow or chosen is None:
            self.cursor = max(0, len(rungs) - 1)
        elif chosen in rungs:
            self.cursor = rungs.index(chosen)
        else:
            self.cursor = min(self.cursor, max(0, len(rungs) - 1))
        self.set_row_count(len(rungs))
        self.post_message(self.Chosen())

    # --- moving

    def move(self, by: int) -> None:
        """The cursor a few rungs down, or up."""
        self.choose(self.cursor + by)

    def first(self) -> None:
        """The cursor to the first rung."""
        self.choose(0)

    def last(self) -> None:
        """The cursor to the newest rung, where it stays."""
        self.choose(len(self.rungs) - 1)
        super().last()

    def choose(self, place: int) -> None:
        """Gives the cursor to the rung at ``place``, or the nearest there is, and brings it into sight."""
        if not self.rungs:
            return
        self.cursor = min(max(place, 0), len(self.rungs) - 1)
        self.follow = self.cursor == len(self.rungs) - 1
        self._bring_into_sight()
        self.refresh()
        self.post_message(self.Chosen())

    def jump(self, places: Sequence[int], *, back: bool) -> bool:
        """The cursor to the next (or the last) of ``places``; false if there is none."""
        place = ladder.previous_of(places, self.cursor) if back else ladder.next_of(places, self.cursor)
        if place is None:
            return False
        self.choose(place)
        return True

    def mark(self) -> None:
        """Counts all deltas from the rung with the cursor; on the marked rung: from rung to rung again."""
        self.marked = None if self.marked is self.chosen else self.chosen
        self._deltas = ladder.deltas_ms(self.rungs, self.marked)
        self.refresh()

    def _bring_into_sight(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self.cursor < top:
            self.place(self.cursor)
        elif self.cursor >= top + height:
            self.place(self.cursor - height + 1)

    def on_resize(self, _event: Resize) -> None:
        """Keeps the cursor in sight."""
        self.set_row_count(len(self.rungs))
        self._bring_into_sight()

    def on_click(self, event: Click) -> None:
        """A click chooses a rung."""
        offset = event.get_content_offset(self)
        if offset is not None and self.scroll_offset.y + offset.y < len(self.rungs):
            self.choose(self.scroll_offset.y + offset.y)

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """One rung in sight."""
        width, base = self.row_width, self.rich_style
        place = self.scroll_offset.y + y
        if place >= len(self.rungs):
            return Strip.blank(width, base)
        rung = self.rungs[place]
        if place == self.cursor:
            base += self._style("cursor")
        tone = base + self._style(rung.tone) if rung.tone else base
        lanes = ladder.arrow(rung, gap_of(width))
        room = width - _TIME - _DELTA - len(lanes) - 4
        segments = [
            Segment(f"{ladder.clock(rung.at_ms)[:_TIME]:>{_TIME}} ", base + self._style("time")),
            Segment(f"{self._delta(place)[:_DELTA]:>{_DELTA}}  ", tone),
            Segment(lanes + " ", tone if rung.tone else base + self._style("lanes")),
            Segment(fitted(rung.words, max(0, room)), tone),
        ]
        return Strip(segments).adjust_cell_length(width, base)

    def _delta(self, place: int) -> str:
        return "◆ marked" if self.rungs[place] is self.marked else ladder.delta(self._deltas[place])

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"ladder-view--{name}", partial=True)


def told(rung: Rung | None) -> Text:
    """A rung with all its words, for where there is more room than in its row."""
    if rung is None:
        return Text("nothing has happened yet", style="dim")
    return Text.assemble((f"#{rung.seq} {ladder.clock(rung.at_ms)} ", "dim"), isolated(drawable(rung.words)))
