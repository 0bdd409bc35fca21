"""What a build may see: a folder without what its ``.dockerignore`` names (Docker, *Build context*)."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path


class BuildContext:
    """The files of a folder that are sent to a build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / ".dockerignore"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        self._rules = [(not rule.startswith("!"), _pattern(rule.lstrip("!").strip("/"))) for rule in rules]
        self._spares_some = any(rule.startswith("!") for rule in rules)

    def files(self, below: str = ".") -> Iterator[Path]:
        """The files at or below a place, relative to the folder."""
        place = self.folder / below
        if place.is_file():
            yield from [Path(below)] if self.holds(Path(below)) else []
        elif place.is_dir():
            yield from self._walk(place)

    def holds(self, path: Path) -> bool:
        """Whether the build sees it: the last rule that fits it, or a folder it is in, decides."""
        ignored = False
        for ignores, pattern in self._rules:
            if pattern.fullmatch(path.as_posix()):
                ignored = ignores
        return not ignored

    def copy(self, source: str, target: Path) -> int:
        """Copies a file, or what is in a folder; returns how many files."""
        whole = self.folder / source
        count = 0
        for path in self.files(source):
            to = target if whole.is_file() else target / (self.folder / path).relative_to(whole)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.folder / path, to)
            count += 1
        return count

    def _walk(self, place: Path) -> Iterator[Path]:
        for path in sorted(place.iterdir()):
            relative = path.relative_to(self.folder)
            if path.is_dir() and not path.is_symlink():
                if self.holds(relative) or self._may_hold_some(relative):
                    yield from self._walk(path)
            elif self.holds(relative):
                yield relative

    def _may_hold_some(self, folder: Path) -> bool:
        """Of an ignored folder something may be spared; only folders with a name worth looking into, not environments of gigabytes."""
        return self._spares_some and not folder.name.startswith(".")


def _pattern(rule: str) -> re.Pattern[str]:
    """What the rule fits, and all that is below that."""
    found = re.escape(rule).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(f"{found}(?:/.*)?", re.DOTALL)
