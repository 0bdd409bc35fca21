"""How loud both sides are, against the level from which the caller interrupts."""

from math import log

from rich.text import Text
from textual.widgets import Static

from console.protocol import Levels

THRESHOLD_RMS = 200
"""A caller louder than this, for long enough, interrupts the AI (a business may choose another)."""
_QUIETEST, _LOUDEST = 20, 8_000
_ENDS = 14
"""Cells of a meter besides the bar: name, borders, figure."""


def filled(rms: int, width: int) -> int:
    """How many of ``width`` cells ``rms`` fills; loudness is heard in ratios, so each cell is so many times the one before."""
    if rms <= _QUIETEST:
        return 0
    return min(width, round(width * log(rms / _QUIETEST) / log(_LOUDEST / _QUIETEST)))


def meter(name: str, rms: int | None, width: int) -> Text:
    """One side, ``width`` cells wide: ``caller ▕█████┃██     ▏  812``; the upright line is the threshold."""
    bar_width = max(4, width - _ENDS)
    threshold = min(filled(THRESHOLD_RMS, bar_width), bar_width - 1)
    loud = filled(rms or 0, bar_width)
    bar = Text("█" * loud + " " * (bar_width - loud), "green" if loud <= threshold else "bold yellow")
    line = Text("┃" if loud > threshold else "┊", "reverse" if loud > threshold else "")
    figure = f"{rms:>5}" if rms is not None else "    –"
    return Text.assemble((f"{name:>6} ", ""), "▕", bar[:threshold], line, bar[threshold + 1 :], "▏", figure)


class LevelsMeter(Static):
    """Both sides in one line."""

    DEFAULT_CSS = "LevelsMeter { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self._levels: Levels | None = None
        self._why_none = ""

    def show(self, levels: Levels | None, why_none: str = "") -> None:
        """Shows ``levels``; without any, ``why_none``."""
        if (levels, why_none) != (self._levels, self._why_none):
            self._levels, self._why_none = levels, why_none
            self.refresh()

    def render(self) -> Text:
        """The meters, as wide as there is room."""
        if self._levels is None:
            return Text(f"  levels: {self._why_none or 'none yet'}", style="dim")
        half = (self.size.width - 2) // 2
        caller, agent = meter("caller", self._levels.caller_rms, half), meter("AI", self._levels.agent_rms, half)
        return Text.assemble(caller, "  ", agent)
