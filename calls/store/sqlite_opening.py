"""Opening the file of the SQLite store: what it is, its tables, its settings. All of it blocks."""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from calls.store.base import StoreUnavailable
from calls.store.sqlite_errors import BUSY_TIMEOUT_S
from calls.store.sqlite_schema import APPLICATION_ID, MIGRATIONS, VERSION

_ATTEMPTS = 20
_PAUSE_S = 0.1

_SETTINGS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = NORMAL",
    # What is deleted is overwritten with zeros: a caller who is erased is not to be found in the file.
    "PRAGMA secure_delete = ON",
)

# One statement, so that another process that is just making the tables is seen before or after, never halfway.
_WHAT_IT_IS = """
SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version, pragma_application_id
"""


def writing(path: Path) -> sqlite3.Connection:
    """A connection that writes to ``path``, made where missing and brought up to date.

    Raises:
        StoreUnavailable: it is no Frontdesk store, or was written by a newer version.
        sqlite3.Error: it cannot be opened.
    """
    _make_private(path)
    db = _connected(path, "rwc")
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def reading(path: Path) -> sqlite3.Connection:
    """A connection that only reads from ``path``. Raises what :func:`writing` does."""
    db = _connected(path, "ro")
    try:
        _version(db, path)
    except BaseException:
        db.close()
        raise
    return db


def must_exist(path: Path) -> None:
    """Raises :class:`StoreUnavailable` if there is no such file."""
    if not path.is_file():
        raise StoreUnavailable(
            f"there is no call store at {path}; it is made when the first call comes in. "
            "Run this where `frontdesk serve` runs, or name its file in FRONTDESK_STORE"
        )


def _make_private(path: Path) -> None:
    """A new file is its owner's alone: it will hold what callers say. SQLite gives the files beside it the same permissions."""
    with suppress(OSError):  # it is there, or cannot be made, which SQLite says better
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        for setting in _SETTINGS:
            db.execute(setting)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    _version(db, path, empty_is_fine=True)
    _switch_to_wal(db)
    db.execute("BEGIN IMMEDIATE")  # undone by closing, should anything go wrong
    version = _version(db, path, empty_is_fine=True)
    if version < VERSION:
        for statement in (statement for migration in MIGRATIONS[version:] for statement in migration):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def _switch_to_wal(db: sqlite3.Connection) -> None:
    # SQLite does not wait for its busy timeout here when another process is making the same file.
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _version(db: sqlite3.Connection, path: Path, *, empty_is_fine: bool = False) -> int:
    ((version, application, tables),) = db.execute(_WHAT_IT_IS).fetchall()
    if empty_is_fine and not (version or application or tables):
        return 0
    if application != APPLICATION_ID:
        raise StoreUnavailable(f"{path} is not a Frontdesk call store; name another file in FRONTDESK_STORE")
    if version > VERSION:
        raise StoreUnavailable(
            f"the call store {path} was written by a newer Frontdesk (its tables are version {version}, "
            f"this one knows {VERSION}); update Frontdesk, or name another file in FRONTDESK_STORE"
        )
    return int(version)
