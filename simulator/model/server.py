"""The Realtime API on a port of this machine: a socket and a clock around each :class:`~simulator.model.session.ModelSession`."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit
from weakref import WeakKeyDictionary

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from simulator import voice
from simulator.ears import Ears
from simulator.scenario import Mind

from .faults import Faults, Wire
from .session import ModelSession
from .timing import ModelTiming

PATH: Final = "/v1/realtime"
_BETA_CLOSE_CODE: Final = 4000
_DROPPED: Final = 1006
_CLOSE_TIMEOUT_S: Final = 1
_APPEND: Final = b'"input_audio_buffer.append"'
_LARGEST_FRAME: Final = 20 * 1024 * 1024
"""An ``append`` may hold 15 MiB of audio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What one connection gets."""

    mind: Mind
    ears: Ears
    timing: ModelTiming = field(default_factory=ModelTiming)
    faults: Faults = field(default_factory=Faults)
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAudio:
    """An ``…audio.delta`` on its way to the client."""

    at_ms: float
    response_id: str
    item_id: str
    length: int
    """Bytes, in the response's format."""


@dataclass(slots=True, kw_only=True)
class SessionLog:
    """What happened on one connection. Times are milliseconds after it was opened."""

    model: str
    opened_at_s: float = 0
    """When it was opened, on the event loop's clock."""
    headers: dict[str, str]
    """Of the handshake, names in lower case."""
    received: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """The client's events, in order; a frame that is no JSON object is here as ``{"type": None, "frame": …}``."""
    sent_events: int = 0
    sent_audio_deltas: int = 0
    sent_audio: list[SentAudio] = field(default_factory=list)
    """The model's voice, delta by delta."""
    committed_ms: list[float] = field(default_factory=list)
    """When each ``input_audio_buffer.committed`` was sent."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the connection is gone and nothing of it is left."""
    close_code: int | None = None
    """``None`` while it is open; 1006 when it broke off without a close frame."""

    def types(self) -> list[str]:
        """The types of the client's events, in order, audio left out."""
        return [str(event.get("type")) for _, event in self.received if event.get("type") != "input_audio_buffer.append"]


class ModelServer:
    """Any number of simulated sessions, on a port of the loopback interface; use it with ``async with``.

    ``plan`` says what the nth connection, counted from 0, is like. ``port=0`` takes a free one. ``log_audio=False`` keeps
    ``input_audio_buffer.append`` events out of the logs, for long runs.
    """

    def __init__(
        self, plan: Callable[[int], SessionPlan], *, host: str = "127.0.0.1", port: int = 0, log_audio: bool = True
    ) -> None:
        self.sessions: list[SessionLog] = []
        """One log a connection, in the order they were accepted."""
        self._plan = plan
        self._host = host
        self._port = port
        self._log_audio = log_audio
        self._admitted: WeakKeyDictionary[ServerConnection, tuple[SessionPlan, SessionLog]] = WeakKeyDictionary()
        self._connections = 0
        self._open: dict[ServerConnection, SessionLog] = {}
        self.refuses = False
        """While set, every handshake is answered with 503, as in an outage."""
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:PORT/v1/realtime``, once it listens."""
        return f"ws://{self._host}:{self._port}{PATH}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            self._host,
            self._port,
            process_request=self._admit,
            compression=None,
            max_size=_LARGEST_FRAME,
            ping_interval=None,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def cut(self, model: str) -> int:
        """The connections of this model are lost now, without a close frame; returns how many there were."""
        open_now = [connection for connection, log in self._open.items() if log.model == model]
        for connection in open_now:
            connection.transport.abort()
        return len(open_now)

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuses what the API refuses during the handshake, and takes its time over the rest."""
        target = urlsplit(request.path)
        if target.path != PATH:
            return _refusal(connection, HTTPStatus.NOT_FOUND, "invalid_request_error", f"Invalid URL (GET {target.path})")
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return _refusal(connection, HTTPStatus.UNAUTHORIZED, "invalid_api_key", "Missing bearer authentication in header")
        model = parse_qs(target.query).get("model")
        if not model:
            return _refusal(connection, HTTPStatus.BAD_REQUEST, "missing_model", "You must provide a model parameter.")
        if self.refuses:
            return _refusal(connection, HTTPStatus.SERVICE_UNAVAILABLE, "server_error", "The server is overloaded.")
        plan = self._plan(self._connections)
        self._connections += 1
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        self._admitted[connection] = plan, SessionLog(model=model[0], headers=headers)
        if plan.timing.connect_ms:
            await asyncio.sleep(plan.timing.connect_ms / 1000)
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        plan, log = self._admitted.pop(connection)
        self.sessions.append(log)
        self._open[connection] = log
        try:
            if "openai-beta" in log.headers:
                await _refuse_beta(connection)
            else:
                await self._run(connection, plan, log)
        except ConnectionClosed:
            pass
        finally:
            del self._open[connection]
            log.close_code = _DROPPED if connection.close_code is None else connection.close_code
            log.closed.set()

    async def _run(self, connection: ServerConnection, plan: SessionPlan, log: SessionLog) -> None:
        await asyncio.to_thread(voice.prepare, _lines(plan.mind))
        session = ModelSession(
            plan.mind,
            plan.ears,
            seed=plan.seed,
            timing=plan.timing,
            faults=plan.faults,
            model=log.model,
            started_at_s=int(time.time()),
        )
        wire = Wire(plan.faults, plan.seed)
        log.opened_at_s = began_s = asyncio.get_running_loop().time()
        events = session.open(0)
        while await _sent(connection, wire, events, log):
            if session.close_code is not None:
                return await _closed(connection, session.close_code)
            frame = await _next_frame(connection, session.wake_at_ms, began_s)
            now_ms = (asyncio.get_running_loop().time() - began_s) * 1000
            if frame is None:
                events = session.poll(now_ms)
            else:
                self._note(log, now_ms, frame)
                events = session.receive(now_ms, frame)
        return await _closed(connection, _DROPPED)

    def _note(self, log: SessionLog, now_ms: float, frame: bytes) -> None:
        if not self._log_audio and _APPEND in frame[:100]:
            return
        event: Any = None
        with suppress(msgspec.DecodeError, UnicodeError):
            event = msgspec.json.decode(frame)
        if not isinstance(event, dict):
            event = {"type": None, "frame": frame}
        log.received.append((now_ms, event))


async def _next_frame(connection: ServerConnection, wake_at_ms: float | None, began_s: float) -> bytes | None:
    """The next frame of the client; ``None`` when the session has to be woken first. Raises ``ConnectionClosed``."""
    try:
        async with asyncio.timeout_at(None if wake_at_ms is None else began_s + wake_at_ms / 1000):
            return await connection.recv(decode=False)
    except TimeoutError:
        return None


async def _sent(connection: ServerConnection, wire: Wire, events: list[dict[str, Any]], log: SessionLog) -> bool:
    """Sends the events; false when the wire has broken."""
    _note_sent(log, events)
    for frame in wire.frames(events):
        await connection.send(frame, text=True)
    return not wire.lost


def _note_sent(log: SessionLog, events: list[dict[str, Any]]) -> None:
    now_ms = (asyncio.get_running_loop().time() - log.opened_at_s) * 1000
    log.sent_events += len(events)
    for event in events:
        if event["type"] == "response.output_audio.delta":
            log.sent_audio_deltas += 1
            length = len(event["delta"]) * 3 // 4 - event["delta"].count("=")
            log.sent_audio.append(
                SentAudio(at_ms=now_ms, response_id=event["response_id"], item_id=event["item_id"], length=length)
            )
        elif event["type"] == "input_audio_buffer.committed":
            log.committed_ms.append(now_ms)


async def _closed(connection: ServerConnection, code: int) -> None:
    if code == _DROPPED:
        connection.transport.abort()
    else:
        await connection.close(code)


async def _refuse_beta(connection: ServerConnection) -> None:
    message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
    error = {"type": "invalid_request_error", "code": "beta_api_shape_disabled", "message": message, "param": None}
    event = {"type": "error", "event_id": "event_beta", "error": {**error, "event_id": None}}
    await connection.send(msgspec.json.encode(event), text=True)
    await connection.close(_BETA_CLOSE_CODE)


def _refusal(connection: ServerConnection, status: HTTPStatus, code: str, message: str) -> Response:
    error = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    return connection.respond(status, msgspec.json.encode(error).decode())


def _lines(mind: Mind) -> Iterable[tuple[str, str]]:
    """Everything a mind may say, so that none of it is rendered while frames are paced."""
    for reply in mind.replies:
        for line in (reply.say, reply.after_tools):
            if line:
                yield line, mind.voice
    yield mind.otherwise, mind.voice
