"""A list drawn row by row that can follow its end: what the transcript and the ladder have in common.

Only rows in sight are drawn, however many there are. Going up stops following; arriving at the end, by whichever way, starts it
again.
"""

from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.widget import Widget


class RowsView(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under a scroll bar. Keys are the screen's: it calls :meth:`move`, :meth:`page`, :meth:`first` and :meth:`last`."""

    DEFAULT_CSS = "RowsView { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }"

    follow = reactive(True)
    """Whether the end stays in sight as the list grows."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._placing = False

    @property
    def row_width(self) -> int:
        """Cells a row has."""
        return self.scrollable_content_region.width

    def set_row_count(self, count: int) -> None:
        """There are ``count`` rows now; following, the last ones are in sight."""
        size = Size(self.row_width, count)
        if size != self.virtual_size:
            # The scroll bar is always there, so nothing around has to be laid out and drawn anew for another row.
            self.set_reactive(Widget.virtual_size, size)
            self.vertical_scrollbar.window_virtual_size = count
        if self.follow:
            self.place(self.max_scroll_y)
        self.refresh()

    def place(self, y: float) -> None:
        """Scrolls so that row ``y`` is the first in sight, which says nothing about following."""
        self._placing = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._placing = False

    def move(self, by: int) -> None:
        """A few rows down, or up."""
        self.scroll_to(y=self.scroll_offset.y + by, animate=False, immediate=True)

    def page(self, by: int) -> None:
        """Pages down, or up."""
        self.move(by * max(1, self.size.height - 1))

    def first(self) -> None:
        """To the beginning."""
        self.scroll_to(y=0, animate=False, immediate=True)

    def last(self) -> None:
        """To the end, and stays there."""
        self.follow = True
        self.place(self.max_scroll_y)

    def toggle_follow(self) -> None:
        """Starts to follow the end, or stops."""
        if self.follow:
            self.follow = False
        else:
            self.last()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Going up stops following; the end starts it again."""
        super().watch_scroll_y(old_value, new_value)
        if not self._placing:
            if new_value >= self.max_scroll_y:
                self.follow = self.follow or new_value > old_value
            elif new_value < old_value:
                self.follow = False
