"""The line on which each key of a TOML text stands. The parser knows it only for what it cannot parse."""

import re

_BARE = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_PATH = rf"{_BARE}(?:\s*\.\s*{_BARE})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]")
_KEY = re.compile(rf"\s*({_PATH})\s*=\s*(.*)")
_PART = re.compile(_BARE)


class KeyLines:
    """Where the keys of one text are, by names such as ``hours.mon`` and ``tools.http[0].url``."""

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        self._entries: dict[str, int] = {}  # how many [[…]] entries each array of tables has so far
        self._table = ""
        self._open_quotes = ""  # of a text over several lines
        for number, line in enumerate(text.splitlines(), start=1):
            self._take(number, line)

    def of(self, key: str) -> int | None:
        """The line of the key, or of what it is in: an entry of a list stands where its list begins."""
        while key:
            if line := self._lines.get(key):
                return line
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return None

    def _take(self, number: int, line: str) -> None:
        if self._open_quotes:
            if self._open_quotes in line:
                self._open_quotes = ""
        elif header := _HEADER.match(line):
            self._enter(number, header[1], _plain(header[2]))
        elif found := _KEY.match(line):
            self._lines.setdefault(f"{self._table}{_plain(found[1])}", number)
            quotes = found[2][:3]
            if quotes in ('"""', "'''") and quotes not in found[2][3:]:
                self._open_quotes = quotes

    def _enter(self, number: int, brackets: str, name: str) -> None:
        if brackets == "[[":
            entry = self._entries.get(name, 0)
            self._entries[name] = entry + 1
            self._lines.setdefault(name, number)
            name = f"{name}[{entry}]"
        else:
            name = self._within_array(name)
        self._lines.setdefault(name, number)
        self._table = f"{name}."

    def _within_array(self, name: str) -> str:
        """``[tools.http.headers]`` belongs to the last ``[[tools.http]]``."""
        for array, entries in self._entries.items():
            if name.startswith(f"{array}."):
                return f"{array}[{entries - 1}]{name[len(array) :]}"
        return name


def _plain(path: str) -> str:
    return ".".join(part.strip("\"'") for part in _PART.findall(path))
