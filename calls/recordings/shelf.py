"""Recordings that were made: copying one out, and deleting it. Everything here blocks."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

from calls.ids import CallSid
from calls.recordings.place import parse_s3
from calls.recordings.wav import copy_wav
from calls.store.base import CallStore, StoreUnavailable


class RecordingsUnavailable(StoreUnavailable):
    """The place where recordings are kept cannot be reached, or does not let us. ``str()`` says which and why."""


class NoRecording(Exception):
    """There is nothing at an address any more; ``str()`` is a sentence about it."""


def copy_recording(address: str, out: IO[bytes]) -> None:
    """Writes a recording as a WAV file, of a call that is going on as far as it is stored.

    Raises:
        NoRecording: it is not there (any more).
        RecordingsUnavailable: it cannot be got at.
    """
    recording = parse_s3(address)
    if recording is not None:
        from calls.recordings.s3 import Bucket  # noqa: PLC0415  # boto3 takes its time to load

        with closing(Bucket(recording.bucket)) as bucket:
            bucket.copy(recording, out)
        return
    path = _path_of(address)
    try:
        if not path.is_file():
            raise NoRecording(f"there is no file {path}")
        copy_wav(path, out)
    except PermissionError as error:
        raise RecordingsUnavailable(f"{path} cannot be read: {error.strerror or error}") from None


def delete_recording(address: str) -> None:
    """Deletes a recording, if it is there.

    Raises:
        RecordingsUnavailable: it cannot be deleted.
    """
    recording = parse_s3(address)
    if recording is not None:
        from calls.recordings.s3 import Bucket  # noqa: PLC0415

        with closing(Bucket(recording.bucket)) as bucket:
            bucket.delete(recording)
        return
    path = _path_of(address)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise RecordingsUnavailable(f"{path} cannot be deleted: {error.strerror or error}") from None


class RecordingsKept:
    """The recordings of a store's calls, as :class:`calls.retention.Forgetful`."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    async def forget(self, call_sids: Sequence[CallSid]) -> None:
        """Deletes the recordings of these calls.

        Raises:
            RecordingsUnavailable: one cannot be deleted; those after it are still there.
        """
        for call_sid in call_sids:
            record = await self._store.get_call(call_sid)
            if record is not None and record.recording is not None:
                await asyncio.to_thread(delete_recording, record.recording)


def _path_of(address: str) -> Path:
    return Path(address.removeprefix("file:"))
