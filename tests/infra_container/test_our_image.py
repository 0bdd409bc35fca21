"""Our own Dockerfile, as far as it can be judged by reading. ``scripts/check-image`` builds and runs it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.container import healthcheck
from infra.container.dockerfile import Instruction, read_stages
from infra.figures import BRIDGE_PORT, HEALTH_COMMAND, USER, WRITABLE

ROOT = Path(__file__).parents[2]
FILE = ROOT / "infra" / "Dockerfile"
STAGES = read_stages(FILE.read_text("utf-8"), {})


def instruction(name: str) -> Instruction:
    (found,) = (one for one in STAGES[-1].instructions if one.name == name)
    return found


def test_every_base_is_pinned_by_its_digest() -> None:
    for stage in STAGES:
        assert re.fullmatch(r"python:3\.13\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", stage.base)


def test_user_port_volume_and_health_check_are_those_that_the_infrastructure_expects() -> None:
    assert instruction("USER").value == f"{USER}:{USER}"
    assert instruction("EXPOSE").value == str(BRIDGE_PORT)
    assert json.loads(instruction("VOLUME").value) == [WRITABLE]
    assert json.loads(instruction("HEALTHCHECK").rest.removeprefix("CMD ")) == list(HEALTH_COMMAND)


def test_the_health_check_gives_up_before_it_is_killed() -> None:
    timeout_s = float(instruction("HEALTHCHECK").flags["timeout"].removesuffix("s"))
    assert timeout_s > healthcheck.TIMEOUT_S


def test_the_linter_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint") or shutil.which("hadolint", path=ROOT / ".venv-infra" / "bin")
    if hadolint is None:
        assert os.environ.get("FRONTDESK_TESTS") != "all", "hadolint is not installed"
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
