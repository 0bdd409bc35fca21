"""What is wrong with a business file, told so that its owner can put it right."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to put right. An error keeps the file from being used, a warning does not."""

    file: str
    key: str
    """Where in the file, such as ``barge_in.rms`` or ``tools.http[0].url`` (counted from 0); empty for the file as a whole."""
    message: str
    line: int | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {'warning: ' if self.severity == 'warning' else ''}{key}{self.message}"


class BusinessFileError(Exception):
    """Business files that cannot be used; ``str()`` is one line a problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
