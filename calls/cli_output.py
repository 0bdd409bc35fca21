"""What the commands print: data on stdout, narration on stderr, and never a control character of somebody else's.

Callers decide what their name and their words are. Nothing of it may move the cursor, colour the screen or turn the line
around, so text is made printable here, and nowhere is it markup.
"""

import csv
import io
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from calls.address import is_e164
from calls.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from calls.events import CallEvent

_LINE_BREAKS = re.compile("\\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\\s*")
_BIDI_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # JSON escapes the rest itself
_FORMULA = re.compile(r"\s*[=+\-@]")

_NO_LIMIT = 1_000_000  # columns: what is not read by a person at a terminal is not cut


class CommandError(click.ClickException):
    """Ends a command with one plain line on stderr."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__("\n".join(printable(line) for line in message.splitlines()))
        self.code = exit_code

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click reads it and never sets it
        """The status the process ends with."""
        return int(self.code)


def printable(text: str) -> str:
    """``text`` as one line that is safe on a terminal: line breaks become spaces, direction marks vanish (a terminal orders
    Hebrew by itself), control characters are spelled out as ``\\x1b``."""
    line = _BIDI_MARKS.sub("", _LINE_BREAKS.sub(" ", text))
    return _CONTROLS.sub(lambda found: _spelled(found[0]), line)


def _spelled(char: str) -> str:
    return "\\t" if char == "\t" else f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON in UTF-8 as everybody reads it; what a terminal might obey is escaped, which changes nothing for a parser."""
    encoded = msgspec.json.encode(value)
    text = (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def echo_json(value: Any) -> None:
    """Prints one value, indented."""
    click.echo(json_text(value, indent=2))


def echo_jsonl(values: Iterable[Any]) -> None:
    """Prints one value a line."""
    for value in values:
        click.echo(json_text(value))


def narrate(sentence: str) -> None:
    """Says something about the data, beside it."""
    click.echo(printable(sentence), err=True)


CSV_HEADER = ("call_sid", "seq", "at", "kind", "text", "fields")


def csv_rows(events: Sequence["CallEvent"]) -> str:
    """Events as CSV lines: what was said under ``text``, all other fields as JSON under ``fields``. A text that a spreadsheet
    would calculate (it begins with ``=``, ``+``, ``-`` or ``@``) gets an apostrophe before it."""
    out = io.StringIO()
    for event in events:
        fields = {key: value for key, value in event.flat().items() if key not in ("type", *CSV_HEADER)}
        flat = event.flat()
        guarded = _guarded(printable(str(flat.get("text", ""))))
        row = (event.call_sid, event.seq, flat["at"], event.kind, guarded, json_text(fields))
        csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue()


def safe_cell(text: str) -> str:
    """``text`` as a cell of a CSV file: one line that no spreadsheet calculates. A plain telephone number stays what it is."""
    cell = printable(text)
    return cell if is_e164(cell) else _guarded(cell)


def _guarded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def console() -> "Console":
    """Rich on stdout. A terminal gets colours (unless ``NO_COLOR`` is set) and its own width; anything else gets plain text in
    full length."""
    from rich.console import Console  # noqa: PLC0415  # rich takes longer to load than `--help` may

    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        width=None if terminal else _NO_LIMIT,
    )
