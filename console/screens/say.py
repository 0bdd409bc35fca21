"""Where an operator writes what the AI is told or is to say."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from console import keys
from console.actions import Deed, PinnedCall

LONGEST = 2_000
"""Characters of one line; a bridge takes no more."""


class SayScreen(ModalScreen[str | None]):
    """Asks for one line; ``None`` if nothing is to be sent."""

    BINDINGS: ClassVar[list[BindingType]] = keys.SAY
    AUTO_FOCUS = "#line"

    def __init__(self, pinned: PinnedCall, deed: Deed) -> None:
        super().__init__()
        self.pinned = pinned
        self.deed = deed

    def compose(self) -> ComposeResult:
        """The call, what becomes of the line, and the line."""
        with Vertical(id="dialog"):
            yield Label(self.deed.title, id="title", markup=False)
            yield Static(self.pinned.describe(), id="who")
            yield Label(self.deed.consequence, id="consequence", markup=False)
            yield Input(id="line", max_length=LONGEST)
            yield Label(f"Enter: {self.deed.button.lower()}   Esc: cancel", id="ask", markup=False)

    @on(Input.Submitted, "#line")
    def _entered(self, event: Input.Submitted) -> None:
        if line := event.value.strip():
            self.dismiss(line)
