"""The questions before a call is ended or handed over. They name the call; the harmless answer has the focus."""

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from console import keys
from console.actions import Deed, PinnedCall, pin

if TYPE_CHECKING:
    from console.app import ConsoleApp

ACK_LENGTH = 4
"""Characters of the call id that have to be typed before it is cut off."""


class Question(ModalScreen[bool]):
    """Asks whether to go on; true if so."""

    AUTO_FOCUS = "#cancel"

    def __init__(self, pinned: PinnedCall, deed: Deed) -> None:
        super().__init__()
        self.pinned = pinned
        self.deed = deed
        self._told = pinned.describe()

    def compose(self) -> ComposeResult:
        """The call, what will happen, and both answers."""
        with Vertical(id="dialog"):
            yield Label(self.deed.title, id="title", markup=False)
            yield Static(self.pinned.describe(), id="who")
            yield Label(self.deed.consequence, id="consequence", markup=False)
            yield from self.answers()

    def paint(self) -> None:
        """Keeps age and phase of the pinned call true while the operator thinks."""
        who = self.query("#who")
        desk = cast("ConsoleApp", self.app)
        row = desk.board.rows.get(self.pinned.call_sid)
        if row is not None and who:
            now = pin(row, desk.now()).describe()
            if now != self._told:
                self._told = now
                who.first(Static).update(now)

    def answers(self) -> ComposeResult:
        """The buttons; the harmless one first."""
        raise NotImplementedError

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "do")

    def action_answer(self, yes: bool) -> None:
        """A key has answered."""
        self.dismiss(yes)


class ConfirmScreen(Question):
    """The plain question: yes or no."""

    BINDINGS: ClassVar[list[BindingType]] = keys.CONFIRM

    def answers(self) -> ComposeResult:
        """The two buttons, with their letters."""
        with Horizontal(id="buttons"):
            yield Button("Cancel (n)", id="cancel")
            yield Button(f"{self.deed.button} (y)", id="do", variant="error")


class ForceScreen(Question):
    """The stronger question: the end of the call's id has to be typed."""

    BINDINGS: ClassVar[list[BindingType]] = keys.TYPED

    def answers(self) -> ComposeResult:
        """The field to type into, and the buttons; the other one opens only when the field is right."""
        yield Label(f"Type {self.wanted} (the end of the id) to go on:", id="ask", markup=False)
        yield Input(id="ack", max_length=ACK_LENGTH, select_on_focus=False, compact=True)
        with Horizontal(id="buttons"):
            yield Button("Cancel", id="cancel")
            yield Button(self.deed.button, id="do", variant="error", disabled=True)

    @property
    def wanted(self) -> str:
        """What has to be typed."""
        return self.pinned.call_sid[-ACK_LENGTH:]

    @property
    def right(self) -> bool:
        """Whether it was."""
        return self.query_one("#ack", Input).value.casefold() == self.wanted.casefold()

    @on(Input.Changed, "#ack")
    def _typed(self) -> None:
        self.query_one("#do", Button).disabled = not self.right

    @on(Input.Submitted, "#ack")
    def _entered(self) -> None:
        if self.right:
            self.dismiss(True)

    def on_key(self, event: Key) -> None:
        """Typing goes to the field wherever the focus is."""
        field = self.query_one("#ack", Input)
        if event.is_printable and event.character and event.character != " " and not field.has_focus:
            field.focus()
            field.insert_text_at_cursor(event.character)
            event.stop()
