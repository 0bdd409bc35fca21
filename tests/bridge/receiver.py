"""A business's own server on this machine: takes what is posted to it, and answers as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

WITHIN_S = 30.0
SECRET = "a secret nobody should see"


class Received(NamedTuple):
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """What it says."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return self.headers["Idempotency-Key"]


class Receiver:
    """The server. ``answers``: the statuses of the next requests; 204 when there is none left."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.busy = 0
        self.busiest = 0
        self.hold: Callable[[], Awaitable[object]] | None = None
        """Awaited before each answer."""
        self._came = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        """Keeps a request."""
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            received = Received(dict(request.headers), await request.read())
            async with self._came:
                self.received.append(received)
                self._came.notify_all()
            if self.hold is not None:
                await self.hold()
        finally:
            self.busy -= 1
        status = self.answers.pop(0) if self.answers else 204
        headers = {"Location": "/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers)

    async def has(self, count: int) -> list[Received]:
        """The first so many requests, waited for if need be."""
        async with asyncio.timeout(WITHIN_S), self._came:
            await self._came.wait_for(lambda: len(self.received) >= count)
        return self.received[:count]

    def keys(self) -> list[str]:
        """The keys of all requests, in order."""
        return [one.key for one in self.received]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A server that takes ``POST`` at any path."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
