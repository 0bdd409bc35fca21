import tomllib
from pathlib import Path

import pytest

from infra.container.context import BuildContext

ROOT = Path(__file__).parents[2]


def context(folder: Path, rules: str, *files: str) -> list[str]:
    (folder / ".dockerignore").write_text(rules, "utf-8")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x", "utf-8")
    return [path.as_posix() for path in BuildContext(folder).files()]


def test_without_rules_everything_is_sent(tmp_path: Path) -> None:
    assert context(tmp_path, "", "a/b", "c") == [".dockerignore", "a/b", "c"]


def test_the_last_rule_that_fits_decides(tmp_path: Path) -> None:
    assert context(tmp_path, "*\n!a\na/b\n", "a/b", "a/c", "d") == ["a/c"]


def test_one_file_of_an_ignored_folder_may_be_spared(tmp_path: Path) -> None:
    assert context(tmp_path, "*\n!a/b/c\n", "a/b/c", "a/b/d", "a/e") == ["a/b/c"]


def test_two_stars_reach_into_every_folder(tmp_path: Path) -> None:
    assert context(tmp_path, ".dockerignore\n**/*.pyc\n**/x\n", "a.pyc", "b/c.pyc", "b/x/d", "x/e", "b/f") == ["b/f"]


def test_copying_counts_the_files(tmp_path: Path) -> None:
    context(tmp_path, "*\n!a\n", "a/b", "a/c/d", "e")
    target = tmp_path / "target"
    assert BuildContext(tmp_path).copy("a", target) == 2
    assert (target / "c" / "d").read_text("utf-8") == "x"
    assert BuildContext(tmp_path).copy("e", target / "e") == 0


@pytest.mark.parametrize(
    "name",
    [
        ".env", "frontdesk.db", "number-backups.json", "deployment.toml", "businesses/mine.toml", ".git/config", ".venv/pyvenv.cfg",
        "tests/conftest.py", "infra/data.py", "infra/deployment.toml", "calls/__pycache__/ids.cpython-313.pyc", "call.wav",
    ],
)  # fmt: skip
def test_a_build_sees_neither_secrets_nor_what_it_does_not_need(name: str) -> None:
    assert not BuildContext(ROOT).holds(Path(name))


def test_a_build_sees_every_file_of_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    folders = {package.partition(".")[0] for package in project["tool"]["setuptools"]["packages"]}
    sent = set(BuildContext(ROOT).files())
    needed = {
        path.relative_to(ROOT)
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert needed - sent == set()
    assert {Path(name) for name in ("pyproject.toml", "requirements.lock", "README.md", "LICENSE")} <= sent
