"""A simulated call over real sockets: one :class:`PhoneCall`, its timer, its webhooks and its media WebSocket."""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from yarl import URL

from simulator.phone.call import PhoneCall
from simulator.phone.outputs import (
    AbortStream,
    CallOver,
    CancelRequest,
    CloseStream,
    HttpRequest,
    OpenStream,
    Output,
    SendStream,
)
from simulator.phone.twiml import Method

_HANDSHAKE_S = 10
_CLOSE_S = 2
_ABNORMAL = 1006
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger for no time: TCP RST instead of FIN


class _Dialler(connect):
    """Follows no redirect: anything but 101 is a refusal."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Socket:
    """One media WebSocket: a reader, a writer, and silence once the call has let go of it."""

    def __init__(self, running: "RunningCall", opening: OpenStream) -> None:
        self._running = running
        self._opening = opening
        self._outbox: asyncio.Queue[str | CloseStream] = asyncio.Queue()
        self._connection: ClientConnection | None = None
        self.task = running.spawn(self._run())

    def send(self, text: str) -> None:
        self._outbox.put_nowait(text)

    def close(self, close: CloseStream) -> None:
        """Closes after what was sent; gives up a handshake."""
        if self._connection is None:
            self.task.cancel()
        else:
            self._outbox.put_nowait(close)

    def abort(self) -> None:
        """Resets the TCP connection."""
        if self._connection is None:
            self.task.cancel()
            return
        transport = self._connection.transport
        tcp: socket.socket | None = transport.get_extra_info("socket")
        if tcp is not None and not transport.is_closing():
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()

    async def _run(self) -> None:
        try:
            connection = await self._connect()
        except InvalidStatus as error:
            self._running.refused(self, error.response.status_code, "")
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            self._running.refused(self, None, str(error) or type(error).__name__)
        else:
            await self._converse(connection)

    async def _connect(self) -> ClientConnection:
        headers = dict(self._opening.headers)
        return await _Dialler(
            self._opening.url,
            user_agent_header=headers.pop("User-Agent"),
            additional_headers=headers,
            compression=None,
            proxy=None,
            ping_interval=None,
            max_size=None,
            open_timeout=_HANDSHAKE_S,
            close_timeout=_CLOSE_S,
        )

    async def _converse(self, connection: ClientConnection) -> None:
        self._connection = connection
        writer = asyncio.ensure_future(self._write(connection))
        try:
            self._running.opened(self)
            async for message in connection:
                self._running.message(self, message)
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            connection.transport.abort()
        self._running.closed(self, connection.close_code or _ABNORMAL)

    async def _write(self, connection: ClientConnection) -> None:
        try:
            while not isinstance(message := await self._outbox.get(), CloseStream):
                await connection.send(message)
            await connection.close(message.code)
        except ConnectionClosed:
            return  # the reader reports it


class RunningCall:
    """A call on its way. ``machine`` tells what happened; :meth:`finished` waits for the end."""

    def __init__(self, machine: PhoneCall, session: aiohttp.ClientSession) -> None:
        self.machine = machine
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ms: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests: dict[int, asyncio.Task[None]] = {}
        self._socket: _Socket | None = None
        self._settled: asyncio.Future[None] = self._loop.create_future()

    @property
    def call_sid(self) -> str:
        """``CA`` and 32 hex digits."""
        return self.machine.call_sid

    @property
    def is_finished(self) -> bool:
        """Whether :meth:`finished` would return at once."""
        return self._settled.done()

    async def finished(self) -> None:
        """Returns once the call is over, its webhooks answered and its sockets closed.

        Raises:
            asyncio.CancelledError: the cloud was closed before.
        """
        await asyncio.shield(self._settled)

    # from the caller and the REST API

    def dial(self) -> None:
        """The caller dials."""
        self._do(self.machine.dial(self._now()))

    def hang_up(self) -> None:
        """The caller hangs up, whatever the script says. No effect on a call that is over."""
        self._do(self.machine.hang_up(self._now()))

    def drop_stream(self) -> None:
        """The media connection is reset, without ``stop``."""
        self._do(self.machine.drop_stream(self._now()))

    def rest_update(
        self,
        *,
        status: Literal["completed", "canceled"] | None = None,
        twiml: str | None = None,
        url: str | None = None,
        method: Method = "POST",
    ) -> None:
        """What ``POST Calls/{sid}`` does. Raises :class:`~simulator.phone.call.NotInProgress`."""
        self._do(self.machine.rest_update(self._now(), status=status, twiml=twiml, url=url, method=method))

    async def abandon(self) -> None:
        """Drops everything at once, telling nobody."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.abort()
            self._socket = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._settled.done():
            self._settled.cancel()

    # from the media WebSocket; of one the call has let go nothing counts

    def opened(self, source: _Socket) -> None:
        """The handshake was answered with 101."""
        if source is self._socket:
            self._do(self.machine.stream_opened(self._now()))

    def refused(self, source: _Socket, status: int | None, reason: str) -> None:
        """The handshake was answered otherwise, or not at all."""
        if source is self._socket:
            self._socket = None
            self._do(self.machine.stream_refused(self._now(), status, reason))

    def message(self, source: _Socket, message: str | bytes) -> None:
        """The server sent something."""
        if source is self._socket:
            self._do(self.machine.stream_message(self._now(), message))

    def closed(self, source: _Socket, code: int) -> None:
        """The WebSocket is closed."""
        if source is self._socket:
            self._socket = None
            self._do(self.machine.stream_closed(self._now(), code))

    # what the machine wants

    def _now(self) -> float:
        return self._loop.time() * 1000

    def _poll(self) -> None:
        self._timer = None
        try:
            self._do(self.machine.poll(self._now()))
        except Exception as error:  # a defect of the machine must reach whoever waits, not the loop's log
            self._crash(error)

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, SendStream):
                if self._socket is not None:
                    self._socket.send(output.text)
            else:
                self._do_seldom(output)
        self._set_timer()
        self._settle()

    def _do_seldom(self, output: Output) -> None:
        match output:
            case HttpRequest():
                self._requests[output.request_id] = self.spawn(self._request(output))
            case CancelRequest():
                self._requests[output.request_id].cancel()
            case OpenStream():
                self._socket = _Socket(self, output)
            case CloseStream() if self._socket is not None:
                self._socket.close(output)
                self._socket = None
            case AbortStream() if self._socket is not None:
                self._socket.abort()
                self._socket = None
            case CallOver():
                pass  # _settle sees it

    def _set_timer(self) -> None:
        wake_at_ms = self.machine.wake_at_ms
        if self._timer is not None:
            if wake_at_ms == self._timer_at_ms:  # uvloop's handles of times gone by do not know their own
                return
            self._timer.cancel()
        self._timer_at_ms = wake_at_ms
        self._timer = None if wake_at_ms is None else self._loop.call_at(wake_at_ms / 1000, self._poll)

    async def _request(self, request: HttpRequest) -> None:
        form = {} if request.method == "GET" else {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),  # as signed, to the letter
                data=urlencode(request.params) if form else None,
                headers=request.headers | form,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=request.connect_timeout_ms / 1000),
                allow_redirects=False,
            ) as response:
                body = await response.text(errors="replace")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._do(self.machine.http_failed(self._now(), request.request_id, "connect", str(error)))
        except (aiohttp.ClientError, OSError) as error:
            self._do(self.machine.http_failed(self._now(), request.request_id, "broken", str(error) or type(error).__name__))
        else:
            kind = response.headers.get("Content-Type", "")
            self._do(self.machine.http_answered(self._now(), request.request_id, response.status, kind, body))

    # tasks

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs something that belongs to this call and ends no later."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_over)
        return task

    def _task_over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash(error)
        self._settle()

    def _settle(self) -> None:
        if self.machine.is_over and not self._tasks and not self._settled.done():
            if self._timer is not None:
                self._timer.cancel()
            self._settled.set_result(None)

    def _crash(self, error: BaseException) -> None:
        if not self._settled.done():
            self._settled.set_exception(error)
        for task in self._tasks:
            task.cancel()
