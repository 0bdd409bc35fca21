"""``scripts/check-image``."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.container.building import Build, Image
from infra.container.cage import Cage, cage_for
from infra.container.context import BuildContext
from infra.container.dockerfile import DockerfileError, read_stages
from infra.container.trial import Trial, TrialError, complaints_about, missing_files

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Tries the Dockerfile that is named, or ours; returns the exit code: 1 if it is not fit to be used."""
    dockerfile = Path(arguments[0]) if arguments else ROOT / "infra" / "Dockerfile"
    python = Path(os.environ.get("PYTHON") or sys.executable)
    with tempfile.TemporaryDirectory(prefix="frontdesk-image-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o755)
        try:
            _try(dockerfile, python, Path(scratch))
        except (DockerfileError, TrialError) as error:
            say(f"{dockerfile.name}: {error}")
            return 1
    say("the image is fit to be used")
    return 0


def say(text: str) -> None:
    """Tells a person."""
    sys.stderr.write(f"frontdesk: {text}\n")


def _try(dockerfile: Path, python: Path, scratch: Path) -> None:
    stages = read_stages(dockerfile.read_text("utf-8"), {})
    _say_which_python(stages[-1].base, python)
    context = BuildContext(ROOT)
    image = Build(scratch, context, python).run(stages, {})
    wrong = [*complaints_about(image), *missing_files(image, context)]
    if wrong:
        raise TrialError("\n".join(wrong[:20]))
    cage = cage_for(image.user, python)
    _say_how(image, cage)
    Trial(image, cage, _free_port(), ROOT / "businesses", scratch / "log").run()


def _say_which_python(base: str, python: Path) -> None:
    show = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    here = subprocess.run(  # noqa: S603  (whoever runs this names it)
        show, capture_output=True, text=True, check=True
    ).stdout.strip()
    there = re.search(r"\d+\.\d+", base)
    if there is None or there[0] != here:
        say(f"building with Python {here} in place of {base.partition('@')[0]}; PYTHON names another")


def _say_how(image: Image, cage: Cage) -> None:
    size = sum(path.lstat().st_blocks * 512 for path in image.folder.rglob("*"))
    say(f"built: {size // 1_000_000} MB above the base image")
    who = f"as user {image.user}" if cage.identity else f"as {os.getuid()}, since only root can be somebody else"
    how = "as process 1 on read-only file systems" if cage.is_sealed else "on a tree that is looked over for what it has written"
    say(f"running it {who}, {how}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
