"""A connection without a network, and the app on it with a clock that stands still: what tests of the screens drive."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from console.app import ConsoleApp
from console.connection import Connected, Item, Lost
from console.protocol import CallSummary, Result, Snapshot, summary_of
from tests.console import examples
from tests.console.fake_bridge import GUARD_S, START, stamp

SIZE = (80, 24)


class Clock:
    """Says what time it is; a test moves it."""

    def __init__(self, at: datetime = examples.NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def add(self, seconds: float) -> None:
        """Time passes."""
        self.at += timedelta(seconds=seconds)


class ScriptedConnection:
    """Yields what it is told to, and notes the commands."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.commands: list[tuple[str, str, str | None]] = []
        self.targets: list[str] = []
        self.error = ""
        """What commands are answered with; empty: accepted."""
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        for item in items:
            self.tell(item)

    def tell(self, *items: Item) -> None:
        """These come next."""
        for item in items:
            self._items.put_nowait(item)

    async def items(self) -> AsyncIterator[Item]:
        while True:
            item = await self._items.get()
            yield item
            self._items.task_done()

    async def command(self, call_sid: str, action: str, text: str | None = None, to: str | None = None) -> Result:
        self.commands.append((call_sid, action, text))
        if to is not None:
            self.targets.append(to)
        return Result("c1", not self.error, self.error)

    async def taken(self) -> None:
        """Everything told has been taken in."""
        async with asyncio.timeout(GUARD_S):
            await self._items.join()


def call(number: int, **fields: Any) -> CallSummary:
    """A call that began ``number`` minutes after the first of the examples."""
    summary = summary_of(
        {
            "call_sid": f"CA{number:032x}",
            "business_id": "bobs-hvac",
            "from": f"+1500555{number:04}",
            "to": "+15005550006",
            "channel": "pstn",
            "phase": "conversing",
            "started_at": stamp(START + timedelta(seconds=number)),
            "owner": "bridge-1",
            "last_seq": 5,
            "last_line": f"line of call {number}",
            **fields,
        }
    )
    assert summary is not None
    return summary


def connected(*calls: CallSummary) -> Connected:
    """The bridge is there, with these calls on."""
    return Connected(Snapshot(list(calls)))


def examples_connection() -> ScriptedConnection:
    """A connection that tells of all the example calls, event by event."""
    sids = (examples.FURNACE, examples.GARAGE, examples.PRANK, examples.TROUBLE, examples.RINGING)
    return ScriptedConnection([connected(), *(event for sid in sids for event in examples.events(sid))])


def lost(why: str = "the connection was cut", retry_in_s: float = 3.0) -> Lost:
    return Lost(why, retry_in_s)


def console(connection: ScriptedConnection, *, read_only: bool = False, clock: Clock | None = None) -> ConsoleApp:
    """The app, not yet running."""
    return ConsoleApp(connection, read_only=read_only, now=clock or Clock())


async def settled(pilot: Pilot[Any]) -> None:
    """Everything told has been read, painted and drawn."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    connection = app.connection
    assert isinstance(connection, ScriptedConnection)
    await connection.taken()
    await pilot.pause()
    app.flush()
    for field in app.screen.query(Input):
        field.cursor_blink = False
    await pilot.pause()
    assert app.unusable == 0


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Presses keys, then waits until they have had their effect."""
    await pilot.press(*keys)
    await settled(pilot)


def on_screen(app: ConsoleApp) -> str:
    """What the screen shows, as lines of text."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
