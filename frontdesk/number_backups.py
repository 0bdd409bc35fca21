"""What numbers did before they were pointed here, kept in a file beside the call store until they are put back.

The file is written before Twilio is asked to change anything, whole or not at all, and by one command at a time. What was there
first is never overwritten: a number may be pointed here any number of times and still be put back.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from calls.cli_output import CommandError
from frontdesk.numbers import OwnNumber, Setup

FILE_NAME = "number-backups.json"


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One number."""

    number: str
    account_sid: str
    saved_at: str
    before: Setup
    """What it did before it was pointed here for the first time."""
    set_here: tuple[Setup, ...]
    """What it has been told to do since; anything else is somebody else's doing."""

    def knows(self, setup: Setup) -> bool:
        """Whether a number that does ``setup`` has been changed by nobody else."""
        return setup == self.before or setup in self.set_here


Book = dict[str, Remembered]
"""By the number's SID."""


def remembered(number: OwnNumber, wanted: Setup, now: datetime | None = None) -> Remembered:
    """A number that is about to be pointed here for the first time."""
    saved_at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    return Remembered(
        number=number.number, account_sid=number.account_sid, saved_at=saved_at, before=number.setup, set_here=(wanted,)
    )


def backup_path(store_url: str) -> Path:
    """Beside the file of a SQLite store; in the present folder for any other store."""
    scheme, _, place = store_url.partition(":")
    return (Path(place).parent if scheme == "sqlite" and place else Path()) / FILE_NAME


def read_backups(path: Path) -> Book:
    """What is remembered; nothing if there is no file.

    Raises:
        CommandError: there is one that cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Book)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise CommandError(
            f"{path} is not what `frontdesk numbers` has written, and what numbers did before may be in it; mend it, or move it away"
        ) from None


@contextmanager
def changing_backups(path: Path) -> Iterator[Book]:
    """What is remembered, while no other command can change it. :func:`write_backups` keeps what was changed."""
    try:
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CommandError(f"nothing can be remembered in {path.parent}: {error.strerror or error}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield read_backups(path)
    finally:
        os.close(lock)


def write_backups(path: Path, book: Book) -> None:
    """Keeps ``book``: once it returns it is on the disk, and until then the file is what it was.

    Raises:
        CommandError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(book), indent=2) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        _settle(path.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CommandError(f"nothing can be remembered in {path}: {error.strerror or error}; nothing was changed") from None


def _settle(folder: Path) -> None:
    """Has the new name of a file survive a crash, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
