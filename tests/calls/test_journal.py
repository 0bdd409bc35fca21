"""The journal: the audio path never waits, and nothing recorded is lost or turned round."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from calls import events
from calls.bus.memory import MemoryBus
from calls.events import CallEvent
from calls.journal import Journal
from calls.store.base import CallStore, SequenceConflict, StoreError, StoreUnavailable
from calls.store.sqlite import SqliteStore
from tests.calls.examples import START, event, new_call, said, sid
from tests.calls.virtual_loop import run_virtually


class Ledger(SqliteStore):
    """Takes events in memory, each with the time of the loop; can be away, slow, or in conflict."""

    def __init__(self, *, away_for: int = 0, takes_s: float = 0.0, standing: dict[str, int] | None = None) -> None:
        super().__init__(Path("never-opened.db"))
        self.away_for, self.takes_s, self.standing = away_for, takes_s, standing or {}
        self.stored: list[CallEvent] = []
        self.stored_at_s: dict[tuple[str, int], float] = {}
        self.batches: list[int] = []
        self.fault: Exception | None = None

    async def append(self, events: Sequence[CallEvent], owner: str | None = None) -> None:
        await asyncio.sleep(self.takes_s)
        if self.away_for:
            self.away_for -= 1
            raise StoreUnavailable("the disk is full")
        standing = dict(self.standing)
        for one in events:
            if one.body == POISON:
                raise self.fault or StoreError("cannot hold this")
            if one.seq != standing.get(one.call_sid, 0) + 1:
                raise SequenceConflict(one.call_sid, self.standing.get(one.call_sid, 0))
            standing[one.call_sid] = one.seq
        self.standing = standing
        self.stored += events
        self.batches.append(len(events))
        now = asyncio.get_running_loop().time()
        self.stored_at_s |= {(one.call_sid, one.seq): now for one in events}

    def seqs(self, call: int = 1) -> list[int]:
        return [one.seq for one in self.stored if one.call_sid == sid(call)]


POISON = events.ErrorHappened(where="test", message="poison")


def lost(logs: Sequence[Any]) -> list[tuple[str, dict[str, int]]]:
    entries = [entry for entry in logs if entry["event"] == "journal.events_lost"]
    assert all(entry["lost"] == sum(entry["kinds"].values()) for entry in entries)
    return [(entry["call_sid"], entry["kinds"]) for entry in entries]


def test_an_event_is_stored_within_100_ms_without_anyone_asking() -> None:
    async def scenario() -> None:
        ledger, loop = Ledger(), asyncio.get_running_loop()
        recorded_at_s = {}
        async with Journal(ledger, MemoryBus()) as journal:
            for seq in range(1, 200):
                recorded_at_s[sid(), seq] = loop.time()
                journal.record(event(seq))
                await asyncio.sleep(0.007)
            await asyncio.sleep(0.1)
            waited_s = [ledger.stored_at_s[key] - at_s for key, at_s in recorded_at_s.items()]
        assert ledger.seqs() == list(range(1, 200))
        assert max(waited_s) <= 0.1
        assert len(ledger.batches) < 50

    run_virtually(scenario())


def test_an_event_waits_for_no_more_than_one_write_before_its_own() -> None:
    async def scenario() -> None:
        ledger, loop = Ledger(takes_s=0.08), asyncio.get_running_loop()
        recorded_at_s = {}
        async with Journal(ledger, MemoryBus()) as journal:
            for seq in range(1, 100):
                recorded_at_s[sid(), seq] = loop.time()
                journal.record(event(seq))
                await asyncio.sleep(0.011)
        assert max(ledger.stored_at_s[key] - at_s for key, at_s in recorded_at_s.items()) <= 0.25

    run_virtually(scenario())


async def test_recording_publishes_at_once_and_waits_for_nothing() -> None:
    bus = MemoryBus()
    with bus.subscribe() as subscription:
        journal = Journal(Ledger(), bus)
        journal.record(event(1))
        assert await subscription.get() == event(1)
    assert journal.waiting == 1


def test_events_of_many_calls_go_in_one_batch_in_their_order() -> None:
    async def scenario() -> None:
        ledger = Ledger()
        async with Journal(ledger, MemoryBus()) as journal:
            recorded = [event(seq, call=call) for seq in range(1, 21) for call in range(1, 11)]
            for one in recorded:
                journal.record(one)
        assert ledger.stored == recorded
        assert ledger.batches == [200]

    run_virtually(scenario())


def test_a_store_that_is_away_costs_time_and_no_event() -> None:
    async def scenario() -> None:
        ledger = Ledger(away_for=7)
        async with Journal(ledger, MemoryBus()) as journal:
            for seq in range(1, 300):
                journal.record(event(seq))
                await asyncio.sleep(0.03)
            assert ledger.away_for == 0
        assert ledger.seqs() == list(range(1, 300))
        assert journal.lost == 0

    with capture_logs() as logs:
        run_virtually(scenario())
    pauses_s = [entry["retry_in_s"] for entry in logs if entry["event"] == "journal.store_unavailable"]
    assert pauses_s == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_a_conflict_costs_the_call_its_conflicting_events_and_the_others_nothing() -> None:
    async def scenario() -> None:
        ledger = Ledger(standing={sid(2): 5})
        async with Journal(ledger, MemoryBus()) as journal:
            for call in (1, 2, 3):
                for seq in (1, 2, 3):
                    journal.record(event(seq, said("my PIN is 4711"), call=call))
            journal.record(event(6, call=2))
        assert [ledger.seqs(call) for call in (1, 2, 3)] == [[1, 2, 3], [6], [1, 2, 3]]
        assert journal.lost == 3

    with capture_logs() as logs:
        run_virtually(scenario())
    assert lost(logs) == [(sid(2), {"caller.transcript": 3})]
    assert "4711" not in str(logs)


def test_events_that_fit_are_stored_when_later_ones_of_their_call_do_not() -> None:
    async def scenario() -> None:
        ledger = Ledger()
        async with Journal(ledger, MemoryBus()) as journal:
            for seq in (1, 2, 4, 5):
                journal.record(event(seq))
        assert ledger.seqs() == [1, 2]
        assert journal.lost == 2

    run_virtually(scenario())


@pytest.mark.parametrize("fault", [StoreError("cannot hold this"), RuntimeError("a bug")])
def test_an_event_the_store_cannot_hold_costs_only_its_own_call(fault: Exception) -> None:
    async def scenario() -> None:
        ledger = Ledger()
        ledger.fault = fault
        async with Journal(ledger, MemoryBus()) as journal:
            journal.record(event(1, call=1))
            journal.record(event(1, POISON, call=2))
            journal.record(event(1, call=3))
            await journal.flush()
            journal.record(event(2, call=1))
        assert [ledger.seqs(call) for call in (1, 2, 3)] == [[1, 2], [], [1]]
        assert journal.lost == 1

    with capture_logs() as logs:
        run_virtually(scenario())
    assert lost(logs) == [(sid(2), {"error": 1})]


def test_a_flush_of_one_call_waits_for_what_it_has_recorded_and_no_more() -> None:
    async def scenario() -> None:
        ledger, loop = Ledger(), asyncio.get_running_loop()
        async with Journal(ledger, MemoryBus()) as journal:
            await journal.flush(sid(7))
            await journal.flush()
            assert loop.time() == 0
            journal.record(event(1, call=1))
            journal.record(event(1, call=2))
            await journal.flush(sid(1))
            assert ledger.seqs(1) == [1]
            assert loop.time() < 0.01
            journal.record(event(2, call=2))
            await journal.flush(sid(1))
            assert ledger.seqs(2) == [1]

    run_virtually(scenario())


def test_a_cancelled_flush_does_not_disturb_the_others() -> None:
    async def scenario() -> None:
        ledger = Ledger(takes_s=0.05)
        async with Journal(ledger, MemoryBus()) as journal:
            journal.record(event(1))
            flushes = [asyncio.create_task(journal.flush()) for _ in range(3)]
            await asyncio.sleep(0.01)
            flushes[0].cancel()
            results = await asyncio.gather(*flushes, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, type(None), type(None)]

    run_virtually(scenario())


def test_over_the_bound_events_are_counted_and_logged_and_still_published() -> None:
    async def scenario() -> None:
        ledger, bus = Ledger(away_for=3), MemoryBus()
        with bus.subscribe() as subscription:
            async with Journal(ledger, bus, bound=10) as journal:
                for seq in range(1, 13):
                    journal.record(event(seq))
                assert journal.waiting == 10
                assert journal.lost == 2
            published = [(await subscription.get()).seq for _ in range(12)]
        assert ledger.seqs() == list(range(1, 11))
        assert published == list(range(1, 13))

    with capture_logs() as logs:
        run_virtually(scenario())
    assert lost(logs) == [(sid(), {"dtmf": 1})] * 2


def test_closing_gives_up_on_a_store_that_stays_away_and_says_what_is_lost() -> None:
    async def scenario() -> None:
        async with Journal(Ledger(away_for=10**9), MemoryBus()) as journal:
            journal.record(event(1))
            journal.record(event(2))
        await journal.flush()
        assert (journal.lost, journal.waiting) == (2, 0)

    with capture_logs() as logs:
        run_virtually(scenario())
    assert lost(logs) == [(sid(), {"dtmf": 2})]


def test_what_comes_after_closing_is_lost_aloud() -> None:
    async def scenario() -> None:
        async with Journal(Ledger(), MemoryBus()) as journal:
            pass
        journal.record(event(1))
        await journal.close()
        assert journal.lost == 1

    with capture_logs() as logs:
        run_virtually(scenario())
    assert lost(logs) == [(sid(), {"dtmf": 1})]


async def test_a_hundred_calls_reach_a_real_store_whole(store: CallStore) -> None:
    for call in range(1, 101):
        await store.open_call(new_call(call), START)
    async with Journal(store, MemoryBus()) as journal:
        for seq in range(2, 12):
            for call in range(1, 101):
                journal.record(event(seq, call=call))
        await journal.flush(sid(50))
        assert [one.seq for one in await store.events(sid(50))] == list(range(1, 12))

    assert journal.lost == 0
    for call in range(1, 101):
        assert [one.seq for one in await store.events(sid(call))] == list(range(1, 12))


async def test_a_webhook_that_got_in_between_in_a_real_store_costs_only_the_events_behind_it(store: CallStore) -> None:
    for call in (1, 2):
        await store.open_call(new_call(call), START)
    with capture_logs() as logs:
        async with Journal(store, MemoryBus()) as journal:
            await store.end_call(sid(1), "completed", START)
            for call in (1, 2):
                journal.record(event(2, call=call))
                journal.record(event(3, call=call))

    assert [one.kind for one in await store.events(sid(1))] == ["call.started", "call.ended"]
    assert [one.seq for one in await store.events(sid(2))] == [1, 2, 3]
    assert lost(logs) == [(sid(1), {"dtmf": 1}), (sid(1), {"dtmf": 1})]
