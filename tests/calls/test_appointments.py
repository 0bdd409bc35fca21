"""When appointments can be: beginnings from hours, notice, horizon, capacity; and the sentences why not."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calls.appointments import (
    Bookable,
    Busy,
    NotPossible,
    days_of,
    has_room,
    is_same_name,
    is_same_person,
    new_appointment_id,
    parse_day,
    plain_text,
    wall_clock,
)
from calls.business import WEEKDAYS, Appointments, Hours
from calls.hours import is_open
from tests.calls.booking import MONDAY_TEN, NOW, appointment, shop
from tests.calls.examples import HOSTILE
from tests.calls.test_opening_times import hours_of_any_zone, near_a_change

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")
AROUND_THE_CLOCK: dict[str, list[str]] = {day: ["00:00-24:00"] for day in WEEKDAYS}


def walls(starts: list[datetime], zone: str = "America/New_York") -> list[str]:
    return [wall_clock(at, ZoneInfo(zone)) for at in starts]


def day_of(text: str, zone: str = "America/New_York") -> tuple[datetime, datetime]:
    since = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return since, since + DAY


def refusal(bookable: Bookable, text: str) -> str:
    with pytest.raises(NotPossible) as refused:
        bookable.start_of(text)
    return str(refused.value)


# Beginnings


def test_appointments_begin_one_after_the_other_from_each_opening() -> None:
    starts = Bookable(shop(), NOW).starts(*day_of("2026-11-23"))
    assert walls(starts) == [f"2026-11-23T{hour:02}:00" for hour in (9, 10, 11, 13, 14, 15, 16)]


def test_an_appointment_that_would_last_beyond_closing_is_not_offered() -> None:
    starts = Bookable(shop(duration_min=90), NOW).starts(*day_of("2026-11-23"))
    assert [at.partition("T")[2] for at in walls(starts)] == ["09:00", "10:30", "13:00", "14:30"]


def test_a_step_shorter_than_an_appointment_gives_more_beginnings() -> None:
    starts = Bookable(shop(duration_min=120, step_min=30), NOW).starts(*day_of("2026-11-23"))
    assert [at.partition("T")[2] for at in walls(starts)] == [
        "09:00", "09:30", "10:00", "13:00", "13:30", "14:00", "14:30", "15:00",
    ]  # fmt: skip


def test_hours_over_midnight_are_one_opening() -> None:
    night = shop(hours={"mon": ["23:00-24:00"], "tue": ["00:00-01:00"]}, duration_min=90, step_min=30)
    assert walls(Bookable(night, NOW).starts(NOW, NOW + 7 * DAY)) == ["2026-11-23T23:00", "2026-11-23T23:30"]


def test_nothing_begins_before_the_notice_is_over_or_beyond_the_horizon() -> None:
    bookable = Bookable(shop(notice_min=180, horizon_days=3), NOW)
    starts = walls(bookable.starts(NOW - 10 * DAY, NOW + 100 * DAY))
    assert (starts[0], starts[-1]) == ("2026-11-20T13:00", "2026-11-23T10:00")


def test_the_night_the_clocks_go_forward_has_an_hour_less() -> None:
    bookable = Bookable(shop(hours=AROUND_THE_CLOCK), datetime(2026, 3, 1, tzinfo=UTC))
    starts = walls(bookable.starts(*day_of("2026-03-08")))[:4]
    assert starts == [f"2026-03-08T{hour}:00" for hour in ("00", "01", "03", "04")]


def test_the_night_the_clocks_go_back_has_an_hour_twice_and_both_can_be_told_apart() -> None:
    bookable = Bookable(shop(hours=AROUND_THE_CLOCK), datetime(2026, 10, 30, tzinfo=UTC))
    starts = walls(bookable.starts(*day_of("2026-11-01")))[:4]
    assert starts == ["2026-11-01T00:00", "2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00", "2026-11-01T02:00"]
    assert [len(bookable.start_of(start)) for start in starts] == [1, 1, 1, 1]
    assert len(bookable.start_of("2026-11-01T01:00")) == 2


def test_where_clocks_change_by_half_an_hour_an_appointment_still_takes_its_time() -> None:
    zone = "Australia/Lord_Howe"
    bookable = Bookable(shop(zone, hours=AROUND_THE_CLOCK), datetime(2026, 4, 3, tzinfo=UTC))
    starts = bookable.starts(*day_of("2026-04-05", zone))[:4]
    assert walls(starts, zone) == [f"2026-04-05T{hour}" for hour in ("00:00", "01:00", "02:00", "03:00")]
    assert [after - before for before, after in pairwise(starts)] == [HOUR, 1.5 * HOUR, HOUR]


@settings(max_examples=80)
@given(hours_of_any_zone, near_a_change(), st.integers(1, 48), st.none() | st.integers(1, 24))
def test_every_beginning_is_within_opening_hours_and_can_be_booked_by_what_it_is_called(
    hours: Hours, place: tuple[str, datetime], length_5min: int, step_5min: int | None
) -> None:
    zone, around = place
    rules = Appointments(duration_min=length_5min * 5, notice_min=0, step_min=step_5min and step_5min * 5)
    profile = msgspec.structs.replace(shop(), hours=msgspec.structs.replace(hours, timezone=zone), appointments=rules)
    assert profile.hours is not None
    bookable = Bookable(profile, around - 2 * DAY)
    starts = bookable.starts(around - DAY, around + DAY)
    assert starts == sorted(set(starts))
    for at in starts:
        for minute in range(0, length_5min * 5, 5):
            assert is_open(profile.hours, (at + timedelta(minutes=minute)).astimezone(bookable.zone))
        assert bookable.start_of(wall_clock(at, bookable.zone)) == [at]
    told = [f"{day.date}T{time}" for day in days_of(starts, bookable.zone) for time in day.times]
    assert told == walls(starts, zone)


# Room


def test_a_slot_has_room_as_long_as_fewer_than_that_take_place_at_every_instant() -> None:
    ten, eleven, twelve = MONDAY_TEN, MONDAY_TEN + HOUR, MONDAY_TEN + 2 * HOUR
    assert has_room(ten, eleven, [], 1)
    assert has_room(ten, eleven, [Busy(eleven, twelve), Busy(ten - HOUR, ten)], 1)
    assert not has_room(ten, eleven, [Busy(ten + HOUR / 2, twelve)], 1)
    # two that do not meet take one place of two
    assert has_room(ten, twelve, [Busy(ten, eleven), Busy(eleven, twelve)], 2)
    assert not has_room(ten, twelve, [Busy(ten, eleven + HOUR / 2), Busy(eleven, twelve)], 2)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=12),
    st.integers(0, 60),
    st.integers(1, 30),
    st.integers(1, 3),
)
def test_room_is_counted_minute_by_minute(others: list[tuple[int, int]], begin: int, length: int, per_slot: int) -> None:
    def at(minute: int) -> datetime:
        return NOW + timedelta(minutes=minute)

    taken = [Busy(at(since), at(since + lasts)) for since, lasts in others]
    fullest = max(sum(since <= minute < since + lasts for since, lasts in others) for minute in range(begin, begin + length))
    assert has_room(at(begin), at(begin + length), taken, per_slot) == (fullest < per_slot)


def test_free_times_pass_over_what_is_taken_however_far_away_the_next_one_is() -> None:
    bookable = Bookable(shop(horizon_days=60), NOW)
    everything = [Busy(at, at + HOUR) for at in bookable.starts(NOW, NOW + 45 * DAY)]
    free = bookable.free(NOW, NOW + 60 * DAY, everything, 2)
    assert walls(free) == ["2027-01-04T10:00", "2027-01-04T11:00"]
    assert bookable.free(NOW, NOW + 60 * DAY, everything, 0) == []


@settings(max_examples=40)
@given(st.integers(0, 6 * 24), st.integers(1, 20 * 24), st.lists(st.integers(0, 27 * 24), max_size=9), st.integers(1, 900))
def test_free_times_are_the_beginnings_with_room_whatever_the_stretch(
    since_h: int, lasts_h: int, taken_h: list[int], most: int
) -> None:
    bookable = Bookable(shop(duration_min=180, step_min=60, notice_min=0, hours=AROUND_THE_CLOCK), NOW)
    since, until = NOW + since_h * HOUR, NOW + (since_h + lasts_h) * HOUR
    taken = [Busy(NOW + at * HOUR, NOW + (at + 1) * HOUR) for at in taken_h]
    # right behind the end of the first week that is looked at
    taken.append(Busy(since + 7 * DAY, since + 7 * DAY + HOUR))
    expected = [at for at in bookable.starts(since, until) if has_room(at, at + bookable.length, taken, 1)]
    assert bookable.free(since, until, taken, most) == expected[:most]


# What the AI asks for


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tomorrow at ten", "'tomorrow at ten' is not a date and time; write it like 2026-11-23T10:00"),
        ("2026-11-23", "'2026-11-23' is not a date and time"),
        ("2026-11-23T10", "is not a date and time"),
        ("2026-02-30T10:00", "is not a date and time"),
        ("2026-11-23T10:00:30", "is not a date and time"),
        ("٢٠٢٦-١١-٢٣T١٠:٠٠", "is not a date and time"),
        ("0001-01-01T00:00", "that is in the past; it is now 2026-11-20T10:00 at the business"),
        ("2026-11-20T09:00", "that is in the past; it is now 2026-11-20T10:00 at the business"),
        ("9999-12-31T23:59", "that is too far ahead; appointments can be made 30 days ahead"),
        ("2026-12-21T10:00", "that is too far ahead"),
        ("2026-11-20T10:30", "that is too soon; appointments have to be made 1 hour ahead"),
        ("2026-11-23T08:00", "2026-11-23T08:00 is outside opening hours"),
        ("2026-11-22T10:00", "2026-11-22T10:00 is outside opening hours"),
        ("2026-11-23T12:00", "2026-11-23T12:00 is outside opening hours"),
        ("2026-11-23T16:30", "2026-11-23T16:30 is too late for an appointment of 1 hour before closing"),
        ("2026-11-23T10:15", "no appointment begins at 2026-11-23T10:15"),
        ("2026-11-23T10:00Z", "2026-11-23T10:00Z is not local time; give it as the clock at the business shows it"),
        ("2026-11-23T10:00-08:00", "is not local time"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    assert sentence in refusal(Bookable(shop(), NOW), text)


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T10:00", "2026-11-23 10:00", " 2026-11-23T10:00:00 ", "2026-11-23T10:00:00.000-05:00", "2026-11-23T10:00-0500"],
)
def test_a_time_may_be_written_in_the_ways_models_write_it(text: str) -> None:
    assert Bookable(shop(), NOW).start_of(text) == [MONDAY_TEN]


def test_a_time_that_the_clock_jumps_over_does_not_exist() -> None:
    bookable = Bookable(shop(hours=AROUND_THE_CLOCK), datetime(2026, 3, 1, tzinfo=UTC))
    assert refusal(bookable, "2026-03-08T02:00") == (
        "2026-03-08T02:00 does not exist: the clocks of America/New_York jump over it that night"
    )


def test_a_business_without_hours_cannot_be_booked() -> None:
    with pytest.raises(NotPossible, match="has not said when appointments can be"):
        Bookable(msgspec.structs.replace(shop(), hours=None), NOW)


@given(st.text(max_size=60) | st.datetimes().map(lambda at: at.isoformat(timespec="minutes")))
def test_whatever_is_asked_for_comes_out_as_a_time_or_a_sentence(text: str) -> None:
    bookable = Bookable(shop(), NOW)
    with suppress(NotPossible):
        assert bookable.earliest <= bookable.start_of(text)[0] <= bookable.latest
        return
    assert 10 < len(refusal(bookable, text)) < 200


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-23T10:00", "2026-11-23 10:00", "20261123"])
def test_a_day_may_be_given_with_a_time(text: str) -> None:
    assert str(parse_day(text)) == "2026-11-23"


def test_what_is_no_day_is_refused() -> None:
    with pytest.raises(NotPossible, match="'next week' is not a date; write it like 2026-11-23"):
        parse_day("next week")


# Names and numbers


@pytest.mark.parametrize(
    ("given_name", "booked"),
    [("anna smith", "Anna Smith"), ("Smith, Anna", "Anna Smith"), ("Anna", "Anna Smith"), ("Mrs Anna Smith", "Anna Smith"),
     ("Jose Munoz", "José Muñoz"), ("דנה", "דָּנָה לוי"), ("OBrien", "O'Brien"), ("ANNA‎", "Anna")],
)  # fmt: skip
def test_a_name_fits_however_it_is_written(given_name: str, booked: str) -> None:
    assert is_same_person(given_name, booked)


@pytest.mark.parametrize(
    ("given_name", "booked"),
    [("", "Anna"), ("Ben", "Anna"), ("!!!", "Anna"), ("Ann", "Anna"), ("Anna Jones", "Anna Smith"), ("", "")],
)
def test_another_name_does_not_fit(given_name: str, booked: str) -> None:
    assert not is_same_person(given_name, booked)


def test_the_same_name_has_all_the_words() -> None:
    assert is_same_name("smith anna", "Anna Smith")
    assert not is_same_name("Anna", "Anna Smith")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_what_callers_say_is_kept_as_one_line_without_control_characters(text: str) -> None:
    kept = plain_text(text, 200)
    assert len(kept) <= 200
    assert kept.isprintable() or not any(char in kept for char in "\x00\x1b\x07\x9b\x7f\n\r\u2028")
    assert kept.encode()


def test_half_a_character_of_a_broken_text_is_dropped() -> None:
    assert plain_text("A\ud800B  \t C", 100) == "A B C"


def test_an_appointment_id_is_eight_digits_and_another_one_each_time() -> None:
    ids = {new_appointment_id() for _ in range(50)}
    assert all(len(one) == 8 and one.isdigit() for one in ids)
    assert len(ids) > 45


def test_an_appointment_is_summed_up_by_who_comes_and_why() -> None:
    assert appointment().summary == "Anna Smith: a leak"
    assert appointment(reason="").summary == "Anna Smith"
    assert appointment().local_start == "2026-11-23T10:00"


@given(near_a_change())
def test_a_wall_clock_time_with_its_offset_where_needed_means_one_instant(place: tuple[str, datetime]) -> None:
    zone, at = ZoneInfo(place[0]), place[1].replace(second=0, microsecond=0)
    written = wall_clock(at, zone)
    assume(len(written) == 16)
    assert datetime.fromisoformat(written).replace(tzinfo=zone).astimezone(UTC) == at
