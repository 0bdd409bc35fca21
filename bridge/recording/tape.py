"""What a stream's audio is written to: a file in its place, or a spool that is uploaded in parts. Everything here blocks."""

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from calls.recordings.place import FilePlace, Place, S3Place, S3Recording, parse_s3
from calls.recordings.wav import FRAMES_PER_MS, GrowingWav, cut_wav

if TYPE_CHECKING:
    from calls.recordings.s3 import Bucket

PART_MS = 30_000
"""So much of a call is lost at most with the machine it is on; with the process alone, no more than with a file."""
LONGEST_PART_MS = 300_000


class Tape(Protocol):
    """The audio of one stream. Methods raise :class:`OSError` or :class:`calls.store.base.StoreUnavailable`."""

    def open(self) -> None:
        """Makes what is missing."""

    def write(self, at_frame: int, audio: bytes) -> None:
        """Writes interleaved samples; playable once it returns."""

    def is_part_due(self) -> bool:
        """Whether something is to be sent away while the stream goes on."""

    def send_part(self) -> None:
        """Sends it. May run beside ``write``."""

    def finish(self) -> None:
        """The stream is over: the recording is put where it belongs. May be repeated after a failure."""

    def close(self) -> None:
        """Lets go of it, finished or not."""


def tape_for(place: Place, name: str, began_ms: int, bucket: "Bucket | None") -> Tape:
    """The tape of a stream that began ``began_ms`` into its call. ``bucket``: of a place in S3."""
    match place:
        case FilePlace():
            return FileTape(place.path(name), began_ms)
        case S3Place() if bucket is not None:
            return SpooledTape(bucket, place.address(name), began_ms)
    raise ValueError("a place in S3 needs its bucket")


class FileTape:
    """A WAV file that all streams of a call write to, each behind the ones before, with what was between them as silence."""

    def __init__(self, path: Path, began_ms: int) -> None:
        self._path = path
        self._began = began_ms * FRAMES_PER_MS
        self._wav: GrowingWav | None = None

    def open(self) -> None:
        """See :class:`Tape`."""
        make_folders(self._path.parent)
        self._wav = GrowingWav(self._path)

    def write(self, at_frame: int, audio: bytes) -> None:
        """See :class:`Tape`."""
        if self._wav is not None:
            self._wav.write(self._began + at_frame, audio)

    def is_part_due(self) -> bool:
        """Never: it is where it belongs."""
        return False

    def send_part(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing is left to be done."""

    def close(self) -> None:
        """See :class:`Tape`."""
        if self._wav is not None:
            self._wav.close()


def send_whole(bucket: "Bucket", recording: S3Recording, spool: Path, began_ms: int) -> None:
    """Uploads what is spooled of a stream, and then lets go of it."""
    if spool.exists():
        bucket.put_whole(recording, spool, began_ms)
        spool.unlink(missing_ok=True)


def make_folders(folder: Path) -> None:
    """Makes a folder and those above it where they are missing, for their owner only."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


class SpooledTape:
    """A spool on this machine. It is locked while it is written, so that nobody takes it for one that was left behind."""

    def __init__(self, bucket: "Bucket", address: str, began_ms: int) -> None:
        recording = parse_s3(address)
        if recording is None:
            raise ValueError(f"{address} is no address in S3")
        self._bucket, self._recording, self._began_ms = bucket, recording, began_ms
        self._path = recording.spool(began_ms)
        self._wav: GrowingWav | None = None
        self._sent = 0
        self._written = 0

    def open(self) -> None:
        """See :class:`Tape`."""
        make_folders(self._path.parent)
        self._wav = GrowingWav(self._path)
        fcntl.flock(self._wav.fileno(), fcntl.LOCK_EX)

    def write(self, at_frame: int, audio: bytes) -> None:
        """See :class:`Tape`."""
        if self._wav is not None:
            self._wav.write(at_frame, audio)
            self._written = self._wav.frames

    def is_part_due(self) -> bool:
        """See :class:`Tape`. A part that could not be sent goes with the next."""
        return self._written - self._sent >= PART_MS * FRAMES_PER_MS

    def send_part(self) -> None:
        """See :class:`Tape`."""
        whole_ms = min((self._written - self._sent) // FRAMES_PER_MS, LONGEST_PART_MS)
        at_ms = self._began_ms + self._sent // FRAMES_PER_MS
        self._bucket.put_part(self._recording, at_ms, cut_wav(self._path, self._sent, whole_ms * FRAMES_PER_MS))
        self._sent += whole_ms * FRAMES_PER_MS

    def finish(self) -> None:
        """See :class:`Tape`. A spool that is not there any more was deleted with its call."""
        send_whole(self._bucket, self._recording, self._path, self._began_ms)

    def close(self) -> None:
        """See :class:`Tape`."""
        if self._wav is not None:
            self._wav.close()
