"""Carries out a Dockerfile's steps in a folder of this machine, as the user who asks, with this machine's Python for its base.

All that our image adds lies below ``/srv``, so a folder stands in for that: wherever a step names ``/srv``, it gets the folder. Each
stage begins with an empty one. What the base image itself has is not part of it.
"""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from infra.container.context import BuildContext
from infra.container.dockerfile import Instruction, Stage, command_of, expanded

TOP = "/srv"
_TOP = re.compile(r"(?<![\w./-])/srv(?=$|[^\w.-])")
_PASSED_ON = re.compile(r"PIP_\w+|(https?|no)_proxy|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|LANG", re.IGNORECASE)
WITHIN_S = 600


@dataclass(slots=True)
class Image:
    """What a stage has come to. Paths and commands are those of this machine, everything else is as written."""

    environ: dict[str, str]
    folder: Path
    """Stands in for ``/srv``."""
    workdir: Path = Path("/")
    user: str = ""
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    stop_signal: str = "SIGTERM"
    volumes: list[Path] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


class Build:
    """Builds the stages one after the other in ``scratch``, which must be empty."""

    def __init__(self, scratch: Path, context: BuildContext, python: Path) -> None:
        self._scratch, self._context = scratch, context
        self._top = scratch / "srv"
        self._stages: dict[str, Path] = {}
        self._path = f"{_python_alone(scratch / 'base', python)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    def run(self, stages: tuple[Stage, ...], arguments: dict[str, str]) -> Image:
        """The image of the last stage. Raises :class:`infra.container.dockerfile.DockerfileError`."""
        for stage in stages:
            self._keep_what_was_built()
            image = self._image(stage, arguments)
            self._stages[stage.name] = self._scratch / f"stage-{stage.name}"
        return image

    def _keep_what_was_built(self) -> None:
        """A stage is always built at the same place, so that what names its own path works when it is copied to the next."""
        if self._stages:
            self._top.rename(list(self._stages.values())[-1])
        self._top.mkdir()

    def _image(self, stage: Stage, arguments: dict[str, str]) -> Image:
        image = Image(environ={"PATH": self._path}, folder=self._top)
        given: dict[str, str] = {}
        for one in stage.instructions:
            if one.name == "ARG":
                name, _, default = one.value.partition("=")
                given[name] = arguments.get(name, default)
            else:
                self._step(image, one, given | image.environ)
        return image

    def _step(self, image: Image, one: Instruction, variables: dict[str, str]) -> None:
        match one.name:
            case "RUN":
                self._run(image, one)
            case "COPY":
                self._copy(image, one)
            case "ENV":
                image.environ |= {name: self._here(expanded(value, variables)) for name, value in one.pairs.items()}
            case "LABEL":
                image.labels |= {name: expanded(value, variables) for name, value in one.pairs.items()}
            case "WORKDIR":
                image.workdir = Path(self._here(one.value))
                image.workdir.mkdir(parents=True, exist_ok=True)
            case _:
                self._note(image, one)

    def _note(self, image: Image, one: Instruction) -> None:
        """What says how the image is to be run."""
        match one.name:
            case "CMD":
                image.command = self._command(one, one.value)
            case "HEALTHCHECK":
                image.health = self._command(one, one.rest.removeprefix("CMD").strip())
            case "VOLUME":
                image.volumes = [Path(place) for place in self._command(one, one.value)]
            case "EXPOSE":
                image.ports.append(int(one.value))
            case "USER":
                image.user = one.value
            case "STOPSIGNAL":
                image.stop_signal = one.value
            case _:
                raise one.error("cannot be tried here")

    def _command(self, one: Instruction, value: str) -> list[str]:
        return [self._here(word) for word in command_of(one, value)]

    def _here(self, text: str) -> str:
        return _TOP.sub(lambda _: str(self._top), text)

    def _run(self, image: Image, one: Instruction) -> None:
        words = self._command(one, one.value)
        passed_on = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        done = subprocess.run(  # noqa: S603  (the Dockerfile's own commands)
            [_with_own_ids(word) for word in words],
            cwd=image.workdir,
            env=passed_on | image.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            raise one.error(f"exit code {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}")

    def _copy(self, image: Image, one: Instruction) -> None:
        unknown = one.flags.keys() - {"from"}
        if unknown:
            raise one.error(f"--{unknown.pop()} cannot be tried here")
        *sources, last = shlex.split(one.rest)
        target = image.workdir / self._here(last)
        for source in sources:
            to = target / Path(source).name if last.endswith("/") and not Path(source).is_dir() else target
            if not self._copied(one, source, to):
                raise one.error(f"there is no {source} to be copied")

    def _copied(self, one: Instruction, source: str, to: Path) -> bool:
        stage = one.flags.get("from")
        if stage is None:
            return self._context.copy(source, to) > 0
        if stage not in self._stages or not source.startswith(f"{TOP}/"):
            raise one.error("only what an earlier stage has below /srv can be tried here")
        built = self._stages[stage] / source.removeprefix(f"{TOP}/")
        if built.is_dir():
            shutil.copytree(built, to, symlinks=True, dirs_exist_ok=True)
        elif built.is_file():
            shutil.copy2(built, to)
        return built.exists()


def _python_alone(folder: Path, python: Path) -> Path:
    """A folder for PATH with what the base image has: ``python`` and ``python3``."""
    folder.mkdir(parents=True)
    for name in ("python", "python3"):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} "$@"\n', "utf-8")
        script.chmod(0o755)
    return folder


def _with_own_ids(text: str) -> str:
    """Nobody but root can give files away; everybody else keeps them."""
    if os.getuid() == 0:
        return text
    return re.sub(r"-o \d+ -g \d+", f"-o {os.getuid()} -g {os.getgid()}", text)
