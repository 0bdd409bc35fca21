"""Recordings in S3, or what speaks its protocol (``AWS_ENDPOINT_URL``). Credentials and region are found as boto3 finds them.

Everything here blocks; a :class:`Bucket` may be used by several threads.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import boto3  # type: ignore[import-untyped]
from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from calls.recordings.place import S3Recording
from calls.recordings.shelf import NoRecording, RecordingsUnavailable
from calls.recordings.wav import FRAME_BYTES, FRAMES_PER_MS, GrowingWav, copy_wav

_SETTINGS = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 3})
_IN_ONE_THREAD = TransferConfig(use_threads=False)
_WAV = {"ContentType": "audio/wav"}


class Bucket:
    """One bucket. Methods raise :class:`RecordingsUnavailable`."""

    def __init__(self, name: str) -> None:
        self.name = name
        with self._errors():
            self._client: Any = boto3.session.Session().client("s3", config=_SETTINGS)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def check(self) -> None:
        """Returns if the bucket is there and lets us in."""
        with self._errors():
            self._client.list_objects_v2(Bucket=self.name, MaxKeys=1)

    def put_part(self, recording: S3Recording, at_ms: int, wav: bytes) -> str:
        """Uploads a part of a call that is going on. Returns its key."""
        key = recording.part(at_ms)
        with self._errors():
            self._client.put_object(Bucket=self.name, Key=key, Body=wav, **_WAV)
        return key

    def put_whole(self, recording: S3Recording, spool: Path, at_ms: int) -> None:
        """Uploads the audio of a stream that began ``at_ms`` into the call, together with what is there of other streams of the
        call, as one object in the place of all parts. May be repeated."""
        found = self._found(recording)
        own = range(at_ms, at_ms + max(1, spool.stat().st_size // FRAME_BYTES // FRAMES_PER_MS))
        others = {key: begins_ms for key, begins_ms in found.items() if key == recording.whole or begins_ms not in own}
        if at_ms == 0 and not others:
            self._upload(recording, spool)
        else:
            with self._joined(others) as joined:
                with spool.open("rb") as wav:
                    joined.lay(at_ms * FRAMES_PER_MS, wav)
                self._upload(recording, joined.path)
        self._delete(key for key in found if key != recording.whole)

    def copy(self, recording: S3Recording, out: IO[bytes]) -> None:
        """Writes a recording as far as it is there: whole, or the parts of it put together.

        Raises:
            NoRecording: nothing of it is there.
        """
        found = self._found(recording)
        if not found:
            raise NoRecording(f"there is no object s3://{self.name}/{recording.whole}")
        with self._joined(found) as joined:
            copy_wav(joined.path, out)

    def delete(self, recording: S3Recording) -> None:
        """Deletes a recording and what of it still waits on this machine."""
        self._delete(iter(self._found(recording)))
        shutil.rmtree(recording.spool(0).parent, ignore_errors=True)

    def _upload(self, recording: S3Recording, path: Path) -> None:
        with self._errors():
            self._client.upload_file(str(path), self.name, recording.whole, ExtraArgs=_WAV, Config=_IN_ONE_THREAD)

    def _found(self, recording: S3Recording) -> dict[str, int]:
        """The keys of what is there of a recording, with when it begins: the whole, then parts in the order of the call."""
        found: dict[str, int] = {}
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=recording.key)
            for key in (entry["Key"] for page in pages for entry in page.get("Contents", ())):
                begins_ms = recording.part_begins_ms(key)
                if key == recording.whole or begins_ms is not None:
                    found[key] = begins_ms or 0
        return dict(sorted(found.items(), key=lambda entry: (entry[0] != recording.whole, entry[1])))

    @contextlib.contextmanager
    def _joined(self, pieces: Mapping[str, int]) -> Iterator[GrowingWav]:
        """A file with these objects, each where it belongs, later ones over earlier ones."""
        with tempfile.TemporaryDirectory() as folder:
            joined = GrowingWav(Path(folder) / "joined.wav")
            try:
                for key, begins_ms in pieces.items():
                    with self._errors():
                        body = self._client.get_object(Bucket=self.name, Key=key)["Body"]
                        with contextlib.closing(body):
                            joined.lay(begins_ms * FRAMES_PER_MS, body)
                yield joined
            finally:
                joined.close()

    def _delete(self, keys: Iterator[str]) -> None:
        with self._errors():
            for key in keys:
                self._client.delete_object(Bucket=self.name, Key=key)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise RecordingsUnavailable(f"the recordings in s3://{self.name} cannot be got at: {error}") from None
