"""Where a deployment keeps recordings (``FRONTDESK_RECORDINGS``), and what they are called there."""

import re
import tempfile
from pathlib import Path
from urllib.parse import quote

import msgspec

from calls.ids import BusinessId, CallSid
from calls.record import CallRecord

_S3 = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")
_ADDRESS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)\.wav")


class PlaceUnusable(ValueError):
    """A setting that names no place; ``str()`` is a sentence about it."""


class FilePlace(msgspec.Struct, frozen=True):
    """A folder."""

    folder: Path

    def address(self, name: str) -> str:
        """Where the recording of that name is kept."""
        return f"file:{self.path(name)}"

    def path(self, name: str) -> Path:
        """The same as a path."""
        return self.folder / f"{name}.wav"


class S3Place(msgspec.Struct, frozen=True):
    """A bucket, and a prefix in it that is empty or ends in a slash."""

    bucket: str
    prefix: str = ""

    def address(self, name: str) -> str:
        """Where the recording of that name is kept."""
        return f"s3://{self.bucket}/{self.prefix}{name}.wav"


Place = FilePlace | S3Place


class S3Recording(msgspec.Struct, frozen=True):
    """A recording in S3: the object ``KEY.wav`` once a stream is over, and until then, or if it never is, parts below ``KEY/``."""

    bucket: str
    key: str
    """Without ``.wav``."""

    @property
    def whole(self) -> str:
        """The key of all of it."""
        return f"{self.key}.wav"

    def part(self, at_ms: int) -> str:
        """The key of a part that begins ``at_ms`` into the call."""
        return f"{self.key}/{at_ms:09}.wav"

    def part_begins_ms(self, key: str) -> int | None:
        """When the part under a key begins; ``None`` if it is none."""
        number = key.removeprefix(f"{self.key}/").removesuffix(".wav")
        return int(number) if key == f"{self.key}/{number}.wav" and number.isdecimal() else None

    def spool(self, at_ms: int) -> Path:
        """Where on this machine a stream's audio waits for being uploaded; it began ``at_ms`` into the call."""
        return spool_folder() / self.bucket / f"{self.key}/{at_ms:09}.wav"


def parse_place(text: str) -> Place | None:
    """Reads ``FRONTDESK_RECORDINGS``: ``off``, ``file:DIR`` or ``s3://BUCKET/PREFIX``. ``None``: nothing is recorded.

    Raises:
        PlaceUnusable: it is none of these.
    """
    if text in ("", "off"):
        return None
    if text.startswith("file:") and text != "file:":
        return FilePlace(Path(text.removeprefix("file:")).expanduser().absolute())
    if (found := _S3.fullmatch(text)) is not None:
        prefix = (found["prefix"] or "").strip("/")
        return S3Place(found["bucket"], f"{prefix}/" if prefix else "")
    raise PlaceUnusable(f"{text!r} names no place for recordings; write off, file:DIR or s3://BUCKET/PREFIX")


def recording_name(record: CallRecord) -> str:
    """What a call's recording is called: ``BUSINESS/DATE/SID``, the date of its beginning in UTC."""
    return _name(record.business_id, record.started_at[:10], record.call_sid)


def parse_s3(address: str) -> S3Recording | None:
    """The recording at an ``s3://`` address; ``None`` if it is no such address."""
    found = _ADDRESS.fullmatch(address)
    return S3Recording(found["bucket"], found["key"]) if found is not None else None


def spool_folder() -> Path:
    """Where audio waits for being uploaded: below ``TMPDIR``."""
    return Path(tempfile.gettempdir()) / "frontdesk-recordings"


def _name(business_id: BusinessId, date: str, call_sid: CallSid) -> str:
    # A SID is Twilio's, but on a machine that does not check signatures it is anybody's.
    return f"{business_id}/{date}/{quote(call_sid, safe='')}"
