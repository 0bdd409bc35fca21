"""A worker as its supervisor sees it: a process of its own, and the channel to it."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from frontdesk.worker_channel import ChannelClosed, SupervisorEnd, channel


class WorkerProcess:
    """One process. Made by :func:`start_worker`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        end: SupervisorEnd,
        changed: Callable[[], None],
        ended: Callable[[int], None],
    ) -> None:
        self._process, self._end, self._changed, self._ended = process, end, changed, ended
        self._loop = asyncio.get_running_loop()
        self._up: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(end, self._read)
        self._gone = asyncio.create_task(self._until_gone(), name=f"worker-{process.pid}")
        self._gone.add_done_callback(lambda _: changed())
        self.is_passed_over = False
        """Whether it is to be given no more connections if anybody else takes them."""
        self.is_leaving = False
        """Whether it has been told to go."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it takes connections."""
        return self._end.is_ready and not self._gone.done()

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self._gone.done()

    @property
    def open_connections(self) -> int:
        """How many it has."""
        return self._end.open_connections

    @property
    def live_calls(self) -> int:
        """How many calls it has."""
        return 0 if self.is_gone else self._end.live_calls

    @property
    def beats(self) -> int:
        """How often it has said that it lives."""
        return self._end.beats

    def hand_over(self, connection: socket.socket) -> bool:
        """Gives it a connection; ``False``: it does not take it."""
        return self._end.hand_over(connection)

    async def came_up(self) -> bool:
        """Waits until it is ready, or has ended without ever being so."""
        either: tuple[asyncio.Future[Any], ...] = (self._up, self._gone)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return self._up.done()

    async def gone(self) -> int:
        """Waits for its end. Returns its exit code; negative: the signal that ended it."""
        return await asyncio.shield(self._gone)

    def pass_over(self) -> None:
        """It is given no more connections if anybody else takes them."""
        self.is_passed_over = True
        self._changed()

    def leave(self) -> None:
        """SIGTERM, as often as this is called."""
        self.is_leaving = True
        self._send(signal.SIGTERM)
        self.pass_over()

    def kill(self) -> None:
        """SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _read(self) -> None:
        try:
            self._end.read()
        except ChannelClosed:
            self._let_go()
        if self._end.is_ready and not self._up.done():
            self._up.set_result(None)
        self._changed()

    async def _until_gone(self) -> int:
        code = await self._process.wait()
        self._let_go()
        self._ended(self.pid)
        return code

    def _let_go(self) -> None:
        if self._end.fileno() != -1:
            self._loop.remove_reader(self._end)
            self._end.close()
        self._end.is_ready = False
        self._changed()


async def start_worker(
    command: Sequence[str],
    environment: Mapping[str, str],
    changed: Callable[[], None],
    ended: Callable[[int], None] = lambda _: None,
) -> WorkerProcess:
    """Runs ``command``, the number of its end's descriptor added, in a process group of its own: Ctrl+C is for the supervisor.

    Args:
        environment: what it is given besides this process's own.
        changed: called when there is news of the worker: it takes connections, or no more, or has other calls than before.
        ended: told the process id once the process has ended.
    """
    ours, theirs = channel()
    inherited = theirs.fileno()
    try:
        process = await asyncio.create_subprocess_exec(
            *command, str(inherited), env={**os.environ, **environment}, pass_fds=(inherited,), process_group=0
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return WorkerProcess(process, ours, changed, ended)
