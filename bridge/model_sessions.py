"""One call's sockets to the model: the one it speaks to, and those that are being opened to take its place."""

import asyncio
from collections.abc import Callable

from bridge.conversation import inputs as given
from bridge.conversation.model_errors import is_hopeless_status
from bridge.model_breaker import ModelBreaker
from bridge.model_socket import ModelSocket, ModelUnreachable

BARRED = "no model has answered lately"


class ModelSessions:
    """Sockets by the number of their session. ``step`` hands the core what happens; it is never called before the method returns that
    made it happen."""

    __slots__ = ("_breaker", "_in_use", "_left", "_loop", "_now_ms", "_sockets", "_step", "_tasks", "_used")

    def __init__(self, breaker: ModelBreaker, now_ms: Callable[[], float], step: Callable[[given.AnyInput], None]) -> None:
        self._breaker = breaker
        self._now_ms = now_ms
        self._step = step
        self._loop = asyncio.get_running_loop()
        self._used = 0
        self._in_use: ModelSocket | None = None
        self._sockets: dict[int, ModelSocket] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._left: set[asyncio.Task[None]] = set()

    def open(self, session: int, socket: ModelSocket) -> None:
        """Connects, unless nothing has connected lately."""
        if not self._breaker.lets_through():
            self._loop.call_soon(self._step, given.ModelClosed(BARRED, session, hopeless=True))
            return
        self._sockets[session] = socket
        self._in_use = self._sockets.get(self._used)
        self._tasks[session] = asyncio.create_task(self._run(session, socket), name=f"model-{session}")

    def use(self, session: int) -> None:
        """What is sent from here on goes to this one; the others are closed."""
        self._used = session
        self._in_use = self._sockets.get(session)
        for other in [number for number in self._tasks if number != session]:
            self._leave(other)

    def send(self, text: str) -> None:
        """Queues an event for the session in use; without one it is dropped."""
        socket = self._in_use
        if socket is not None and not socket.send(text):
            self._loop.call_soon(self._step, given.ModelClosed("does not read what it is sent", self._used))
            self._leave(self._used)

    def close(self) -> None:
        """No session is needed any more."""
        for session in list(self._tasks):
            self._leave(session)

    async def finished(self, within_s: float) -> list[asyncio.Task[None]]:
        """Lets the sockets say goodbye; returns the tasks there are."""
        tasks = [*self._tasks.values(), *self._left]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        return tasks

    def fall_apart(self) -> None:
        """Nobody is told anything any more, and so nobody has to be known."""
        self._step, self._now_ms = _nobody, _never

    def _leave(self, session: int) -> None:
        task = self._tasks.pop(session)
        del self._sockets[session]
        self._in_use = self._sockets.get(self._used)
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        task.cancel()

    async def _run(self, session: int, socket: ModelSocket) -> None:
        began_ms = self._now_ms()

        def opened() -> None:
            age_s = socket.warm_age_s
            if age_s is None:
                self._breaker.succeeded()
            opened = given.ModelOpened(self._now_ms() - began_ms, age_s is not None, (age_s or 0.0) * 1000, session)
            self._step(opened)

        try:
            reason = await socket.run(opened=opened, received=lambda frame: self._step(given.ModelFrame(frame, session)))
        except ModelUnreachable as unreachable:
            self._breaker.failed()
            hopeless = unreachable.status is not None and is_hopeless_status(unreachable.status)
            self._step(given.ModelClosed(str(unreachable), session, hopeless=hopeless))
        else:
            self._step(given.ModelClosed(reason, session))


def _nobody(_: given.AnyInput) -> None:
    """Whom an ended call's sockets tell."""


def _never() -> float:
    return 0.0
