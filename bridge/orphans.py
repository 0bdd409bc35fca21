"""Ends the records of calls whose bridge has died and of which Twilio has asked nothing since: the caller hung up in the same moment.

Where webhooks and bridge run apart nobody else would: a bridge that owns a call is the only one to end it, and a dead one does not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog

from calls.events import CallEvent
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.base import CallStore, StoreError
from calls.store.fleet import FleetStore

LOOK_EVERY_S = 60.0
"""A call that is an orphan twice in a row is one: any bridge that is alive has said so many times between two looks."""
MAX_CALLS = 5_000
REASON = "lost"

log = structlog.get_logger()


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Orphans:
    """``owner``: this bridge's name, by which it sees whether the bridges' notes can be relied upon."""

    def __init__(
        self,
        store: CallStore,
        fleet: FleetStore,
        owner: str,
        announce: Callable[[CallEvent], None],
        *,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._store, self._fleet, self._owner, self._announce, self._now = store, fleet, owner, announce, now
        self._suspected: set[tuple[CallSid, str, int]] = set()

    async def look(self) -> None:
        """Ends those that were orphans the last time, too. Raises :class:`StoreError`."""
        alive = {load.owner for load in await self._fleet.loads(self._now() - timedelta(seconds=LOOK_EVERY_S))}
        if self._owner != min(alive, default=None):  # one looks for all; and who is not among them cannot rely on their notes
            self._suspected.clear()
            return
        live = await self._store.list_calls(limit=MAX_CALLS, live=True)
        orphans = {_key(record): record for record in live if _is_orphan(record, alive)}
        for key in self._suspected & orphans.keys():
            await self._end(orphans.pop(key))
        self._suspected = set(orphans)

    async def _end(self, record: CallRecord) -> None:
        last = await self._store.events(record.call_sid, record.last_seq - 1)
        lasted = (last[-1].at if last else self._now()) - datetime.fromisoformat(record.started_at)
        duration_ms = max(0, round(lasted / timedelta(milliseconds=1)))
        event = await self._store.end_call(record.call_sid, REASON, self._now(), duration_ms)
        if event is not None:
            log.warning("call.orphan_ended", call_sid=record.call_sid, owner=record.owner)
            self._announce(event)


@asynccontextmanager
async def orphans_ended(orphans: Orphans, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncIterator[None]:
    """Looks now and then while the block runs."""
    task = asyncio.create_task(_watch(orphans, sleep), name="orphans")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(orphans: Orphans, sleep: Callable[[float], Awaitable[None]]) -> None:
    while True:
        await sleep(LOOK_EVERY_S)
        try:
            await orphans.look()
        except StoreError as error:
            log.warning("orphans.not_looked_for", why=str(error))
        except Exception:
            log.exception("orphans.failed")


def _is_orphan(record: CallRecord, alive: set[str]) -> bool:
    """Whether a bridge that is not alive owns it and nobody but that bridge would end it."""
    return record.owner is not None and record.owner not in alive and record.action_requested_at is None


def _key(record: CallRecord) -> tuple[CallSid, str, int]:
    return record.call_sid, record.owner or "", record.last_seq
