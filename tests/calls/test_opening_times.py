"""Opening hours as real time, over nights in which clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.business import WEEKDAYS, Hours
from calls.hours import is_open, longest_opening_min
from calls.opening_times import instants_of, joined, openings, regimes

ZONES = (
    "Asia/Jerusalem",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Havana",  # at midnight
    "Atlantic/Azores",  # 01:00 back to 00:00
    "Asia/Beirut",  # midnight is left out
    "America/St_Johns",
    "Africa/Casablanca",  # twice more a year
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "UTC",
)
HOUR = timedelta(hours=1)
minutes = st.integers(0, 24 * 60).map(lambda minute: minute - minute % 5)


@st.composite
def spans(draw: st.DrawFn) -> tuple[str, ...]:
    edges = sorted(set(draw(st.lists(minutes, max_size=6))))
    return tuple(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in zip(edges[::2], edges[1::2], strict=False))


hours_of_any_zone = st.builds(Hours, timezone=st.sampled_from(ZONES), **dict.fromkeys(WEEKDAYS, spans()))
instants = st.integers(0, 4 * 365 * 24 * 60).map(lambda minute: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute))


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and an instant within a day of a change of its clock, if it has any."""
    zone = draw(st.sampled_from(ZONES))
    found = list(regimes(ZoneInfo(zone), datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    change = draw(st.sampled_from(found)).until
    return zone, change + timedelta(minutes=draw(st.integers(-24 * 60, 24 * 60)))


@given(st.sampled_from(ZONES), instants)
def test_within_a_regime_the_offset_never_changes_and_regimes_have_no_gaps(zone: str, since: datetime) -> None:
    until = since + timedelta(days=200)
    found = list(regimes(ZoneInfo(zone), since.replace(microsecond=0), until.replace(microsecond=0)))
    assert [one.since for one in found[1:]] == [one.until for one in found[:-1]]
    for one in found:
        for at in (one.since, one.since + (one.until - one.since) / 2, one.until - timedelta(seconds=1)):
            assert at.astimezone(ZoneInfo(zone)).utcoffset() == one.offset


@settings(max_examples=60)
@given(hours_of_any_zone, near_a_change())
def test_a_business_is_open_exactly_when_its_wall_clock_says_so(hours: Hours, place: tuple[str, datetime]) -> None:
    zone, around = place
    hours = msgspec.structs.replace(hours, timezone=zone)
    since = around.replace(second=0, microsecond=0) - 14 * HOUR
    open_spans = joined(list(openings(hours, since, since + 28 * HOUR)))
    for minute in range(0, 28 * 60, 5):
        at = since + timedelta(minutes=minute)
        expected = is_open(hours, at.astimezone(ZoneInfo(zone)))
        assert any(begin <= at < end for begin, end in open_spans) == expected, at


@given(near_a_change())
def test_an_instant_is_among_those_its_own_wall_clock_time_may_mean(place: tuple[str, datetime]) -> None:
    zone, at = ZoneInfo(place[0]), place[1].replace(microsecond=0)
    wall = at.astimezone(zone).replace(tzinfo=None)
    meant = instants_of(wall.replace(fold=0), zone)
    assert at in meant
    assert all(one.astimezone(zone).replace(tzinfo=None) == wall for one in meant)
    assert len(meant) == len({at.astimezone(zone).utcoffset() for at in meant})


@pytest.mark.parametrize(
    ("zone", "wall", "expected"),
    [
        ("America/New_York", "2026-03-08T02:30", []),
        ("America/New_York", "2026-11-01T01:30", ["05:30", "06:30"]),
        ("Asia/Jerusalem", "2026-03-27T02:30", []),
        ("Asia/Jerusalem", "2026-10-25T01:30", ["22:30", "23:30"]),
        ("Australia/Lord_Howe", "2026-10-04T02:15", []),
        ("Australia/Lord_Howe", "2026-04-05T01:45", ["14:45", "15:15"]),
        ("Asia/Kathmandu", "2026-07-01T12:00", ["06:15"]),
    ],
)
def test_a_time_may_mean_one_instant_or_two_or_none(zone: str, wall: str, expected: list[str]) -> None:
    assert [f"{at:%H:%M}" for at in instants_of(datetime.fromisoformat(wall), ZoneInfo(zone))] == expected


def test_a_night_shift_is_an_hour_longer_when_clocks_are_turned_back() -> None:
    hours = Hours(timezone="America/New_York", sat=("22:00-24:00",), sun=("00:00-06:00",))
    (usual,) = joined(list(openings(hours, datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))))
    (longer,) = joined(list(openings(hours, datetime(2026, 10, 31, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))))
    assert (usual[1] - usual[0], longer[1] - longer[0]) == (8 * HOUR, 9 * HOUR)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (Hours(), 0),
        (Hours(mon=("08:00-12:00", "13:00-18:30")), 330),
        (Hours(mon=("22:00-24:00",), tue=("00:00-03:00",)), 300),
        (Hours(sun=("20:00-24:00",), mon=("00:00-04:00",)), 480),
        (Hours(mon=("nonsense", "09:00-10:00")), 60),
    ],
)
def test_the_longest_opening_counts_over_midnight(hours: Hours, expected: int) -> None:
    assert longest_opening_min(hours) == expected
