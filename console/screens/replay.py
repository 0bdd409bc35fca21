"""A past call, played again in its own time."""

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Footer

from console import call_keys
from console.archive import HasArchive
from console.board import CallRow
from console.ladder import MarkKind
from console.operator_http import OperatorApiError
from console.replay import STEP_MS, Replay
from console.screens.panes import PanesScreen
from console.widgets.call_panes import CallPanes
from console.widgets.cells import drawable
from console.widgets.replay_bar import ReplayBar
from console.widgets.status_bar import StatusBar

LOADING = "loading the call …"
_LONGEST_STEP_MS = 2_000
"""A machine that was asleep does not skip through the call."""


class ReplayScreen(PanesScreen):
    """Shows the parts of a call as they were at one moment, and lets time pass."""

    HELP = (
        "A past call, as it was. Space plays it, + and − change the speed, the arrows go five seconds.\n"
        "On the bar ⟂ is an interruption and ✗ an error; b and x go there.\n"
        "Lines of the AI grow evenly while they were heard; how loud it was is not kept."
    )
    BINDINGS: ClassVar[list[BindingType]] = call_keys.REPLAY
    AUTO_FOCUS = "TranscriptView"

    def __init__(self, call_sid: str, row: CallRow | None = None) -> None:
        super().__init__()
        self.call_sid = call_sid
        self.replay = Replay(call_sid, [])
        self.notice = LOADING
        """Why there is nothing to see; empty if there is."""
        self._row = row
        self._painted_at: datetime | None = None

    def compose(self) -> ComposeResult:
        """The line at the top, the call, where it stands, the keys."""
        yield StatusBar()
        yield CallPanes()
        yield ReplayBar()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Asks for the call."""
        self.run_worker(self._load(), name="a past call", exit_on_error=False)

    async def _load(self) -> None:
        connection = self.desk.connection
        if not isinstance(connection, HasArchive):
            return
        try:
            events = await connection.http.events(self.call_sid)
        except OperatorApiError as error:
            self.notice = f"▲ the call could not be loaded: {drawable(str(error))}"
        else:
            self.replay = Replay(self.call_sid, events)
            self.notice = "" if events else "nothing is on record of this call"
        self.desk.flush()

    # --- drawing

    def paint(self) -> None:
        """Lets time pass, and shows the call as it stands then."""
        now = self.desk.now()
        if self._painted_at is not None:
            self.replay.advance(min((now - self._painted_at).total_seconds() * 1000, _LONGEST_STEP_MS))
        self._painted_at = now
        self._draw()

    def _draw(self) -> None:
        self.query_one(StatusBar).pills = [("REPLAY", "note"), self.follow_pill()]
        story = self.replay.story
        begun = story.events[0].at if story.events else self.desk.now()
        at = max((event.at for event in story.events), default=begun)
        self.panes.show(story, self._only_who(), at, empty=self.notice, no_levels="not kept of past calls")
        self.query_one(ReplayBar).show(self.replay)

    def _only_who(self) -> CallRow | None:
        """Who it was is known before the first event has happened; all else is as it was at the moment."""
        if self._row is None or self.replay.duration_ms:
            return None
        return self._row

    # --- keys

    def action_play(self) -> None:
        """Plays, or holds."""
        self.paint()
        self.replay.toggle()
        self.desk.flush()

    def action_speed(self, by: int) -> None:
        """Plays faster, or slower."""
        self.paint()
        self.replay.change_speed(by)
        self.desk.flush()

    def action_seek(self, steps: int) -> None:
        """Goes a few seconds on, or back."""
        self.replay.seek(steps * STEP_MS)
        self.desk.flush()

    def action_edge(self, end: bool) -> None:
        """Goes to the beginning of the call, or to its end."""
        self.replay.go_to(self.replay.duration_ms if end else 0)
        self.desk.flush()

    def action_jump(self, kind: MarkKind, back: bool) -> None:
        """Goes to the moment of another interruption or error."""
        if self.replay.jump(kind, back=back):
            self.desk.flush()
        else:
            self.tell_none(kind, back=back)

    def action_copy_id(self) -> None:
        """Copies the call's id."""
        self.app.copy_to_clipboard(self.call_sid)
        self.notify(drawable(self.call_sid), title="Call id copied", markup=False)
