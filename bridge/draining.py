"""Going down with calls on the line: no new ones, time for those there are, and a word now and then about how far it has come.

What has not ended by then is left without a disposition: ``/stream-ended`` connects the caller again, and another process carries on.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from bridge.capacity import Capacity

TOLD_EVERY_S = 10.0
LEFT_WITHIN_S = 4.0
"""How long calls that are left have to write down what was said last: a little more than their own bounds add up to."""

log = structlog.get_logger()


class Draining:
    """``capacity``: whose calls they are; ``clock_s`` goes forward only."""

    def __init__(
        self, capacity: Capacity, *, told_every_s: float = TOLD_EVERY_S, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity, self._told_every_s, self._clock_s = capacity, told_every_s, clock_s
        self._news = asyncio.Event()
        capacity.on_change(self._news.set)

    async def run(self, leave_now: asyncio.Event, drain_s: float) -> None:
        """Takes no new calls; returns once there are none, after ``drain_s``, or at once if ``leave_now`` is or gets set."""
        began_s = self._clock_s()
        self._capacity.drain()
        log.info("serve.draining", live_calls=self._capacity.live_calls, drain_s=drain_s)
        cut_short = asyncio.create_task(self._told_to_leave(leave_now), name="leave-now")
        try:
            await self._wait(leave_now, began_s, drain_s)
        finally:
            cut_short.cancel()
        self._tell("serve.leaves_calls" if self._capacity.live_calls else "serve.drained", began_s)

    async def left(self) -> None:
        """Returns once no call is served any more, or after ``LEFT_WITHIN_S``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LEFT_WITHIN_S):
                while self._capacity.live_calls:
                    self._news.clear()
                    await self._news.wait()

    async def _wait(self, leave_now: asyncio.Event, began_s: float, drain_s: float) -> None:
        tells_s = self._told_every_s
        while self._capacity.live_calls and not leave_now.is_set():
            waited_s = self._clock_s() - began_s
            if waited_s >= drain_s:
                return
            if waited_s >= tells_s:
                self._tell("serve.still_draining", began_s)
                tells_s += self._told_every_s
            await self._news_within(min(tells_s, drain_s) - waited_s)

    async def _news_within(self, pause_s: float) -> None:
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(pause_s, 0)):
                await self._news.wait()

    async def _told_to_leave(self, leave_now: asyncio.Event) -> None:
        await leave_now.wait()
        self._news.set()

    def _tell(self, event: str, began_s: float) -> None:
        log.info(event, live_calls=self._capacity.live_calls, waited_s=round(self._clock_s() - began_s, 1))
