"""What is installed is all there is."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_package_of_the_program_is_installed() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    parts = {name.partition(".")[0] for name in setuptools["packages"]}
    there = {
        str(path.parent.relative_to(ROOT)).replace("/", ".") for part in parts for path in (ROOT / part).rglob("__init__.py")
    }
    assert there == set(setuptools["packages"])
