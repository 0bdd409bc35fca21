"""The operator API without a socket: lists, records, events and commands over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

import msgspec
import structlog
from quart import Blueprint, Response, request

from bridge.operator.desk import OperatorDesk
from bridge.operator.messages import summary
from bridge.operator.requests import MAX_MESSAGE_BYTES, Unreadable, read_command, read_object
from bridge.operator.sockets import authorization_of
from bridge.operator.tokens import OperatorKey
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord
from calls.store.base import StoreError

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
EXPECTED_LIVE = 100
EVENTS_AT_ONCE = 200
"""Events made ready before the calls have a turn."""
FLUSHED_WITHIN_S = 1.0
STORE_WITHIN_S = 5.0
BODY_WITHIN_S = 10.0

log = structlog.get_logger()

_T = TypeVar("_T")
View = Callable[..., Awaitable[Response]]


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


def operator_blueprint(desk: OperatorDesk) -> Blueprint:
    """``/calls`` and below it."""
    routes = OperatorRoutes(desk)
    blueprint = Blueprint("operator", __name__)
    blueprint.add_url_rule("/calls", "calls", _guarded(desk, routes.calls), methods=["GET"])
    blueprint.add_url_rule("/calls/<call_sid>", "call", _guarded(desk, routes.call), methods=["GET"])
    blueprint.add_url_rule("/calls/<call_sid>/events", "events", _guarded(desk, routes.events), methods=["GET"])
    blueprint.add_url_rule("/calls/<call_sid>/commands", "commands", _guarded(desk, routes.command), methods=["POST"])
    return blueprint


class OperatorRoutes:
    """What each path answers to somebody who may come in."""

    def __init__(self, desk: OperatorDesk) -> None:
        self._desk = desk

    async def calls(self, _: OperatorKey) -> Response:
        """``GET /calls?live=true|false&business=ID&limit=N``."""
        limit = _whole("limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        business = request.args.get("business")
        live = _flag("live")
        found = await self._list(limit, BusinessId(business) if business else None, live)
        return _json({"calls": [summary(record, ended=True) for record in found]})

    async def call(self, _: OperatorKey, call_sid: str) -> Response:
        """``GET /calls/{call_sid}``."""
        return _json(summary(await self._record(call_sid), ended=True))

    async def events(self, _: OperatorKey, call_sid: str) -> Response:
        """``GET /calls/{call_sid}/events?after=SEQ``."""
        after = _whole("after", 0, least=0, most=2**31)
        with suppress(TimeoutError):  # a store that is away is noticed by what follows
            async with asyncio.timeout(FLUSHED_WITHIN_S):
                await self._desk.journal.flush(CallSid(call_sid))
        await self._record(call_sid)
        events = await _bounded(self._desk.store.events(CallSid(call_sid), after))
        flat: list[dict[str, Any]] = []
        for begin in range(0, len(events), EVENTS_AT_ONCE):
            flat += [event.flat() for event in events[begin : begin + EVENTS_AT_ONCE]]
            await asyncio.sleep(0)
        return _json({"events": flat})

    async def command(self, key: OperatorKey, call_sid: str) -> Response:
        """``POST /calls/{call_sid}/commands``."""
        command = read_command(read_object(await _body()), call_sid)
        if command.action in ("listen", "unlisten"):
            raise Unreadable(f"{command.action} is for the WebSocket")
        answer = await self._desk.command(key, command)
        if answer.error is None:
            return _json({"type": "result", "ok": True})
        return _json({"type": "result", "ok": False, "error": answer.error}, answer.status)

    async def _record(self, call_sid: str) -> CallRecord:
        record = await _bounded(self._desk.store.get_call(CallSid(call_sid)))
        if record is None:
            raise _Refused(404, "There is no such call.")
        return record

    async def _list(self, limit: int, business: BusinessId | None, live: bool | None) -> list[CallRecord]:
        if live is not False:
            return await _bounded(self._desk.store.list_calls(limit=limit, business_id=business, live=bool(live)))
        looked_at = limit + EXPECTED_LIVE
        while True:  # the store lists live calls or all
            newest = await _bounded(self._desk.store.list_calls(limit=looked_at, business_id=business))
            ended = [record for record in newest if record.ended]
            if len(ended) >= limit or len(newest) < looked_at:
                return ended[:limit]
            looked_at *= 2


def _guarded(desk: OperatorDesk, view: Callable[..., Awaitable[Response]]) -> View:
    """The view behind the token; whatever goes wrong is told in one sentence."""

    @wraps(view)
    async def guarded(**path: str) -> Response:
        key = desk.admitted(authorization_of(request.scope["headers"]))
        if isinstance(key, str):
            return _json({"error": key}, 401, {"WWW-Authenticate": "Bearer"})
        try:
            return await view(key, **path)
        except _Refused as refused:
            return _json({"error": str(refused)}, refused.status)
        except Unreadable as unreadable:
            return _json({"error": str(unreadable)}, 400)
        except (StoreError, TimeoutError) as error:
            log.warning("operator.store_away", why=str(error) or "timeout")
            return _json({"error": "The call store does not answer."}, 503)
        except Exception:
            log.exception("operator.request_failed", path=request.path)
            return _json({"error": "The bridge failed to answer; its log says why."}, 500)

    return guarded


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(body), status, {"Cache-Control": "no-store", **(headers or {})}, content_type="application/json"
    )


def _whole(name: str, default: int, *, least: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 10 or not least <= int(text) <= most:
        raise _Refused(400, f"{name} is not a whole number from {least} to {most}.")
    return int(text)


def _flag(name: str) -> bool | None:
    text = request.args.get(name)
    if text not in (None, "true", "false"):
        raise _Refused(400, f"{name} is neither true nor false.")
    return None if text is None else text == "true"


async def _body() -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.body:
                body += chunk
                if len(body) > MAX_MESSAGE_BYTES:
                    break
    except TimeoutError:
        raise _Refused(408, f"The request's body did not arrive within {BODY_WITHIN_S:.0f} s.") from None
    return bytes(body)


async def _bounded(work: Awaitable[_T]) -> _T:
    async with asyncio.timeout(STORE_WITHIN_S):
        return await work
