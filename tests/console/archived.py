"""A scripted connection that can also be asked about the past."""

import asyncio
from collections.abc import Iterable

from textual.pilot import Pilot

from calls.exit_codes import ExitCode
from console.app import ConsoleApp
from console.connection import Item
from console.operator_http import OperatorApiError
from console.protocol import CallSummary, Event
from tests.console import examples
from tests.console.scripted import ScriptedConnection, settled


class ScriptedArchive:
    """Answers with what it holds, or with ``error``; with ``held`` set, not before it is let go."""

    def __init__(self) -> None:
        self.listed: list[CallSummary] = examples.calls()
        self.stored: dict[str, list[Event]] = {}
        self.error: OperatorApiError | None = None
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def calls(self, *, live: bool | None = None, business_id: str = "", limit: int = 500) -> list[CallSummary]:
        self.asked.append(f"calls live={live} limit={limit}")
        await self._answered()
        return [call for call in self.listed if live in (None, call.phase != "ended")][:limit]

    async def events(self, call_sid: str, *, after: int = 0) -> list[Event]:
        self.asked.append(f"events {call_sid[-4:]} after={after}")
        await self._answered()
        known = self.stored[call_sid] if call_sid in self.stored else examples.events(call_sid)
        return [event for event in known if event.seq > after]

    async def _answered(self) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error


class ArchivedConnection(ScriptedConnection):
    """A connection with an archive of all the example calls."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        super().__init__(items)
        self.http = ScriptedArchive()


async def loaded(pilot: Pilot[ExitCode]) -> None:
    """What the screen on top asked for has come, and everything is drawn."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await settled(pilot)
    if asked := [worker for worker in app.workers if worker.node is app.screen]:
        await app.workers.wait_for_complete(asked)
    await settled(pilot)
