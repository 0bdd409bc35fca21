"""iCalendar files, read back by a reader of the test's own, written from the grammar of RFC 5545."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.appointments import Appointment
from calls.calendar_file import calendar_of, escaped, folded
from tests.calls.booking import MONDAY_TEN, NOW, appointment
from tests.calls.examples import HOSTILE

# contentline = name *(";" param ) ":" value CRLF, with SAFE-CHAR, QSAFE-CHAR and VALUE-CHAR of RFC 5545 §3.1
_SAFE = r"[^\x00-\x08\x0a-\x1f\x7f\";:,]"
_QUOTED = r"\"[^\x00-\x08\x0a-\x1f\x7f\"]*\""
LINE = re.compile(rf"([A-Z0-9-]+)((?:;[A-Z0-9-]+=(?:{_QUOTED}|{_SAFE}*))*):([^\x00-\x08\x0a-\x1f\x7f]*)")

LINES_OF_ONE = 19


class Line(NamedTuple):
    name: str
    parameters: str
    value: str


def read(stream: str) -> list[Line]:
    """The content lines of a stream; each must fit the grammar."""
    assert stream.endswith("\r\n")
    assert all(len(line.encode()) <= 75 for line in stream.split("\r\n"))
    unfolded = stream.replace("\r\n ", "")
    lines = []
    for text in unfolded.removesuffix("\r\n").split("\r\n"):
        found = LINE.fullmatch(text)
        assert found, text
        lines.append(Line(*found.groups()))
    return lines


def text_of(value: str) -> str:
    """The inverse of escaping (§3.3.11); every backslash must mean something."""
    assert re.fullmatch(r"(?:[^\\;,]|\\[\\;,nN])*", value)
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], value)


def properties(lines: list[Line]) -> dict[str, str]:
    return {line.name: line.value for line in lines}


def test_an_appointment_is_published_with_everything_a_calendar_needs() -> None:
    lines = read(calendar_of([appointment()], NOW))
    assert [line.value for line in lines if line.name in ("BEGIN", "END")] == ["VCALENDAR", "VEVENT", "VEVENT", "VCALENDAR"]
    found = properties(lines)
    assert found | {"BEGIN": "", "END": ""} == {
        "BEGIN": "",
        "END": "",
        "VERSION": "2.0",
        "PRODID": "-//Frontdesk//Appointments//EN",
        "CALSCALE": "GREGORIAN",
        "METHOD": "PUBLISH",
        "UID": "00000001@corner-shop.frontdesk.invalid",
        "SEQUENCE": "0",
        "DTSTAMP": "20261120T150000Z",
        "CREATED": "20261120T150000Z",
        "LAST-MODIFIED": "20261120T150000Z",
        "DTSTART": "20261123T150000Z",
        "DTEND": "20261123T160000Z",
        "SUMMARY": "Anna Smith: a leak",
        "DESCRIPTION": r"Corner Shop: 00000001\n+15005550001\na leak",
        "STATUS": "CONFIRMED",
        "ORGANIZER": "tel:+15005550006",
    }


def test_a_change_keeps_the_uid_and_counts_on() -> None:
    before = properties(read(calendar_of([appointment()], NOW)))
    moved = properties(read(calendar_of([appointment(starts_at=MONDAY_TEN.replace(hour=18), sequence=1)], NOW)))
    assert (moved["UID"], moved["SEQUENCE"], moved["DTSTART"]) == (before["UID"], "1", "20261123T180000Z")


def test_a_cancelled_appointment_is_a_cancellation() -> None:
    found = properties(read(calendar_of([appointment(status="cancelled", sequence=2)], NOW)))
    assert (found["METHOD"], found["STATUS"], found["SEQUENCE"]) == ("CANCEL", "CANCELLED", "2")


def test_what_is_booked_and_what_is_cancelled_are_two_objects_of_one_stream() -> None:
    lines = read(calendar_of([appointment(1), appointment(2, status="cancelled"), appointment(3)], NOW))
    methods = [line.value for line in lines if line.name == "METHOD"]
    assert methods == ["PUBLISH", "CANCEL"]
    assert [line.value[:8] for line in lines if line.name == "UID"] == ["00000001", "00000003", "00000002"]


def test_no_appointments_are_an_empty_calendar() -> None:
    assert [line.name for line in read(calendar_of([], NOW))] == ["BEGIN", "VERSION", "PRODID", "CALSCALE", "METHOD", "END"]


def test_times_of_a_night_the_clocks_change_are_what_they_are() -> None:
    twice = [datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)]
    lines = read(calendar_of([appointment(number, starts_at=at) for number, at in enumerate(twice)], NOW))
    assert [line.value for line in lines if line.name == "DTSTART"] == ["20261101T053000Z", "20261101T063000Z"]


@pytest.mark.parametrize(
    "text", [*HOSTILE, 'a\\nb;c,d:e"f', "BEGIN:VEVENT\r\nEND:VCALENDAR", "\ud800", ""], ids=lambda text: repr(text[:20])
)
def test_whatever_callers_say_stays_within_its_line(text: str) -> None:
    one = appointment(name=text[:200], reason=text[:1000], business_name=text[:200] or "A", phone=text[:200])
    lines = read(calendar_of([one], NOW))
    assert len(lines) == LINES_OF_ONE
    assert sum(line.value == "VEVENT" for line in lines) == 2
    kept = "".join(char for char in "\n".join(one.summary.splitlines()) if char in "\t\n" or char >= " ")
    assert text_of(properties(lines)["SUMMARY"]) == kept.replace("\x7f", "").replace("\ud800", "")


@given(st.text(max_size=400))
def test_folding_keeps_every_character_and_never_cuts_one_in_two(text: str) -> None:
    text = text.replace("\r", "").replace("\n", "")
    pieces = folded(text).split("\r\n ")
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= (75 if place == 0 else 74) for place, piece in enumerate(pieces))


def test_a_line_of_75_octets_is_not_folded_and_one_more_is() -> None:
    assert folded("x" * 75) == "x" * 75
    assert folded("x" * 76) == "x" * 75 + "\r\n x"
    assert folded("x" * 74 + "ש") == "x" * 74 + "\r\n ש"


@given(st.text(alphabet=st.characters(min_codepoint=32, exclude_characters="\x7f\x85\u2028\u2029", exclude_categories=["Cs"])))
def test_an_escaped_text_reads_as_it_was(text: str) -> None:
    assert text_of(escaped(text)) == text


@pytest.mark.parametrize(
    ("dialled", "organizer"),
    [
        ("+15005550006", "tel:+15005550006"),
        ("whatsapp:+15005550006", "tel:+15005550006"),
        ("sip:shop@corner.example", "sip:shop@corner.example"),
        ("sip:shop desk\r\n@corner.example", "sip:shop%20desk%0D%0A@corner.example"),
        ("client:desk", "invalid:nomail"),
        ("", "invalid:nomail"),
    ],
)
def test_the_organizer_is_the_business_as_it_was_called(dialled: str, organizer: str) -> None:
    (line,) = [line for line in read(calendar_of([appointment(dialled=dialled)], NOW)) if line.name == "ORGANIZER"]
    assert line.value == organizer
    assert line.parameters == ';CN="Corner Shop"'


@given(st.builds(lambda name, reason: appointment(name=name, reason=reason), st.text(max_size=80), st.text(max_size=200)))
def test_any_appointment_is_a_stream_that_fits_the_grammar(one: Appointment) -> None:
    assert len(read(calendar_of([one], NOW))) == LINES_OF_ONE
