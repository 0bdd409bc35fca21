"""The operator API over HTTP: past calls, the events of one call, commands without a socket (docs/reference/operator-api.md)."""

import asyncio
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote, urlencode

import msgspec

from console.endpoint import Endpoint
from console.losses import why, why_status
from console.protocol import CallSummary, Event, event_of, safe, summary_of

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

MAX_BODY = 16 * 2**20
"""Bytes of an answer; more is not read."""
TIMEOUT_S = 10.0
"""For one request, from connecting to the last byte."""
MAX_CALLS = 500
"""Calls a bridge lists at once."""

Trouble = Literal["unreachable", "refused", "not_found", "failed"]


class OperatorApiError(Exception):
    """A request that did not work out. The text is one sentence, or half of one, safe for a terminal."""

    def __init__(self, sentence: str, trouble: Trouble) -> None:
        super().__init__(sentence)
        self.trouble: Trouble = trouble


class OperatorHttp:
    """Asks one bridge. Every method raises :class:`OperatorApiError`, and nothing else. Close it, or use it with ``async with``."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = TIMEOUT_S) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def calls(self, *, live: bool | None = None, business_id: str = "", limit: int = MAX_CALLS) -> list[CallSummary]:
        """Calls, newest first, at most ``limit`` (and at most 500): all, or only those going on, or only those that ended."""
        query: dict[str, Any] = {"limit": limit}
        if live is not None:
            query["live"] = "true" if live else "false"
        if business_id:
            query["business"] = business_id
        found = _list_in(await self._ask("GET", f"/calls?{urlencode(query)}"), "calls")
        return [call for call in map(summary_of, found) if call is not None]

    async def call(self, call_sid: str) -> CallSummary:
        """One call. Raises with ``not_found`` if there is none."""
        call = summary_of(await self._ask("GET", f"/calls/{_segment(call_sid)}"))
        if call is None:
            raise OperatorApiError("the bridge answered with something that is no call", "failed")
        return call

    async def events(self, call_sid: str, *, after: int = 0) -> list[Event]:
        """The events of a call with numbers above ``after``, in order."""
        found = _list_in(await self._ask("GET", f"/calls/{_segment(call_sid)}/events?after={after}"), "events")
        events = [event for event in map(event_of, found) if event is not None and event.seq > after]
        return sorted(events, key=lambda event: event.seq)

    async def command(self, call_sid: str, action: str, text: str | None = None, to: str | None = None) -> None:
        """Has ``action`` carried out; returns when the bridge has accepted it. Raises with the bridge's own sentence if it did not."""
        body = {"action": action, "text": text, "to": to}
        sent = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
        result = await self._ask("POST", f"/calls/{_segment(call_sid)}/commands", sent)
        if not isinstance(result, dict) or result.get("ok") is not True:
            raise OperatorApiError(_sentence(result) or "the bridge did not say that it accepted this", "failed")

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The decoded answer."""
        url = f"{self._endpoint.url}{path}"
        try:
            async with asyncio.timeout(self._timeout_s):
                session = await self._opened()
                headers = {"Content-Type": "application/json"} if body is not None else {}
                async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as response:
                    return self._answer(response.status, await _read(response))
        except OperatorApiError:
            raise
        except Exception as error:
            # aiohttp raises its own errors, OSError, ValueError, UnicodeError …: for who asked they are all the same.
            raise OperatorApiError(why(getattr(error, "os_error", error), url), "unreachable") from None

    def _answer(self, status: int, body: bytes) -> Any:
        answer = _decoded(body)
        if status == 200 and answer is not None:
            return answer
        sentence = _sentence(answer)
        if status == 200:
            raise OperatorApiError(
                f"{self._endpoint.url} answers with something that is not JSON; is that a Frontdesk bridge?", "failed"
            )
        if sentence and status in (400, 404, 409):
            raise OperatorApiError(sentence, "not_found" if status == 404 else "failed")
        raise OperatorApiError(why_status(status, sentence, self._endpoint.url), _TROUBLES.get(status, "unreachable"))

    async def _opened(self) -> "ClientSession":
        if self._session is None:
            # aiohttp takes a fifth of a second to load: in a thread, so that a screen stays alive meanwhile.
            await asyncio.to_thread(import_module, "aiohttp")
            from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415

            if self._session is None:
                unlimited = ClientTimeout(total=None)
                self._session = ClientSession(
                    headers=self._endpoint.headers, timeout=unlimited, trust_env=not self._endpoint.local
                )
        return self._session


_TROUBLES: dict[int, Trouble] = {401: "refused", 403: "refused", 400: "failed", 404: "failed", 409: "failed"}


async def _read(response: "ClientResponse") -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        body += piece
        if len(body) > MAX_BODY:
            raise OperatorApiError(f"the bridge answered with more than {MAX_BODY >> 20} MiB", "failed")
    return bytes(body)


def _segment(call_sid: str) -> str:
    """One segment of a path. Dots alone would climb."""
    return quote(call_sid, safe="").replace(".", "%2E") or "-"


def sentence_in(body: bytes) -> str:
    """What a refusal says: its ``error``, safe; empty if it says nothing."""
    return _sentence(_decoded(body))


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _sentence(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return safe(error)[:500] if isinstance(error, str) else ""


def _list_in(answer: Any, name: str) -> list[Any]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise OperatorApiError(f"the bridge answered without {name}", "failed")
    return found
