"""What the screens that show one call have in common: the keys that move in its parts."""

from console.ladder import MarkKind
from console.screens.live import DeskScreen
from console.widgets.call_panes import CallPanes
from console.widgets.status_bar import Pill

_NAMES: dict[MarkKind, str] = {"barge-in": "interruption", "error": "error"}


class PanesScreen(DeskScreen):
    """A screen with :class:`CallPanes`."""

    @property
    def panes(self) -> CallPanes:
        """The parts of the call."""
        return self.query_one(CallPanes)

    def follow_pill(self) -> Pill:
        """Whether the end of the conversation is followed, and if not, how much has come since."""
        view = self.panes.transcript
        if view.follow:
            return "FOLLOW", "good"
        return (f"+{view.new_lines} new" if view.new_lines else "NOT FOLLOWING"), "note"

    def action_pane(self, by: int) -> None:
        """Goes to another part."""
        self.panes.next_pane(by)

    def action_move(self, by: int) -> None:
        """Moves within the part."""
        self.panes.active.move(by)
        self.desk.flush()

    def action_page(self, by: int) -> None:
        """Moves by pages."""
        self.panes.active.page(by)
        self.desk.flush()

    def action_first(self) -> None:
        """Goes to the beginning."""
        self.panes.active.first()
        self.desk.flush()

    def action_last(self) -> None:
        """Goes to the end."""
        self.panes.active.last()
        self.desk.flush()

    def action_follow(self) -> None:
        """Keeps the end in sight, or stops doing so; of conversation and ladder alike."""
        follow = not self.panes.transcript.follow
        for view in (self.panes.transcript, self.panes.ladder):
            if view.follow != follow:
                view.toggle_follow()
        self.desk.flush()

    def action_times(self) -> None:
        """Begins every line with its time, or not."""
        self.panes.transcript.timestamps = not self.panes.transcript.timestamps

    def action_jump(self, kind: MarkKind, back: bool) -> None:
        """Goes to another interruption or error."""
        if not self.panes.jump(kind, back=back):
            self.tell_none(kind, back=back)

    def tell_none(self, kind: MarkKind, *, back: bool) -> None:
        """There is nowhere to go."""
        self.notify(f"There is no {'earlier' if back else 'later'} {_NAMES[kind]}.", markup=False)

    def action_mark(self) -> None:
        """Counts the ladder's times from the rung with the cursor."""
        self.panes.ladder.mark()

    def action_copy_transcript(self) -> None:
        """Copies the conversation."""
        lines = len(self.panes.lines)
        self.app.copy_to_clipboard(self.panes.plain_transcript())
        self.notify(f"The transcript, {lines} {'line' if lines == 1 else 'lines'}.", title="Copied", markup=False)
