"""Where a replay stands in its call, with the moments worth going to."""

from rich.text import Text
from textual.widgets import Static

from console import wording
from console.replay import Replay

_MARKS = {"barge-in": ("⟂", "bold yellow"), "error": ("✗", "bold red")}


def bar(replay: Replay, width: int) -> Text:
    """One line: ``▶ PLAYING ×2   0:12 / 0:26  ━━━━⟂━━●──✗────``. ``⟂`` is an interruption, ``✗`` an error."""
    state = "▶ PLAYING" if replay.playing else "■ END    " if replay.at_end else "‖ HELD   "
    line = Text(f" {state} ×{replay.speed}  ", "bold", no_wrap=True)
    line.append(f"{wording.age(replay.position_ms / 1000)} / {wording.age(replay.duration_ms / 1000)}  ", "none")
    cells = max(1, width - line.cell_len - 1)
    at = _cell(replay.position_ms, replay.duration_ms, cells)
    track = [("━", "green") if cell < at else ("●", "bold") if cell == at else ("─", "dim") for cell in range(cells)]
    for mark in replay.marks:
        cell = _cell(mark.at_ms, replay.duration_ms, cells)
        # The place of the replay itself stays in sight, and an error is not hidden by an interruption beside it.
        if cell != at and track[cell][0] != "✗":
            track[cell] = _MARKS[mark.kind]
    for character, style in track:
        line.append(character, style)
    return line


def _cell(at_ms: float, duration_ms: float, cells: int) -> int:
    return 0 if duration_ms <= 0 else min(cells - 1, int(at_ms / duration_ms * (cells - 1) + 0.5))


class ReplayBar(Static):
    """The line."""

    DEFAULT_CSS = "ReplayBar { height: 1; width: 1fr; background: $panel; }"

    def __init__(self) -> None:
        super().__init__(markup=False)

    def show(self, replay: Replay) -> None:
        """Shows how the replay stands."""
        line = bar(replay, self.size.width or self.app.size.width)
        if self.content != line:
            self.update(line)
