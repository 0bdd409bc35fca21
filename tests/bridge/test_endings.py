"""How a call gets its last event when more than one bridge has had it. Time is virtual."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bridge.conversation.outputs import Release
from bridge.endings import QUIET_S, Endings, Report
from calls.bus.memory import MemoryBus
from calls.events import CallEvent, Usage, timestamp
from calls.ids import CallSid
from calls.journal import Journal
from calls.record import CallRecord
from calls.store import call_row
from calls.store.base import CallStore, StoreUnavailable
from calls.store.call_row import CallRow
from tests.calls.examples import START, new_call, sid
from tests.calls.virtual_loop import run_virtually

STREAM_OVER = Release(None, {"input_text": 10})


class OneCall:
    """A store with one call in it, which ``bridge-1`` serves, and the bridges around it."""

    def __init__(self) -> None:
        row = call_row.new_row(new_call(), START)
        self.row = call_row.claimed(row, row.token, "bridge-1", START)
        self.ends: list[str] = []
        self.is_away = False
        self.tries = 0
        store = cast(CallStore, self)
        journal = Journal(store, MemoryBus())
        self.bridges = {owner: Endings(store, journal, owner, lambda _: None) for owner in ("bridge-1", "bridge-2")}

    @property
    def record(self) -> CallRecord:
        return self.row.record

    async def get_call(self, _: CallSid) -> CallRecord:
        if self.is_away:
            raise StoreUnavailable("the call store is gone")
        return self.record

    async def list_calls(self, **_: object) -> list[CallRecord]:
        return [self.record]

    async def release_stream(self, call: CallSid, owner: str, usage: Usage, at: datetime, cost: float | None) -> None:
        self.tries += 1
        if self.is_away:
            raise StoreUnavailable("the call store is gone")
        self.row = call_row.released(self.row, call, owner, usage, at, cost) or self.row

    async def end_call(self, _: CallSid, reason: str, at: datetime, duration_ms: int | None) -> CallEvent | None:
        if self.record.ended:
            return None
        self.ends.append(reason)
        event = self.row.next_event(call_row.ending(self.record, reason, at, duration_ms), at)
        self.row = self.row.after([event])
        return event

    # what happens to it

    async def released(self, owner: str = "bridge-1", report: Report | None = None, over_at: datetime | None = None) -> None:
        await self.bridges[owner].release(sid(), STREAM_OVER, over_at or datetime.now(UTC), lambda: report)

    async def completed(self, over_at: datetime, report: Report | None = None) -> None:
        release = Release("farewell", {})
        await self.bridges["bridge-1"].release(sid(), release, over_at, lambda: report, started_at=timestamp(START))

    def asked_what_next(self) -> None:
        self.row = call_row.asked(self.row, datetime.now(UTC)) or self.row

    def resumed(self) -> None:
        self.asked_what_next()
        self.row = cast(CallRow, call_row.resumed(self.row, "lost", datetime.now(UTC)))

    def claimed(self, owner: str = "bridge-2") -> None:
        self.row = call_row.claimed(self.row, self.row.token, owner, datetime.now(UTC))

    async def reported(self, owner: str) -> None:
        await self.bridges[owner].call_over(sid(), "completed", 5000)

    async def close(self) -> None:
        for bridge in self.bridges.values():
            await bridge.close()


def played(story: Callable[[OneCall], Awaitable[Any]]) -> list[str]:
    """The reasons the call was ended for: at most one."""

    async def play() -> list[str]:
        call = OneCall()
        await story(call)
        ends = list(call.ends)
        await call.close()
        return ends

    return run_virtually(play())


async def time_passes(share: float = 1.0) -> None:
    """So much of the time a call is waited for goes by."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), QUIET_S * share + 0.01)


def test_a_stream_after_which_nobody_asks_was_the_call_s_last() -> None:
    async def story(call: OneCall) -> None:
        await call.released()
        await time_passes()

    assert played(story) == ["caller_hung_up"]


def test_the_time_a_call_was_waited_for_is_none_of_its_length() -> None:
    async def story(call: OneCall) -> None:
        await call.released(over_at=START + timedelta(seconds=7))
        await time_passes()
        assert call.record.duration_ms == 7000

    assert played(story) == ["caller_hung_up"]


@pytest.mark.parametrize(
    ("report", "duration_ms"), [(None, 7000), (Report("completed", 8000), 8000), (Report("completed", None), 7000)]
)
def test_a_call_that_was_completed_lasted_to_the_end_of_its_stream_if_twilio_does_not_say(
    report: Report | None, duration_ms: int
) -> None:
    async def story(call: OneCall) -> None:
        await call.completed(START + timedelta(seconds=7), report)
        assert call.record.duration_ms == duration_ms

    assert played(story) == ["farewell"]


def test_a_call_that_ends_while_the_store_is_away_is_ended_once_it_is_back() -> None:
    async def story(call: OneCall) -> None:
        await call.released()
        call.is_away = True
        await time_passes(2.5)
        assert call.ends == []
        call.is_away = False
        await time_passes()

    assert played(story) == ["caller_hung_up"]


def test_a_bridge_lets_go_of_a_call_however_long_the_store_is_away() -> None:
    async def story(call: OneCall) -> None:
        call.is_away = True
        released = asyncio.create_task(call.released())
        await time_passes(30)
        assert not released.done()
        call.is_away = False
        await time_passes()
        assert released.done()
        assert call.record.owner is None
        await time_passes()

    assert played(story) == ["caller_hung_up"]


def test_what_the_store_refuses_is_not_tried_for_ever() -> None:
    async def story(call: OneCall) -> None:
        call.row = call.row.changed(owner="bridge-2")
        await call.released()
        assert call.tries == 5

    assert played(story) == []


def test_a_call_that_waits_for_its_further_stream_is_not_ended() -> None:
    async def story(call: OneCall) -> None:
        await call.released()
        call.resumed()
        await time_passes(3)

    assert played(story) == []


def test_a_call_that_another_bridge_has_is_not_ended_by_the_one_before() -> None:
    async def story(call: OneCall) -> None:
        await call.released()
        call.resumed()
        call.claimed()
        await time_passes(3)

    assert played(story) == []


def test_nor_is_it_while_that_one_waits_whether_twilio_asks() -> None:
    async def story(call: OneCall) -> None:
        await call.released()
        call.resumed()
        call.claimed()
        await time_passes(0.9)
        await call.released("bridge-2")
        call.row = call.row.changed(released_at="2026-01-01T12:00:30.000Z")  # time is virtual; dates are not
        await time_passes(0.5)  # the first bridge's time is over, the second one's is not

    assert played(story) == []


def test_a_bridge_that_lets_go_late_adds_what_it_used_and_ends_nothing() -> None:
    async def story(call: OneCall) -> None:
        call.resumed()
        call.claimed()
        await call.released()
        await time_passes(3)
        assert (call.record.owner, call.record.usage, call.record.unreleased) == ("bridge-2", {"input_text": 10}, ())

    assert played(story) == []


def test_a_report_that_reaches_another_bridge_waits_for_the_owner_s_last_word() -> None:
    async def story(call: OneCall) -> None:
        await call.reported("bridge-2")
        await time_passes(0.3)
        assert call.ends == []
        await call.released()
        await time_passes(0.1)
        assert call.record.duration_ms == 5000
        assert call.record.usage == {"input_text": 10}

    assert played(story) == ["caller_hung_up"]


def test_a_report_about_an_owner_that_is_gone_ends_the_call_all_the_same() -> None:
    async def story(call: OneCall) -> None:
        await call.reported("bridge-2")
        await time_passes(1.1)

    assert played(story) == ["caller_hung_up"]


@pytest.mark.parametrize("owner", ["bridge-1", "bridge-2"])
def test_a_report_about_a_call_nobody_owns_ends_it_at_once(owner: str) -> None:
    async def story(call: OneCall) -> None:
        await call.released()
        await call.reported(owner)

    assert played(story) == ["caller_hung_up"]


def test_a_process_that_starts_leaves_alone_what_waits_for_a_further_stream() -> None:
    async def story(call: OneCall) -> None:
        call.row = call.row.changed(started_at=datetime.now(UTC).isoformat())
        call.row = cast(CallRow, call_row.released(call.row, sid(), "bridge-1", {}, datetime.now(UTC), None))
        call.resumed()
        await call.bridges["bridge-2"].sweep()
        await time_passes(3)

    assert played(story) == []


def test_and_ends_what_nobody_asked_about() -> None:
    async def story(call: OneCall) -> None:
        call.row = call.row.changed(started_at=datetime.now(UTC).isoformat())
        call.row = cast(CallRow, call_row.released(call.row, sid(), "bridge-1", {}, datetime.now(UTC), None))
        await call.bridges["bridge-2"].sweep()
        await time_passes(1.1)

    assert played(story) == ["caller_hung_up"]
