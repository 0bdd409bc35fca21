"""Once a day, and at once when the server starts."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from structlog.testing import capture_logs

from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory
from calls.ids import BusinessId, CallSid
from calls.retention import Kept
from calls.store import appointments_of, retention_of
from calls.store.base import NewCall
from calls.store.sqlite import SqliteStore
from frontdesk.housekeeping import DAY_S, housekeeping

START = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)
FILE: dict[str, Any] = {
    "id": "b",
    "name": "B",
    "numbers": ["client:b"],
    "language": "en",
    "voice": "alloy",
    "instructions": "Hi.",
}
PROFILE = msgspec.convert({**FILE, "privacy": {"retention_days": 2}}, BusinessProfile)


class Days:
    """A clock that the test moves a day at a time."""

    def __init__(self) -> None:
        self.now = START
        self.slept_s: list[float] = []
        self._asleep = asyncio.Event()
        self._morning = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self._asleep.set()
        await self._morning.wait()
        self._morning.clear()

    async def evening(self) -> None:
        """Everything of the day is done."""
        async with asyncio.timeout(30):
            await self._asleep.wait()
        self._asleep.clear()

    async def pass_one(self) -> None:
        self.now += timedelta(seconds=DAY_S)
        self._morning.set()
        await self.evening()


async def called(store: SqliteStore, number: int, at: datetime) -> None:
    call = NewCall(call_sid=CallSid(f"CA{number}"), business_id=BusinessId("b"), from_="a", to="b", channel="pstn")
    await store.open_call(call, at)
    await store.end_call(call.call_sid, "completed", at)


async def test_old_calls_are_forgotten_at_start_and_then_every_day(tmp_path: Path) -> None:
    store, days = SqliteStore(tmp_path / "calls.db"), Days()
    await store.open()
    await called(store, 1, START - timedelta(days=3))
    await called(store, 2, START - timedelta(days=1, hours=12))
    kept = Kept(retention_of(store), appointments_of(store))
    async with housekeeping(kept, [PROFILE], now=lambda: days.now, sleep=days.sleep):
        await days.evening()
        assert [one.call_sid for one in await store.list_calls()] == ["CA2"]
        await days.pass_one()
        assert await store.list_calls() == []
    assert days.slept_s == [DAY_S, DAY_S]
    await store.close()


async def test_each_day_goes_by_what_the_businesses_want_then(tmp_path: Path) -> None:
    store, days = SqliteStore(tmp_path / "calls.db"), Days()
    await store.open()
    await called(store, 1, START - timedelta(days=30))
    directory = BusinessDirectory([])
    async with housekeeping(Kept(retention_of(store), appointments_of(store)), directory, now=lambda: days.now, sleep=days.sleep):
        await days.evening()
        assert len(await store.list_calls()) == 1
        directory.replace([PROFILE])
        await days.pass_one()
        assert await store.list_calls() == []
    await store.close()


async def test_a_day_that_goes_wrong_is_followed_by_others(tmp_path: Path) -> None:
    store, days = SqliteStore(tmp_path / "calls.db"), Days()
    kept = Kept(retention_of(store), appointments_of(store))
    with capture_logs() as logs:
        async with housekeeping(kept, [PROFILE], now=lambda: days.now, sleep=days.sleep):
            await days.evening()  # the store is not even open
            await store.open()
            await called(store, 1, START - timedelta(days=3))
            await days.pass_one()
            assert await store.list_calls() == []
    assert [one["event"] for one in logs] == ["retention.failed", "retention.deleted"]
    await store.close()
