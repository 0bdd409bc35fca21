"""Opening hours as a business file writes them: a list of ``HH:MM-HH:MM`` a weekday, in the business's own time zone."""

import re
from contextlib import suppress
from datetime import datetime
from itertools import combinations, pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from calls.business import WEEKDAYS, BusinessProfile, Hours, Weekday

NOT_STATED = "not stated"

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_MIDNIGHT = 24 * 60

Span = tuple[int, int]
"""From and to, in minutes after midnight."""


class BadHours(ValueError):
    """Opening hours that say nothing sensible; ``str()`` is a sentence about them."""


def parse_span(text: str) -> Span:
    """Reads ``08:00-12:00``. The end of a day is ``24:00``.

    Raises:
        BadHours: another form, a time that no clock shows, or an end that does not come after the start.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise BadHours(f"{text!r} is not HH:MM-HH:MM; write it like 08:00-17:00")
    from_h, from_min, to_h, to_min = (int(part) for part in found.groups())
    start, end = from_h * 60 + from_min, to_h * 60 + to_min
    if from_min > 59 or to_min > 59 or start >= _MIDNIGHT or end > _MIDNIGHT:
        raise BadHours(f"{text!r} holds a time that does not exist; hours go from 00:00 to 24:00")
    if end <= start:
        raise BadHours(
            f"{text!r} does not end after it starts; split hours past midnight: until 24:00, and from 00:00 the next day"
        )
    return start, end


def problems_of_day(spans: tuple[str, ...]) -> list[str]:
    """What is wrong with one weekday's list, a sentence each; nothing if it is sound."""
    problems: list[str] = []
    sound: list[tuple[Span, str]] = []
    for text in spans:
        try:
            sound.append((parse_span(text), text))
        except BadHours as error:
            problems.append(str(error))
    for (before, before_text), (after, after_text) in pairwise(sound):
        if after[0] < before[0]:
            problems.append(f"{after_text!r} comes before {before_text!r}; write the earlier one first")
    for (before, before_text), (after, after_text) in combinations(sorted(sound), 2):
        if after[0] < before[1]:
            problems.append(f"{before_text!r} and {after_text!r} overlap")
    return problems


def is_timezone(name: str) -> bool:
    """Whether ``name`` is in the IANA time zone database, such as ``Europe/Paris``."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def hours_in_words(profile: BusinessProfile) -> str:
    """The opening hours as one line for ``{hours}`` in the instructions: ``Mon–Thu 08:00–12:00 and 13:00–17:00, Fri 08:00–16:00
    (America/New_York)``; days not named are closed. ``not stated`` without hours."""
    hours = profile.hours
    if hours is None:
        return NOT_STATED
    runs = [run for run in _runs(hours) if _of(hours, run[0])]
    if not runs:
        return NOT_STATED
    return ", ".join(f"{_days_in_words(run)} {_spans_in_words(_of(hours, run[0]))}" for run in runs) + f" ({hours.timezone})"


def _runs(hours: Hours) -> list[list[Weekday]]:
    """Neighbouring days with the same hours. A week has no first day: Sunday and Monday are neighbours, too."""
    runs: list[list[Weekday]] = []
    for day in WEEKDAYS:
        if runs and _of(hours, runs[-1][0]) == _of(hours, day):
            runs[-1].append(day)
        else:
            runs.append([day])
    if len(runs) > 1 and _of(hours, runs[-1][0]) == _of(hours, runs[0][0]):
        runs[0] = runs.pop() + runs[0]
    return runs


def _of(hours: Hours, day: Weekday) -> tuple[str, ...]:
    spans: tuple[str, ...] = getattr(hours, day)
    return tuple(span.strip() for span in spans)


def _days_in_words(run: list[Weekday]) -> str:
    if len(run) == len(WEEKDAYS):
        return "every day"
    first, last = run[0].capitalize(), run[-1].capitalize()
    return first if len(run) == 1 else f"{first}–{last}"


def _spans_in_words(spans: tuple[str, ...]) -> str:
    words = [span.replace("-", "–") for span in spans]
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def longest_opening_min(hours: Hours) -> int:
    """The longest time the business is open without a pause, in minutes of a week without a change of the clock. Hours that cannot
    be read count as none."""
    spans: list[Span] = []
    for day in range(2 * len(WEEKDAYS)):  # twice round, since the week has no first day
        for opens, closes in _sound_spans(_of(hours, WEEKDAYS[day % len(WEEKDAYS)])):
            opened = opens + day * _MIDNIGHT
            since = spans.pop()[0] if spans and spans[-1][1] == opened else opened
            spans.append((since, closes + day * _MIDNIGHT))
    return max((end - start for start, end in spans), default=0)


def _sound_spans(texts: tuple[str, ...]) -> list[Span]:
    spans: list[Span] = []
    for text in texts:
        with suppress(BadHours):
            spans.append(parse_span(text))
    return spans


def is_open_at(profile: BusinessProfile, at: datetime) -> bool:
    """Whether the business is open at ``at``, an aware time. One that states no hours is always open."""
    hours = profile.hours
    if hours is None or not any(_of(hours, day) for day in WEEKDAYS):
        return True
    return is_open(hours, at.astimezone(ZoneInfo(hours.timezone)))


def greeting_at(profile: BusinessProfile, at: datetime) -> str:
    """The greeting of a call that comes in at ``at``, as it is to be spoken."""
    closed_text = profile.closed_text
    return profile.greeting_text if closed_text is None or is_open_at(profile, at) else closed_text


def is_open(hours: Hours, local: datetime) -> bool:
    """Whether the business is open at ``local``, a time on its own wall clock."""
    weekday = WEEKDAYS[local.weekday()]
    minute = local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in map(parse_span, getattr(hours, weekday)))
