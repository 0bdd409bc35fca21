"""The agent of Amazon ECS as a task sees it: an HTTP server that remembers what it was asked, and answers as it is told to, each
answer in two pieces, as a network may."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

WITHIN_S = 30.0
PATH = "/api/0123456789/task-protection/v1/state"


class EcsAgent:
    """Yields what it was asked in order. ``answers``: what it says, one request each, the last one from then on; ``None``: yes."""

    def __init__(self, *answers: tuple[int, Any] | None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.hangs = False
        """Whether requests get no answer at all."""
        self._answers = list(answers) or [None]
        self._news, self._over = asyncio.Event(), asyncio.Event()
        self.url = ""

    async def was_asked(self, times: int) -> list[dict[str, Any]]:
        """Waits until it has been asked so often."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.asked) < times:
                self._news.clear()
                await self._news.wait()
        return self.asked

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """A request comes in."""
        body = await request.json()
        self.asked.append(body)
        self._news.set()
        if self.hangs:
            await self._over.wait()
        told = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        yes = {"protection": {"ProtectionEnabled": body["ProtectionEnabled"], "TaskArn": "arn:task"}}
        status, answer = told if told is not None else (200, yes)
        return await _in_pieces(request, status, answer if isinstance(answer, str) else json.dumps(answer))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["EcsAgent"]:
        """Answers while the block runs."""
        app = web.Application()
        app.router.add_put(PATH, self.answer)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/0123456789"
        try:
            yield self
        finally:
            self._over.set()
            await runner.cleanup()


async def _in_pieces(request: web.Request, status: int, text: str) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json", "Location": PATH})
    await response.prepare(request)
    await response.write(text[:1].encode())
    for _ in range(20):
        await asyncio.sleep(0)  # the one who asked runs in the same loop, and reads what there is
    await response.write(text[1:].encode())
    return response
