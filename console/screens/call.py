"""One call: what is said and heard, what passes between the parties, how loud they are, and what comes of it."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Footer

from console import call_keys
from console.actions import ActingScreen
from console.archive import HasArchive
from console.operator_http import OperatorApiError
from console.screens.live import Holdable
from console.screens.panes import PanesScreen
from console.widgets.call_panes import CallPanes
from console.widgets.cells import drawable
from console.widgets.status_bar import Pill, StatusBar

LOADING = "loading what was said before …"


class CallScreen(PanesScreen, Holdable, ActingScreen):
    """Follows one call, which stays the same whatever the list of calls does."""

    HELP = (
        "One call. A line of the AI shows what the caller heard; what was generated but never heard is struck out and says so.\n"
        "The ladder shows what passed between phone, bridge and model, with the time since the rung before; an interruption reads "
        "speech → trigger → cut → clear → truncate.\n"
        "The upright line in the levels is the loudness from which the caller interrupts."
    )
    BINDINGS: ClassVar[list[BindingType]] = call_keys.CALL
    AUTO_FOCUS = "TranscriptView"

    def __init__(self, call_sid: str) -> None:
        super().__init__()
        self.call_sid = call_sid
        self.notice = LOADING
        """Why the conversation may be incomplete; empty if it is not."""
        self._footer: object = None

    def compose(self) -> ComposeResult:
        """The line at the top, the call, the keys."""
        yield StatusBar()
        yield CallPanes()
        yield Footer(show_command_palette=False)

    def chosen_call(self) -> str | None:
        """Always this one."""
        return self.call_sid

    def on_mount(self) -> None:
        """Asks for what this console has not seen."""
        self.run_worker(self._load(), name="events of one call", exit_on_error=False)

    async def _load(self) -> None:
        connection = self.desk.connection
        self.notice = await self._fetched(connection) if isinstance(connection, HasArchive) else ""
        self.desk.flush()

    async def _fetched(self, connection: HasArchive) -> str:
        """Adds the events; returns why it could not."""
        story = self.desk.story(self.call_sid)
        try:
            events = await connection.http.events(self.call_sid, after=story.contiguous_seq)
        except OperatorApiError as error:
            return f"▲ what was said before could not be loaded: {drawable(str(error))}"
        story = self.desk.story(self.call_sid)
        for event in events:
            story.take(event)
        return ""

    # --- drawing

    def pills(self) -> list[Pill]:
        """Whether the end is followed."""
        return [self.follow_pill()]

    def draw(self) -> None:
        """Shows what has changed."""
        story, row = self.desk.story(self.call_sid), self.desk.board.rows.get(self.call_sid)
        no_levels = "none yet" if self.desk.connected else "not connected"
        self.panes.show(story, row, self.desk.now(), empty=self.notice, no_levels=no_levels)
        # What has just been shown counts: asked before, the pill would be a paint behind.
        self.query_one(StatusBar).pills = self.pills()
        self._grey_out()

    def _grey_out(self) -> None:
        row = self.chosen_row()
        footer = (self.can_step_in(), row is not None and not row.ended)
        if footer != self._footer:
            self._footer = footer
            self.refresh_bindings()
