"""``frontdesk serve``."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable

import structlog

from calls.exit_codes import ExitCode
from frontdesk.chores import ALL_CHORES, Chores
from frontdesk.entrance import Entrance, Listener
from frontdesk.logs import set_up_logs
from frontdesk.runner import run
from frontdesk.serving import Deployment, deployed, run_until
from frontdesk.settings import Settings
from frontdesk.starting import announce, exit_code_of, listening

FULL_COLLECTION_AFTER = 30
"""Collections of the middle generation, the usual being 10: a burst of calls is not to be greeted between full ones. What the web
server leaves of its connections stays longer for it; ended calls need no collection."""

log = structlog.get_logger()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Departure:
    """Whether the process has been told to go, and whether it has been told again. Told a third time, it is gone: ``kill``."""

    def __init__(self, kill: Callable[[], None] = _kill) -> None:
        self.leave, self.leave_now = asyncio.Event(), asyncio.Event()
        self._kill = kill
        self._tellings = 0
        self.is_orphan = False
        """Whether whoever looked after the process has gone without a word."""

    def told(self) -> None:
        """It is told to go."""
        self._tellings += 1
        self.leave.set()
        if self._tellings > 1:
            self.leave_now.set()
        if self._tellings > 2:
            self._kill()

    def orphaned(self) -> None:
        """Nobody looks after it any more: it goes at once."""
        self.is_orphan = True
        self.leave.set()
        self.leave_now.set()


def serve() -> int:
    """Answers calls until told to stop. Returns the exit code."""
    set_up_logs()
    return exit_code_of(_serve_alone)


async def answer_calls(
    settings: Settings,
    entrance: Entrance,
    departure: Departure,
    ready: Callable[[Deployment], None],
    chores: Chores = ALL_CHORES,
) -> None:
    """Answers calls until told to go, by a signal or otherwise; ``ready`` is called once it does.

    Raises what :func:`frontdesk.serving.deployed` raises.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, departure.told)
    async with deployed(settings, entrance, chores=chores) as deployment:
        # A full collection stops every call; without all that start-up made, and nothing frees, it takes 15 ms instead of 60.
        gc.collect()
        gc.freeze()
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, FULL_COLLECTION_AFTER)
        ready(deployment)
        await run_until(deployment, departure.leave, departure.leave_now, settings.bridge.drain_s)


def _serve_alone() -> int:
    settings, listener = listening()
    entrance = Listener(listener)
    run(answer_calls(settings, entrance, Departure(), lambda _: announce(settings, entrance.url)))
    log.info("serve.stopped")
    return ExitCode.OK
