"""The table of live calls: drawn line by line, and only the lines that changed.

The cursor belongs to a call id. When calls come, go or change places it stays with its call; when its call is no longer listed
there is no cursor, and so no key that acts, until the operator chooses again.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console import wording
from console.board import CallRow
from console.widgets.calls_columns import LAST_LINE, Cell, Column, fitting, flags
from console.widgets.cells import fitted

HEADER = 1
"""Lines above the first call."""
STYLES = ("header", "cursor", "gone", "quiet", "good", "late", "connecting", "greeting", "conversing", "closing", "ended")


class CallsTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Calls, one a line, under a header. Give it calls with :meth:`show`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"calls-table--{style}" for style in STYLES}

    @dataclass
    class Opened(Message):
        """A call was clicked twice."""

        call_sid: str

    @dataclass
    class HeaderClicked(Message):
        """The header of a column was clicked."""

        sort: str

    @dataclass
    class CursorMoved(Message):
        """Another call, or none, has the cursor; ``by_hand``: a key or a click moved it."""

        call_sid: str | None
        by_hand: bool

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor: str | None = None
        """The id of the call that has the cursor."""
        self.ever_chosen = False
        """Whether any call has had the cursor yet."""
        self.calls: Sequence[CallRow] = ()
        self._now: datetime | None = None
        self._places: dict[str, int] = {}
        self._place = 0
        self._sort, self._inverted, self._stale = "age", False, False
        self._width = 0
        self._columns: list[tuple[Column, int]] = []
        self._empty = ""
        self._painted: list[Hashable] = []
        self._strips: dict[str, tuple[Hashable, Strip]] = {}

    # --- what is shown

    def show(self, calls: Sequence[CallRow], now: datetime, *, sort: str, inverted: bool, stale: bool, empty: str) -> None:
        """Lists ``calls`` in this order. ``stale``: what is known may be out of date; ``empty``: what is said if there are none."""
        self.calls, self._now, self._empty = calls, now, "" if calls else empty
        self._sort, self._inverted, self._stale = sort, inverted, stale
        self._places = {row.call_sid: place for place, row in enumerate(calls)}
        for gone in self._strips.keys() - self._places.keys():
            del self._strips[gone]
        self._measure()
        self._keep_cursor()
        self._refresh_changed()

    def choose(self, call_sid: str | None, *, by_hand: bool = False) -> None:
        """Gives the cursor to a call that is listed."""
        if call_sid is not None and call_sid not in self._places:
            call_sid = None
        if call_sid != self.cursor:
            self.cursor = call_sid
            self.post_message(self.CursorMoved(call_sid, by_hand))
        if call_sid is not None:
            self.ever_chosen = True
            self._place = self._places[call_sid]
            self._bring_into_sight()
        self._refresh_changed()

    def move(self, by: int) -> None:
        """Moves the cursor ``by`` lines, as far as there are calls; without one it appears where it last was."""
        self.choose_place(self._place + by if self.cursor is not None else self._place)

    def choose_place(self, place: int) -> None:
        """Gives the cursor to the call in this line, or to the one nearest to it."""
        if self.calls:
            self.choose(self.calls[min(max(place, 0), len(self.calls) - 1)].call_sid, by_hand=True)

    @property
    def page(self) -> int:
        """How many calls are in sight at most."""
        return max(1, self.size.height - HEADER)

    # --- the cursor

    def _keep_cursor(self) -> None:
        if self.cursor is None:
            return
        place = self._places.get(self.cursor)
        if place is None:
            self.cursor = None
            self.post_message(self.CursorMoved(None, by_hand=False))
            return
        was_in_sight = self._in_sight(self._place)
        self._place = place
        if was_in_sight:
            self._bring_into_sight()

    def _in_sight(self, place: int) -> bool:
        return 0 <= place - self.scroll_offset.y < self.page

    def _bring_into_sight(self) -> None:
        top = self.scroll_offset.y
        if self._place < top:
            self.scroll_to(y=self._place, animate=False, immediate=True)
        elif self._place >= top + self.page:
            self.scroll_to(y=self._place - self.page + 1, animate=False, immediate=True)

    # --- drawing

    def _measure(self) -> None:
        self._fit()
        size = Size(self._width, len(self.calls) + HEADER)
        if size != self.virtual_size:
            self.virtual_size = size

    def _fit(self) -> None:
        """Chooses columns, if the width is another one; it is when the scroll bar comes or goes, too."""
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width, self._columns = width, fitting(width)
            self._strips.clear()

    def on_resize(self, _event: Resize) -> None:
        """Chooses columns for the new width."""
        self._measure()
        if self.cursor is not None:
            self._bring_into_sight()
        self.refresh()

    def notify_style_update(self) -> None:
        """Other colours: nothing drawn before is of use."""
        super().notify_style_update()
        self._strips.clear()

    def _refresh_changed(self) -> None:
        """Asks for a repaint of the lines that would look different now."""
        keys = [self._line_key(y) for y in range(self.size.height)]
        for y, key in enumerate(keys):
            if y >= len(self._painted) or self._painted[y] != key:
                self.refresh(Region(0, y, self.size.width, 1))
        self._painted = keys

    def _line_key(self, y: int) -> Hashable:
        if y < HEADER:
            return (self._sort, self._inverted, self._stale, self._width)
        row = self._row_at(y)
        return self._empty if row is None else (row.call_sid, self._row_key(row))

    def _row_key(self, row: CallRow) -> Hashable:
        age = wording.short_age(row.age_s(self._now)) if self._now is not None else ""
        chosen = row.call_sid == self.cursor
        return (row.revision, age, chosen, chosen and self.has_focus, self._stale, self._width)

    def _row_at(self, y: int) -> CallRow | None:
        place = y - HEADER + self.scroll_offset.y
        return self.calls[place] if y >= HEADER and 0 <= place < len(self.calls) else None

    def render_line(self, y: int) -> Strip:
        """One line of the table: the header, a call, or nothing."""
        self._fit()
        width, base = self._width, self.rich_style
        if y < HEADER:
            return self._header(base).adjust_cell_length(width, base)
        row = self._row_at(y)
        if row is None or self._now is None:
            return self._note(base) if y == HEADER + 1 else Strip.blank(width, base)
        key = self._row_key(row)
        drawn = self._strips.get(row.call_sid)
        if drawn is None or drawn[0] != key:
            drawn = self._strips[row.call_sid] = (key, self._line(row, self._now, base).adjust_cell_length(width, base))
        return drawn[1]

    def _note(self, base: Style) -> Strip:
        note = Segment(f"  {self._empty}", base + self._style("quiet"))
        return Strip([note]).adjust_cell_length(self._width, base)

    def _header(self, base: Style) -> Strip:
        style = base + self._style("header")
        segments: list[Segment] = []
        for column, width in self._columns:
            arrow = ("▼" if self._inverted else "▲") if column.sort == self._sort else ""
            room = width - len(arrow)
            title = column.title[:room] + arrow
            segments.append(Segment(fitted(title, width, column.align) + " ", style))
        return Strip(segments)

    def _line(self, row: CallRow, now: datetime, base: Style) -> Strip:
        style = base + self._line_style(row)
        segments: list[Segment] = []
        for column, width in self._columns:
            room = width
            if column is LAST_LINE:
                for text, name in flags(row):
                    segments.append(self._segment((text[:room], name), row, style))
                    room -= len(text[:room])
            text, name = column.cell(row, now)
            cell = (fitted(text, room, column.align), name)
            segments += [self._segment(cell, row, style), Segment(" ", style)]
        return Strip(segments)

    def _segment(self, cell: Cell, row: CallRow, style: Style) -> Segment:
        text, name = cell
        plain = not name or row.ended or self._stale or row.call_sid == self.cursor
        return Segment(text, style if plain else style + self._style(name))

    def _line_style(self, row: CallRow) -> Style:
        style = self._style("gone") if row.ended or self._stale else Style.null()
        return style + self._style("cursor") if row.call_sid == self.cursor else style

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"calls-table--{name}", partial=True)

    # --- the mouse

    def on_click(self, event: Click) -> None:
        """A click chooses a call or a column; the second on the same call opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < HEADER:
            self._click_header(offset.x)
            return
        row = self._row_at(offset.y)
        if row is None:
            return
        if event.chain >= 2 and row.call_sid == self.cursor:
            self.post_message(self.Opened(row.call_sid))
        self.choose(row.call_sid, by_hand=True)

    def _click_header(self, x: int) -> None:
        for column, width in self._columns:
            if x <= width:
                if column.sort:
                    self.post_message(self.HeaderClicked(column.sort))
                return
            x -= width + 1
