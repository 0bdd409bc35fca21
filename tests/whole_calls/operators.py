"""An operator's side of a deployment: the socket and the requests, as any client would make them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.operator.tokens import parse_tokens
from tests.whole_calls.playing import WITHIN_S

ANA, VIC = "correct horse battery", "staple every day"
OPERATORS = parse_tokens(f"ana:operator:{ANA},vic:viewer:{VIC}")

Message = dict[str, Any]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Operator:
    """One connection of an operator."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.told: list[Message] = []
        self._asked = 0

    async def next(self) -> Message:
        """The next message."""
        async with asyncio.timeout(WITHIN_S):
            message: Message = json.loads(await self.connection.recv())
        self.told.append(message)
        return message

    async def sees(self, matching: Callable[[Message], bool]) -> Message:
        """The first message of that kind, among those seen already and those to come."""
        for message in self.told:
            if matching(message):
                return message
        while True:
            message = await self.next()
            if matching(message):
                return message

    async def event(self, kind: str, call_sid: str | None = None) -> Message:
        """The first event of that kind."""
        return await self.sees(lambda one: one["type"] == "event" and one["kind"] == kind and call_sid in (None, one["call_sid"]))

    async def says(self, message: Message | str | bytes) -> None:
        """Sends something as it is."""
        await self.connection.send(json.dumps(message) if isinstance(message, dict) else message)

    async def commands(self, call_sid: str, action: str, **fields: str) -> Message:
        """A command and its result."""
        self._asked += 1
        asked = f"c{self._asked}"
        await self.says({"type": "command", "id": asked, "call_sid": call_sid, "action": action, **fields})
        return await self.sees(lambda one: one["type"] == "result" and one["id"] == asked)

    async def until_closed(self) -> int:
        """Reads to the end; the close code."""
        try:
            while True:
                await self.next()
        except ConnectionClosed:
            return self.connection.close_code or 1006

    def events(self, call_sid: str) -> list[Message]:
        """The events of a call seen so far."""
        return [one for one in self.told if one["type"] == "event" and one["call_sid"] == call_sid]


@asynccontextmanager
async def operator_at(origin: str, token: str = ANA, **options: Any) -> AsyncIterator[Operator]:
    """An operator who has come in. Raises ``InvalidStatus`` if they may not."""
    url = "ws" + origin.removeprefix("http") + "/operator"
    options = {"compression": None, "max_size": None} | options
    async with connect(url, additional_headers=bearer(token), proxy=None, **options) as connection:
        yield Operator(connection)


async def refusal(origin: str, headers: dict[str, str], query: str = "") -> tuple[int, str | None, Message]:
    """Status, ``WWW-Authenticate`` and body of a handshake that is refused."""
    try:
        async with connect("ws" + origin.removeprefix("http") + f"/operator{query}", additional_headers=headers, proxy=None):
            return 101, None, {}
    except InvalidStatus as refused:
        answer = refused.response
        return answer.status_code, answer.headers.get("WWW-Authenticate"), json.loads(answer.body or b"{}")


class Requests:
    """The operator API without a socket."""

    def __init__(self, origin: str, http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
        self._origin, self._http, self._headers = origin, http, headers

    async def get(self, path: str) -> tuple[int, Message]:
        """Status and body."""
        async with self._http.get(self._origin + path, headers=self._headers) as answer:
            return answer.status, await answer.json()

    async def command(self, call_sid: str, body: Any) -> tuple[int, Message]:
        """A command; ``body`` as it is if it is bytes."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self._origin}/calls/{call_sid}/commands"
        async with self._http.post(url, data=sent, headers=self._headers) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def requests_at(origin: str, token: str | None = ANA) -> AsyncIterator[Requests]:
    """Requests with a token."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        yield Requests(origin, http, bearer(token) if token is not None else {})
