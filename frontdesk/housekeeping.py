"""What a server does once a day beside answering calls: forget what its businesses want to keep no longer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog

from calls.business import BusinessProfile
from calls.retention import Kept, enforce

DAY_S = 86_400.0

log = structlog.get_logger()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def housekeeping(
    kept: Kept,
    businesses: Iterable[BusinessProfile],
    *,
    now: Callable[[], datetime] = _utc_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Enforces retention at once and then every day, while the block runs; each time as ``businesses`` says then."""
    task = asyncio.create_task(_daily(kept, businesses, now, sleep), name="housekeeping")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _daily(
    kept: Kept,
    businesses: Iterable[BusinessProfile],
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    while True:
        try:
            await enforce(kept, tuple(businesses), now())
        except Exception:
            # Nothing of it may end the server, or the days to come.
            log.exception("housekeeping.failed")
        await sleep(DAY_S)
