"""The Lambda bundle, built once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import do_without
from tests.webhooks.lambda_runtime import ROOT


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``scripts/build-lambda`` has made for this machine: a folder with ``bundle/`` and ``lambda.zip``."""
    out = tmp_path_factory.mktemp("lambda")
    build(out)
    return out


@pytest.fixture(scope="session")
def bundle(built: Path) -> Path:
    """The unpacked bundle."""
    return built / "bundle"


def build(out: Path, *options: str) -> str:
    """Builds it into ``out``, and returns what the script has said."""
    command = [sys.executable, str(ROOT / "scripts" / "build-lambda"), *(options or ("--native",)), str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        do_without(f"the Lambda bundle cannot be built here: {done.stderr.strip()[-500:]}")
    return done.stderr
