"""Opening hours: what they may look like, and how they are said."""

import pytest

from calls.business import BusinessProfile, Hours
from calls.hours import BadHours, hours_in_words, is_timezone, parse_span, problems_of_day

DAY = ("08:00-17:00",)
SPLIT = ("08:00-12:00", "13:00-17:00")


def open_at(hours: Hours | None) -> str:
    profile = BusinessProfile(
        id="b", name="B", numbers=("+15005550006",), language="en", voice="alloy", instructions="-", hours=hours
    )
    return hours_in_words(profile)


@pytest.mark.parametrize(
    ("text", "span"),
    [("08:00-12:00", (480, 720)), ("00:00-24:00", (0, 1440)), (" 09:30-09:31 ", (570, 571))],
)
def test_a_span_is_two_times_of_a_day(text: str, span: tuple[int, int]) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8-12", "write it like 08:00-17:00"),
        ("8:00-12:00", "write it like 08:00-17:00"),
        ("08:00–12:00", "write it like 08:00-17:00"),
        ("", "write it like 08:00-17:00"),
        ("٠٨:٠٠-١٢:٠٠", "write it like 08:00-17:00"),
        ("08:60-12:00", "a time that does not exist"),
        ("08:00-24:01", "a time that does not exist"),
        ("24:00-24:00", "a time that does not exist"),
        ("12:00-08:00", "does not end after it starts"),
        ("08:00-08:00", "does not end after it starts"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str, words: str) -> None:
    with pytest.raises(BadHours, match=words):
        parse_span(text)


@pytest.mark.parametrize(
    ("spans", "problems"),
    [
        ((), []),
        (("08:00-12:00", "12:00-17:00"), []),
        (("08:00-12:00", "11:59-17:00"), ["'08:00-12:00' and '11:59-17:00' overlap"]),
        (
            ("08:00-18:00", "09:00-10:00", "17:00-19:00"),
            ["'08:00-18:00' and '09:00-10:00' overlap", "'08:00-18:00' and '17:00-19:00' overlap"],
        ),
        (("13:00-17:00", "08:00-12:00"), ["'08:00-12:00' comes before '13:00-17:00'; write the earlier one first"]),
    ],
)
def test_a_day_is_in_order_and_does_not_overlap(spans: tuple[str, ...], problems: list[str]) -> None:
    assert problems_of_day(spans) == problems


def test_every_bad_entry_of_a_day_is_named() -> None:
    assert len(problems_of_day(("8-12", "13-17", "12:00-08:00"))) == 3


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("America/New_York", True),
        ("UTC", True),
        ("Mars/Olympus", False),
        ("", False),
        ("../../etc/passwd", False),
        ("שלום", False),
    ],
)
def test_a_time_zone_is_one_of_the_database(name: str, known: bool) -> None:
    assert is_timezone(name) is known


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (None, "not stated"),
        (Hours(timezone="Europe/Paris"), "not stated"),
        (
            Hours(timezone="America/New_York", mon=SPLIT, tue=SPLIT, wed=SPLIT, thu=SPLIT, fri=("08:00-16:00",)),
            "Mon–Thu 08:00–12:00 and 13:00–17:00, Fri 08:00–16:00 (America/New_York)",
        ),
        (Hours(sun=DAY, mon=DAY, tue=DAY, fri=("08:00-12:00",)), "Sun–Tue 08:00–17:00, Fri 08:00–12:00 (UTC)"),
        (Hours(sat=DAY, sun=DAY), "Sat–Sun 08:00–17:00 (UTC)"),
        (Hours(mon=DAY, wed=DAY), "Mon 08:00–17:00, Wed 08:00–17:00 (UTC)"),
        (Hours(mon=DAY, tue=DAY, wed=DAY, thu=DAY, fri=DAY, sat=DAY, sun=DAY), "every day 08:00–17:00 (UTC)"),
        (Hours(mon=("08:00-10:00", "11:00-12:00", "13:00-14:00")), "Mon 08:00–10:00, 11:00–12:00 and 13:00–14:00 (UTC)"),
    ],
)
def test_hours_are_said_in_one_line(hours: Hours | None, words: str) -> None:
    assert open_at(hours) == words
