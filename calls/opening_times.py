"""When a business is open, as spans of real time: wall clocks that jump forward or are turned back included.

Opening hours are wall-clock times. A business is open at an instant if its wall clock then shows an hour it is open at; so a span
over the night in which clocks are turned back lasts an hour longer, and nobody is asked to come at an hour that is left out.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from calls.business import WEEKDAYS, Hours
from calls.hours import parse_span

# Much less than the time between two changes of any zone's offset, so that none is jumped over.
_STRIDE = timedelta(hours=6)
_DAY = timedelta(days=1)
_ONE_SECOND = timedelta(seconds=1)


class Regime(NamedTuple):
    """A stretch of time in which a zone's wall clock is always the same way from UTC."""

    since: datetime
    until: datetime
    offset: timedelta


class Opening(NamedTuple):
    """A stretch of time, aware and in UTC, in which a business is open and its clock does not jump."""

    since: datetime
    until: datetime
    opened_at: datetime
    """When the span it belongs to begins, were the clock not to jump: beginnings of appointments are counted from here."""


def regimes(zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[Regime]:
    """The regimes between two instants, in order and without gaps, cut to them (to the second)."""
    since, until = _whole(since), _whole(until)
    began, at = since, since
    while at < until:
        ahead = min(at + _STRIDE, until)
        if _offset(zone, ahead) != _offset(zone, at):
            change = _change(zone, at, ahead)
            yield Regime(began, change, _offset(zone, at))
            began = change
        at = ahead
    if began < until:
        yield Regime(began, until, _offset(zone, began))


def openings(hours: Hours, since: datetime, until: datetime) -> Iterator[Opening]:
    """The business's openings between two instants, in order, cut to the changes of its clock but not to the two instants."""
    zone = ZoneInfo(hours.timezone)
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    for regime in regimes(zone, since - 2 * _DAY, until + 2 * _DAY):
        day = (regime.since + regime.offset).date()
        while day <= (regime.until + regime.offset).date():
            yield from (found for found in _on(hours, day, regime) if found.until > since and found.since < until)
            day += _DAY


def joined(pieces: list[Opening]) -> list[tuple[datetime, datetime]]:
    """Openings that follow each other without a pause are one: over midnight, and over a change of the clock."""
    spans: list[tuple[datetime, datetime]] = []
    for piece in sorted(pieces):
        if spans and piece.since <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], piece.until))
        else:
            spans.append((piece.since, piece.until))
    return spans


def instants_of(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants, in UTC, at which a zone's clock shows ``wall`` (naive): one as a rule, two when clocks are turned back over it,
    none when they jump over it."""
    around = wall.replace(tzinfo=UTC)
    found = [
        around - regime.offset
        for regime in regimes(zone, around - 2 * _DAY, around + 2 * _DAY)
        if regime.since <= around - regime.offset < regime.until
    ]
    return sorted(found)


def _on(hours: Hours, day: date, regime: Regime) -> Iterator[Opening]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - regime.offset
    for start_min, end_min in map(parse_span, getattr(hours, WEEKDAYS[day.weekday()])):
        opened_at = midnight + timedelta(minutes=start_min)
        since = max(opened_at, regime.since)
        until = min(midnight + timedelta(minutes=end_min), regime.until)
        if since < until:
            yield Opening(since, until, opened_at)


def _whole(at: datetime) -> datetime:
    # Clocks change on whole seconds, and are looked at on whole seconds; in UTC, since the arithmetic of a zone is that of its clock.
    return at.astimezone(UTC).replace(microsecond=0)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second from which on the offset is another one."""
    while after - before > _ONE_SECOND:
        middle = before + timedelta(seconds=round((after - before).total_seconds()) // 2)
        if _offset(zone, middle) == _offset(zone, before):
            before = middle
        else:
            after = middle
    return after
