"""The recordings calls are greeted with, at hand: kept in memory, made in the background where one is missing.

A call never waits for any of this. One whose recording is missing is greeted live, and its recording is looked for in the store (a
command or another process may have made it) or made, so that the next call has it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog

from bridge.conversation.agent_voice import SpokenLine
from bridge.greeting_render import NotRendered, render
from bridge.settings import ModelEndpoint
from calls.business import BusinessProfile
from calls.greetings import GreetingKey, RecordedGreeting, greeting_for, greetings_of, key_of
from calls.record import CallRecord
from calls.store.base import StoreError
from calls.store.greetings import GreetingStore

AT_ONCE = 2
"""Recordings made at the same time."""
TRIES = 3
"""How often a recording is tried to be made in the life of a process; each try is several attempts."""
LOOKED_UP_AFTER_S = 60.0
"""A recording in use is looked up again this long after it was, in case it was made anew."""

log = structlog.get_logger()


class _Kept:
    """A recording in memory."""

    def __init__(self, greeting: RecordedGreeting, looked_up_s: float) -> None:
        self.line = SpokenLine(text=greeting.key.text, audio=greeting.audio)
        self.looked_up_s = looked_up_s


class Greetings:
    """See the module. ``close`` gives up what is under way. ``clock_s`` only goes forward."""

    def __init__(self, store: GreetingStore, endpoint: ModelEndpoint, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store, self._endpoint, self._clock_s = store, endpoint, clock_s
        self._kept: dict[GreetingKey, _Kept] = {}
        self._tries: dict[GreetingKey, int] = {}
        self._under_way: dict[GreetingKey, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def load(self, businesses: Iterable[BusinessProfile]) -> None:
        """Takes the recordings of these businesses into memory, as far as there are any."""
        for profile in businesses:
            if profile.greeting.mode == "recorded":
                for text in greetings_of(profile).values():
                    await self._look_up(key_of(profile, text, self._endpoint.default_model))

    def recording_for(self, profile: BusinessProfile, record: CallRecord) -> SpokenLine | None:
        """What this call is to be greeted with; ``None``: the model is to speak. Returns at once."""
        if profile.greeting.mode != "recorded":
            return None
        key = key_of(profile, greeting_for(profile, record), self._endpoint.default_model)
        kept = self._kept.get(key)
        if kept is None:
            self._start(key, lambda: self._find_or_make(key, profile))
            return None
        if self._clock_s() - kept.looked_up_s >= LOOKED_UP_AFTER_S:
            self._start(key, lambda: self._look_up(key))
        return kept.line

    @property
    def under_way(self) -> int:
        """How many recordings are being looked for or made."""
        return len(self._under_way)

    async def close(self) -> None:
        """Gives up what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._under_way.clear()

    def _start(self, key: GreetingKey, work: Callable[[], Awaitable[object]]) -> None:
        if key in self._under_way:
            return
        task = asyncio.create_task(self._guarded(key, work), name="greeting-recording")
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._under_way.pop(key, None))

    async def _guarded(self, key: GreetingKey, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except NotRendered as failed:
            log.warning("greeting.not_recorded", digest=key.digest[:12], why=str(failed))
        except Exception:
            log.exception("greeting.not_recorded", digest=key.digest[:12])

    async def _look_up(self, key: GreetingKey) -> bool:
        """Whether the store has it; then it is at hand."""
        try:
            greeting = await self._store.get(key)
        except StoreError as error:
            log.warning("greeting.not_looked_up", why=str(error))
            greeting = None
        if greeting is None:
            if key in self._kept:
                self._kept[key].looked_up_s = self._clock_s()
            return False
        self._kept[key] = _Kept(greeting, self._clock_s())
        return True

    async def _find_or_make(self, key: GreetingKey, profile: BusinessProfile) -> None:
        if await self._look_up(key):
            return
        if self._tries.get(key, 0) >= TRIES:
            return
        self._tries[key] = self._tries.get(key, 0) + 1
        async with self._room:
            greeting = await render(self._endpoint, profile, key.text)
        self._kept[key] = _Kept(greeting, self._clock_s())
        try:
            await self._store.put(greeting)
        except StoreError as error:
            log.warning("greeting.not_stored", why=str(error))
        log.info("greeting.recorded", business_id=profile.id, ms=greeting.duration_ms)
