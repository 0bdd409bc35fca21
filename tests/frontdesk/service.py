"""``frontdesk serve --workers N`` as processes, with nobody at the other ends: what it says of itself, and what it answers."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

import aiohttp

BUSINESSES = Path(__file__).parents[2] / "businesses"
WITHIN_S = 60.0


class Service:
    """A running service."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Event()
        self.lines: list[dict[str, Any]] = []
        """What it has logged."""
        self.sentences: list[str] = []
        """What else it has said."""
        self._reading = asyncio.create_task(self._read())

    def signal(self, number: int) -> None:
        """Sends the supervisor a signal."""
        self._process.send_signal(number)

    async def said(self, event: str, times: int = 1) -> list[dict[str, Any]]:
        """The first so many lines about something, waited for if need be."""

        def told() -> list[dict[str, Any]]:
            return [line for line in self.lines if line["event"] == event]

        async with asyncio.timeout(WITHIN_S):
            while len(told()) < times and not self._reading.done():
                self._changed.clear()
                await asyncio.wait(
                    [asyncio.ensure_future(self._changed.wait()), self._reading], return_when=asyncio.FIRST_COMPLETED
                )
                self._changed.set()
        assert len(told()) >= times, (self.lines, self.sentences)
        return told()[:times]

    async def url(self) -> str:
        """Where it listens, once it is ready."""
        return str((await self.said("serve.ready"))[0]["listening"])

    async def pids(self, times: int) -> list[int]:
        """The process ids of the first so many workers that have come up."""
        return [int(line["pid"]) for line in await self.said("worker.ready", times)]

    async def exit_code(self) -> int:
        """Waits for its end, and for everybody who could still say something."""
        async with asyncio.timeout(WITHIN_S):
            await self._reading
            return await self._process.wait()

    async def end(self) -> None:
        """Ends it at once, and its workers with it."""
        with suppress(ProcessLookupError):
            self._process.send_signal(SIGKILL)
        await self.exit_code()

    async def _read(self) -> None:
        """To the end: nobody is left who could write."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.sentences.append(line.decode().strip())
            self._changed.set()


@asynccontextmanager
async def service(folder: Path, *arguments: str, **environment: str) -> AsyncIterator[Service]:
    """A service; ended at the end, whatever became of it."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH", "LANG")}
    settings = {
        "PORT": "0",
        "OPENAI_API_KEY": "nobody's",
        "OPENAI_REALTIME_URL": "ws://127.0.0.1:9/v1/realtime",
        "FRONTDESK_VERIFY_TWILIO": "off",
        "FRONTDESK_WARM_SOCKETS": "0",
        "FRONTDESK_BUSINESSES": str(BUSINESSES),
        "FRONTDESK_STORE": f"sqlite:{folder / 'calls.db'}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from frontdesk.cli import main; main()", "serve", *arguments),
        env=inherited | settings | environment,
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Service(process)
    try:
        yield running
    finally:
        await running.end()


async def fetched(url: str) -> tuple[int, str]:
    """Status and text of a page, over a connection of its own."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.get(url, timeout=aiohttp.ClientTimeout(WITHIN_S)) as response,
    ):
        return response.status, await response.text()


async def is_so(condition: Callable[[], bool]) -> None:
    """Returns once it is: there is no other sign of it than that."""
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.to_thread(lambda: None)


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
