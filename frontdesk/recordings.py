"""Recordings of a deployment: where they are kept, and for which businesses there are any."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from bridge.recording.recorder import Recorder
from calls.business_files import BusinessDirectory
from calls.recordings.place import Place
from calls.store.base import CallStore

log = structlog.get_logger()


def as_recorded(directory: BusinessDirectory, place: Place | None) -> BusinessDirectory:
    """The businesses as they are to be answered: without a place for recordings none is made, and no caller is told of one."""
    if place is not None:
        return directory
    for profile in directory:
        if profile.recording.enabled:
            log.warning(
                "recording.off",
                business_id=profile.id,
                why="FRONTDESK_RECORDINGS is off: calls are not recorded, and callers are not told that they are",
            )
    return directory.unrecorded()


@asynccontextmanager
async def recording(place: Place | None, store: CallStore) -> AsyncIterator[Recorder | None]:
    """The recorder, while the block runs.

    Raises:
        calls.recordings.shelf.RecordingsUnavailable: nothing can be written to the place.
    """
    if place is None:
        yield None
        return
    recorder = Recorder(place, store)
    try:
        await recorder.open()
        yield recorder
    finally:
        await recorder.close()
