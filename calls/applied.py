"""Businesses that have been applied to a store, read as far as they can be used.

They were checked before they were applied, but by another machine and maybe another version. So a file that cannot be used keeps
nothing but its own business from changing.
"""

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory, BusinessRead, Problem, problems_of, profile_of, read_text
from calls.business_problems import BusinessFileError
from calls.store.businesses import Applied, BusinessText

_NOTHING = "holds no business; put some there with `frontdesk businesses apply`, or set FRONTDESK_BUSINESSES to a folder"


class Usable(NamedTuple):
    """What can be used of what was applied."""

    profiles: list[BusinessProfile]
    problems: list[Problem]
    """Of all files, those that can be used and those that cannot."""


class AppliedFiles:
    """Reads applied files again and again; a text is read once. ``where`` is what problems call the store.

    Takes computing time: of a loop that carries audio, it belongs into a thread.
    """

    def __init__(self, where: str, environ: Mapping[str, str] = os.environ) -> None:
        self._where, self._environ = where, environ
        self._reads: dict[BusinessText, BusinessRead] = {}

    def read(self, texts: Iterable[BusinessText]) -> list[BusinessRead]:
        """The files, as far as they can be read."""
        self._reads = {text: self._reads.get(text) or self._read(text) for text in texts}
        return list(self._reads.values())

    def usable(self, applied: Applied, so_far: BusinessDirectory) -> Usable:
        """The businesses as they were applied. One whose file has an error stays as it is ``so_far``, or is left out."""
        reads = self.read(applied.businesses)
        problems = problems_of(reads)
        wrong = {problem.file for problem in problems if problem.severity == "error"}
        kept = [so_far.get(text.business_id) for text, read in self._reads.items() if read.name in wrong]
        # Those that are kept come first: a number that has gone to another business is the other's.
        profiles = [*(profile for profile in kept if profile is not None)]
        return Usable([*profiles, *(profile_of(read) for read in reads if read.name not in wrong)], problems)

    def name_of(self, business_id: str) -> str:
        """What problems call the file of a business."""
        return f"{self._where}/{business_id}"

    def _read(self, text: BusinessText) -> BusinessRead:
        return read_text(self.name_of(text.business_id), text.text, self._environ)


def must_be_some(usable: Usable, where: str) -> None:
    """Returns if there is a business to answer for.

    Raises:
        BusinessFileError: nothing has been applied, or nothing of it can be used.
    """
    if usable.profiles:
        return
    errors = [problem for problem in usable.problems if problem.severity == "error"]
    raise BusinessFileError(errors or [Problem(file=where, key="", message=_NOTHING)])
