"""Which of a service's chores a process does. Those that leases and conditions keep from being done twice every process does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

SETTLED_S = 90.0
"""By then a summary that another process had under way is on the record, or has been given up (``bridge.after_call``)."""


class Chores(msgspec.Struct, frozen=True):
    """Of one process."""

    keeps_house: bool = True
    """Whether it forgets what is kept long enough, once a day."""
    sweeps_after_s: float = 0.0
    """When it takes up the summaries that earlier processes owe. At once only if no other process may be at them."""


ALL_CHORES = Chores()
"""Of a process that is alone."""


def chores_of(place: int, *, is_first_start: bool) -> Chores:
    """The chores of a worker. The one in the first place keeps house; the first of all to start owes nobody any regard."""
    return Chores(keeps_house=place == 0, sweeps_after_s=0.0 if place == 0 and is_first_start else SETTLED_S)


@asynccontextmanager
async def sweeping(
    sweep: Callable[[], Awaitable[None]], after_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Sweeps once: before the block runs, or, if it is to be later, while it does."""
    if after_s == 0:
        await sweep()
        yield
        return
    task = asyncio.create_task(_later(sweep, after_s, sleep), name="late-sweep")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _later(sweep: Callable[[], Awaitable[None]], after_s: float, sleep: Callable[[float], Awaitable[None]]) -> None:
    await sleep(after_s)
    await sweep()
