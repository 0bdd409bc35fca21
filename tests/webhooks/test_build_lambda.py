"""``scripts/build-lambda``: the same bytes each time, for the Lambda that is asked for, with nothing that is never loaded."""

import re
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.webhooks.conftest import build
from tests.webhooks.lambda_runtime import ROOT

MOST_BYTES = 5_000_000
"""Of the archive. Lambda fetches it before a first call is answered."""


@pytest.fixture(scope="module")
def for_aws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is built without any options: what is deployed."""
    out = tmp_path_factory.mktemp("for_aws")
    said = build(out, "--python-version", "3.13")
    assert "MB, unpacked" in said
    return out


def packed(out: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(out / "lambda.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_sources_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    build(tmp_path)
    first, second = packed(built), packed(tmp_path)
    assert [name for name in first if second.get(name) != first[name]] == []
    assert len({sha256((out / "lambda.zip").read_bytes()).digest() for out in (built, tmp_path)}) == 1


def test_the_archive_is_the_unpacked_bundle(built: Path) -> None:
    bundle = built / "bundle"
    unpacked = {path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    assert packed(built) == unpacked


def test_bytecode_is_taken_without_looking_at_its_source(built: Path) -> None:
    source = built / "bundle" / "webhooks" / "aws_lambda.py"
    compiled = next((source.parent / "__pycache__").glob("aws_lambda.*.pyc")).read_bytes()
    assert int.from_bytes(compiled[4:8], "little") == 0b01  # PEP 552: by hash, and not checked
    assert str(built).encode() not in compiled


def test_compiled_modules_are_those_of_graviton(for_aws: Path) -> None:
    libraries = [name for name in packed(for_aws) if name.endswith(".so")]
    assert libraries
    assert [name for name in libraries if not name.endswith(".cpython-313-aarch64-linux-gnu.so")] == []
    for name in libraries:
        assert packed(for_aws)[name][18:20] == b"\xb7\x00"  # ELF's number of AArch64


def test_it_holds_both_handlers_and_is_small(for_aws: Path) -> None:
    names = set(packed(for_aws))
    assert {"webhooks/aws_lambda.py", "webhooks/aws_fallback.py", "tzdata/zoneinfo/America/New_York"} <= names
    assert (for_aws / "lambda.zip").stat().st_size < MOST_BYTES


def test_versions_are_those_of_the_whole_project_s_lock_file(for_aws: Path) -> None:
    lock = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    folders = {name.partition("/")[0] for name in packed(for_aws) if ".dist-info/" in name}
    carried = dict(folder.removesuffix(".dist-info").replace("_", "-").rsplit("-", 1) for folder in folders)
    assert {"botocore", "msgspec", "twilio"} <= carried.keys()
    assert {name: lock.get(name) for name in carried} == carried


def test_what_is_not_loaded_is_not_carried(for_aws: Path) -> None:
    names = packed(for_aws)
    parts = (
        "numpy/",
        "quart/",
        "aiohttp/",
        "boto3/",
        "s3transfer/",
        "requests/",
        "twilio/rest/",
        "calls/cli",
        "calls/bus/",
        "bin/",
    )
    assert [name for name in names if name.startswith(parts)] == []
    assert [name for name in names if "sqlite" in name or name.endswith(("RECORD", "quart_routes.py"))] == []
