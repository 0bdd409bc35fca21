"""Appointments: what one is, when one can be, and why one cannot be.

Pure: the opening hours, what is booked already and the time go in, beginnings and sentences come out. Times the AI speaks about are
the business's wall clock (``2026-11-23T10:00``); times that are kept are instants.
"""

import re
import secrets
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from calls.business import Appointments, BusinessProfile, Hours
from calls.ids import BusinessId, CallSid
from calls.opening_times import Opening, instants_of, joined, openings

Status = Literal["booked", "cancelled"]

MAX_NAME = 200
"""Characters of a name."""
MAX_REASON = 1000
"""Characters of what an appointment is about."""

_WALL = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::00(?:\.0+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """One appointment, past or to come. ``starts_at`` and ``ends_at`` are aware, written with the business's offset from UTC."""

    appointment_id: str
    business_id: BusinessId
    business_name: str
    starts_at: datetime
    ends_at: datetime
    timezone: str
    name: str
    """Who comes."""
    reason: str = ""
    phone: str = ""
    """The number the caller gave, or calls from."""
    status: Status = "booked"
    sequence: int = 0
    """How often it has been changed (RFC 5545 §3.8.7.4)."""
    call_sid: CallSid
    """The call it was booked on."""
    caller: str | None
    """Who booked it, as :func:`calls.caller_identity.identity_of` has it; ``None`` for a hidden number."""
    dialled: str
    """The business's address that was called."""
    created_at: datetime
    changed_at: datetime

    @property
    def summary(self) -> str:
        """Who comes, and why."""
        return f"{self.name}: {self.reason}" if self.reason else self.name

    @property
    def local_start(self) -> str:
        """When it begins, on the business's wall clock."""
        return wall_clock(self.starts_at, ZoneInfo(self.timezone))


class NotPossible(Exception):
    """There can be no appointment then; ``str()`` is a sentence about it that can be spoken."""


class Busy(NamedTuple):
    """What is booked already, aware."""

    since: datetime
    until: datetime


class FreeDay(msgspec.Struct, frozen=True):
    """The free beginnings of one day, as the AI is told them."""

    date: str
    weekday: str
    times: tuple[str, ...]


class Bookable:
    """When a business can be booked.

    Raises:
        NotPossible: the business has no opening hours.
    """

    def __init__(self, profile: BusinessProfile, now: datetime) -> None:
        if profile.hours is None:
            raise NotPossible("this business has not said when appointments can be; offer to take a message")
        self._hours: Hours = profile.hours
        self._rules: Appointments = profile.appointments
        self.zone = ZoneInfo(profile.hours.timezone)
        self.now = now.astimezone(UTC)
        self.length = timedelta(minutes=self._rules.duration_min)
        self._step = timedelta(minutes=self._rules.step_min or self._rules.duration_min)
        self.earliest = self.now + timedelta(minutes=self._rules.notice_min)
        self.latest = self.now + self._rules.horizon_days * _DAY

    def starts(self, since: datetime, until: datetime) -> list[datetime]:
        """All beginnings from ``since`` on and before ``until``, aware and in order, whether or not they are taken: the whole
        appointment is within the opening hours, with the notice that is wanted, and not too far ahead."""
        since, until = max(since.astimezone(UTC), self.earliest), min(until.astimezone(UTC), self.latest + _INSTANT)
        if since >= until:
            return []
        pieces = list(openings(self._hours, since, until + self.length))
        spans = joined(pieces)
        grid = {start for piece in pieces for start in self._grid(piece) if since <= start < until}
        return [start for start in sorted(grid) if _is_within(start, start + self.length, spans)]

    def free(self, since: datetime, until: datetime, taken: Sequence[Busy], most: int) -> list[datetime]:
        """The beginnings that have room left, ``most`` at most."""
        found: list[datetime] = []
        week, until = max(since.astimezone(UTC), self.earliest), min(until.astimezone(UTC), self.latest + _INSTANT)
        while week < until and len(found) < most:
            next_week = min(week + 7 * _DAY, until)
            around = [one for one in taken if one.since < next_week + self.length and one.until > week]
            room = (at for at in self.starts(week, next_week) if has_room(at, at + self.length, around, self.per_slot))
            found += islice(room, most - len(found))
            week = next_week
        return found

    @property
    def per_slot(self) -> int:
        """How many may take place at the same time."""
        return self._rules.per_slot

    def start_of(self, text: str) -> list[datetime]:
        """The instants a beginning may mean: two when clocks are turned back over it and the text does not say which.

        Raises:
            NotPossible: it is no time, or not one that can be booked; a sentence says why.
        """
        wall, offset = parse_wall_clock(text)
        if not self.now - 2 * _DAY < wall.replace(tzinfo=UTC) < self.latest + 2 * _DAY:
            raise NotPossible(self._out_of_range(is_past=wall.replace(tzinfo=UTC) < self.now))
        return self._bookable(text, _meant(text, wall, offset, self.zone))

    def _bookable(self, text: str, meant: list[datetime]) -> list[datetime]:
        if meant[-1] < self.now:
            raise NotPossible(self._out_of_range(is_past=True))
        if meant[-1] < self.earliest:
            raise NotPossible(f"that is too soon; appointments have to be made {_in_words(self._rules.notice_min)} ahead")
        if meant[0] > self.latest:
            raise NotPossible(self._out_of_range(is_past=False))
        if possible := [at for at in meant if at in self.starts(at, at + _MINUTE)]:
            return possible
        spans = joined(list(openings(self._hours, meant[0], meant[-1] + self.length)))
        if not any(begin <= at < end for begin, end in spans for at in meant):
            raise NotPossible(f"{text} is outside opening hours")
        if not any(begin <= at and at + self.length <= end for begin, end in spans for at in meant):
            raise NotPossible(f"{text} is too late for an appointment of {_in_words(self._rules.duration_min)} before closing")
        raise NotPossible(f"no appointment begins at {text}")

    def _out_of_range(self, *, is_past: bool) -> str:
        if is_past:
            return f"that is in the past; it is now {wall_clock(self.now, self.zone)} at the business"
        return f"that is too far ahead; appointments can be made {self._rules.horizon_days} days ahead"

    def _grid(self, piece: Opening) -> Iterator[datetime]:
        passed = -((piece.opened_at - piece.since) // self._step)  # rounded up: the first not before the piece begins
        start = piece.opened_at + passed * self._step
        while start < piece.until:
            yield start
            start += self._step


def has_room(since: datetime, until: datetime, taken: Iterable[Busy], per_slot: int) -> bool:
    """Whether one more fits beside those that are taken: at no instant more than ``per_slot``."""
    meanwhile = [one for one in taken if one.since < until and one.until > since]
    moments = [since, *(one.since for one in meanwhile if one.since > since)]
    return all(sum(one.since <= at < one.until for one in meanwhile) < per_slot for at in moments)


def days_of(starts: Iterable[datetime], zone: ZoneInfo) -> list[FreeDay]:
    """Beginnings by day, as the AI is told them."""
    by_day: dict[date, list[str]] = {}
    for at in starts:
        by_day.setdefault(at.astimezone(zone).date(), []).append(wall_clock(at, zone).partition("T")[2])
    return [FreeDay(day.isoformat(), day.strftime("%A"), tuple(times)) for day, times in by_day.items()]


def wall_clock(at: datetime, zone: ZoneInfo) -> str:
    """``2026-11-23T10:00``, as the zone's clock shows it; where it shows the same twice that night, the offset from UTC follows."""
    local = at.astimezone(zone)
    is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return local.isoformat(timespec="minutes") if is_twice else local.replace(tzinfo=None).isoformat(timespec="minutes")


_EXAMPLE = "2026-11-23T10:00"


def parse_wall_clock(text: str) -> tuple[datetime, timedelta | None]:
    """A wall-clock time, naive, and the offset from UTC if it is given.

    Raises:
        NotPossible: another form, or a time no clock shows.
    """
    found = _WALL.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        wall = datetime.fromisoformat(f"{found[1]}T{found[2]}")
        offset = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}").utcoffset()
    except ValueError:
        raise NotPossible(
            f"{text[:40]!r} is not a date and time; write it like {_EXAMPLE}, as the clock at the business shows it"
        ) from None
    return wall, offset


def instants_of_text(text: str, zone: ZoneInfo) -> list[datetime]:
    """The instants a wall-clock time may mean in a zone, one or two.

    Raises:
        NotPossible: another form, a time the clock jumps over, or an offset it does not have then.
    """
    return _meant(text, *parse_wall_clock(text), zone)


def _meant(text: str, wall: datetime, offset: timedelta | None, zone: ZoneInfo) -> list[datetime]:
    try:
        meant = instants_of(wall, zone)
    except OverflowError:
        raise NotPossible(f"{text} is too far away") from None
    if not meant:
        raise NotPossible(f"{text} does not exist: the clocks of {zone.key} jump over it that night")
    if offset is not None:
        meant = [at for at in meant if at.astimezone(zone).utcoffset() == offset]
        if not meant:
            raise NotPossible(f"{text} is not local time; give it as the clock at the business shows it, such as {_EXAMPLE}")
    return meant


def parse_day(text: str) -> date:
    """A day such as ``2026-11-23``; of a date with a time, its day.

    Raises:
        NotPossible: another form, or a day that does not exist.
    """
    try:
        return date.fromisoformat(text.strip().partition("T")[0].partition(" ")[0])
    except ValueError:
        raise NotPossible(f"{text[:40]!r} is not a date; write it like {_EXAMPLE[:10]}") from None


def new_appointment_id() -> str:
    """Eight digits: easy to say on the telephone in any language, and not to be guessed in a call."""
    return f"{secrets.randbelow(100_000_000):08d}"


def plain_text(text: str, most: int) -> str:
    """What somebody said, as one line without control characters, ``most`` characters long at most."""
    kept = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    return " ".join(kept.split())[:most].strip()


def is_same_person(given: str, booked: str) -> bool:
    """Whether a name fits the one an appointment is booked under: the same words, or some of them. Case, accents, niqqud and
    punctuation do not count."""
    words, others = _words(given), _words(booked)
    return bool(words) and bool(others) and (words <= others or others <= words)


def is_same_name(one: str, other: str) -> bool:
    """Whether two names are the same but for case, accents, niqqud and punctuation."""
    return _words(one) == _words(other)


def _words(name: str) -> set[str]:
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(char for char in decomposed if not unicodedata.combining(char) and char not in "'’`׳״\"")
    return set(re.findall(r"\w+", letters.casefold()))


def _in_words(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    parts = [f"{count} {word if count == 1 else f'{word}s'}" for count, word in ((hours, "hour"), (rest, "minute")) if count]
    return " and ".join(parts) or "0 minutes"


def _is_within(since: datetime, until: datetime, spans: list[tuple[datetime, datetime]]) -> bool:
    place = bisect_right(spans, since, key=lambda span: span[0]) - 1
    return place >= 0 and until <= spans[place][1]
