"""What SQLite's errors mean to a person: which file, what is wrong, what to do.

The codes are those of SQLite, *Result and Error Codes*.
"""

import sqlite3
from pathlib import Path

import msgspec

from calls.store.base import StoreError, StoreUnavailable

CAUGHT = (sqlite3.Error, ValueError, OverflowError, msgspec.MsgspecError)
"""All that the driver and the decoding of its rows raise."""

BUSY_TIMEOUT_S = 5

_SENTENCES = {
    "SQLITE_NOTADB": "it is not a SQLite database; name another file in FRONTDESK_STORE, or move this one away",
    "SQLITE_CORRUPT": "the file is damaged; restore a copy, or move it away to start afresh",
    "SQLITE_READONLY": "it cannot be written; make the file and its folder writable for this user",
    "SQLITE_PERM": "access is denied; make the file and its folder writable for this user",
    "SQLITE_AUTH": "access is denied; make the file and its folder writable for this user",
    "SQLITE_BUSY": f"another process has kept it locked for more than {BUSY_TIMEOUT_S} s; end that process or try again",
    "SQLITE_LOCKED": "it is locked; try again",
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_IOERR": "reading or writing the disk failed; check the disk",
    "SQLITE_NOMEM": "there is not enough memory",
    "SQLITE_PROTOCOL": "its locks do not work; keep it on a local disk, not on a network share",
}


def explained(error: Exception, path: Path) -> StoreError:
    """The error to raise instead of ``error``: :class:`StoreUnavailable` where trying again later can help."""
    if isinstance(error, msgspec.MsgspecError):
        return StoreError(f"the call store {path} holds a record this version of Frontdesk cannot read: {error}")
    if not isinstance(error, sqlite3.Error):
        return StoreError(f"the call store {path} cannot hold this: {error}")
    code = getattr(error, "sqlite_errorname", "") or ""
    primary = "_".join(code.split("_")[:2])
    if primary == "SQLITE_CANTOPEN":
        return StoreUnavailable(f"cannot open the call store {path}: {_why_not_opened(path)}")
    if sentence := _SENTENCES.get(primary):
        return StoreUnavailable(f"cannot use the call store {path}: {sentence}")
    if isinstance(error, sqlite3.OperationalError):
        return StoreUnavailable(f"cannot use the call store {path}: {error}")
    return StoreError(f"the call store {path} refused: {error}")


def _why_not_opened(path: Path) -> str:
    if path.is_dir():
        return "it is a folder; name a file in FRONTDESK_STORE"
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist; create it, or name another file in FRONTDESK_STORE"
    if not path.exists():
        return "there is no such file, and none can be made there; make the folder writable for this user"
    return "access is denied; make the file and its folder readable and writable for this user"
