"""The folder of business files: reading it, checking it, and finding the business a call is for."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from calls.address import is_e164, normalise
from calls.business import BusinessProfile, Recording
from calls.business_checks import Draft, address_key, findings
from calls.business_problems import BusinessFileError, Problem, Severity
from calls.business_shape import Walk, sound_part
from calls.ids import BusinessId
from calls.toml_lines import KeyLines

__all__ = [
    "BusinessDirectory",
    "BusinessFileError",
    "BusinessRead",
    "Problem",
    "business_paths",
    "check_file",
    "check_files",
    "load_businesses",
    "problems_of",
    "profile_of",
    "read_file",
    "read_text",
]

_WHATSAPP = "whatsapp:"

# Stands in for a required key that is missing or wrong, so that the rest of the file can be checked.
_STAND_IN: dict[str, Any] = {
    "id": "unnamed",
    "name": "unnamed",
    "numbers": ["client:unnamed"],
    "language": "en",
    "voice": "alloy",
    "instructions": "-",
}


class BusinessDirectory:
    """The businesses of one deployment."""

    def __init__(self, profiles: Iterable[BusinessProfile], warnings: Sequence[Problem] = ()) -> None:
        self.replace(profiles)
        self.warnings = tuple(warnings)
        """What was doubtful when the files were read; for the log."""

    def replace(self, profiles: Iterable[BusinessProfile]) -> None:
        """The businesses are these from now on. May be called while other threads look businesses up."""
        by_id = {profile.business_id: profile for profile in profiles}
        by_address = {address_key(number): profile for profile in by_id.values() for number in profile.numbers}
        self._by_id, self._by_address = by_id, by_address

    def __iter__(self) -> Iterator[BusinessProfile]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, business_id: BusinessId | str) -> BusinessProfile | None:
        """The business with this id."""
        return self._by_id.get(BusinessId(business_id))

    def unrecorded(self) -> "BusinessDirectory":
        """The same businesses, none of which has its calls recorded or says that it does."""
        return BusinessDirectory(
            (msgspec.structs.replace(profile, recording=Recording()) for profile in self._by_id.values()), self.warnings
        )

    def find(self, address: str) -> BusinessProfile | None:
        """The business that a call to ``address`` (Twilio's ``To``) is for.

        The address exactly as listed comes first. A number that is listed only for the other of telephone and WhatsApp counts
        as well: Twilio may or may not send the prefix.
        """
        for candidate in _spellings(address):
            if profile := self._by_address.get(address_key(candidate)):
                return profile
        return None


class BusinessRead(NamedTuple):
    """One file, as far as it could be read."""

    name: str
    """What problems call it."""
    lines: KeyLines
    sound: dict[str, Any]
    problems: list[Problem]

    @property
    def business_id(self) -> BusinessId | None:
        """The id it has, if it has one."""
        business_id = self.sound.get("id")
        return None if business_id is None else BusinessId(business_id)


def load_businesses(folder: Path, environ: Mapping[str, str] = os.environ) -> BusinessDirectory:
    """Reads every ``*.toml`` in ``folder``.

    Raises:
        BusinessFileError: any of them has an error (all errors of all files are in it), or there is none.
    """
    paths = business_paths(folder)
    reads = [read_file(path, environ) for path in paths]
    problems = problems_of(reads)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise BusinessFileError(errors)
    return BusinessDirectory([profile_of(read) for read in reads], problems)


def business_paths(folder: Path) -> list[Path]:
    """The business files of a folder, by name.

    Raises:
        BusinessFileError: there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        sentence = (
            "there is no such folder; make it and put a file for each business in it, or name another in FRONTDESK_BUSINESSES"
        )
        raise BusinessFileError([Problem(file=str(folder), key="", message=sentence)])
    paths = sorted(path for path in folder.glob("*.toml") if not path.name.startswith(".") and path.is_file())
    if not paths:
        sentence = (
            "holds no business file; put one .toml file for each business in it, or name another folder in FRONTDESK_BUSINESSES"
        )
        raise BusinessFileError([Problem(file=str(folder), key="", message=sentence)])
    return paths


def check_file(path: Path, environ: Mapping[str, str] = os.environ) -> list[Problem]:
    """All problems of one file, in the order of its lines."""
    return _in_order(read_file(path, environ).problems)


def check_files(paths: Sequence[Path], environ: Mapping[str, str] = os.environ) -> list[Problem]:
    """All problems of the files, and of them together: an id or a number that two of them claim."""
    return problems_of([read_file(path, environ) for path in paths])


def problems_of(reads: Sequence[BusinessRead]) -> list[Problem]:
    """All problems of what was read, and of it together: of two that claim the same, the later has the problem."""
    clashes = [*_clashes(reads)]
    ordered = [_in_order([*read.problems, *(clash for clash in clashes if clash.file == read.name)]) for read in reads]
    return [problem for problems in ordered for problem in problems]


def profile_of(read: BusinessRead) -> BusinessProfile:
    """What a file without errors says."""
    return msgspec.convert(read.sound, BusinessProfile)


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.line or 0)


def read_file(path: Path, environ: Mapping[str, str] = os.environ) -> BusinessRead:
    """Reads and checks a file."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        return _unreadable(str(path), f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return _unreadable(str(path), "is not UTF-8 text; save it as UTF-8", line)
    return read_text(str(path), text, environ)


def read_text(name: str, text: str, environ: Mapping[str, str] = os.environ) -> BusinessRead:
    """Reads and checks the text of a file."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _unreadable(name, *_explained(str(error), text))
    return _checked(name, KeyLines(text), raw, environ)


def _unreadable(name: str, message: str, line: int | None = None) -> BusinessRead:
    return BusinessRead(name, KeyLines(""), {}, [Problem(file=name, key="", message=message, line=line)])


def _explained(message: str, text: str) -> tuple[str, int]:
    """What the TOML parser says, and the line of it."""
    at = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = int(at[1]) if at else text.count("\n") + 1
    reason = re.sub(r" \(at (line \d+, column \d+|end of document)\)$", "", message)
    return f"is not TOML: {reason[:1].lower()}{reason[1:]}", line


def _checked(name: str, lines: KeyLines, raw: dict[str, Any], environ: Mapping[str, str]) -> BusinessRead:
    problems: list[Problem] = []

    def report(key: str, message: str, severity: Severity = "error") -> None:
        problems.append(Problem(file=name, key=key, message=message, line=lines.of(key), severity=severity))

    walk = Walk(report, {})
    sound = sound_part(raw, walk)
    try:
        profile = msgspec.convert({**_STAND_IN, **sound}, BusinessProfile)
    except msgspec.ValidationError as error:
        # Something `sound_part` lets pass. Its own sentence is better, this one is better than none.
        report("", str(error))
    else:
        for found in findings(Draft(profile, raw, environ, walk.places)):
            report(*found)
    return BusinessRead(name, lines, sound, problems)


def _clashes(reads: Sequence[BusinessRead]) -> Iterator[Problem]:
    ids: dict[str, str] = {}
    numbers: dict[str, str] = {}
    for read in reads:
        if (business_id := read.sound.get("id")) and (first := ids.setdefault(business_id, read.name)) != read.name:
            message = f'"{business_id}" is the id in {first}, too; each business needs an id of its own'
            yield Problem(file=read.name, key="id", message=message, line=read.lines.of("id"))
        for number in read.sound.get("numbers", ()):
            if (first := numbers.setdefault(address_key(number), read.name)) != read.name:
                message = f'"{number}" is listed in {first}, too; a number belongs to one business'
                yield Problem(file=read.name, key="numbers", message=message, line=read.lines.of("numbers"))


def _spellings(address: str) -> list[str]:
    """The address, and what else may be written for it."""
    address = normalise(address)
    bare = address.removeprefix(_WHATSAPP)
    number = f"+{bare}" if is_e164(f"+{bare}") else bare
    if not is_e164(number):
        return [address]
    other = number if address.startswith(_WHATSAPP) else f"{_WHATSAPP}{number}"
    own = f"{_WHATSAPP}{number}" if address.startswith(_WHATSAPP) else number
    return [own, other]
