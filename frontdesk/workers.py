"""``frontdesk serve --workers N``: the process that looks after the others.

It does as little as it can, so that nothing of it can fail or stand in anybody's way: it accepts connections and hands them over,
passes on what the workers tell each other, and starts again what has ended.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import click
import structlog

from calls.bus import DEFAULT_URL as MEMORY_BUS
from calls.bus.hub import hub
from calls.exit_codes import ExitCode
from frontdesk.listening import url_of
from frontdesk.logs import set_up_logs
from frontdesk.settings import Settings, SettingsError
from frontdesk.starting import announce, exit_code_of, listening
from frontdesk.supervisor import STARTS, NoWorker, Supervisor
from frontdesk.worker_process import WorkerProcess, start_worker

MEMORY = Path("/dev/shm")  # noqa: S108  # only a folder of our own is made in it
"""Files that are memory, where there are any: counting must never wait for a disk."""
IN_MEMORY = "sqlite::memory:"

log = structlog.get_logger()


def serve_with_workers(count: int) -> int:
    """Answers calls with ``count`` processes until told to stop. Returns the exit code."""
    set_up_logs()
    return exit_code_of(partial(_serve, count))


def _serve(count: int) -> int:
    settings, listener = listening()
    if settings.store == IN_MEMORY and count > 1:
        listener.close()
        raise SettingsError(f"FRONTDESK_STORE={IN_MEMORY} is of one process alone; name a file for {count} workers.")
    with tempfile.TemporaryDirectory(prefix="frontdesk-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        try:
            asyncio.run(_supervise(settings, listener, count, Path(folder)))
        except NoWorker as failed:
            return _given_up(failed.code)
    log.info("serve.stopped")
    return ExitCode.OK


async def _supervise(settings: Settings, listener: socket.socket, count: int, folder: Path) -> None:
    shared = Shared(folder, settings)
    url = url_of(listener)
    async with AsyncExitStack() as stack:
        if settings.bus.url == MEMORY_BUS:
            await stack.enter_async_context(hub(shared.hub))
        supervisor = Supervisor(listener, count, shared.start)
        if settings.bridge.ecs_agent_uri is not None:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared.figures)  # before prometheus_client is loaded, and only if it is
            from frontdesk.protecting import workers_protected  # noqa: PLC0415

            await stack.enter_async_context(workers_protected(settings.bridge.ecs_agent_uri, supervisor))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, supervisor.on_signal, number)
        await supervisor.run(lambda: announce(settings, url, workers=count))


class Shared:
    """What the workers have in common: a folder, and settings that every one of them would otherwise make up for itself."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._starts: Counter[int] = Counter()
        self.hub = folder / "bus"
        """Where the hub listens."""
        self.figures = folder / "figures"
        """Where they count (``prometheus_client.multiprocess``)."""
        self.figures.mkdir()
        self._environment = {
            "PORT": str(settings.port),
            "STREAM_TOKEN_SECRET": settings.bridge.stream_token_secret,
            "PROMETHEUS_MULTIPROC_DIR": str(self.figures),
            "ECS_AGENT_URI": "",  # see frontdesk.protecting
            "FRONTDESK_BUS": settings.bus.url if settings.bus.url != MEMORY_BUS else f"hub:{self.hub}",
        }

    async def start(self, place: int, changed: Callable[[], None]) -> WorkerProcess:
        """Starts the worker of a place."""
        nth, self._starts[place] = self._starts[place], self._starts[place] + 1
        # -P: what lies in the current folder is not taken for a module of ours.
        command = (sys.executable, "-P", "-m", "frontdesk.worker", str(place), str(nth), str(self._folder))
        return await start_worker(command, self._environment, changed, self._forget)

    def _forget(self, pid: int) -> None:
        """What a process that has ended *has*, as opposed to what it has counted, is no more."""
        for figures in self.figures.glob(f"gauge_live*_{pid}.db"):
            figures.unlink(missing_ok=True)


def _given_up(code: int) -> int:
    if code in (ExitCode.USAGE, ExitCode.UNAVAILABLE):
        return code  # the worker has said why, in one sentence
    click.echo(
        f"frontdesk: a worker ended {STARTS} times before it was ready, the last time with exit code {code}; see the log above.",
        err=True,
    )
    return ExitCode.FAILED
