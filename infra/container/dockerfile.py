"""Reads a Dockerfile, as far as ours uses the language (Docker, *Dockerfile reference*); more is an error, never left out unseen."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

KNOWN = frozenset(
    "ARG FROM WORKDIR COPY RUN LABEL ENV VOLUME USER EXPOSE STOPSIGNAL HEALTHCHECK CMD".split()  # noqa: SIM905  (one line)
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")
_PAIR = re.compile(r'([\w.-]+)=(?:"([^"]*)"|(\S*))')


class DockerfileError(Exception):
    """What cannot be read or carried out; ``str()`` names the line."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; ``line`` is where it begins."""

    name: str
    value: str
    line: int

    @property
    def flags(self) -> dict[str, str]:
        """What stands before the value as ``--name=value``."""
        return dict(_FLAG.findall(self.value[: len(self.value) - len(self.rest)]))

    @property
    def rest(self) -> str:
        """The value without its flags."""
        rest = self.value
        while flag := _FLAG.match(rest):
            rest = rest[flag.end() :]
        return rest

    @property
    def pairs(self) -> dict[str, str]:
        """The value as ``name=value name="value" …``."""
        return {name: quoted or bare for name, quoted, bare in _PAIR.findall(self.value)}

    def error(self, why: str) -> DockerfileError:
        """An error that says where."""
        return DockerfileError(f"line {self.line}: {self.name} {self.value}: {why}")


@dataclass(frozen=True, slots=True)
class Stage:
    """What follows a FROM, that included."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]


def read_stages(text: str, arguments: Mapping[str, str]) -> tuple[Stage, ...]:
    """The stages; ``arguments`` are those of ``--build-arg``. Raises :class:`DockerfileError`."""
    instructions = _instructions(text)
    starts = [index for index, one in enumerate(instructions) if one.name == "FROM"]
    if not starts:
        raise DockerfileError("there is no FROM")
    before = {}
    for one in instructions[: starts[0]]:
        name, _, default = one.value.partition("=")
        before[name] = arguments.get(name, default)
    ends = [*starts[1:], len(instructions)]
    return tuple(_stage(instructions[start:end], before) for start, end in zip(starts, ends, strict=True))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with ``$NAME`` and ``${NAME}`` filled in; what is not set is nothing."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


def command_of(instruction: Instruction, value: str) -> list[str]:
    """The command of a RUN, CMD or HEALTHCHECK: its words, or the shell's if it is no list."""
    if not value.startswith("["):
        return ["/bin/sh", "-c", value]
    try:
        words = json.loads(value)
    except ValueError:
        raise instruction.error("this is no list of texts in double quotes") from None
    if not words or not all(isinstance(word, str) for word in words):
        raise instruction.error("this is no list of texts")
    return list(words)


def _stage(instructions: list[Instruction], before: Mapping[str, str]) -> Stage:
    base, _, name = expanded(instructions[0].value, before).partition(" AS ")
    return Stage(name.strip(), base.strip(), tuple(instructions[1:]))


def _instructions(text: str) -> list[Instruction]:
    found: list[Instruction] = []
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole = line.strip()
        while whole.endswith("\\"):
            whole = whole[:-1].rstrip() + " " + next(lines, (0, ""))[1].strip()
        name, _, value = whole.partition(" ")
        if name not in KNOWN:
            raise DockerfileError(f"line {number}: {name} is not among the instructions that can be tried")
        found.append(Instruction(name, value.strip(), number))
    return found
