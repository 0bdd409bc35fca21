"""The outbox of a store: in with the event, out once it is posted, one taker at a time, one call's events in order."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from calls import events
from calls.ids import BusinessId, CallSid
from calls.outbox import GIVE_UP_AFTER
from calls.store import open_store, outbox_of, retention_of
from calls.store.base import CallStore, SequenceConflict
from calls.store.outbox import AT_ONCE, LEASE_S, Outbox
from calls.store.sqlite import SqliteStore
from calls.store.sqlite_schema import APPLICATION_ID, MIGRATIONS
from tests.calls.conftest import MakeStore
from tests.calls.examples import START, after_ms, event, new_call, said, sid
from tests.calls.test_journal_crash import killed_while_writing

LATER = START + timedelta(minutes=1)
LEAD = events.LeadCaptured(fields={"name": "דנה"})
WANTED = ("lead.captured", "dtmf", "call.started", "call.ended")


def wants(business_id: BusinessId, kind: str) -> bool:
    return business_id != "dana-garage" and kind in WANTED


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[CallStore]:
    opened = make_store(wants=wants)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def other(other_store: CallStore) -> Outbox:
    """The same outbox, as another process has it."""
    return outbox_of(other_store)


@pytest.fixture
async def outbox(store: CallStore) -> Outbox:
    return outbox_of(store)


async def taken(outbox: Outbox, now: datetime = LATER, owner: str = "here", limit: int = 100) -> list[str]:
    return [posting.key for posting in await outbox.take(owner, now, limit)]


async def call_with(store: CallStore, *bodies: events.AnyEvent, call: int = 1, business: str = "bobs-hvac") -> None:
    """A call whose ``call.started`` is not in the way."""
    await store.open_call(new_call(call, business=business), START)
    await outbox_of(store).drop([(sid(call), 1)])
    await store.append([event(seq, body, call=call) for seq, body in enumerate(bodies, start=2)])


def key(seq: int, call: int = 1) -> str:
    return f"{sid(call)}/{seq}"


async def test_every_way_to_store_an_event_fills_the_outbox(store: CallStore, outbox: Outbox) -> None:
    await store.open_call(new_call(), START)
    await store.append([event(2, LEAD), event(3, said("hello"))])
    await store.append_next(sid(), events.Dtmf(digit="1"), after_ms(20))
    await store.end_call(sid(), "farewell", after_ms(30))
    assert [(one.id, one.kind) for one in await outbox.list()] == [
        (key(1), "call.started"),
        (key(2), "lead.captured"),
        (key(4), "dtmf"),
        (key(5), "call.ended"),
    ]


async def test_a_business_that_wants_nothing_has_nothing_in_it(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD, business="dana-garage")
    assert await outbox.list() == []


async def test_what_is_not_stored_is_not_posted(store: CallStore, outbox: Outbox) -> None:
    await call_with(store)
    with pytest.raises(SequenceConflict):
        await store.append([event(2, LEAD), event(7, LEAD)])
    assert await outbox.list() == []
    assert await outbox.next_due(START - timedelta(days=1)) is None


async def test_a_repeated_webhook_puts_nothing_in_a_second_time(store: CallStore, outbox: Outbox) -> None:
    await store.open_call(new_call(), START)
    await store.open_call(new_call(), START)
    assert len(await outbox.list()) == 1


async def test_what_is_handed_out_holds_the_event_and_its_call(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD)
    (posting,) = await outbox.take("here", LATER, 10)
    message = json.loads(posting.body)
    assert (message["id"], message["event"]["fields"]) == (key(2), {"name": "דנה"})
    assert message["call"]["from"] == "+15005550001"
    assert (posting.attempts, posting.give_up_at) == (0, after_ms(20) + GIVE_UP_AFTER)


async def test_the_events_of_a_call_are_handed_out_one_after_the_other(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD, events.Dtmf(digit="1"), events.Dtmf(digit="2"))
    order = []
    while postings := await outbox.take("here", LATER, 10):
        assert await outbox.take("here", LATER, 10) == []
        order += [posting.key for posting in postings]
        for posting in postings:
            await outbox.posted(posting)
    assert order == [key(2), key(3), key(4)]


async def test_a_call_that_waits_keeps_no_other_call_waiting(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD, LEAD, call=1)
    await call_with(store, LEAD, call=2)
    (first, _) = await outbox.take("here", LATER, 10)
    await outbox.failed(first, "here", "answered with status 500", LATER + timedelta(hours=1))
    assert await taken(outbox) == []
    assert await outbox.next_due(LATER) == LATER + timedelta(seconds=LEASE_S)  # the other call's, should its taker be gone
    assert await outbox.next_due(LATER + timedelta(seconds=LEASE_S)) == LATER + timedelta(hours=1)
    assert await taken(outbox, LATER + timedelta(hours=1)) == [key(2, 2), key(2, 1)]


async def test_a_business_has_only_so_many_under_way_and_the_others_theirs(store: CallStore, outbox: Outbox) -> None:
    for call in range(1, 11):
        await call_with(store, LEAD, call=call)
    await call_with(store, LEAD, call=11, business="smile-dental")
    assert len(await taken(outbox)) == AT_ONCE + 1
    assert await taken(outbox) == []
    (done, *_) = [posting for posting in await outbox.take("here", LATER + timedelta(seconds=LEASE_S), 1)]
    await outbox.posted(done)
    assert len(await outbox.list()) == 10


async def test_of_two_processes_each_row_is_handed_to_one(store: CallStore, outbox: Outbox, other: Outbox) -> None:
    for call in range(1, 13):
        await call_with(store, LEAD, call=call, business=f"shop-{call % 3}")
    handed_out: list[str] = []
    while any(hands := await asyncio.gather(*(taken(one, limit=5) for one in (outbox, other) * 2))):
        handed_out += [each for hand in hands for each in hand]
    assert sorted(handed_out) == sorted(key(2, call) for call in range(1, 13))


async def test_a_lease_runs_out_and_the_row_is_anybodys(store: CallStore, outbox: Outbox, other: Outbox) -> None:
    await call_with(store, LEAD)
    assert await taken(outbox, owner="here") == [key(2)]
    assert await taken(other, LATER + timedelta(seconds=LEASE_S - 0.001), owner="there") == []
    assert await taken(other, LATER + timedelta(seconds=LEASE_S), owner="there") == [key(2)]


async def test_what_a_process_gives_back_is_anybodys_at_once(store: CallStore, outbox: Outbox, other: Outbox) -> None:
    await call_with(store, LEAD)
    await taken(outbox, owner="here")
    await outbox.give_back("here")
    assert await taken(other, owner="there") == [key(2)]


async def test_a_process_that_lost_its_lease_changes_nothing(store: CallStore, outbox: Outbox, other: Outbox) -> None:
    await call_with(store, LEAD)
    (stale,) = await outbox.take("here", LATER, 1)
    later = LATER + timedelta(seconds=LEASE_S)
    (posting,) = await other.take("there", later, 1)
    await outbox.failed(stale, "here", "no answer", None)
    ((queued),) = await outbox.list()
    assert (queued.state, queued.attempts) == ("waiting", 0)
    await other.posted(posting)
    assert await outbox.list() == []


async def test_a_dead_row_stands_in_nobodys_way_and_stays(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD, events.Dtmf(digit="1"))
    (posting,) = await outbox.take("here", LATER, 1)
    await outbox.failed(posting, "here", "answered with status 410", None)
    assert await taken(outbox) == [key(3)]
    (dead,) = await outbox.list(state="dead")
    assert (dead.id, dead.attempts, dead.next_try_at, dead.last_error) == (key(2), 1, None, "answered with status 410")


async def test_a_row_may_be_asked_for_again_as_if_for_the_first_time(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD, LEAD)
    for _ in range(2):
        (posting,) = await outbox.take("here", LATER, 1)
        await outbox.failed(posting, "here", "answered with status 410", None)
    much_later = START + timedelta(days=30)
    assert await outbox.retry([(sid(), 3), (CallSid("CAnone"), 1)], much_later, much_later + GIVE_UP_AFTER) == 1
    assert await outbox.retry(None, much_later, much_later + GIVE_UP_AFTER) == 1
    (again,) = await outbox.take("here", much_later, 10)
    assert (again.key, again.attempts, again.give_up_at) == (key(2), 0, much_later + GIVE_UP_AFTER)


async def test_dropped_rows_are_gone_and_the_events_are_not(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD, LEAD, LEAD)
    (posting,) = await outbox.take("here", LATER, 1)
    await outbox.failed(posting, "here", "no", None)
    assert await outbox.drop([(sid(), 4)]) == 1
    assert await outbox.drop(None) == 1
    assert [one.id for one in await outbox.list()] == [key(3)]
    assert len(await store.events(sid())) == 4


async def test_the_list_may_be_of_one_business_and_is_bounded(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD, LEAD, call=1)
    await call_with(store, LEAD, call=2, business="smile-dental")
    assert [one.id for one in await outbox.list(business_id=BusinessId("smile-dental"))] == [key(2, 2)]
    assert [one.id for one in await outbox.list(limit=1)] == [key(2)]
    assert await outbox.list(state="dead") == []


async def test_whoever_waits_is_woken_when_something_was_stored_and_not_before(store: CallStore, outbox: Outbox) -> None:
    await call_with(store)
    outbox.filled.clear()
    await store.append([event(2, said("nobody wants this"))])
    with pytest.raises(SequenceConflict):
        await store.append([event(9, LEAD)])
    assert not outbox.filled.is_set()
    await store.append([event(3, LEAD)])
    assert outbox.filled.is_set()
    assert await taken(outbox) == [key(3)]


async def test_what_comes_after_a_posted_event_is_handed_out_at_once_however_long_that_one_took(
    store: CallStore, outbox: Outbox
) -> None:
    await call_with(store, LEAD, LEAD)
    (posting,) = await outbox.take("here", LATER, 1)
    await outbox.failed(posting, "here", "no answer", LATER + timedelta(hours=1))
    assert await taken(outbox) == []
    (again,) = await outbox.take("here", LATER + timedelta(hours=1), 10)
    await outbox.posted(again)
    assert await taken(outbox, LATER + timedelta(minutes=61)) == [key(3)]


async def test_a_backlog_of_one_business_keeps_no_other_business_waiting(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, *[LEAD] * 70, business="a-shop", call=1)
    for call in range(2, 5):
        await call_with(store, LEAD, call=call, business=f"shop-{call}")
    assert await taken(outbox) == [key(2, call) for call in range(1, 5)]
    assert await taken(outbox) == []
    assert await outbox.next_due(LATER) == LATER + timedelta(seconds=LEASE_S)


async def test_erasing_a_call_erases_what_was_to_be_posted(store: CallStore, outbox: Outbox) -> None:
    await call_with(store, LEAD)
    much_later = START + timedelta(days=2)
    assert await retention_of(store).delete([sid()], much_later) == 1
    assert await outbox.list() == []
    assert await outbox.next_due(START - timedelta(days=1)) is None
    assert await taken(outbox, much_later) == []


@pytest.mark.parametrize("flushes", [1, 3])
def test_after_a_kill_exactly_the_stored_events_are_in_the_outbox(store_url: str, flushes: int) -> None:
    killed_while_writing(store_url, flushes)

    async def look() -> tuple[list[str], list[str]]:
        store = open_store(store_url, read_only=True)
        await store.open()
        stored = [key(one.seq) for one in await store.events(sid()) if one.kind == "caller.transcript"]
        waiting = [one.id for one in await outbox_of(store).list(limit=100_000)]
        await store.close()
        return stored, waiting

    stored, waiting = asyncio.run(look())
    assert stored
    assert waiting == stored


async def test_a_store_of_the_version_before_gets_an_outbox(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    store = SqliteStore(path, wants=wants)
    await store.open()
    await call_with(store, LEAD)
    assert await taken(outbox_of(store)) == [key(2)]
    await store.close()
