"""One connection to a SQLite file, in a thread of its own: whatever it waits for, the loop does not.

A transaction is a plain function and one trip to that thread. Transactions that are waiting when the thread comes free are committed
together: each statement lets the other threads run and has to wait for its turn again, and while the loop is busy that is most of
what a transaction takes.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

TOGETHER = 32
"""Transactions committed together, at most: another process that wants to write waits for no more than that."""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class _Outcome(NamedTuple):
    value: Any = None
    error: BaseException | None = None


class _Waiting(NamedTuple):
    work: Work[Any]
    answer: asyncio.Future[Any]


class SqliteConnection:
    """A connection that is opened with ``await open()``.

    Args:
        opening: opens it. Like everything else that is given to this class, it is called in the connection's thread.
        committed: called after every commit, before anybody is told.
    """

    def __init__(self, opening: Callable[[], sqlite3.Connection], committed: Callable[[], None] = lambda: None) -> None:
        self._opening, self._committed = opening, committed
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._waiting: deque[_Waiting] = deque()
        self._db: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Opens it. Raises what ``opening`` raises; nothing is left open then, or when this is cancelled."""
        try:
            await self._call(self._open)
        except BaseException:
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Closes it, after all that was asked for before."""
        try:
            await self._call(self._close)
        finally:
            self._thread.shutdown(wait=False)

    async def run(self, work: Work[T]) -> T:
        """What ``work`` returns. It sees to its own transaction if it needs one."""
        return await self._call(lambda: work(self._opened))

    async def write(self, work: Work[T]) -> T:
        """What ``work`` returns, done in a ``BEGIN IMMEDIATE`` transaction that is committed when this returns, and undone if ``work``
        raises. When cancelled, it is done as a whole or not at all.

        ``work`` may be called twice, the first call undone: it changes nothing but the database.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, answer))
        self._thread.submit(self._write_waiting)
        return await answer

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    # In the thread

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.ProgrammingError("the connection is not open")
        return self._db

    def _open(self) -> None:
        self._db = self._opening()

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _write_waiting(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        group = [one for one in group if not one.answer.cancelled()]
        if group:
            outcomes = self._outcomes([one.work for one in group])
            with suppress(RuntimeError):  # the loop is closed: there is nobody to be told
                group[0].answer.get_loop().call_soon_threadsafe(_tell, group, outcomes)

    def _outcomes(self, works: Sequence[Work[Any]]) -> list[_Outcome]:
        try:
            return self._together(works)
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._opened.rollback()
            return [_Outcome(error=error)] * len(works)

    def _together(self, works: Sequence[Work[Any]]) -> list[_Outcome]:
        """In one transaction; each in its own if one fails that has changed something."""
        db = self._opened
        db.execute("BEGIN IMMEDIATE")
        outcomes = []
        for work in works:
            changes = db.total_changes
            outcomes.append(_outcome(work, db))
            if outcomes[-1].error is not None and (db.total_changes != changes or not db.in_transaction):
                db.rollback()
                return outcomes if len(works) == 1 else [self._outcomes([each])[0] for each in works]
        db.execute("COMMIT")
        self._committed()
        return outcomes


def _outcome(work: Work[Any], db: sqlite3.Connection) -> _Outcome:
    try:
        return _Outcome(value=work(db))
    except BaseException as error:
        return _Outcome(error=error)


def _tell(group: Sequence[_Waiting], outcomes: Sequence[_Outcome]) -> None:
    for one, outcome in zip(group, outcomes, strict=True):
        if one.answer.done():
            continue
        if outcome.error is None:
            one.answer.set_result(outcome.value)
        else:
            one.answer.set_exception(outcome.error)
