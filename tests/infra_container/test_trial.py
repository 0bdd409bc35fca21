import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.container import trial
from infra.container.building import Image
from infra.container.cage import cage_for
from infra.container.context import BuildContext
from infra.container.trial import Trial, TrialError, complaints_about, missing_files
from tests.infra_container.toys import DOCKERFILE, toy_image
from tests.servers import free_port

Tried = Callable[..., str]


@pytest.fixture
def tried(tmp_path: Path) -> Tried:
    """Builds the toy with further variables, tries it, and returns what it printed."""
    # Others must be able to look into the folder, as they can into an image.
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent) if os.getuid() == 0 else ():
        folder.chmod(0o755)
    businesses = tmp_path / "businesses"
    businesses.mkdir()

    def run(**variables: str) -> str:
        image = toy_image(tmp_path)
        image.environ |= {name: value.replace("/srv", str(image.folder)) for name, value in variables.items()}
        log = tmp_path / "log"
        Trial(image, cage_for(image.user, Path(sys.executable)), free_port(), businesses, log).run()
        return log.read_text("utf-8")

    return run


def test_an_image_that_does_all_it_should_is_fit(tried: Tried) -> None:
    printed = tried()
    cage = cage_for("10001:10001", Path(sys.executable))
    assert ("user 10001" in printed) is bool(cage.identity)
    assert ("process 1 " in printed) is cage.is_sealed


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("ENDS", "1", "ended with exit code 3 before it was healthy"),
        ("HEALTH", "503", "HEALTHCHECK has failed for"),
        ("TWIML", "<Response/>", "does not connect the caller to a stream: <Response/>"),
        ("LEAVES_WITH", "1", "SIGTERM ended it with exit code 1, not 0"),
        ("STAYS", "1", "SIGTERM has not ended it"),
    ],
)
def test_an_image_that_is_not_fit_is_told_why(
    tried: Tried, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    for patience in {"HEALTH": ["HEALTHY_WITHIN_S"], "STAYS": ["GONE_WITHIN_S"]}.get(variable, []):
        monkeypatch.setattr(trial, patience, 0.5)
    with pytest.raises(TrialError, match=complaint):
        tried(**{variable: value})


def test_a_program_can_write_to_its_volume_alone(tried: Tried) -> None:
    assert "refused" not in tried(WRITES="/srv/data/kept")


def test_a_program_that_writes_elsewhere_is_refused_or_found_out(tried: Tried) -> None:
    """Refused by the system where this machine allows that, found out where it does not."""
    try:
        assert "refused" in tried(WRITES="/srv/program/left")
    except TrialError as error:
        assert "wrote outside its volume: program/left" in str(error)  # noqa: PT017


LAST_STEP = "cp server.py healthcheck.py /srv/program"
LAST_LINE = 'CMD ["python", "-I", "/srv/program/server.py"]'


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("USER 10001:10001\n", "", "USER root is not a number other than 0"),
        ("USER 10001:10001", "USER 0", "USER 0 is not a number other than 0"),
        ("USER 10001:10001", "USER frontdesk", "USER frontdesk is not a number other than 0"),
        (LAST_LINE, "CMD python /srv/program/server.py", "CMD is no list"),
        (LAST_LINE, "", "There is no CMD"),
        (LAST_STEP, f"{LAST_STEP}; chmod 600 /srv/program/server.py", "program/server.py cannot be read by the image's user"),
        (
            LAST_STEP,
            f"{LAST_STEP}; chmod 666 /srv/program/server.py",
            "program/server.py cannot be read by the image's user, or can be",
        ),
    ],
)
def test_what_is_wrong_can_often_be_seen_without_running(tmp_path: Path, right: str, wrong: str, complaint: str) -> None:
    assert right in DOCKERFILE
    (found,) = complaints_about(toy_image(tmp_path, DOCKERFILE.replace(right, wrong, 1)))
    assert found.startswith(complaint)


def test_nothing_is_wrong_with_the_toy(tmp_path: Path) -> None:
    assert list(complaints_about(toy_image(tmp_path))) == []


def test_a_file_that_was_not_installed_is_missed(tmp_path: Path) -> None:
    sources, installed = tmp_path / "sources", tmp_path / "srv" / "program" / "lib" / "site-packages"
    for name in ("calls/ids.py", "calls/prices.toml", "bridge/lines/he.ulaw", "tests/test_x.py"):
        for folder in (sources, installed):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("x", "utf-8")
    (sources / "pyproject.toml").write_text('[tool.setuptools]\npackages = ["bridge", "calls"]\n', "utf-8")
    image = Image(environ={}, folder=tmp_path / "srv")
    assert list(missing_files(image, BuildContext(sources))) == []
    (installed / "bridge/lines/he.ulaw").unlink()
    (found,) = missing_files(image, BuildContext(sources))
    assert found.startswith("bridge/lines/he.ulaw is not in the image")
