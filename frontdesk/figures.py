"""Figures of a process that shares its port with others: what is only looked at when somebody asks is told them now and then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bridge.metrics import BridgeMetrics

EVERY_S = 1.0


@asynccontextmanager
async def telling_others(
    metrics: BridgeMetrics, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Tells them while the block runs, if there are any."""
    if not metrics.are_shared:
        yield
        return
    task = asyncio.create_task(_tell(metrics, sleep), name="figures")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell(metrics: BridgeMetrics, sleep: Callable[[float], Awaitable[None]]) -> None:
    while True:
        metrics.tell_others()
        await sleep(EVERY_S)
