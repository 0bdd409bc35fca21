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

__all__ = ["BusinessDirectory", "BusinessFileError", "Problem", "check_file", "check_files", "load_businesses"]

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
        self._by_id = {profile.business_id: profile for profile in profiles}
        self._by_address = {address_key(number): profile for profile in self for number in profile.numbers}
        self.warnings = tuple(warnings)
        """What was doubtful when the files were read; for the log."""

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


class _Read(NamedTuple):
    """One file, as far as it could be read."""

    path: Path
    lines: KeyLines
    sound: dict[str, Any]
    problems: list[Problem]


def load_businesses(folder: Path, environ: Mapping[str, str] = os.environ) -> BusinessDirectory:
    """Reads every ``*.toml`` in ``folder``.

    Raises:
        BusinessFileError: any of them has an error (all errors of all files are in it), or there is none.
    """
    paths = business_paths(folder)
    reads, problems = _check(paths, environ)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise BusinessFileError(errors)
    profiles = [msgspec.convert(read.sound, BusinessProfile) for read in reads]
    return BusinessDirectory(profiles, problems)


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
    return _in_order(_read(path, environ).problems)


def check_files(paths: Sequence[Path], environ: Mapping[str, str] = os.environ) -> list[Problem]:
    """All problems of the files, and of them together: an id or a number that two of them claim."""
    return _check(paths, environ)[1]


def _check(paths: Sequence[Path], environ: Mapping[str, str]) -> tuple[list[_Read], list[Problem]]:
    reads = [_read(path, environ) for path in paths]
    clashes = [*_clashes(reads)]
    ordered = [_in_order([*read.problems, *(clash for clash in clashes if clash.file == str(read.path))]) for read in reads]
    return reads, [problem for problems in ordered for problem in problems]


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.line or 0)


def _read(path: Path, environ: Mapping[str, str]) -> _Read:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        return _unreadable(path, f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return _unreadable(path, "is not UTF-8 text; save it as UTF-8", line)
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _unreadable(path, *_explained(str(error), text))
    return _checked(path, KeyLines(text), raw, environ)


def _unreadable(path: Path, message: str, line: int | None = None) -> _Read:
    return _Read(path, KeyLines(""), {}, [Problem(file=str(path), key="", message=message, line=line)])


def _explained(message: str, text: str) -> tuple[str, int]:
    """What the TOML parser says, and the line of it."""
    at = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = int(at[1]) if at else text.count("\n") + 1
    reason = re.sub(r" \(at (line \d+, column \d+|end of document)\)$", "", message)
    return f"is not TOML: {reason[:1].lower()}{reason[1:]}", line


def _checked(path: Path, lines: KeyLines, raw: dict[str, Any], environ: Mapping[str, str]) -> _Read:
    problems: list[Problem] = []

    def report(key: str, message: str, severity: Severity = "error") -> None:
        problems.append(Problem(file=str(path), key=key, message=message, line=lines.of(key), severity=severity))

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
    return _Read(path, lines, sound, problems)


def _clashes(reads: Sequence[_Read]) -> Iterator[Problem]:
    ids: dict[str, Path] = {}
    numbers: dict[str, Path] = {}
    for read in reads:
        if (business_id := read.sound.get("id")) and (first := ids.setdefault(business_id, read.path)) != read.path:
            message = f'"{business_id}" is the id in {first}, too; each business needs an id of its own'
            yield Problem(file=str(read.path), key="id", message=message, line=read.lines.of("id"))
        for number in read.sound.get("numbers", ()):
            if (first := numbers.setdefault(address_key(number), read.path)) != read.path:
                message = f'"{number}" is listed in {first}, too; a number belongs to one business'
                yield Problem(file=str(read.path), key="numbers", message=message, line=read.lines.of("numbers"))


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
