"""Whether a call is let through to the AI: blocked callers, opening hours, how many at a time, how much a day.

What needs no counting is decided at the door; the rest is counted by the store in the very step that opens the call, so that of
two callers who ring at the same moment only one gets the last line.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from calls.address import channel_of, is_e164, normalise
from calls.business import ANONYMOUS, BusinessProfile
from calls.business_checks import address_key
from calls.caller_identity import identity_of
from calls.hours import is_open_at
from calls.record import CallRecord, Disposition
from calls.stream_token import LIFETIME_S

Refusal = Literal["blocked", "closed", "all_lines_busy", "over_budget", "answering_machine", "at_capacity"]
"""Why a caller does not reach the AI; the reason of the call's end."""
REFUSALS: tuple[str, ...] = get_args(Refusal)

_GIVEN_UP = timedelta(minutes=10)


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """On what terms a call is let through. Limits that are ``None`` do not apply."""

    otherwise: Disposition
    """What becomes of a caller who is not; its reason is the refusal's."""
    refusal: Refusal | None = None
    """Decided already."""
    max_live: int | None = None
    """Calls of the business that may hold a line at a time, this one included."""
    max_call_s: int = 14_400
    """No call holds a line for much longer."""
    max_cost_usd: float | None = None
    """What the business's calls since ``day_began`` may have cost."""
    day_began: datetime = datetime.min.replace(tzinfo=UTC)

    def decide(self, live: int, cost_usd: float) -> Refusal | None:
        """Why the call is refused, given how many others hold a line and what the day's calls have cost; ``None``: it is not."""
        if self.refusal is not None:
            return self.refusal
        if self.max_cost_usd is not None and cost_usd >= self.max_cost_usd:
            return "over_budget"
        if self.max_live is not None and live >= self.max_live:
            return "all_lines_busy"
        return None

    def refused(self, refusal: Refusal) -> Disposition:
        """What becomes of the caller then."""
        return msgspec.structs.replace(self.otherwise, reason=refusal)

    def counts(self, record: CallRecord, now: datetime) -> bool:
        """Whether a call holds one of the business's lines: a bridge serves it, or Twilio is about to open its stream.

        One whose end nobody reported (no status callback, a bridge that died) gives its line back after twice the longest call.
        """
        if record.ended or record.disposition is not None or record.action_requested_at is not None:
            return False
        age = now - datetime.fromisoformat(record.started_at)
        if record.owner is None:
            return record.accepted_at is None and age <= timedelta(seconds=LIFETIME_S)
        return age <= self.longest

    @property
    def longest(self) -> timedelta:
        """How old a call may be that still counts."""
        return 2 * timedelta(seconds=self.max_call_s) + _GIVEN_UP


def refusal_at_the_door(profile: BusinessProfile, caller: str, now: datetime) -> Refusal | None:
    """What needs no counting: a blocked caller, or a business that answers in its opening hours only."""
    if is_blocked(profile, caller):
        return "blocked"
    if profile.hours is not None and profile.hours.when_closed == "fallback" and not is_open_at(profile, now):
        return "closed"
    return None


def is_blocked(profile: BusinessProfile, caller: str) -> bool:
    """Whether the business wants no calls from ``caller``. A number counts on the telephone and on WhatsApp alike; ``anonymous``
    is everybody who withholds theirs."""
    if not profile.blocked:
        return False
    blocked = {_bare(entry) for entry in profile.blocked}
    return _bare(caller) in blocked or (ANONYMOUS in blocked and withholds_number(caller))


def withholds_number(caller: str) -> bool:
    """Whether ``From`` says no more than that there is somebody: a word such as ``anonymous``, or its letters as a keypad has
    them. A number that is merely odd is not withheld."""
    number = normalise(caller).rpartition(":")[2]
    return identity_of(caller) is None and (is_e164(number) or not any(char.isdigit() for char in number))


def day_began(profile: BusinessProfile, now: datetime) -> datetime:
    """The last midnight in the business's own time zone."""
    zone = ZoneInfo(profile.hours.timezone) if profile.hours is not None else UTC
    return datetime.combine(now.astimezone(zone).date(), time.min, zone).astimezone(UTC)


def _bare(address: str) -> str:
    key = address_key(address)
    return key.partition(":")[2] if channel_of(key) == "whatsapp" else key
