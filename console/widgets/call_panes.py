"""One call on the screen: head, levels, conversation, ladder and outcome. Shown live, and again when it is replayed.

From 120 cells on all parts are side by side; below, one at a time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantFocus, Resize
from textual.widgets import Static

from console import ladder
from console.board import CallRow
from console.facts import Facts, facts_of, with_row
from console.ladder import MarkKind, Rung
from console.story import Story
from console.transcript import Line, lines_of, plain_text
from console.widgets.call_head import head, outcome
from console.widgets.call_rows import RowsView
from console.widgets.ladder_view import LadderView, heading, told
from console.widgets.levels_meter import LevelsMeter
from console.widgets.transcript_view import TranscriptView

Pane = Literal["transcript", "ladder", "facts"]
PANES: tuple[Pane, ...] = ("transcript", "ladder", "facts")
_TITLES = {"transcript": "Transcript", "ladder": "Ladder", "facts": "Outcome"}
SIDE_BY_SIDE = 120
"""Cells from which all parts fit."""


class OutcomeView(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Tools, lead and what else came of the call; moved like the other parts."""

    def move(self, by: int) -> None:
        """A few lines down, or up."""
        self.scroll_relative(y=by, animate=False)

    def page(self, by: int) -> None:
        """Pages down, or up."""
        self.move(by * max(1, self.size.height - 1))

    def first(self) -> None:
        """To the beginning."""
        self.scroll_home(animate=False)

    def last(self) -> None:
        """To the end."""
        self.scroll_end(animate=False)


class CallPanes(Vertical):
    """The parts. Give it what is known with :meth:`show`; the screen's keys call the rest."""

    DEFAULT_CSS = """
    CallPanes {
        #call-head { height: 2; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
        #panes { height: 1fr; }
        .pane { border-top: solid $foreground 40%; border-title-color: $foreground 70%; height: 1fr; width: 1fr; }
        #side { width: 1fr; }
        #facts-pane { height: 1fr; max-height: 14; }
        #ladder-heading { height: 1; text-style: bold underline; }
        #ladder-told { height: 2; color: $foreground; }
        #outcome { height: auto; padding: 0 1; }
        OutcomeView { height: 1fr; scrollbar-size-vertical: 1; }
        &.-transcript #transcript-pane, &.-ladder #ladder-pane, &.-facts #facts-pane {
            border-top: heavy $foreground; border-title-color: $foreground; border-title-style: bold;
        }
        #empty { height: auto; padding: 1 2; text-style: dim; display: none; }
    }
    CallPanes.-one {
        &.-transcript #side { display: none; }
        &.-ladder #transcript-pane, &.-ladder #facts-pane { display: none; }
        &.-facts #transcript-pane, &.-facts #ladder-pane { display: none; }
        #facts-pane { max-height: 100%; }
    }
    """
    _FOCUSED: ClassVar[dict[Pane, str]] = {"transcript": "TranscriptView", "ladder": "LadderView", "facts": "OutcomeView"}

    def __init__(self) -> None:
        super().__init__()
        self.pane: Pane = "transcript"
        self.facts: Facts | None = None
        self.lines: Sequence[Line] = ()
        self.rungs: Sequence[Rung] = ()
        self._story: Story | None = None
        self._revision = self._event_revision = -1
        self._own: Facts | None = None
        self.add_class("-transcript", "-one")

    def compose(self) -> ComposeResult:
        """All parts; what is not in sight is not drawn."""
        yield Static(id="call-head", markup=False)
        yield LevelsMeter()
        with Horizontal(id="panes"):
            with Vertical(id="transcript-pane", classes="pane"):
                yield Static(id="empty", markup=False)
                yield TranscriptView()
            with Vertical(id="side"):
                with Vertical(id="ladder-pane", classes="pane"):
                    yield Static(id="ladder-heading", markup=False)
                    yield LadderView()
                    yield Static(id="ladder-told", markup=False)
                with Vertical(id="facts-pane", classes="pane"), OutcomeView(can_focus=True):
                    yield Static(id="outcome", markup=False)

    @property
    def transcript(self) -> TranscriptView:
        """The conversation."""
        return self.query_one(TranscriptView)

    @property
    def ladder(self) -> LadderView:
        """The ladder."""
        return self.query_one(LadderView)

    @property
    def active(self) -> RowsView | OutcomeView:
        """The part that keys move in."""
        parts: dict[Pane, RowsView | OutcomeView] = {
            "transcript": self.transcript,
            "ladder": self.ladder,
            "facts": self.query_one(OutcomeView),
        }
        return parts[self.pane]

    # --- what is shown

    def show(self, story: Story, row: CallRow | None, now: datetime, *, empty: str, no_levels: str) -> None:
        """Shows the call as it stands. ``empty`` and ``no_levels`` say why there is nothing, if there is nothing."""
        self.facts = with_row(self._read(story), row)
        _update(self.query_one("#call-head", Static), head(self.facts, story.call_sid, now))
        levels = None if self.facts.phase == "ended" else story.levels
        self.query_one(LevelsMeter).show(levels, "the call has ended" if self.facts.phase == "ended" else no_levels)
        _update(self.query_one("#outcome", Static), outcome(self.facts, story.call_sid))
        self._tell_empty(empty)

    def _read(self, story: Story) -> Facts:
        """Reads the story, unless it is as it was."""
        if story is self._story and story.revision == self._revision and self._own is not None:
            return self._own
        if story is not self._story or story.event_revision != self._event_revision:
            self.rungs = ladder.rungs_of(story.events)
            self.ladder.show(self.rungs)
        self._story, self._revision, self._event_revision = story, story.revision, story.event_revision
        self._own, self.lines = facts_of(story), lines_of(story)
        self.transcript.show(self.lines, dropped=story.dropped_through > 0)
        return self._own

    def _tell_empty(self, words: str) -> None:
        empty = self.query_one("#empty", Static)
        empty.display = bool(words) or not self.lines
        _update(empty, words or "nobody has said anything yet")

    def plain_transcript(self) -> str:
        """The conversation as text to paste."""
        return plain_text(self.lines)

    # --- moving

    def next_pane(self, by: int) -> None:
        """Goes to another part."""
        self.open_pane(PANES[(PANES.index(self.pane) + by) % len(PANES)])

    def open_pane(self, pane: Pane) -> None:
        """Goes to this part."""
        self._mark_pane(pane)
        self.query_one(self._FOCUSED[pane]).focus(scroll_visible=False)

    def jump(self, kind: MarkKind, *, back: bool) -> bool:
        """To the next interruption or error on the ladder, or the one before; false if there is none."""
        places = ladder.interruptions(self.rungs) if kind == "barge-in" else ladder.errors(self.rungs)
        if not self.ladder.jump(places, back=back):
            return False
        self.open_pane("ladder")
        return True

    def _mark_pane(self, pane: Pane) -> None:
        self.pane = pane
        for name in PANES:
            self.set_class(name == pane, f"-{name}")
        self._title()

    def _title(self) -> None:
        """The part with the keys is marked with a word and a mark; if the others are hidden, they are named."""
        for name in PANES:
            mark = "▸ " if name == self.pane else ""
            self.query_one(f"#{name}-pane").border_title = mark + _TITLES[name]
        if self.has_class("-one"):
            others = ", ".join(_TITLES[name] for name in PANES if name != self.pane)
            self.query_one(f"#{self.pane}-pane").border_title = f"▸ {_TITLES[self.pane]}  (Tab: {others})"

    def on_mount(self) -> None:
        """Says which part has the keys."""
        self._title()

    @on(DescendantFocus)
    def _focused(self, event: DescendantFocus) -> None:
        for name, selector in self._FOCUSED.items():
            if type(event.widget).__name__ == selector:
                self._mark_pane(name)

    def on_resize(self, event: Resize) -> None:
        """Chooses between all parts and one."""
        self.set_class(event.size.width < SIDE_BY_SIDE, "-one")
        self._title()

    @on(LadderView.Chosen)
    def _rung_chosen(self) -> None:
        _update(self.query_one("#ladder-told", Static), told(self.ladder.chosen))
        _update(self.query_one("#ladder-heading", Static), heading(self.ladder.row_width))


def _update(static: Static, content: object) -> None:
    """Draws only what is another thing than before."""
    if static.content != content:
        # What keeps its size needs no new layout, which would draw the whole screen.
        static.update(content, layout=static.styles.auto_dimensions)  # type: ignore[arg-type]
