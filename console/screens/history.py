"""Past calls: searched, ordered, and a key away from being played again."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, Label, Static

from console import call_keys, past_calls
from console.archive import HasArchive
from console.board import CallRow
from console.operator_http import MAX_CALLS, OperatorApiError
from console.screens.live import DeskScreen
from console.screens.replay import ReplayScreen
from console.widgets.cells import drawable
from console.widgets.replay_list import PastCallsTable
from console.widgets.status_bar import StatusBar

LOADING = "Loading past calls …"
NONE_YET = "No call has ended yet."
NONE_MATCH = "No call matches the filter. Esc shows all calls."


class HistoryScreen(DeskScreen):
    """Lists the calls that ended, as the bridge has them on record."""

    HELP = (
        f"The calls that ended, the newest {MAX_CALLS} of them, as they were when this screen was opened; r asks again.\n"
        "The filter looks at caller, business, last line, reason and id. Enter plays a call again."
    )
    BINDINGS: ClassVar[list[BindingType]] = call_keys.HISTORY
    AUTO_FOCUS = "PastCallsTable"

    def __init__(self) -> None:
        super().__init__()
        self.sort = "started"
        self.inverted = False
        self.rows: list[CallRow] = []
        self.notice = LOADING
        """Why there is nothing to see; empty if there is."""

    def compose(self) -> ComposeResult:
        """The line at the top, the calls, the filter, the keys."""
        yield StatusBar()
        yield PastCallsTable()
        yield Static(LOADING, id="none", markup=False)
        with Horizontal(id="filter-line"):
            yield Label("/", id="filter-mark", markup=False)
            yield Input(id="filter", compact=True, select_on_focus=False)
            yield Label("", id="filter-count", markup=False)
        yield Footer(show_command_palette=False)

    @property
    def table(self) -> PastCallsTable:
        """The calls."""
        return self.query_one(PastCallsTable)

    @property
    def expression(self) -> str:
        """What calls are filtered by."""
        return self.query_one("#filter", Input).value

    def on_mount(self) -> None:
        """Asks for the calls."""
        self.call_after_refresh(self.show_calls)
        self.action_reload()

    def action_reload(self) -> None:
        """Asks the bridge again."""
        self.run_worker(self._load(), name="past calls", group="past calls", exclusive=True, exit_on_error=False)

    async def _load(self) -> None:
        connection = self.desk.connection
        if not isinstance(connection, HasArchive):
            return
        try:
            calls = await connection.http.calls(live=False, limit=MAX_CALLS)
        except OperatorApiError as error:
            self.notice = f"▲ Past calls could not be loaded: {drawable(str(error))} (r tries again)"
        else:
            self.rows, self.notice = past_calls.rows_of(calls, self.desk.now()), ""
        self.show_calls()

    # --- drawing

    def show_calls(self) -> None:
        """Orders and filters the calls and shows them."""
        shown = past_calls.arranged(self.rows, self.expression, self.sort, self.inverted)
        self.table.show(shown, sort=self.sort, inverted=self.inverted)
        count = f"{len(shown):,} of {len(self.rows):,}"
        self.query_one("#filter-count", Label).update(count if self.expression.strip() else "")
        self.query_one(StatusBar).pills = [(count if self.expression.strip() else f"{len(shown):,} past calls", "note")]
        none = self.query_one("#none", Static)
        none.display = bool(self.notice) or not shown
        none.update(self.notice or (NONE_MATCH if self.rows else NONE_YET))
        self.refresh_bindings()
        self.desk.flush()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Greys out what cannot be done now."""
        if action in ("open", "copy_id"):
            return True if self.table.cursor is not None else None
        return super().check_action(action, parameters)

    # --- keys

    def action_open(self) -> None:
        """Plays the call with the cursor."""
        if (call_sid := self.table.cursor) is not None:
            self._replay(call_sid)

    @on(PastCallsTable.Opened)
    def _opened(self, event: PastCallsTable.Opened) -> None:
        self._replay(event.call_sid)

    def _replay(self, call_sid: str) -> None:
        row = next((row for row in self.rows if row.call_sid == call_sid), None)
        self.app.push_screen(ReplayScreen(call_sid, row))
        self.app.call_after_refresh(self.desk.flush)

    def action_move(self, by: int) -> None:
        """Moves the cursor."""
        self.table.move(by)

    def action_page(self, by: int) -> None:
        """Moves the cursor by pages."""
        self.table.page(by)

    def action_first(self) -> None:
        """Goes to the first call."""
        self.table.first()

    def action_last(self) -> None:
        """Goes to the last call."""
        self.table.last()

    def action_sort(self, step: int) -> None:
        """Orders by the next column."""
        sorts = past_calls.SORTS
        self._order(sorts[(sorts.index(self.sort) + step) % len(sorts)], inverted=False)

    def action_invert(self) -> None:
        """Turns the order around."""
        self._order(self.sort, inverted=not self.inverted)

    @on(PastCallsTable.HeaderClicked)
    def _header_clicked(self, event: PastCallsTable.HeaderClicked) -> None:
        self._order(event.sort, inverted=event.sort == self.sort and not self.inverted)

    def _order(self, sort: str, *, inverted: bool) -> None:
        self.sort, self.inverted = sort, inverted
        self.show_calls()

    def action_copy_id(self) -> None:
        """Copies the id of the call with the cursor."""
        if (call_sid := self.table.cursor) is not None:
            self.app.copy_to_clipboard(call_sid)
            self.notify(drawable(call_sid), title="Call id copied", markup=False)

    # --- the filter

    def action_filter(self) -> None:
        """Opens the filter."""
        self.query_one("#filter-line").add_class("-open")
        self.query_one("#filter", Input).focus()

    def action_clear_filter(self) -> None:
        """Shows all calls again; with no filter, goes back."""
        line = self.query_one("#filter-line")
        if not line.has_class("-open"):
            self.desk.action_leave()
            return
        line.remove_class("-open")
        self.query_one("#filter", Input).value = ""
        self.table.focus()

    @on(Input.Changed, "#filter")
    def _filter_changed(self) -> None:
        self.show_calls()

    @on(Input.Submitted, "#filter")
    def _filter_entered(self) -> None:
        if not self.expression.strip():
            self.query_one("#filter-line").remove_class("-open")
        self.table.focus()
