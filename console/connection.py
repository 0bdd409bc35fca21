"""The console's end of the operator WebSocket: it stays connected, and tells everything once and in order.

Whoever reads :meth:`OperatorConnection.items` gets the calls as they stand, then what happens. When the connection is lost it is
taken up again by itself, and what happened meanwhile is asked for (``GET /calls/{sid}/events``), so that no event is missed. A bridge
may send anything at all; nothing of it raises here or takes memory without bound (docs/reference/operator-api.md).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from console.catching_up import CatchUp, Missing
from console.endpoint import Endpoint
from console.inbox import Inbox, Overrun
from console.losses import why, why_closed, why_status
from console.operator_http import OperatorHttp, sentence_in
from console.protocol import (
    BusChanged,
    Dropped,
    Event,
    Levels,
    Malformed,
    Message,
    Partial,
    PhaseChanged,
    Result,
    Snapshot,
    decode,
    safe,
)
from console.sequences import HeldTooMuch, Sequences

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

MAX_MESSAGE = 4 * 2**20
"""Bytes of one message; a bridge that sends more is dropped."""
MAX_WAITING = 20_000
"""Messages that may wait for the reader before the connection is started anew."""
MAX_WAITING_BYTES = 32 * 2**20
MAX_COMMANDS = 50
"""Commands that may wait for their answer."""
TAKEN_AT_ONCE = 64
"""Messages taken before other tasks get their turn."""

OPEN_S = 10.0
"""For the handshake, and again for the snapshot."""
PING_S = 2.0
PONG_S = 4.0
"""A bridge that has not answered a ping by then is gone."""
CLOSE_S = 0.5
FIRST_DELAY_S = 0.25
LAST_DELAY_S = 5.0
STABLE_S = 5.0
"""A connection that lasted this long counts as a success: the next delay is the first again."""


class Connected(msgspec.Struct, frozen=True):
    """The bridge is there. What was known of live calls is replaced by ``snapshot``; the events missed meanwhile follow."""

    snapshot: Snapshot


class Lost(msgspec.Struct, frozen=True):
    """The bridge is not there: ``why`` is half a sentence. It is tried again in ``retry_in_s`` seconds."""

    why: str
    retry_in_s: float


class Refused(msgspec.Struct, frozen=True):
    """The bridge does not take the token. It is not tried again, and nothing follows."""

    why: str


Item = Message | Connected | Lost | Refused | Missing


class _NotAllowed(Exception):
    """The handshake was answered with 401 or 403; the text is why."""


class _Ended(Exception):
    """A connection is over; the text is why."""


class OperatorConnection:
    """One operator's connection to a bridge. ``async with`` starts and ends it; one task reads :meth:`items`.

    ``sleep``, ``jitter`` (0 to 1) and ``clock`` (seconds) are for tests, ``ping_s`` and ``pong_s`` too.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] | None = None,
        ping_s: float = PING_S,
        pong_s: float = PONG_S,
        open_s: float = OPEN_S,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.endpoint = endpoint
        self.http = OperatorHttp(endpoint)
        """The same bridge over HTTP; closed with the connection."""
        self.malformed = 0
        """Messages that could not be used."""
        self._sleep = sleep
        self._jitter = jitter
        self._clock = clock
        self._ping_s, self._pong_s, self._open_s = ping_s, pong_s, open_s
        self._inbox: Inbox[Item] = Inbox(max_waiting, MAX_WAITING_BYTES)
        self._sequences = Sequences()
        self._socket: ClientConnection | None = None
        self._has_been_connected = False
        self._ids = count(1)
        self._answers: dict[str, asyncio.Future[Result]] = {}
        self._catching_up: CatchUp
        self._began_at: float | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run(), name="operator connection")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self.http.close()
        self._inbox.close()

    @property
    def connected(self) -> bool:
        """Whether commands can be sent."""
        return self._socket is not None

    async def items(self) -> AsyncIterator[Item]:
        """What happens, as it happens: first :class:`Connected` (or :class:`Lost`, or :class:`Refused`). Ends after ``Refused`` and when
        the connection is closed. ``Malformed``, ``Result``, ``Dropped`` and ``Snapshot`` are dealt with here and do not come.

        For a reader who lags behind, partial lines, levels and phases that are out of date by then are left out; events never are.
        """
        while (item := await self._inbox.get()) is not None:
            yield item

    async def command(
        self, call_sid: str, action: str, text: str | None = None, to: str | None = None, *, timeout_s: float = 5.0
    ) -> Result:
        """Sends a command and waits for the bridge's answer. Never raises: what goes wrong is a sentence in ``error``."""
        identifier = f"c{next(self._ids)}"
        socket = self._socket
        if socket is None:
            return _failed(identifier, "There is no connection to the bridge: nothing was sent.")
        if len(self._answers) >= MAX_COMMANDS:
            return _failed(identifier, "Too many commands are waiting for their answer: nothing was sent.")
        command = {"type": "command", "id": identifier, "call_sid": call_sid, "action": action, "text": text, "to": to}
        frame = msgspec.json.encode({name: value for name, value in command.items() if value is not None}).decode()
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._answers[identifier] = answer
        try:
            async with asyncio.timeout(timeout_s):
                await socket.send(frame)
                return await answer
        except TimeoutError:
            return _failed(identifier, f"The bridge did not answer within {timeout_s:g} s; it may have done it all the same.")
        except Exception:  # the socket was closed under it, in whichever way
            return _failed(identifier, _LOST_MEANWHILE)
        finally:
            self._answers.pop(identifier, None)

    # staying connected

    async def _run(self) -> None:
        failures = 0
        try:
            while True:
                self._began_at = None
                lost = await self._connection()
                lasted_s = 0.0 if self._began_at is None else self._now() - self._began_at
                failures = 0 if lasted_s >= STABLE_S else failures
                delay_s = min(FIRST_DELAY_S * 2 ** min(failures, 10), LAST_DELAY_S) * (0.5 + self._jitter() / 2)
                failures += 1
                self._inbox.put(Lost(lost, delay_s), key="lost", force=True)
                await self._sleep(delay_s)
                await self._inbox.half_empty()
        except _NotAllowed as refused:
            self._inbox.put(Refused(str(refused)), force=True)
        finally:
            self._inbox.close()

    async def _connection(self) -> str:
        """One connection, from beginning to end; says why it ended. Raises :class:`_NotAllowed`, and else nothing.

        A token that was good once is tried again: what says no may be a proxy, or a bridge that is being set up anew.
        """
        try:
            async with asyncio.timeout(self._open_s):
                socket = await self._open()
        except _NotAllowed as refused:
            if not self._has_been_connected:
                raise
            return str(refused)
        except _Ended as error:
            return str(error)
        except Exception as error:  # OSError, ssl, InvalidHandshake, InvalidURI, a missing proxy library …
            return why(error, self.endpoint.url)
        try:
            return await self._conversation(socket)
        finally:
            self._forget()
            await socket.close()

    async def _open(self) -> "ClientConnection":
        from websockets.asyncio.client import connect  # noqa: PLC0415  # not before the first paint
        from websockets.exceptions import InvalidStatus  # noqa: PLC0415

        try:
            return await connect(
                self.endpoint.websocket_url,
                additional_headers=self.endpoint.headers,
                compression=None,  # the bridge has better uses for its processor
                proxy=None if self.endpoint.local else True,
                max_size=MAX_MESSAGE,
                open_timeout=None,
                ping_interval=self._ping_s,
                ping_timeout=self._pong_s,
                close_timeout=CLOSE_S,
            )
        except InvalidStatus as refused:
            status, body = refused.response.status_code, bytes(refused.response.body or b"")
            sentence = why_status(status, sentence_in(body), self.endpoint.url)
            raise (_NotAllowed if status in (401, 403) else _Ended)(sentence) from None

    async def _conversation(self, socket: "ClientConnection") -> str:
        """Listens until it ends; the fetches beside it end with it."""
        lost = "the connection was cut"
        try:
            async with asyncio.TaskGroup() as tasks:
                self._catching_up = CatchUp(self.http, self._sequences, self._pass_on, self._sleep, tasks)
                await self._begin(socket)
                self._socket = socket
                await self._listen(socket)
        except* _Ended as ended:
            lost = str(_first(ended))
        except* Exception as failed:
            lost = f"this console failed: {safe(repr(_first(failed)))[:200]}"
        return lost

    async def _begin(self, socket: "ClientConnection") -> None:
        """Waits for the snapshot. Raises :class:`_Ended`."""
        try:
            async with asyncio.timeout(self._open_s):
                while not isinstance(message := decode(frame := await self._receive(socket)), Snapshot):
                    self.malformed += 1
                    await asyncio.sleep(0)
        except TimeoutError:
            raise _Ended("the bridge did not say which calls there are") from None
        self._began_at = self._now()
        live = {call.call_sid for call in message.calls}
        self._inbox.put(Connected(message), len(frame), force=True)
        for call_sid in self._sequences.begin(message.calls):
            self._catching_up.fetch(call_sid, may_have_ended=call_sid not in live)
        if self._has_been_connected:
            self._catching_up.look_for_missed_calls()
        self._has_been_connected = True

    async def _listen(self, socket: "ClientConnection") -> None:
        """Takes what comes. Raises :class:`_Ended`."""
        taken = 0
        while True:
            frame = await self._receive(socket)
            self._take(decode(frame), len(frame))
            # What has arrived is read without waiting: others need their turn too.
            taken += 1 + len(frame) // 4_096
            if taken >= TAKEN_AT_ONCE:
                taken = 0
                await asyncio.sleep(0)

    async def _receive(self, socket: "ClientConnection") -> bytes:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415

        try:
            return await socket.recv(decode=False)
        except ConnectionClosed as closed:
            raise _Ended(why_closed(closed)) from None

    def _take(self, message: Message, size: int) -> None:
        match message:
            case Event(call_sid=call_sid):
                for event in self._in_order(message):
                    self._pass_on(event)
                if self._sequences.is_behind(call_sid):
                    self._catching_up.fetch(call_sid)
            case Result(id=identifier):
                self._answered(identifier, message)
            case Dropped(reason=reason):
                raise _Ended(f"the bridge let this console go: {reason or 'it does not keep up'}")
            case Malformed() | Snapshot():
                self.malformed += 1
            case _:
                self._put(message, size, key=_replaces(message))

    def _in_order(self, event: Event) -> list[Event]:
        try:
            return self._sequences.take(event)
        except HeldTooMuch:
            raise _Ended(_LAGGING) from None

    def _pass_on(self, item: Event | PhaseChanged | Missing) -> None:
        try:
            self._put(item, item.weight if isinstance(item, Event) else 0)
        except _Ended:
            if isinstance(item, Event):
                self._sequences.take_back(item)
            raise

    def _put(self, item: Item, size: int, key: Hashable = None) -> None:
        try:
            self._inbox.put(item, size, key=key)
        except Overrun:
            raise _Ended(_LAGGING) from None

    def _answered(self, identifier: str, result: Result) -> None:
        answer = self._answers.get(identifier)
        if answer is None or answer.done():
            self.malformed += 1
        else:
            answer.set_result(result)

    def _forget(self) -> None:
        """The connection is over: nobody waits for an answer on it."""
        self._socket = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(_failed("", _LOST_MEANWHILE))

    def _now(self) -> float:
        return (self._clock or asyncio.get_running_loop().time)()


_LOST_MEANWHILE = "The connection was lost before the bridge answered; it may have done it all the same."
_LAGGING = "this console did not keep up"


def _failed(identifier: str, sentence: str) -> Result:
    return Result(identifier, False, sentence)


def _replaces(message: Message) -> Hashable:
    """Under which key a message takes the place of an older one that nobody has read yet."""
    match message:
        case Levels(call_sid=call_sid):
            return ("levels", call_sid)
        case PhaseChanged(call_sid=call_sid):
            return ("phase", call_sid)
        case Partial(call_sid=call_sid, side=side, item_id=item_id):
            return ("partial", call_sid, side, item_id)
        case BusChanged():
            return "bus"
    return None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
