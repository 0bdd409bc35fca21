"""Records live calls beside their audio path, which never waits for it.

A session is observed as operators observe it: references to its audio are kept. Once a second a thread writes what was heard; in
S3 another uploads a part each half minute and, once the stream is over, all of it. What cannot be written or uploaded is logged,
and the call goes on.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from bridge.recording.channels import Block, Channels, pcm
from bridge.recording.leftovers import find_leftovers, send_leftover
from bridge.recording.tape import Tape, make_folders, tape_for
from calls.business import BusinessProfile
from calls.events import parse_timestamp
from calls.ids import CallSid
from calls.record import CallRecord
from calls.recordings.place import FilePlace, Place, recording_name, spool_folder
from calls.recordings.shelf import RecordingsUnavailable
from calls.store.base import CallStore, StoreError

if TYPE_CHECKING:
    from calls.recordings.s3 import Bucket

PERIOD_S = 1.0
"""So much of a call is lost at most if the process is killed."""
CLOSE_WITHIN_S = 10.0
"""How long a process that ends waits for uploads; what is not uploaded by then is when it starts again."""
LONGEST_CALL_MS = timedelta(hours=24) / timedelta(milliseconds=1)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Between two attempts to upload."""
FAILURES = (OSError, StoreError)

log = structlog.get_logger()
T = TypeVar("T")


class Recorded(Protocol):
    """A session, as the recorder sees it."""

    @property
    def call_ms(self) -> float:
        """Milliseconds since the stream's ``start``."""

    def watch(self, observer: Channels) -> None:
        """One more watches from now on."""

    def catch_up(self) -> None:
        """Those who watch are told what was heard by now."""

    def unwatch(self, observer: Channels) -> None:
        """Who watched does so no more."""


class StreamRecording:
    """The recording of one stream. ``end`` it when the stream is over, in that very moment."""

    def __init__(self, session: Recorded, call_sid: CallSid, address: str, tape: Tape) -> None:
        self.call_sid, self.address, self.tape = call_sid, address, tape
        self.over = asyncio.Event()
        self.is_noted = False
        """Whether the call's record says where it is."""
        self.part: asyncio.Task[None] | None = None
        """An upload under way."""
        self.has_gaps = False
        self._session = session
        self._channels = Channels()
        self._rest: Block | None = None
        session.watch(self._channels)

    def end(self) -> None:
        """Nothing of the stream is recorded from now on. Returns at once."""
        if not self.over.is_set():
            self._session.catch_up()
            self._rest = self._channels.rest(self._session.call_ms)
            self.over.set()
            self._session.unwatch(self._channels)

    def heard(self) -> Block:
        """What was heard and has not been asked for before."""
        if not self.over.is_set():
            self._session.catch_up()
        rest, self._rest = self._rest, None
        return rest if rest is not None else self._channels.take(self._session.call_ms)


class Recorder:
    """The recordings of a process. ``open`` it before, ``close`` it after all calls."""

    def __init__(self, place: Place, store: CallStore, *, period_s: float = PERIOD_S) -> None:
        self._place, self._store, self._period_s = place, store, period_s
        self._bucket: Bucket | None = None
        self._live: set[StreamRecording] = set()
        self._tasks: dict[CallSid, asyncio.Task[None]] = {}
        self._leftovers: asyncio.Task[None] | None = None
        # Two pools: a slow upload keeps no disk waiting.
        self._disk, self._network = ThreadPoolExecutor(2, "recording"), ThreadPoolExecutor(4, "recording-upload")

    async def open(self) -> None:
        """Makes the folder; begins to upload what an earlier process left behind.

        Raises:
            RecordingsUnavailable: nothing can be written there.
        """
        place = self._place
        if isinstance(place, FilePlace):
            await self._run(self._disk, partial(claim_folder, place.folder))
            return
        from calls.recordings.s3 import Bucket  # noqa: PLC0415  # boto3 takes its time to load

        await self._run(self._disk, partial(claim_folder, spool_folder(), as_owner=True))
        self._bucket = await self._run(self._network, partial(Bucket, place.bucket))
        left = await self._run(self._disk, partial(find_leftovers, place))
        self._leftovers = asyncio.create_task(self._send_leftovers(self._bucket, left), name="recordings-left")

    async def close(self) -> None:
        """Lets what is under way be finished, for a while."""
        for recording in list(self._live):
            recording.end()
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_WITHIN_S)
        tasks += [self._leftovers] if self._leftovers is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pool in (self._disk, self._network):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._bucket is not None:
            self._bucket.close()

    def begin(self, session: Recorded, profile: BusinessProfile, record: CallRecord) -> StreamRecording | None:
        """Records a stream of a call from now on; ``None`` if its business does not want it. Returns at once."""
        if not profile.recording.enabled:
            return None
        name = recording_name(record)
        tape = tape_for(self._place, name, _began_ms(session, record), self._bucket)
        recording = StreamRecording(session, record.call_sid, self._place.address(name), tape)
        before = self._tasks.get(record.call_sid)
        task = asyncio.create_task(self._record(recording, before), name=f"recording-{record.call_sid}")
        self._live.add(recording)
        self._tasks[record.call_sid] = task
        task.add_done_callback(lambda done: self._over(recording, done))
        return recording

    def is_busy_with(self, call_sid: CallSid) -> bool:
        """Whether something of a call is being recorded, or still to be put in its place."""
        return call_sid in self._tasks

    # --- one stream --------------------------------------------------------------------------------------------------------

    def _over(self, recording: StreamRecording, task: asyncio.Task[None]) -> None:
        self._live.discard(recording)
        if self._tasks.get(recording.call_sid) is task:
            del self._tasks[recording.call_sid]

    async def _record(self, recording: StreamRecording, before: asyncio.Task[None] | None) -> None:
        """``before``: another stream of the same call, of which something may still be under way."""
        try:
            if before is not None:
                await asyncio.wait([before])
            await self._run(self._disk, recording.tape.open)
            await self._follow(recording)
            await self._finish(recording)
        except FAILURES as error:
            log.error("recording.failed", call_sid=recording.call_sid, why=_why(error))
        except Exception:
            log.exception("recording.failed", call_sid=recording.call_sid)
        finally:
            recording.end()
            if recording.part is not None:
                recording.part.cancel()
            recording.tape.close()

    async def _follow(self, recording: StreamRecording) -> None:
        """Writes as long as the stream lasts, and what is left then."""
        await self._note(recording)
        is_over = False
        while not is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period_s):
                    await recording.over.wait()
            is_over = recording.over.is_set()
            await self._write(recording)
            if not is_over and recording.tape.is_part_due() and (recording.part is None or recording.part.done()):
                recording.part = asyncio.create_task(self._send_part(recording), name=f"part-{recording.call_sid}")

    async def _write(self, recording: StreamRecording) -> None:
        block = recording.heard()
        if not block.frames:
            return
        try:
            await self._run(self._disk, lambda: recording.tape.write(block.first, pcm(block)))
        except OSError as error:
            if not recording.has_gaps:
                log.error("recording.has_gaps", call_sid=recording.call_sid, why=_why(error))
            recording.has_gaps = True

    async def _note(self, recording: StreamRecording) -> None:
        try:
            await self._store.note_recording(recording.call_sid, recording.address)
            recording.is_noted = True
        except StoreError as error:
            log.error("recording.not_noted", call_sid=recording.call_sid, why=str(error))

    async def _send_part(self, recording: StreamRecording) -> None:
        try:
            await self._run(self._network, recording.tape.send_part)
        except FAILURES as error:
            log.warning("recording.part_not_uploaded", call_sid=recording.call_sid, why=_why(error))

    async def _finish(self, recording: StreamRecording) -> None:
        if not recording.is_noted:
            await self._note(recording)
        if recording.part is not None:
            await asyncio.wait([recording.part])
        await self._repeat(recording.tape.finish, call_sid=recording.call_sid)

    # --- threads -----------------------------------------------------------------------------------------------------------

    async def _send_leftovers(self, bucket: "Bucket", left: Sequence[Path]) -> None:
        await self._repeat(bucket.check)
        for spool in left:
            sent = await self._repeat(partial(send_leftover, bucket, spool))
            if sent:
                log.info("recording.uploaded_late", spool=str(spool))

    async def _repeat(self, upload: Callable[[], T], call_sid: CallSid | None = None) -> T:
        """Tries until it succeeds, at longer and longer intervals."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._run(self._network, upload)
            except FAILURES as error:
                log.error("recording.not_uploaded", call_sid=call_sid, why=_why(error), again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


def claim_folder(folder: Path, *, as_owner: bool = False) -> None:
    """Makes sure that recordings can be written to a folder; ``as_owner``: and that nobody else may do so.

    Raises:
        RecordingsUnavailable: they cannot, or it is somebody else's.
    """
    try:
        make_folders(folder)
    except OSError as error:
        raise RecordingsUnavailable(f"the folder for recordings {folder} cannot be made: {_why(error)}") from None
    if as_owner and folder.stat().st_uid != os.getuid():
        raise RecordingsUnavailable(f"the folder {folder} is somebody else's; set TMPDIR to one of your own")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingsUnavailable(f"nothing can be written to the folder for recordings {folder}; name another one")


def _began_ms(session: Recorded, record: CallRecord) -> int:
    """When the stream began, in ms of the call's first one."""
    if record.resumed is None or record.accepted_at is None:
        return 0
    since_ms = (datetime.now(UTC) - parse_timestamp(record.accepted_at)) / timedelta(milliseconds=1) - session.call_ms
    return round(min(max(since_ms, 0), LONGEST_CALL_MS))


def _why(error: Exception) -> str:
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)
