"""The question before a caller is handed to a human, who may be another than the business's own."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label

from console.screens.confirm import ConfirmScreen

LONGEST = 256
"""Characters of an address; a bridge takes no more."""


class EscalateScreen(ConfirmScreen):
    """Asks whether to go on, and whom to dial. ``to`` is empty for the business's own human."""

    to = ""

    def answers(self) -> ComposeResult:
        """The field for somebody else, and the two buttons."""
        yield Label("Dial somebody else than the business's own human:", id="ask", markup=False)
        yield Input(id="to", max_length=LONGEST, placeholder="+15005550010, client:NAME or sip:NAME@HOST", compact=True)
        with Horizontal(id="buttons"):
            yield Button("Cancel (n)", id="cancel")
            yield Button(f"{self.deed.button} (y)", id="do", variant="error")

    @on(Input.Changed, "#to")
    def _typed(self, event: Input.Changed) -> None:
        self.to = event.value.strip()

    @on(Input.Submitted, "#to")
    def _entered(self) -> None:
        self.dismiss(True)
