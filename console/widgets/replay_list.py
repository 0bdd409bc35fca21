"""The list of past calls. The cursor belongs to a call id: it stays with its call whatever the order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.events import Click, Resize
from textual.message import Message
from textual.strip import Strip

from console import past_calls
from console.board import CallRow
from console.past_calls import Column
from console.widgets.call_rows import RowsView
from console.widgets.cells import fitted

STYLES = ("header", "cursor")
HEADER = 1
"""Lines above the first call."""


class PastCallsTable(RowsView):
    """Past calls, one a line, under a header. Give it calls with :meth:`show`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"past-calls-table--{style}" for style in STYLES}
    DEFAULT_CSS = """
    PastCallsTable {
        height: 1fr;
        .past-calls-table--header { text-style: bold underline; }
        .past-calls-table--cursor { text-style: reverse; }
    }
    """

    @dataclass
    class Opened(Message):
        """A call was clicked twice."""

        call_sid: str

    @dataclass
    class HeaderClicked(Message):
        """The header of a column was clicked."""

        sort: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.set_reactive(RowsView.follow, False)
        self.calls: Sequence[CallRow] = ()
        self.cursor: str | None = None
        """The id of the call that has the cursor."""
        self._sort, self._inverted = "started", False

    def show(self, calls: Sequence[CallRow], *, sort: str, inverted: bool) -> None:
        """Lists ``calls`` in this order. A cursor whose call is not listed goes to the first one."""
        self.calls, self._sort, self._inverted = calls, sort, inverted
        if self._place is None:
            self.cursor = calls[0].call_sid if calls else None
        self.set_row_count(len(calls) + HEADER)
        self._bring_into_sight()

    @property
    def _place(self) -> int | None:
        return next((place for place, row in enumerate(self.calls) if row.call_sid == self.cursor), None)

    # --- the cursor

    def move(self, by: int) -> None:
        """The cursor a few lines down, or up."""
        self.choose_place((self._place or 0) + by)

    def page(self, by: int) -> None:
        """The cursor by what is in sight."""
        self.move(by * max(1, self.size.height - HEADER))

    def first(self) -> None:
        """The cursor to the first call."""
        self.choose_place(0)

    def last(self) -> None:
        """The cursor to the last call."""
        self.choose_place(len(self.calls) - 1)

    def choose_place(self, place: int) -> None:
        """Gives the cursor to the call in this line, or to the one nearest to it."""
        if self.calls:
            self.cursor = self.calls[min(max(place, 0), len(self.calls) - 1)].call_sid
            self._bring_into_sight()
            self.refresh()

    def _bring_into_sight(self) -> None:
        place, top, height = self._place or 0, self.scroll_offset.y, max(1, self.size.height - HEADER)
        if place < top:
            self.place(place)
        elif place >= top + height:
            self.place(place - height + 1)

    def on_resize(self, _event: Resize) -> None:
        """Chooses columns for the new width."""
        self.set_row_count(len(self.calls) + HEADER)
        self._bring_into_sight()

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """The header, a call, or nothing."""
        width, base = self.row_width, self.rich_style
        columns = past_calls.fitting(width)
        if y < HEADER:
            return self._header(columns, base).adjust_cell_length(width, base)
        place = y - HEADER + self.scroll_offset.y
        if place >= len(self.calls):
            return Strip.blank(width, base)
        row = self.calls[place]
        if row.call_sid == self.cursor:
            base += self._style("cursor")
        cells = " ".join(fitted(column.cell(row), wide, column.align, column.keep) for column, wide in columns)
        return Strip([Segment(cells, base)]).adjust_cell_length(width, base)

    def _header(self, columns: Sequence[tuple[Column, int]], base: Style) -> Strip:
        style = base + self._style("header")
        titles: list[Segment] = []
        for column, wide in columns:
            # The same arrows as the live calls have: down for the greatest first.
            arrow = ("▼" if self._inverted != (column.name == "started") else "▲") if column.name == self._sort else ""
            titles.append(Segment(fitted(column.title[: wide - len(arrow)] + arrow, wide, column.align) + " ", style))
        return Strip(titles)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"past-calls-table--{name}", partial=True)

    # --- the mouse

    def on_click(self, event: Click) -> None:
        """A click chooses a call or a column; the second on the same call opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < HEADER:
            self._click_header(offset.x)
            return
        place = offset.y - HEADER + self.scroll_offset.y
        if place < len(self.calls):
            chosen = self.calls[place].call_sid
            if event.chain >= 2 and chosen == self.cursor:
                self.post_message(self.Opened(chosen))
            self.choose_place(place)

    def _click_header(self, x: int) -> None:
        for column, wide in past_calls.fitting(self.row_width):
            if x <= wide:
                self.post_message(self.HeaderClicked(column.name))
                return
            x -= wide + 1
