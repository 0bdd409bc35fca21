"""Transactions of the SQLite store: each whole or not at all, however many are committed together."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from calls.events import LeadCaptured
from calls.store.base import SequenceConflict, StoreError
from calls.store.sqlite import SqliteStore
from calls.store.sqlite_connection import TOGETHER, SqliteConnection
from tests.calls.examples import START, event, new_call, said, sid


class Commits:
    """Counts them."""

    def __init__(self) -> None:
        self.number = 0

    def one_more(self) -> None:
        self.number += 1


class Held:
    """The connection's thread, busy until it is let go: what is asked for meanwhile waits together."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._reached, self._gate = threading.Event(), threading.Event()
        self._holding = asyncio.create_task(connection.run(self._wait))

    def _wait(self, _: sqlite3.Connection) -> None:
        self._reached.set()
        self._gate.wait()

    async def reached(self) -> "Held":
        await asyncio.sleep(0)
        await asyncio.to_thread(self._reached.wait)
        return self

    async def let_go(self) -> None:
        self._gate.set()
        await self._holding


def opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=0)
    db.execute("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)")
    return db


def inserting(*numbers: int) -> Callable[[sqlite3.Connection], int]:
    return lambda db: db.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in numbers]).rowcount


def refusing(db: sqlite3.Connection) -> None:
    raise LookupError("refused")


def inserting_then_refusing(db: sqlite3.Connection) -> None:
    inserting(100)(db)
    refusing(db)


@pytest.fixture
def commits() -> Commits:
    return Commits()


@pytest.fixture
async def connection(path: Path, commits: Commits) -> AsyncIterator[SqliteConnection]:
    opening = SqliteConnection(lambda: opened(path), commits.one_more)
    await opening.open()
    yield opening
    await opening.close()


async def stored(connection: SqliteConnection) -> list[int]:
    return [number for (number,) in await connection.run(lambda db: db.execute("SELECT * FROM numbers").fetchall())]


async def asked_together(connection: SqliteConnection, *works: Callable[[sqlite3.Connection], object]) -> list[object]:
    held = await Held(connection).reached()
    asked = [asyncio.create_task(connection.write(work)) for work in works]
    await asyncio.sleep(0)
    await held.let_go()
    return list(await asyncio.gather(*asked, return_exceptions=True))


async def test_transactions_that_wait_together_are_committed_together(connection: SqliteConnection, commits: Commits) -> None:
    number = TOGETHER + 5
    assert await asked_together(connection, *(inserting(one) for one in range(number))) == [1] * number
    assert await stored(connection) == list(range(number))
    assert commits.number == 2


@pytest.mark.parametrize("failing", [refusing, inserting_then_refusing])
async def test_one_that_fails_takes_nothing_from_those_it_was_committed_with(
    connection: SqliteConnection, failing: Callable[[sqlite3.Connection], None]
) -> None:
    outcomes = await asked_together(connection, inserting(1), failing, inserting(1), inserting(2, 3))
    assert [type(outcome) for outcome in outcomes] == [int, LookupError, sqlite3.IntegrityError, int]
    assert await stored(connection) == [1, 2, 3]


async def test_one_that_fails_alone_leaves_nothing(connection: SqliteConnection) -> None:
    with pytest.raises(LookupError):
        await connection.write(inserting_then_refusing)
    assert await stored(connection) == []
    await connection.write(inserting(1))
    assert await stored(connection) == [1]


async def test_one_that_ended_its_transaction_itself_does_not_take_the_others_along(connection: SqliteConnection) -> None:
    def full(db: sqlite3.Connection) -> None:
        db.rollback()  # as SQLite does by itself when the disk is full
        raise sqlite3.OperationalError("full")

    outcomes = await asked_together(connection, inserting(1), full, inserting(2))
    assert [type(outcome) for outcome in outcomes] == [int, sqlite3.OperationalError, int]
    assert await stored(connection) == [1, 2]


async def test_what_cannot_begin_is_told_to_everybody_who_waits(connection: SqliteConnection, path: Path) -> None:
    other = opened(path)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asked_together(connection, inserting(1), inserting(2))
    assert [str(outcome) for outcome in outcomes] == ["database is locked"] * 2
    other.execute("ROLLBACK")
    other.close()
    assert await asked_together(connection, inserting(3), inserting(4)) == [1, 1]
    assert await stored(connection) == [3, 4]


async def test_what_is_cancelled_before_its_turn_is_not_done(connection: SqliteConnection) -> None:
    held = await Held(connection).reached()
    given_up, kept = (asyncio.create_task(connection.write(inserting(number))) for number in (1, 2))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    await held.let_go()
    assert await kept == 1
    assert await stored(connection) == [2]


async def test_what_was_asked_for_before_closing_is_done(path: Path) -> None:
    connection = SqliteConnection(lambda: opened(path))
    await connection.open()
    held = await Held(connection).reached()
    asked = asyncio.create_task(connection.write(inserting(1)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    await held.let_go()
    await closing
    assert await asked == 1
    db = opened(path)
    assert db.execute("SELECT * FROM numbers").fetchall() == [(1,)]
    db.close()


async def test_the_loop_goes_on_while_a_transaction_waits_for_the_file(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asked = asyncio.create_task(store.open_call(new_call(), START))
    # The lock is let go by a loop that would not get here if it waited for it.
    await asyncio.sleep(0)
    other.execute("ROLLBACK")
    other.close()
    assert (await asked).event is not None
    await store.close()


async def test_an_append_cancelled_under_way_is_whole_and_its_posts_are_looked_for(path: Path) -> None:
    reached, gate = threading.Event(), threading.Event()

    def wants(business: str, kind: str) -> bool:
        if kind == "lead.captured":
            reached.set()
            gate.wait()
        return kind == "lead.captured"

    store = SqliteStore(path, wants=wants)
    await store.open()
    await store.open_call(new_call(), START)
    appending = asyncio.create_task(store.append([event(2, LeadCaptured(fields={"name": "דנה"})), event(3, said("👋"))]))
    await asyncio.to_thread(reached.wait)
    appending.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await appending
    await store.outbox_filled.wait()
    assert [one.seq for one in await store.events(sid())] == [1, 2, 3]
    await store.close()


async def test_appends_committed_together_are_in_conflict_one_by_one(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    for call in (1, 2):
        await store.open_call(new_call(call), START)
    asked = [
        store.append([event(2)]),
        store.append([event(2)]),
        store.append([event(2, call=2)]),
        store.append([event(7, call=2)]),
    ]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), SequenceConflict, type(None), SequenceConflict]
    assert [[one.seq for one in await store.events(sid(call))] for call in (1, 2)] == [[1, 2], [1, 2]]
    await store.close()


async def test_a_transaction_of_a_store_that_was_closed_is_refused(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()
    with pytest.raises(StoreError, match="is not open"):
        await store.write(lambda _: None)
    with pytest.raises(StoreError, match="is not open"):
        await store.fold()
