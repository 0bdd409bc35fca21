"""What a screen is for, and its keys."""

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from console import keys


class HelpScreen(ModalScreen[None]):
    """The help of one screen."""

    BINDINGS: ClassVar[list[BindingType]] = keys.HELP

    def __init__(self, screen: type[Screen[object]]) -> None:
        super().__init__()
        self.about = str(getattr(screen, "HELP", ""))
        self.bindings = [*keys.bound_by(screen), *(one for one in keys.EVERYWHERE if isinstance(one, Binding))]

    def compose(self) -> ComposeResult:
        """What it is for, then the keys."""
        with VerticalScroll(id="help") as box:
            box.border_subtitle = "Esc closes"
            yield Static(self.about, id="about", markup=False)
            yield Static(key_table(self.bindings), id="keys")

    def action_scroll(self, lines: int) -> None:
        """Scrolls the text."""
        self.query_one("#help").scroll_relative(y=lines, animate=False)


def key_table(bindings: list[Binding]) -> Table:
    """Keys and their sentences; each action once, with all its keys."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for binding in bindings:
        table.add_row(Text(keys.shown(binding.key), "bold"), Text(binding.tooltip or binding.description))
    return table
