"""An S3 that speaks HTTP, in a process of its own, and what tests want to know of it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from calls.recordings.place import spool_folder

BUCKET = "recordings"
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def served() -> Iterator[str]:
    """Its URL, while the block runs."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def environment(url: str, spool: Path) -> dict[str, str]:
    """What a process needs in order to use it."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TMPDIR": str(spool),
    }


@contextmanager
def empty_bucket(url: str, spool: Path) -> Iterator["S3"]:
    """A bucket that this process and those it starts find by their environment, while the block runs."""
    spool.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url, spool).items():
            patch.setenv(name, value)
        patch.setattr(tempfile, "tempdir", str(spool))
        yield S3(url)


class S3:
    """One empty bucket."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self._client() as client:
            client.create_bucket(Bucket=BUCKET)
            for key in self._keys(client):
                client.delete_object(Bucket=BUCKET, Key=key)

    def keys(self) -> list[str]:
        """What is in it."""
        with self._client() as client:
            return self._keys(client)

    def get(self, key: str) -> bytes:
        """One object."""
        with self._client() as client:
            body: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            return body

    def put(self, key: str, body: bytes) -> None:
        """Puts one there."""
        with self._client() as client:
            client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def spooled(self) -> list[str]:
        """What waits on this machine for being uploaded."""
        folder = spool_folder() / BUCKET
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))

    @contextmanager
    def _client(self) -> Iterator[Any]:
        import boto3  # type: ignore[import-untyped]

        client = boto3.session.Session().client("s3", endpoint_url=self.url)
        try:
            yield client
        finally:
            client.close()

    def _keys(self, client: Any) -> list[str]:
        return [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]
