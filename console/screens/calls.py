"""The live calls: one a line, ordered, filtered, and a key away from stepping in."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, Label

from console import keys
from console.actions import ActingScreen
from console.board import SORTS, CallRow, arranged
from console.screens.live import Holdable
from console.widgets.calls_table import CallsTable
from console.widgets.status_bar import Pill, StatusBar

NONE_YET = "No calls yet. They appear here by themselves."
NOT_CONNECTED = "No call is known yet: there is no connection to the bridge."
NONE_MATCH = "No call matches the filter. Esc shows all calls."


class CallsScreen(Holdable, ActingScreen):
    """The screen the console opens with."""

    HELP = (
        "The calls of all your businesses, as they are now. A call keeps its line for ten minutes after its end.\n"
        "Greet: from the start of the call to the greeting; over 1.2 s it is marked with !. Cut: how often the caller cut the AI off.\n"
        "Keys act on the call with the cursor; the cursor stays with its call when the lines move."
    )
    BINDINGS: ClassVar[list[BindingType]] = keys.CALLS
    AUTO_FOCUS = "CallsTable"

    def __init__(self) -> None:
        super().__init__()
        self.sort = "age"
        self.inverted = False
        self.follow = False
        self.shown: list[CallRow] = []
        self._footer: object = None

    def compose(self) -> ComposeResult:
        """The line at the top, the calls, the filter, the keys."""
        yield StatusBar()
        yield CallsTable(id="calls")
        with Horizontal(id="filter-line"):
            yield Label("/", id="filter-mark", markup=False)
            yield Input(id="filter", compact=True, select_on_focus=False)
            yield Label("", id="filter-count", markup=False)
        yield Footer(show_command_palette=True)

    @property
    def table(self) -> CallsTable:
        """The calls."""
        return self.query_one(CallsTable)

    @property
    def expression(self) -> str:
        """What calls are filtered by."""
        return self.query_one("#filter", Input).value

    def chosen_call(self) -> str | None:
        """The call with the cursor."""
        return self.table.cursor

    # --- drawing

    def pills(self) -> list[Pill]:
        """Follow mode."""
        return [("FOLLOW", "good")] if self.follow else []

    def draw(self) -> None:
        """Orders and filters the calls and shows them."""
        board, now = self.desk.board, self.desk.now()
        self.shown = arranged(board.rows.values(), self.expression, self.sort, self.inverted)
        stale, empty = not self.desk.connected, self._why_empty(bool(board.rows))
        self.table.show(self.shown, now, sort=self.sort, inverted=self.inverted, stale=stale, empty=empty)
        if self.follow or (self.table.cursor is None and not self.table.ever_chosen):
            self._choose_newest() if self.follow else self.table.choose(self.shown[0].call_sid if self.shown else None)
        self._tell_count(len(board.rows))
        self._grey_out()

    def _choose_newest(self) -> None:
        live = [row for row in self.shown if not row.ended]
        if live:
            self.table.choose(max(live, key=lambda row: (row.started_at, row.call_sid)).call_sid)

    def _tell_count(self, known: int) -> None:
        count = f"{len(self.shown):,} of {known:,}" if self.expression.strip() else ""
        label = self.query_one("#filter-count", Label)
        if str(label.content) != count:
            label.update(count)

    def _why_empty(self, any_known: bool) -> str:
        if any_known:
            return NONE_MATCH
        return NONE_YET if self.desk.connected else NOT_CONNECTED

    def _grey_out(self) -> None:
        """The footer is made anew only when a key comes or goes."""
        row = self.chosen_row()
        footer = (self.can_step_in(), row is not None and not row.ended, self.table.cursor is not None, bool(self.expression))
        if footer != self._footer:
            self._footer = footer
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Greys out what cannot be done now."""
        match action:
            case "open":
                return True if self.table.cursor is not None else None
            case "filter":
                return not self.query_one("#filter").has_focus
        return super().check_action(action, parameters)

    @on(CallsTable.CursorMoved)
    def _cursor_moved(self, event: CallsTable.CursorMoved) -> None:
        if event.by_hand:
            self.follow = False
        self._grey_out()

    # --- keys

    def action_open(self) -> None:
        """Opens the call with the cursor."""
        if self.table.cursor is not None:
            self.desk.open_call(self.table.cursor)

    @on(CallsTable.Opened)
    def _opened(self, event: CallsTable.Opened) -> None:
        self.desk.open_call(event.call_sid)

    def action_move(self, by: int) -> None:
        """Moves the cursor."""
        self._moved()
        self.table.move(by)

    def action_page(self, pages: int) -> None:
        """Moves the cursor by what is in sight."""
        self._moved()
        self.table.move(pages * self.table.page)

    def action_first(self) -> None:
        """Goes to the first call."""
        self._moved()
        self.table.choose_place(0)

    def action_last(self) -> None:
        """Goes to the last call."""
        self._moved()
        self.table.choose_place(len(self.shown) - 1)

    def _moved(self) -> None:
        if self.follow:
            self.follow = False
            self.desk.flush()

    def action_follow(self) -> None:
        """Stays on the newest call, or stops doing so."""
        self.follow = not self.follow
        self.desk.flush()

    def action_sort(self, step: int) -> None:
        """Orders by the next column."""
        self._order(SORTS[(SORTS.index(self.sort) + step) % len(SORTS)], inverted=False)

    def action_invert(self) -> None:
        """Turns the order around."""
        self._order(self.sort, inverted=not self.inverted)

    @on(CallsTable.HeaderClicked)
    def _header_clicked(self, event: CallsTable.HeaderClicked) -> None:
        self._order(event.sort, inverted=event.sort == self.sort and not self.inverted)

    def _order(self, sort: str, *, inverted: bool) -> None:
        """What the operator asks for is shown even while the screen is held."""
        self.sort, self.inverted = sort, inverted
        self.draw()

    # --- the filter

    def action_filter(self) -> None:
        """Opens the filter."""
        self.query_one("#filter-line").add_class("-open")
        self.query_one("#filter", Input).focus()

    def action_clear_filter(self) -> None:
        """Shows all calls again."""
        self.query_one("#filter", Input).value = ""
        self.query_one("#filter-line").remove_class("-open")
        self.table.focus()

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        self.draw()
        if self.table.cursor is None and self.shown:
            self.table.choose(self.shown[0].call_sid)

    @on(Input.Submitted, "#filter")
    def _filter_entered(self) -> None:
        if not self.expression.strip():
            self.action_clear_filter()
        self.table.focus()
