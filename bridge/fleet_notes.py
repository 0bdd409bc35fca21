"""Tells the store what this bridge carries, for the webhooks that run elsewhere: every few seconds, and at once when it has become full,
has room again, or goes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import structlog

from bridge.capacity import Capacity
from calls.fleet import NOTED_EVERY_S, TaskLoad
from calls.store.base import StoreError
from calls.store.fleet import FleetStore

FORGOTTEN_WITHIN_S = 2.0

log = structlog.get_logger()


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FleetNotes:
    """``owner``: this bridge's name."""

    def __init__(self, fleet: FleetStore, owner: str, capacity: Capacity, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._fleet, self._owner, self._capacity, self._now = fleet, owner, capacity, now
        self._started_at = now()
        self._noted: bool | None = None
        self._news = asyncio.Event()
        self._is_failing = False
        capacity.on_change(self._look)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.note()
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTED_EVERY_S):
                    await self._news.wait()

    async def note(self) -> None:
        """Once. A store that is away is told of later."""
        self._news.clear()
        load = self._load()
        try:
            await self._fleet.note(load)
        except StoreError as error:
            self._failed(error)
        else:
            self._noted, self._is_failing = load.accepting, False

    async def forget(self) -> None:
        """The bridge goes."""
        try:
            async with asyncio.timeout(FORGOTTEN_WITHIN_S):
                await self._fleet.forget(self._owner)
        except (StoreError, TimeoutError) as error:
            log.warning("fleet.not_forgotten", why=str(error) or "timeout")

    def _look(self) -> None:
        if (self._capacity.refusal() is None) is not self._noted:
            self._news.set()

    def _load(self) -> TaskLoad:
        standing = self._capacity.standing
        return TaskLoad(
            owner=self._owner,
            at=self._now(),
            started_at=self._started_at,
            live_calls=standing.live_calls,
            max_calls=standing.max_calls,
            accepting=standing.refusal is None,
        )

    def _failed(self, error: StoreError) -> None:
        if not self._is_failing:
            log.warning("fleet.not_noted", why=str(error))
        self._is_failing = True


@asynccontextmanager
async def fleet_noted(fleet: FleetStore, owner: str, capacity: Capacity) -> AsyncIterator[None]:
    """Notes while the block runs, and takes the note back at its end."""
    notes = FleetNotes(fleet, owner, capacity)
    task = asyncio.create_task(notes.run(), name="fleet-notes")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await notes.forget()
