"""What the commands print is data: nobody's words reach the terminal as orders."""

import csv
import io

import msgspec
import pytest

from calls import events
from calls.cli_output import CSV_HEADER, CommandError, csv_rows, json_text, printable
from calls.exit_codes import ExitCode
from tests.calls.examples import HOSTILE, event, said

FORBIDDEN = [*range(0x20), *range(0x7F, 0xA0), 0x061C, *range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("שלום, הגעתם", "שלום, הגעתם"),
        ("שָׁלוֹם 👩‍👩‍👧 é", "שָׁלוֹם 👩‍👩‍👧 é"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m\x7f\x00\x07", r"\x9b31m\x7f\x00\x07"),
        ("a\tb", r"a\tb"),
        ("a \r\n b\nc\u2028d\x85e", "a b c d e"),
        ("\u202eevil\u202c\u200f\u2066x\u2069", "evilx"),
        ("\ud800", r"\ud800"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("", ""),
    ],
)
def test_text_becomes_one_harmless_line(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_no_text_brings_a_control_character_to_the_terminal(text: str) -> None:
    for shown in (printable(text), json_text({"text": text})):
        assert not {ord(char) for char in shown} & set(FORBIDDEN)


@pytest.mark.parametrize("char", [chr(code) for code in FORBIDDEN if code], ids=lambda char: f"{ord(char):x}")
def test_every_forbidden_character_is_kept_from_the_terminal_and_kept_in_json(char: str) -> None:
    assert char not in printable(f"a{char}b")
    assert char not in json_text(f"a{char}b")
    assert msgspec.json.decode(json_text(f"a{char}b")) == f"a{char}b"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_json_means_what_it_meant(text: str) -> None:
    value = {"text": text, "n": [1, 2.5, None, True]}
    assert msgspec.json.decode(json_text(value)) == msgspec.json.decode(json_text(value, indent=2)) == value


def test_csv_rows_have_the_text_and_everything_else() -> None:
    rows = list(csv.reader(io.StringIO(csv_rows([event(1, said('he said "no", ok')), event(2, events.Dtmf(digit="#"))]))))

    assert [len(row) for row in rows] == [len(CSV_HEADER)] * 2
    assert rows[0][1:5] == ["1", "2026-01-01T12:00:00.010Z", "caller.transcript", 'he said "no", ok']
    assert msgspec.json.decode(rows[0][5]) == {"item_id": "item_1"}
    assert rows[1][3:] == ["dtmf", "", '{"digit":"#"}']


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "  =HYPERLINK()"])
def test_a_text_that_a_spreadsheet_would_calculate_is_marked_as_text(text: str) -> None:
    ((*_, shown, _fields),) = csv.reader(io.StringIO(csv_rows([event(1, said(text))])))
    assert shown == f"'{text}"


def test_a_command_s_error_is_plain_and_has_its_code() -> None:
    error = CommandError("no \x1b[31mcall\nhere", ExitCode.NOT_FOUND)
    assert (error.message, error.exit_code) == ("no \\x1b[31mcall\nhere", 4)


def test_exit_codes_are_an_interface() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0, "FAILED": 1, "USAGE": 2, "UNAVAILABLE": 3, "NOT_FOUND": 4, "INTERRUPTED": 130,
    }  # fmt: skip
