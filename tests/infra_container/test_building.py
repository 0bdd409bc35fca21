from pathlib import Path

import pytest

from infra.container.dockerfile import DockerfileError
from tests.infra_container.toys import DOCKERFILE, toy_image


def test_the_last_stage_has_what_it_copied_and_nothing_else(tmp_path: Path) -> None:
    image = toy_image(tmp_path)
    assert sorted(path.relative_to(image.folder).as_posix() for path in image.folder.rglob("*")) == [
        "data", "program", "program/healthcheck.py", "program/server.py",
    ]  # fmt: skip


def test_commands_and_settings_name_the_folder_that_stands_in_for_srv(tmp_path: Path) -> None:
    image = toy_image(tmp_path)
    assert image.command == ["python", "-I", f"{image.folder}/program/server.py"]
    assert image.health == ["python", "-I", f"{image.folder}/program/healthcheck.py"]
    assert (image.environ["HOME"], image.volumes) == (f"{image.folder}/data", [image.folder / "data"])


def test_a_stage_is_built_where_its_copy_will_be(tmp_path: Path) -> None:
    """A virtual environment names its own place in its scripts."""
    image = toy_image(
        tmp_path, DOCKERFILE.replace("mkdir /srv/program &&", "mkdir /srv/program && echo /srv/program >/srv/program/place &&")
    )
    assert (image.folder / "program" / "place").read_text("utf-8").strip() == f"{image.folder}/program"


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("cp server.py", "cp sever.py", "line 5: RUN .* exit code 1\n.*sever.py"),
        ("COPY . .", "COPY requirements.lock .", "line 4: COPY .* there is no requirements.lock"),
        ("/srv/program /srv/program", "/srv/programme /srv/program", "line 8: COPY .* there is no /srv/programme"),
        ("--from=build", "--from=built", "line 8: COPY .* earlier stage"),
        ("--from=build", "--chmod=755", "line 8: COPY .*--chmod cannot be tried"),
    ],
)
def test_a_step_that_fails_is_named_with_its_line_and_what_it_said(
    tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    assert right in DOCKERFILE
    with pytest.raises(DockerfileError, match=f"(?s){complaint}"):
        toy_image(tmp_path, DOCKERFILE.replace(right, wrong, 1))
