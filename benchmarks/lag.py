"""How late the event loop of the generator was: where it was late, the generator and not the bridge is being measured."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

EVERY_S = 0.002


class LoopLag:
    """Watches the running loop while its block runs; ``late_ms`` has one value per look."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.late_ms.append(max(0.0, (loop.time() - due_s) * 1000))
