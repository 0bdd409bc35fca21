"""Spools of processes that were killed: found when the next one starts, and uploaded then. Everything here blocks."""

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.recording.tape import send_whole
from calls.recordings.place import S3Place, S3Recording, spool_folder
from calls.recordings.wav import HEADER_BYTES

if TYPE_CHECKING:
    from calls.recordings.s3 import Bucket


def find_leftovers(place: S3Place) -> list[Path]:
    """What waits on this machine for being uploaded to ``place``, the oldest first; also what is being written just now."""
    folder = spool_folder() / place.bucket
    found = [path for path in folder.glob("**/*.wav") if path.relative_to(folder).as_posix().startswith(place.prefix)]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def send_leftover(bucket: "Bucket", spool: Path) -> bool:
    """Uploads one, unless it belongs to a call that is going on; ``False`` then.

    Raises:
        RecordingsUnavailable: it cannot be uploaded now.
        OSError: it cannot be read.
    """
    key = spool.parent.relative_to(spool_folder() / bucket.name).as_posix()
    with spool.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if spool.stat().st_size > HEADER_BYTES:
            send_whole(bucket, S3Recording(bucket.name, key), spool, int(spool.stem))
        return True
