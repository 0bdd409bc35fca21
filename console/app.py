"""The operator console on a terminal: one process, one connection, a few paints a second.

A worker reads the connection into the board and the stories; nothing is drawn for a message. A timer paints what has changed
since, so that twenty calls or two hundred cost the same few paints.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import ClassVar, Protocol

from textual.app import App
from textual.binding import BindingType
from textual.command import CommandPalette
from textual.screen import ModalScreen, Screen

from calls.cli_output import narrate
from calls.exit_codes import ExitCode
from console import keys
from console.board import Board
from console.catching_up import Missing
from console.connection import Connected, Item, Lost, OperatorConnection, Refused
from console.endpoint import Endpoint
from console.palette import ConsoleCommands
from console.protocol import BusChanged, Event, Levels, Partial, PhaseChanged, Result
from console.screens.calls import CallsScreen
from console.screens.live import Painted
from console.screens.overview import OverviewScreen
from console.story import Story
from console.widgets.cells import drawable
from console.widgets.status_bar import LinkState, Pill, StatusBar, calls_in_words

FLUSH_S = 0.15
"""Between two paints. With the paint itself, what happens is on the screen within 300 ms."""
READ_AT_ONCE_S = 0.01
"""A flood of messages leaves the keys their turn after this long."""
STORIES_KEPT = 300


class Connection(Protocol):
    """What the app needs of :class:`console.connection.OperatorConnection`."""

    def items(self) -> AsyncIterator[Item]:
        """What happens, as it happens."""
        ...

    async def command(self, call_sid: str, action: str, text: str | None = None, to: str | None = None) -> Result:
        """Sends a command and waits for the answer. Never raises."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


class ConsoleApp(App[ExitCode]):
    """The console. ``now`` is the clock."""

    TITLE = "Frontdesk"
    CSS_PATH = "console.tcss"
    BINDINGS: ClassVar[list[BindingType]] = keys.EVERYWHERE
    COMMANDS: ClassVar = {ConsoleCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-wide")]  # noqa: RUF012  (an instance variable to the framework)

    def __init__(self, connection: Connection, *, read_only: bool = False, now: Callable[[], datetime] = _now) -> None:
        super().__init__()
        self.connection = connection
        self.read_only = read_only
        self.now = now
        self.board = Board()
        self.stories: dict[str, Story] = {}
        """What is known of each call's conversation; the latest :data:`STORIES_KEPT` calls."""
        self.link = LinkState()
        self.unusable = 0
        """Messages that the console itself failed on; more than none is a fault of the console."""
        self.missing: dict[str, str] = {}
        """Calls of which events got lost on the way, and why."""
        self.bus_is_down = False
        """Whether the bridge and its fellows can tell each other nothing."""
        self.refused = ""
        """Why the bridge let nobody in, if it never did."""

    @property
    def connected(self) -> bool:
        """Whether the bridge is there: what is shown is current, and commands can be sent."""
        return self.link.state == "live"

    def story(self, call_sid: str) -> Story:
        """The conversation of a call; begun if nothing is known of it yet."""
        story = self.stories.get(call_sid)
        if story is None:
            while len(self.stories) >= STORIES_KEPT:
                self._drop_a_story()
            story = self.stories[call_sid] = Story(call_sid)
        return story

    # --- life

    def on_mount(self) -> None:
        """Shows the calls, reads the connection, paints on time."""
        self.push_screen(CallsScreen())
        self.run_worker(self._read(), name="connection", exit_on_error=True)
        self.set_interval(FLUSH_S, self.flush)

    async def _read(self) -> None:
        since = perf_counter()
        async for item in self.connection.items():
            self.take(item)
            if perf_counter() - since > READ_AT_ONCE_S:
                await asyncio.sleep(0)
                since = perf_counter()

    def take(self, item: Item) -> None:
        """Counts in what happened. Nothing a bridge can send makes it raise."""
        try:
            self._take(item)
        except Exception:  # one bad message must not cost the operator the other calls
            self.unusable += 1

    def _take(self, item: Item) -> None:
        match item:
            case Connected(snapshot):
                self.board.take(snapshot, self.now())
                self.bus_is_down = False  # if it is, the bridge says so again
                self._link(LinkState("live"))
            case Lost(why, retry_in_s):
                self._link(LinkState("lost", why, self.now() + timedelta(seconds=retry_in_s)))
            case Refused(why):
                self._refuse(why)
            case BusChanged():
                self._bus(item)
            case Missing(call_sid, why):
                if len(self.missing) < STORIES_KEPT:
                    self.missing[call_sid] = why
            case Event() | Partial() | Levels() | PhaseChanged():
                self.board.take(item, self.now())
                self.story(item.call_sid).take(item)
            case _:
                pass

    def _link(self, link: LinkState) -> None:
        self.link = link
        self.flush()

    def _bus(self, bus: BusChanged) -> None:
        if bus.up == self.bus_is_down:
            self.notify(drawable(bus.message), severity="information" if bus.up else "warning", markup=False)
        self.bus_is_down = not bus.up
        self.flush()

    def _refuse(self, why: str) -> None:
        if self.link.state == "connecting":
            self.refused = why
            self.exit(ExitCode.FAILED, return_code=ExitCode.FAILED)
        self._link(LinkState("refused", why))

    def _drop_a_story(self) -> None:
        """The oldest of a call that is over, or else the oldest, but not one that is being looked at."""
        looked_at = {getattr(screen, "call_sid", None) for screen in self.screen_stack}
        candidates = [call_sid for call_sid in self.stories if call_sid not in looked_at] or list(self.stories)
        rows = self.board.rows
        over = (call_sid for call_sid in candidates if call_sid not in rows or rows[call_sid].ended)
        del self.stories[next(over, candidates[0])]

    # --- painting

    def flush(self) -> None:
        """Paints what has changed on the screens in sight."""
        if not self.is_running or not self.screen_stack:
            return
        self.board.forget_old(self.now())
        with self.batch_update():
            for screen in self._in_sight():
                self._paint(screen)
        self.board.dirty.clear()

    def _in_sight(self) -> list[Screen[object]]:
        """The screen on top, and below dialogs what shows through."""
        seen: list[Screen[object]] = []
        for screen in reversed(self.screen_stack):
            seen.append(screen)
            if not isinstance(screen, ModalScreen | CommandPalette):
                break
        return seen

    def _paint(self, screen: Screen[object]) -> None:
        if not screen.is_mounted:
            return
        if isinstance(screen, Painted):
            screen.paint()
        for bar in screen.query(StatusBar):
            bar.paint(self.link, self.now(), self._calls(), self.tab, self._pills())

    def _calls(self) -> str:
        board = self.board
        known = board.rows or self.connected
        return calls_in_words(board.live, len(board.rows) - board.live, board.not_listed) if known else ""

    def _pills(self) -> list[Pill]:
        pills: list[Pill] = [("READ-ONLY", "note")] if self.read_only else []
        if self.bus_is_down:
            pills.append(("bus down", "bad"))
        if self.missing:
            pills.append((f"{len(self.missing)} with gaps", "bad"))
        return pills

    # --- screens

    @property
    def tab(self) -> str:
        """Which of the numbered screens is open."""
        names = {"CallsScreen": "calls", "OverviewScreen": "overview", "HistoryScreen": "history"}
        return next(
            (names[type(screen).__name__] for screen in reversed(self.screen_stack) if type(screen).__name__ in names), ""
        )

    def action_go(self, tab: str) -> None:
        """Opens one of the numbered screens; the live calls are always below."""
        if tab == self.tab and not isinstance(self.screen, ModalScreen) and len(self.screen_stack) <= self._depth(tab):
            return
        while len(self.screen_stack) > self._depth("calls"):
            self.pop_screen()
        if tab == "overview":
            self.push_screen(OverviewScreen())
        elif tab == "history":
            from console.screens.history import HistoryScreen  # noqa: PLC0415  (not before it is asked for: the start is quick)

            self.push_screen(HistoryScreen())
        self.call_after_refresh(self.flush)

    def _depth(self, tab: str) -> int:
        """How many screens are open when a numbered one is on top: the blank one below, the calls, and the other."""
        return 2 if tab == "calls" else 3

    def open_call(self, call_sid: str) -> None:
        """Opens one call."""
        from console.screens.call import CallScreen  # noqa: PLC0415  (likewise)

        self.push_screen(CallScreen(call_sid))
        self.call_after_refresh(self.flush)

    def action_leave(self) -> None:
        """Goes back; quits from the live calls."""
        if len(self.screen_stack) > self._depth("calls"):
            self.pop_screen()
        else:
            self.exit(ExitCode.OK)

    def action_help(self) -> None:
        """Tells what the screen is for."""
        from console.screens.help import HelpScreen  # noqa: PLC0415  (likewise)

        self.push_screen(HelpScreen(type(self.screen)))


def run_console(endpoint: Endpoint, *, read_only: bool) -> ExitCode:
    """Runs the console until the operator leaves it. The caller has made sure that there is a terminal."""
    app = asyncio.run(_run(endpoint, read_only=read_only))
    if app.refused:
        narrate(f"frontdesk: error: {app.refused}")
    return app.return_value if app.return_value is not None else ExitCode(app.return_code or 0)


async def _run(endpoint: Endpoint, *, read_only: bool) -> ConsoleApp:
    async with OperatorConnection(endpoint) as connection:
        app = ConsoleApp(connection, read_only=read_only)
        await app.run_async()
        return app
