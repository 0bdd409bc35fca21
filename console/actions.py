"""What an operator can do to a call, the same from every screen.

The call is pinned when the key is pressed: what is asked, sent and reported is about that call, wherever the cursor is by then.
"""

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import BindingType

from console import keys, wording
from console.board import CallRow
from console.endpoint import Endpoint
from console.screens.live import DeskScreen
from console.widgets.cells import drawable, isolated

if TYPE_CHECKING:
    from datetime import datetime

    from console.app import ConsoleApp


ERROR_SHOWN = 300
"""Characters of a refusal that a toast shows."""


@dataclass(frozen=True)
class PinnedCall:
    """The call an action is about, as it was when its key was pressed."""

    call_sid: str
    caller: str
    business_id: str
    age_s: float
    phase: str
    muted: bool

    def names(self) -> str:
        """Who this is, for a title."""
        return isolated(drawable(wording.caller(self.caller)))

    def describe(self) -> Text:
        """Caller, business, age, phase and id: what a dialog shows before it asks."""
        text = Text(self.names(), style="bold", overflow="fold")
        text.append(f"\n{isolated(drawable(self.business_id)) or wording.NOTHING}", style="not bold")
        text.append(
            f"\non the line for {wording.spoken_age(self.age_s)}, {wording.phase(drawable(self.phase))}", style="not bold"
        )
        text.append(f"\n{drawable(self.call_sid)[-34:]}", style="not bold dim")
        return text


def pin(row: CallRow, now: "datetime") -> PinnedCall:
    """The call of ``row``, held fast."""
    return PinnedCall(row.call_sid, row.caller, row.business_id, row.age_s(now), row.phase, row.muted)


@dataclass(frozen=True)
class Deed:
    """One thing an operator can do."""

    title: str
    consequence: str
    """What will happen, in a sentence."""
    button: str
    done: str
    """What a toast says once the bridge has accepted it."""


DEEDS = {
    "hangup": Deed("Hang up?", "The AI says goodbye, then the call ends.", "Hang up", "Hanging up"),
    "force_hangup": Deed(
        "Force hang up?", "The call ends at once, in mid-word. Nothing more is said.", "Force hang up", "Cut off"
    ),
    "escalate": Deed("Hand to a human?", "The AI says so, then the caller is put through.", "Escalate", "Handing over"),
    "whisper": Deed("Whisper to the AI", "The AI is told; the caller does not hear it.", "Whisper", "Whispered"),
    "say": Deed("Have the AI say", "The AI speaks this line to the caller.", "Say", "To be said"),
    "mute": Deed("Mute", "The AI keeps silent.", "Mute", "AI muted"),
    "unmute": Deed("Unmute", "The AI goes on.", "Unmute", "AI speaks again"),
}


class ActingScreen(DeskScreen):
    """A screen with a call to step into. A subclass says which with :meth:`chosen_call`."""

    BINDINGS: ClassVar[list[BindingType]] = keys.STEP_IN

    def chosen_call(self) -> str | None:
        """The id of the call that keys act on now."""
        raise NotImplementedError

    def chosen_row(self) -> CallRow | None:
        """The board's row of that call, if there is one."""
        call_sid = self.chosen_call()
        return None if call_sid is None else self.desk.board.rows.get(call_sid)

    def can_step_in(self) -> bool:
        """Whether commands make sense: allowed, connected, and the call is on."""
        row = self.chosen_row()
        return row is not None and not row.ended and not self.desk.read_only and self.desk.connected

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Greys out what cannot be done now."""
        match action:
            case "step_in":
                return True if self.can_step_in() else None
            case "listen":
                row = self.chosen_row()
                return True if row is not None and not row.ended else None
            case "copy_id":
                return True if self.chosen_call() is not None else None
        return super().check_action(action, parameters)

    def action_step_in(self, action: str) -> None:
        """Pins the call, asks what has to be asked, sends the command and tells how it went."""
        row = self.chosen_row()
        if row is None or not self.can_step_in():
            return
        pinned = pin(row, self.desk.now())
        if action == "mute" and pinned.muted:
            action = "unmute"
        self.desk.run_worker(step_in(self.desk, pinned, action), group="step in", exit_on_error=False)

    def action_listen(self) -> None:
        """Tells how to hear the call: the console itself plays nothing."""
        if (call_sid := self.chosen_call()) is not None:
            command = f"frontdesk listen {drawable(call_sid)}"
            player = "ffplay -nodisp -autoexit -"
            self.desk.copy_to_clipboard(f"{command}{_where(self.desk.connection)} | {player}")
            told = f"Run in another terminal (copied, with address and token):\n{command} | {player}"
            self.desk.notify(told, title="Listen", markup=False, timeout=15)

    def action_copy_id(self) -> None:
        """Copies the call's id."""
        if (call_sid := self.chosen_call()) is not None:
            self.desk.copy_to_clipboard(call_sid)
            self.desk.notify(drawable(call_sid), title="Call id copied", markup=False)


def _where(connection: object) -> str:
    """The options that name this console's bridge; empty if the environment names it already."""
    endpoint = getattr(connection, "endpoint", None)
    if not isinstance(endpoint, Endpoint):
        return ""
    named = {"FRONTDESK_URL": endpoint.url, "FRONTDESK_TOKEN": endpoint.token}
    if all(os.environ.get(name) == value for name, value in named.items()):
        return ""
    return f" --url {shlex.quote(endpoint.url)} --token {shlex.quote(endpoint.token)}"


async def step_in(desk: "ConsoleApp", pinned: PinnedCall, action: str) -> None:
    """Asks, unless nothing has to be asked; sends the command for the pinned call; shows the answer."""
    from console.screens.confirm import ConfirmScreen, ForceScreen  # noqa: PLC0415  (dialogs need this module's types)
    from console.screens.escalate import EscalateScreen  # noqa: PLC0415
    from console.screens.say import SayScreen  # noqa: PLC0415

    text: str | None = None
    to: str | None = None
    match action:
        case "hangup":
            agreed = await desk.push_screen_wait(ConfirmScreen(pinned, DEEDS[action]))
        case "escalate":
            agreed = await desk.push_screen_wait(question := EscalateScreen(pinned, DEEDS[action]))
            to = question.to or None
        case "force_hangup":
            agreed = await desk.push_screen_wait(ForceScreen(pinned, DEEDS[action]))
        case "whisper" | "say":
            text = await desk.push_screen_wait(SayScreen(pinned, DEEDS[action]))
            agreed = bool(text)
        case _:
            agreed = True
    if agreed:
        await _send(desk, pinned, action, text, to)


async def _send(desk: "ConsoleApp", pinned: PinnedCall, action: str, text: str | None, to: str | None) -> None:
    row = desk.board.rows.get(pinned.call_sid)
    if row is None or row.ended:
        desk.notify("This call has ended meanwhile.", title=pinned.names(), severity="warning", markup=False)
        return
    result = await desk.connection.command(pinned.call_sid, action, text, to)
    if result.ok:
        desk.notify(DEEDS[action].done, title=pinned.names(), markup=False)
    else:
        why = drawable(result.error[:ERROR_SHOWN]) or "The bridge said no."
        verb = wording.action(action)
        title = f"{verb[:1].upper()}{verb[1:]}: {pinned.names()}"
        desk.notify(why, title=title, severity="error", markup=False, timeout=10)
