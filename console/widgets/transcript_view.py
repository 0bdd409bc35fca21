"""The conversation of a call: every line with who said it, what of it was heard, and what was not."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.events import Resize
from textual.reactive import reactive
from textual.strip import Strip

from console import wording
from console.transcript import Line, speaker
from console.widgets.call_rows import RowsView
from console.widgets.cells import drawable, isolated
from console.wrapping import Row, rows_of

STYLES = ("caller", "agent", "note", "being-said", "unheard", "mark", "bad", "good", "operator", "time")
_SPEAKER_WIDTH = 7
_TIME_WIDTH = 8


class Piece(NamedTuple):
    """A part of a line's body, up to character ``end``, and the name of its style."""

    end: int
    style: str


class Block(NamedTuple):
    """A line, broken into rows."""

    line: Line
    body: str
    pieces: tuple[Piece, ...]
    rows: tuple[Row, ...]


class TranscriptView(RowsView):
    """The lines of a call. Give it lines with :meth:`show`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"transcript-view--{style}" for style in STYLES}
    DEFAULT_CSS = """
    TranscriptView {
        .transcript-view--caller { color: $text-success; }
        .transcript-view--agent { color: $text-primary; }
        .transcript-view--note { text-style: italic dim; }
        .transcript-view--being-said { text-style: italic; }
        .transcript-view--unheard { text-style: dim strike; }
        .transcript-view--mark { color: $text-warning; text-style: bold; }
        .transcript-view--bad { color: $text-error; text-style: bold; }
        .transcript-view--good { color: $text-success; text-style: bold; }
        .transcript-view--operator { color: $text-accent; text-style: bold; }
        .transcript-view--time { text-style: dim; }
    }
    """

    timestamps = reactive(False)
    """Whether every line begins with its time."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: Sequence[Line] = ()
        self._dropped = False
        self._known: dict[Line, Block] = {}
        self._rows: list[tuple[Block, int]] = []
        self._seen = 0
        self._broken_for = 0

    def show(self, lines: Sequence[Line], *, dropped: bool = False) -> None:
        """Shows ``lines``. ``dropped``: there were older ones."""
        if lines is self.lines and dropped == self._dropped:
            return
        self.lines, self._dropped = lines, dropped
        self._break()

    @property
    def new_lines(self) -> int:
        """Lines that came since the operator stopped following."""
        return 0 if self.follow else max(0, len(self.lines) - self._seen)

    def watch_follow(self) -> None:
        """Counts what comes from here on."""
        self._seen = len(self.lines)

    def watch_timestamps(self) -> None:
        """Breaks the lines anew: they have another width now."""
        self._break_anew()

    def on_resize(self, _event: Resize) -> None:
        """Breaks the lines anew, keeping the first one in sight."""
        if self._body_width != self._broken_for:
            self._break_anew()
        elif self.follow:
            self.place(self.max_scroll_y)

    # --- rows

    @property
    def _head_width(self) -> int:
        return _SPEAKER_WIDTH + (_TIME_WIDTH if self.timestamps else 0)

    @property
    def _body_width(self) -> int:
        return max(1, self.row_width - self._head_width)

    def _break_anew(self) -> None:
        top = self._top_line()
        self._known.clear()
        self._break()
        if top is not None and not self.follow:
            self.place(next((place for place, (block, _) in enumerate(self._rows) if block.line is top), 0))

    def _break(self) -> None:
        """The rows of all lines; a line that was broken before is not broken again."""
        if not self.row_width:
            return
        self._broken_for = self._body_width
        known, self._known = self._known, {}
        lines = [_DROPPED, *self.lines] if self._dropped else self.lines
        for line in lines:
            self._known[line] = known.get(line) or _block(line, self._broken_for)
        self._rows = [(block, place) for block in map(self._known.__getitem__, lines) for place in range(len(block.rows))]
        self.set_row_count(len(self._rows))

    def _top_line(self) -> Line | None:
        top = self.scroll_offset.y
        return self._rows[top][0].line if top < len(self._rows) else None

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """One row in sight."""
        width, base = self.row_width, self.rich_style
        place = self.scroll_offset.y + y
        if place >= len(self._rows):
            return Strip.blank(width, base)
        block, row = self._rows[place]
        segments = [*self._head(block.line, row, base), *self._body(block, row, base)]
        return Strip(segments).adjust_cell_length(width, base)

    def _head(self, line: Line, row: int, base: Style) -> Iterator[Segment]:
        if row:
            yield Segment(" " * self._head_width, base)
            return
        if self.timestamps:
            at = "" if line.at_ms is None else wording.age(line.at_ms / 1000)
            yield Segment(f"{at[: _TIME_WIDTH - 1]:>{_TIME_WIDTH - 1}} ", base + self._style("time"))
        yield Segment(f"{speaker(line.voice):>{_SPEAKER_WIDTH - 1}} ", base + self._style(line.voice))

    def _body(self, block: Block, row: int, base: Style) -> Iterator[Segment]:
        start, end = block.rows[row]
        for piece in block.pieces:
            if piece.end > start:
                text = block.body[start : min(piece.end, end)]
                yield Segment(isolated(text), base + self._style(piece.style) if piece.style else base)
                start = piece.end
            if start >= end:
                return

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"transcript-view--{name}", partial=True)


_DROPPED = Line(voice="note", state="note", words="older lines are not kept", tone="")


def _block(line: Line, width: int) -> Block:
    body, pieces = "", []
    for text, style in _parts(line):
        if text:
            body += (" " if body else "") + text
            pieces.append(Piece(len(body), style))
    rows = rows_of(body, width)
    return Block(line, body, tuple(pieces), tuple(rows))


def _parts(line: Line) -> list[tuple[str, str]]:
    """The body in the order it is read, each part with its style."""
    words, unheard = drawable(line.words), drawable(line.unheard)
    match line.state:
        case "note":
            return [(words, line.tone or "note")]
        case "being said" if line.voice == "caller":
            return [(words, "being-said"), (line.mark, "mark")]
        case "being said":
            return [(words, ""), (line.mark, "mark"), (unheard, "being-said")]
        case "never heard":
            return [(f"{line.mark}:" if unheard else line.mark, "mark"), (unheard, "unheard")]
        case "cut":
            return [(words, ""), (line.mark, "mark"), ("· never heard:" if unheard else "", "mark"), (unheard, "unheard")]
    return [(words, "")]
