"""The model's socket: connects, hands over what arrives, sends what it is given."""

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from bridge.frame_engine.client import EngineConnection
from bridge.settings import ModelEndpoint

OPEN_TIMEOUT_S = 6.0
MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Far above any event seen; the library's own megabyte is not."""
PING_EVERY_S = 5.0
"""A connection that has died without a word is noticed within twice this, even while nothing is asked of the model."""
QUEUED_EVENTS = 1500
"""Events waiting to be sent: 30 s of caller audio. More means that the model does not listen."""
PONG_WITHIN_S = 1.0
"""A socket opened before the call that takes longer to answer a ping counts as dead."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ModelUnreachable(Exception):
    """No session could be opened. ``str()`` says why, without the key; ``status`` is the HTTP status, if there was an answer."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


class Spare(msgspec.Struct, frozen=True):
    """A socket that was opened before it was needed."""

    connection: EngineConnection
    age_s: float


class _Trial:
    """A socket that was opened before the call, until it has answered a ping. What it is sent is kept, should it be dead, and what it
    says is held back: an error of the time before the call is nobody's."""

    __slots__ = ("_connection", "held", "is_passed", "sent")

    def __init__(self, connection: EngineConnection) -> None:
        self._connection = connection
        self.sent: list[str] = []
        self.held: list[bytes] = []
        self.is_passed = False

    async def passed(self) -> bool:
        """Whether it answers. One that does not is cut off, so that its reader learns of it."""
        try:
            async with asyncio.timeout(PONG_WITHIN_S):
                await (await self._connection.ping())
        except ConnectionClosed:
            return False
        except TimeoutError:
            self._connection.transport.abort()
            return False
        return True


class ModelSocket:
    """One session's socket. ``send`` never waits; ``run`` does the work until the socket is gone."""

    __slots__ = (
        "_endpoint",
        "_in_dialect",
        "_is_behind",
        "_is_sending",
        "_model",
        "_open",
        "_queue",
        "_spare",
        "_trial",
        "warm_age_s",
    )

    def __init__(self, endpoint: ModelEndpoint, model: str | None, spare: Callable[[], Spare | None] | None = None) -> None:
        """``spare``: gives a socket that is open already, if there is one, in place of connecting."""
        self._endpoint = endpoint
        self._model = model
        self._in_dialect = endpoint.dialect.outgoing
        self._spare = spare
        self._trial: _Trial | None = None
        self.warm_age_s: float | None = None
        """How long ago the socket was opened, if that was before it was needed."""
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUED_EVENTS)
        self._open: EngineConnection | None = None
        self._is_sending = False
        self._is_behind = False
        """There is something that has to go before what is sent now."""

    def send(self, text: str) -> bool:
        """Sends an event, or queues it while there is no room for it; ``False`` if the queue is full and the session must be given
        up."""
        if self._open is not None and not self._is_behind and self._open.send_now(self._in_dialect(text)):
            return True
        self._is_behind = True
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            return False
        return True

    def _look_behind(self) -> None:
        self._is_behind = self._trial is not None or self._is_sending or not self._queue.empty()

    async def run(self, opened: Callable[[], None], received: Callable[[bytes], None]) -> str:
        """Connects, then passes events both ways until the socket closes; returns why it did.

        Raises:
            ModelUnreachable: it was never open.
        """
        spare = self._spare() if self._spare is not None else None
        if spare is None:
            return await self._talk(await self._connect(), opened, received)
        trial = _Trial(spare.connection)
        self.warm_age_s, self._trial = spare.age_s, trial
        reason = await self._talk(spare.connection, opened, received)
        if trial.is_passed:
            return reason
        self._trial = None
        self._take_back(trial.sent)
        return await self._talk(await self._connect(), lambda: None, received)

    def _take_back(self, sent: list[str]) -> None:
        """What went to a dead socket is sent again, before what has been queued since."""
        rest = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        for text in [*sent, *rest][:QUEUED_EVENTS]:
            self._queue.put_nowait(text)

    async def _talk(self, connection: EngineConnection, opened: Callable[[], None], received: Callable[[bytes], None]) -> str:
        tasks = [asyncio.create_task(self._write(connection), name="model-writer")]
        if self._trial is not None:
            tasks.append(asyncio.create_task(self._try_out(self._trial, received), name="model-trial"))
        try:
            self._open = connection
            self._look_behind()
            opened()
            await connection.hand_over(lambda frame: self._arrived(frame, received))
        except ConnectionClosed:
            return f"closed by the model ({connection.close_code})"
        finally:
            self._open = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await connection.close()

    def _arrived(self, frame: bytes, received: Callable[[bytes], None]) -> None:
        event = self._endpoint.dialect.incoming(frame)
        if self._trial is None:
            received(event)
        else:
            self._trial.held.append(event)

    async def _try_out(self, trial: _Trial, received: Callable[[bytes], None]) -> None:
        if await trial.passed():
            self._trial, trial.is_passed = None, True
            self._look_behind()
            for frame in trial.held:
                received(frame)

    async def _connect(self) -> EngineConnection:
        try:
            return await open_connection(self._endpoint, self._model)
        except InvalidStatus as refused:
            status = refused.response.status_code
            raise ModelUnreachable(f"the handshake was refused with HTTP {status}", status) from refused
        except TimeoutError as late:
            raise ModelUnreachable(f"no connection within {OPEN_TIMEOUT_S:.0f} s") from late
        except (OSError, InvalidHandshake, InvalidURI) as failed:
            raise ModelUnreachable(f"no connection: {type(failed).__name__}") from failed

    async def _write(self, connection: EngineConnection) -> None:
        try:
            while True:
                text = await self._queue.get()
                if self._trial is not None:
                    self._trial.sent.append(text)
                self._is_sending = True
                try:
                    await connection.send(self._in_dialect(text))
                finally:
                    self._is_sending = False
                self._look_behind()
        except ConnectionClosed:
            return  # the reader sees it too, and says so


async def open_connection(endpoint: ModelEndpoint, model: str | None) -> EngineConnection:
    """A connection to the model, its session not configured yet. Raises what ``websockets`` does, and ``OSError``."""
    address = endpoint.address_of(model)
    connection = await connect(
        address,
        create_connection=EngineConnection,
        additional_headers=endpoint.headers(),
        compression=None,
        max_size=MAX_EVENT_BYTES,
        max_queue=2048,  # the default of 16 stops reading, and a socket that is not read cannot be closed politely
        open_timeout=OPEN_TIMEOUT_S,
        close_timeout=1,
        ping_interval=PING_EVERY_S,
        ping_timeout=PING_EVERY_S,
        proxy=None if urlsplit(address).hostname in _LOOPBACK else True,
    )
    return cast(EngineConnection, connection)
