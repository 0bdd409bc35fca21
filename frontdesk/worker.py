"""One worker of ``frontdesk serve --workers N``: answers the calls whose connections its supervisor hands over.

It is run as ``python -m frontdesk.worker PLACE START FOLDER DESCRIPTOR``. When the supervisor has gone it goes, too: its calls are
left to be resumed by others.
"""

import asyncio
import shutil
import signal
import socket
import sys
from pathlib import Path

import structlog

from calls.exit_codes import ExitCode
from frontdesk.chores import Chores, chores_of
from frontdesk.handed_over import HandedOver
from frontdesk.logs import set_up_logs
from frontdesk.runner import run
from frontdesk.serve import Departure, answer_calls
from frontdesk.serving import Deployment
from frontdesk.settings import read_settings
from frontdesk.silence import beat
from frontdesk.starting import exit_code_of
from frontdesk.worker_channel import WorkerEnd

log = structlog.get_logger()


def main(place: int, start: int, folder: Path, descriptor: int) -> int:
    """Answers calls until told to go. Returns the exit code.

    Args:
        place: which of the workers this is, from 0.
        start: how many were in its place before.
        folder: what the workers share; removed when there is no supervisor left to do so.
        descriptor: of the channel to the supervisor.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is meant for the supervisor
    set_up_logs()
    end = WorkerEnd(socket.socket(fileno=descriptor))
    try:
        return exit_code_of(lambda: run(_work(end, folder, chores_of(place, is_first_start=start == 0))))
    except OSError:
        if folder.exists():
            raise
        log.error("worker.orphaned")  # before it was ready, and another has cleared up already
        return ExitCode.OK


async def _work(end: WorkerEnd, folder: Path, chores: Chores) -> int:
    settings = read_settings()
    set_up_logs(level=settings.watch.log_level, form=settings.watch.log_format)
    departure = Departure()
    entrance = HandedOver(end, f"http://{settings.host}:{settings.port}", orphaned=departure.orphaned)
    finishing = asyncio.create_task(_finish(entrance, departure), name="finish")
    up = asyncio.Event()
    beating = asyncio.create_task(beat(end, up), name="beat")
    try:
        await answer_calls(settings, entrance, departure, lambda deployment: _ready(end, deployment, up), chores)
    finally:
        finishing.cancel()
        beating.cancel()
    if departure.is_orphan:
        log.error("worker.orphaned")
        shutil.rmtree(folder, ignore_errors=True)
    return ExitCode.OK


def _ready(end: WorkerEnd, deployment: Deployment, up: asyncio.Event) -> None:
    capacity = deployment.bridge.capacity
    capacity.on_change(lambda: end.calls(capacity.live_calls))
    end.ready()
    up.set()


async def _finish(entrance: HandedOver, departure: Departure) -> None:
    """Who has been told to go takes no further request on the connections there are; the supervisor hands over more only if all go."""
    await departure.leave.wait()
    await entrance.finish()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
