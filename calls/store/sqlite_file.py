"""A file with the store's tables, opened once for writing and once for reading."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from calls.store import sqlite_opening
from calls.store.base import StoreUnavailable
from calls.store.sqlite_connection import SqliteConnection
from calls.store.sqlite_errors import CAUGHT, explained

T = TypeVar("T")


class SqliteFile:
    """The file ``path``, made on ``open`` if missing.

    Args:
        read_only: for commands that only look: nothing is created or changed, and a missing file is an error.
        create: for commands that change what is there: ``False`` makes a missing file an error, too.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False, create: bool = True) -> None:
        self.path = Path(path).expanduser()
        self._read_only = read_only
        self._create = create and not read_only
        self._writer: SqliteConnection | None = None
        self._reader: SqliteConnection | None = None

    async def open(self) -> None:
        """Opens the file, and makes it and its tables where missing.

        Raises:
            StoreUnavailable: it cannot be opened, is no Frontdesk store, or was written by a newer version.
        """
        try:
            with self.errors():
                if not self._create:
                    sqlite_opening.must_exist(self.path)
                if not self._read_only:
                    writing = partial(sqlite_opening.writing, self.path)
                    self._writer = await _opened(SqliteConnection(writing, partial(self._committed, asyncio.get_running_loop())))
                self._reader = await _opened(SqliteConnection(partial(sqlite_opening.reading, self.path)))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Lets go of the file; the last process to do so folds the write-ahead log into it."""
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        for connection in (reader, writer):
            if connection is not None:
                with self.errors():
                    await connection.close()

    async def check(self) -> None:
        """Returns if the file is there and takes writes (reads, when opened read-only)."""
        with self.errors():
            sqlite_opening.must_exist(self.path)
        if self._read_only:
            await self.fetch("SELECT 1")
        else:
            await self.write(lambda _: None)

    async def fetch(self, sql: str, *parameters: object) -> list[Any]:
        """The rows of a query. Raises :class:`calls.store.base.StoreError`."""
        with self.errors():
            return await self._or_closed(self._reader).run(lambda db: db.execute(sql, parameters).fetchall())

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` returns, done in one transaction, all of it or, if it raises or this is cancelled early enough, nothing.

        ``work`` is called in another thread, and may be called twice, the first call undone: it changes nothing but the database.
        Raises what ``work`` raises; what SQLite does, as :class:`calls.store.base.StoreError`.
        """
        with self.errors():
            return await self._or_closed(self._writer).write(work)

    async def fold(self) -> None:
        """Folds the write-ahead log into the file and empties it, unless somebody is just reading from it."""
        with self.errors():
            await self._or_closed(self._writer).run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raises :class:`calls.store.base.StoreError` instead of what the driver and the decoding of rows raise."""
        try:
            yield
        except CAUGHT as error:
            raise explained(error, self.path) from error

    def _committed(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called in the writer's thread when something has been committed."""

    def _or_closed(self, connection: SqliteConnection | None) -> SqliteConnection:
        if connection is None:
            how = "open for reading only" if self._read_only and self._reader is not None else "not open"
            raise StoreUnavailable(f"the call store {self.path} is {how}")
        return connection


async def _opened(connection: SqliteConnection) -> SqliteConnection:
    await connection.open()
    return connection
