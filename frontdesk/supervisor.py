"""Keeps a number of workers running behind one port: starts them, replaces those that end, restarts them one after the other."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable

import structlog

from calls.exit_codes import ExitCode
from frontdesk.door import Door
from frontdesk.silence import LOOK_EVERY_S, Silence
from frontdesk.worker_process import WorkerProcess

STARTS = 5
"""A worker that ends so often in a row before it is ready is given up, and the whole service with it."""
FIRST_DELAY_S = 0.2
LAST_DELAY_S = 10.0
SHORT_LIFE_S = 10.0
"""A second worker that ends so soon after it was ready is not replaced at once."""
LAST_REQUEST_S = 0.5
"""Between the last connection a worker is given and the word to go: what the connection was made for is still done as usual."""

log = structlog.get_logger()

Start = Callable[[int, Callable[[], None]], Awaitable[WorkerProcess]]
"""Starts the worker of a place (0, 1, …), which calls back whenever there is news of it."""
Sleep = Callable[[float], Awaitable[None]]


class NoWorker(Exception):
    """A worker does not come up; ``code`` is how its process ended."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Place:
    """Where one worker is, and another when it has ended."""

    def __init__(self, number: int, start: Start, changed: Callable[[], None], sleep: Sleep) -> None:
        self._number, self._start, self._changed, self._sleep = number, start, changed, sleep
        self._stirred = asyncio.Event()
        self._replacing = asyncio.Lock()
        self._short_lives = 0
        self._since_s = 0.0
        self._processes: list[WorkerProcess] = []
        self.worker: WorkerProcess | None = None
        """The one that is ready, or was and has ended."""

    @property
    def processes(self) -> tuple[WorkerProcess, ...]:
        """All that run: the worker, one that is being started, those that were replaced and have calls still."""
        self._processes = [worker for worker in self._processes if not worker.is_gone]
        return tuple(self._processes)

    async def fill(self, *, at_first: bool = False) -> None:
        """Returns once there is a worker. ``at_first``: if it finds that it cannot run at all, it is not tried again.

        Raises:
            NoWorker: none comes up.
        """
        for attempt in range(1, STARTS + 1):
            worker = await self._try()
            if self.worker is worker:
                return
            code = await worker.gone()
            log.error("worker.not_started", worker=self._number, code=code, attempt=attempt)
            if attempt == STARTS or (at_first and code in (ExitCode.USAGE, ExitCode.UNAVAILABLE)):
                raise NoWorker(code)
            await self._sleep(_delay_s(attempt))

    async def keep(self) -> None:
        """Puts another worker in the place of one that has ended, for ever. Raises what :meth:`fill` raises."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            async with self._replacing:
                if self.worker is not None and self.worker.is_gone:
                    await self._pause_after(self.worker)
                    await self.fill()

    async def renew(self) -> bool:
        """Replaces the worker by a new one, which is ready before the old one goes; returns once that has gone.

        ``False``: the new one does not come up, and the old one stays.
        """
        async with self._replacing:
            old = self.worker
            new = await self._try()
        if self.worker is not new:
            log.error("worker.not_replaced", worker=self._number, code=await new.gone())
            return False
        if old is not None:
            old.pass_over()
            await self._sleep(LAST_REQUEST_S)
            old.leave()
            await old.gone()
        return True

    async def _try(self) -> WorkerProcess:
        """One start. The worker is in its place afterwards if it came up."""
        worker = await self._start(self._number, self._stir)
        self._processes.append(worker)
        if await worker.came_up():
            self.worker, self._since_s = worker, _now_s()
            log.info("worker.ready", worker=self._number, pid=worker.pid)
            self._stir()
        return worker

    async def _pause_after(self, worker: WorkerProcess) -> None:
        log.error("worker.ended", worker=self._number, pid=worker.pid, code=await worker.gone())
        self._short_lives = self._short_lives + 1 if _now_s() - self._since_s < SHORT_LIFE_S else 0
        if self._short_lives > 1:
            await self._sleep(_delay_s(self._short_lives - 1))

    def _stir(self) -> None:
        self._stirred.set()
        self._changed()


class Supervisor:
    """Runs ``count`` workers behind ``listener``, which it closes at the end."""

    def __init__(
        self,
        listener: socket.socket,
        count: int,
        start: Start,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """``sleep`` is given for tests."""
        self._told: list[Callable[[], None]] = []
        self._door = Door(listener, self._takers)
        self._places = [Place(number, start, self._changed, sleep) for number in range(count)]
        self._roll_wanted = asyncio.Event()
        self._times_told = 0
        self._work: asyncio.Task[None] | None = None

    @property
    def workers(self) -> tuple[WorkerProcess, ...]:
        """Those that are in their places and run."""
        return tuple(place.worker for place in self._places if place.worker is not None and not place.worker.is_gone)

    @property
    def live_calls(self) -> int:
        """How many calls all workers have, those that are leaving too."""
        return sum(worker.live_calls for worker in self._processes())

    def on_change(self, tell: Callable[[], None]) -> None:
        """``tell`` is called whenever ``live_calls`` may be another."""
        self._told.append(tell)

    async def run(self, ready: Callable[[], None]) -> None:
        """Serves until it is told to go and every worker has ended. ``ready`` is called once all of them are.

        Raises:
            NoWorker: a worker does not come up. The others have been asked to go, and have ended.
        """
        self._work = asyncio.create_task(self._keep_all(ready), name="workers")
        watch = asyncio.create_task(self._kill_what_hangs(), name="silence")
        await asyncio.wait([self._work])
        for worker in self._processes():
            if not worker.is_leaving:
                worker.leave()
        while left := self._processes():
            await left[0].gone()
        watch.cancel()
        self._door.close()
        if not self._work.cancelled():
            self._work.result()

    def on_signal(self, number: int) -> None:
        """SIGHUP: one worker after the other is replaced. Any other: all go; told again: at once; a third time: they are killed."""
        if number == signal.SIGHUP:
            self._roll_wanted.set()
            return
        self._times_told += 1
        if self._work is not None:
            self._work.cancel()
        for worker in self._processes():
            if self._times_told > 2:
                worker.kill()
            else:
                worker.leave()

    async def _keep_all(self, ready: Callable[[], None]) -> None:
        """The first worker alone: it may have a store to make, and if nothing comes up the reason is told once."""
        first, *others = self._places
        await first.fill(at_first=True)
        try:
            async with asyncio.TaskGroup() as tasks:
                for place in others:
                    tasks.create_task(place.fill())
            ready()
            async with asyncio.TaskGroup() as tasks:
                for place in self._places:
                    tasks.create_task(place.keep())
                tasks.create_task(self._roll())
        except* NoWorker as failed:
            raise _one_of(failed) from None

    async def _roll(self) -> None:
        while True:
            await self._roll_wanted.wait()
            self._roll_wanted.clear()
            log.info("workers.replacing")
            log.info("workers.replaced", workers=await self._renew_all())

    async def _kill_what_hangs(self) -> None:
        """Its calls hear nothing any more; once it is gone Twilio asks what comes next, and others carry them on."""
        silence = Silence[WorkerProcess]()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for worker in silence.hung(_now_s(), {worker: worker.beats for worker in self._processes()}):
                log.error("worker.hung", pid=worker.pid, live_calls=worker.live_calls)
                worker.kill()

    async def _renew_all(self) -> int:
        """One after the other, until one does not come up: then the rest would not either, and those there are stay."""
        for replaced, place in enumerate(self._places):
            if not await place.renew():
                return replaced
        return len(self._places)

    def _changed(self) -> None:
        self._door.changed()
        for tell in self._told:
            tell()

    def _takers(self) -> list[WorkerProcess]:
        """Who takes connections: those who stay, and while everybody is going, those who have calls still; the others end any moment."""
        ready = [worker for worker in self._processes() if worker.is_ready]
        staying = [worker for worker in ready if not worker.is_passed_over]
        return staying or [worker for worker in ready if worker.live_calls] or ready

    def _processes(self) -> list[WorkerProcess]:
        return [worker for place in self._places for worker in place.processes]


def _one_of(failed: BaseExceptionGroup[NoWorker]) -> NoWorker:
    error = failed.exceptions[0]
    return _one_of(error) if isinstance(error, BaseExceptionGroup) else error


def _delay_s(failures: int) -> float:
    return float(min(FIRST_DELAY_S * 2 ** (failures - 1), LAST_DELAY_S))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
