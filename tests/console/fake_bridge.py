"""A bridge that says what a test tells it to: the operator WebSocket and the HTTP paths beside it, on loopback.

Everything that makes it speak is synchronous, so that a test reads as a list of what happens; what has to be waited for
(`connected`, `commanded`, `asked`) waits for the thing itself.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

from console.endpoint import Endpoint

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
TOKEN = "operator-token-of-the-tests"
GUARD_S = 30.0
"""What waits longer than this hangs; nothing is measured by it."""

Call = dict[str, Any]
Flat = dict[str, Any]


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def after(flat: Flat) -> Call:
    """What an event changes of the call's summary."""
    match flat["kind"]:
        case "greeting.requested":
            return {"phase": "greeting"}
        case "greeting.first_audio":
            return {"greeting_latency_ms": flat.get("latency_ms")}
        case "greeting.finished" | "closing.reopened":
            return {"phase": "conversing"}
        case "agent.transcript" | "caller.transcript":
            return {"last_line": flat.get("text")}
        case "closing.started" | "transfer.started":
            return {"phase": "closing"}
        case "operator.command" if flat.get("action") in ("mute", "unmute"):
            return {"muted": flat["action"] == "mute"}
        case "call.ended":
            ended = {"phase": "ended", "ended_at": flat["at"], "owner": None, "end_reason": flat.get("reason")}
            return ended | {"duration_ms": flat.get("duration_ms"), "cost_usd": flat.get("cost_usd")}
    return {}


class Reader:
    """One operator's WebSocket."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.request = request
        self.socket = socket
        self.outgoing: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def write(self) -> None:
        while True:
            frame = await self.outgoing.get()
            try:
                await (self.socket.send_str(frame) if isinstance(frame, str) else self.socket.send_bytes(frame))
            except (ConnectionError, RuntimeError):
                return

    def abort(self) -> None:
        """Resets the connection as a cut network does: no close frame."""
        if self.request.transport is not None:
            self.request.transport.abort()


class FakeBridge:
    """``async with FakeBridge() as bridge:``, then `bridge.endpoint` is where a console connects to.

    `calls` and `events` are what it answers with; `add_call` and `event` fill them. `commands` is what operators sent (WebSocket
    and HTTP alike), `requests` the HTTP paths asked for, with their query.
    """

    def __init__(self, *, token: str = TOKEN) -> None:
        self.token = token
        self.calls: dict[str, Call] = {}
        self.events: dict[str, list[Flat]] = {}
        self.commands: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.readers: list[Reader] = []
        self.handshakes = 0
        self.greets = True
        """Whether a snapshot is sent to who connects."""
        self.deaf = False
        """A deaf bridge reads nothing, so pings go unanswered too."""
        self.events_status: int | None = None
        """Answer ``GET …/events`` with this status instead."""
        self.events_body: bytes | None = None
        """Answer ``GET …/events`` with this instead."""
        self._refusal: tuple[int, str] | None = None
        self._error: str | None = None
        self._silent = False
        self._now = START
        self._changed = asyncio.Condition()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.down()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.url, self.token)

    async def up(self) -> None:
        """Listens; after `down` at the same port again."""
        self._closing = asyncio.Event()
        app = web.Application()
        app.router.add_get("/operator", self._operator)
        app.router.add_get("/calls", self._list)
        app.router.add_get("/calls/{sid}", self._show)
        app.router.add_get("/calls/{sid}/events", self._events)
        app.router.add_post("/calls/{sid}/commands", self._command)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """Stops listening and resets every connection."""
        self.drop_connections()
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # what happens at the bridge

    def add_call(self, call_sid: str | None = None, *, announce: bool = True, **fields: Any) -> str:
        """A new call, with its ``call.started`` (seq 1), told to everybody unless ``announce`` is false. Returns its SID. ``from_``
        stands for ``from``; every field of CALL may be given. A call with ``last_seq`` given gets no event."""
        sid = call_sid or f"CA{len(self.calls) + 1:032x}"
        call = {
            "call_sid": sid,
            "business_id": "bobs-hvac",
            "from": fields.pop("from_", f"+1500555{len(self.calls):04d}"),
            "to": "+15005550006",
            "channel": "pstn",
            "phase": "connecting",
            "started_at": stamp(self._now),
            "owner": "bridge-1",
            "last_seq": 0,
            "last_line": None,
            "greeting_latency_ms": None,
            "barge_ins": 0,
            "cost_usd": None,
            "muted": False,
        } | fields
        self.calls[sid] = call
        self.events[sid] = []
        if not call["last_seq"]:
            begun = {"business_id": call["business_id"], "from": call["from"], "to": call["to"], "channel": call["channel"]}
            self.event(sid, "call.started", announce=announce, at=self._now, **begun)
        return sid

    def at(self, now: datetime) -> None:
        """It is ``now``; every event adds 100 ms unless it says when it was."""
        self._now = now

    def event(self, call_sid: str, kind: str, *, announce: bool = True, at: datetime | None = None, **fields: Any) -> Flat:
        """The call's next event: numbered, kept, and told to everybody (not with ``announce=False``: as if it got lost)."""
        call = self.calls[call_sid]
        self._now = at or self._now + timedelta(milliseconds=100)
        flat = {
            "type": "event",
            "call_sid": call_sid,
            "seq": call["last_seq"] + 1,
            "at": stamp(self._now),
            "kind": kind,
            **fields,
        }
        call |= {"last_seq": flat["seq"]} | after(flat)
        if kind == "barge_in.cut":
            call["barge_ins"] += 1
        self.events[call_sid].append(flat)
        if announce:
            self.raw(json.dumps(flat))
        return flat

    def live(self, call_sid: str, kind: str, **fields: Any) -> None:
        """A live message: ``partial``, ``levels`` or ``phase``."""
        self.raw(json.dumps({"type": "live", "call_sid": call_sid, "kind": kind, **fields}))

    def audio(self, call_sid: str, side: str, at_ms: float, ulaw: bytes) -> None:
        """A piece of audio, as a listener gets it."""
        payload = base64.b64encode(ulaw).decode()
        self.raw(json.dumps({"type": "audio", "call_sid": call_sid, "side": side, "at_ms": at_ms, "payload": payload}))

    def raw(self, frame: str | bytes) -> None:
        """Anything at all, to everybody: text as a text frame, bytes as a binary one."""
        for reader in self.readers:
            reader.outgoing.put_nowait(frame)

    def drop_connections(self) -> None:
        """Resets all WebSockets."""
        for reader in self.readers:
            reader.abort()
        self.readers.clear()

    def drop_slow(self, reason: str = "this reader does not keep up") -> None:
        """Lets all readers go the way a bridge does with a slow one, but for the close frame."""
        self.raw(json.dumps({"type": "dropped", "reason": reason}))

    def refuse(self, status: int | None, error: str = "no such token") -> None:
        """Answers handshakes and requests with ``status`` from now on; ``None``: serves them again."""
        self._refusal = None if status is None else (status, error)

    def answer(self, error: str | None = None, *, silent: bool = False) -> None:
        """How commands are answered from now on: accepted, refused with ``error``, or (``silent``) not at all."""
        self._error, self._silent = error, silent

    # what a test waits for

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits until ``holds()``; it is asked whenever anything has come in."""
        async with asyncio.timeout(GUARD_S), self._changed:
            await self._changed.wait_for(lambda: bool(holds()))

    async def connected(self, readers: int = 1) -> None:
        """Waits until so many operators are attached, their snapshots on the way."""
        await self.until(lambda: len(self.readers) >= readers)

    async def commanded(self, commands: int = 1) -> None:
        """Waits for so many commands altogether."""
        await self.until(lambda: len(self.commands) >= commands)

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # what it serves

    def _turned_away(self, request: web.Request) -> web.Response | None:
        if self._refusal is not None:
            status, error = self._refusal
            return web.json_response({"error": error}, status=status)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            refusal = {"error": "This token is not known here."}
            return web.json_response(refusal, status=401, headers={"WWW-Authenticate": "Bearer"})
        return None

    async def _operator(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if (response := self._turned_away(request)) is not None:
            await self._note()
            return response
        socket = web.WebSocketResponse(compress=False, max_msg_size=65_536, timeout=0.01)
        await socket.prepare(request)
        reader = Reader(request, socket)
        if self.greets:
            reader.outgoing.put_nowait(self.snapshot())
        self.readers.append(reader)
        writing = asyncio.create_task(reader.write())
        await self._note()
        try:
            await self._listen(reader)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if reader in self.readers:
                self.readers.remove(reader)
            await self._note()
        return socket

    async def _listen(self, reader: Reader) -> None:
        if self.deaf:
            await self._closing.wait()
        async for message in reader.socket:
            if message.type is WSMsgType.TEXT:
                command = json.loads(message.data)
                self.commands.append(command)
                if not self._silent:
                    reader.outgoing.put_nowait(json.dumps(self._result() | {"id": command.get("id")}))
                await self._note()

    def snapshot(self) -> str:
        live = [call for call in self.calls.values() if call["phase"] != "ended"]
        return json.dumps({"type": "snapshot", "calls": live})

    def _result(self) -> dict[str, Any]:
        return {"type": "result", "ok": True} if self._error is None else {"type": "result", "ok": False, "error": self._error}

    async def _list(self, request: web.Request) -> web.Response:
        if (response := await self._asked(request)) is not None:
            return response
        live, business = request.query.get("live"), request.query.get("business")
        found = [
            call
            for call in reversed(self.calls.values())
            if (live is None or (call["phase"] != "ended") == (live == "true")) and business in (None, call["business_id"])
        ]
        return web.json_response({"calls": found[: int(request.query.get("limit", 50))]})

    async def _show(self, request: web.Request) -> web.Response:
        if (response := await self._asked(request)) is not None:
            return response
        call = self.calls.get(request.match_info["sid"])
        return web.json_response({"error": "there is no such call"}, status=404) if call is None else web.json_response(call)

    async def _events(self, request: web.Request) -> web.Response:
        if (response := await self._asked(request)) is not None:
            return response
        if self.events_status is not None:
            return web.json_response({"error": "the store is away"}, status=self.events_status)
        if self.events_body is not None:
            return web.Response(body=self.events_body, content_type="application/json")
        sid, seq = request.match_info["sid"], int(request.query.get("after", 0))
        if sid not in self.calls:
            return web.json_response({"error": "there is no such call"}, status=404)
        return web.json_response({"events": [event for event in self.events[sid] if event["seq"] > seq]})

    async def _command(self, request: web.Request) -> web.Response:
        if (response := await self._asked(request)) is not None:
            return response
        sid = request.match_info["sid"]
        if sid not in self.calls:
            return web.json_response({"error": "there is no such call"}, status=404)
        self.commands.append({"call_sid": sid, **await request.json()})
        await self._note()
        result = self._result()
        return web.json_response(result, status=200 if result["ok"] else 409)

    async def _asked(self, request: web.Request) -> web.Response | None:
        self.requests.append(f"{request.method} {request.path_qs}")
        await self._note()
        return self._turned_away(request)
