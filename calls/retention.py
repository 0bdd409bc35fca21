"""How long calls are kept, and how a caller is forgotten.

A call goes with its events and what is still to be posted of it; appointments go once they are over for as long, or with the
caller who booked them. What else keeps something of a call (recordings, say) is told first, so that nothing is left behind that
nobody can find any more.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec
import structlog

from calls.business import BusinessProfile
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord
from calls.recordings.shelf import RecordingsKept
from calls.store import appointments_of, retention_of
from calls.store.appointments import AppointmentStore
from calls.store.base import CallStore, StoreError
from calls.store.retention import RetentionStore

_AGE = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


class BadAge(ValueError):
    """An age that cannot be read; ``str()`` is a sentence about it."""


class Forgetful(Protocol):
    """Whatever else keeps something of calls."""

    async def forget(self, call_sids: Sequence[CallSid]) -> None:
        """Deletes what it keeps of these calls; says nothing of calls it does not know."""


class Kept(NamedTuple):
    """Where everything of a call is kept."""

    calls: RetentionStore
    appointments: AppointmentStore
    others: tuple[Forgetful, ...] = ()


def kept_in(store: CallStore) -> Kept:
    """Everything that is kept of a store's calls.

    Raises:
        StoreUnavailable: that kind of store does not forget.
    """
    return Kept(retention_of(store), appointments_of(store), (RecordingsKept(store),))


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted, or, before it is, what would be."""

    calls: int = 0
    appointments: int = 0
    upcoming: int = 0
    """Of the appointments, those that are booked and still to come."""
    live: int = 0
    """Calls that are still going on: they stay."""
    recordings: tuple[str, ...] = ()
    """Messages the callers left, which Twilio keeps until they are deleted there."""


def parse_age(text: str) -> timedelta:
    """Reads ``30d``, ``12h`` or ``4w``.

    Raises:
        BadAge: anything else.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise BadAge(f"{text!r} is no age; write a number with h, d or w: 12h, 30d, 4w")
    return int(found[1]) * _UNITS[found[2]]


async def outdated(kept: Kept, before: datetime, business_id: BusinessId | None = None) -> Forgotten:
    """What :func:`purge` would delete."""
    records = await kept.calls.over_before(before, business_id)
    booked = await kept.appointments.between(_BEGINNING, before, business_id=business_id, with_cancelled=True)
    over = [one for one in booked if one.ends_at < before]
    return Forgotten(calls=len(records), appointments=len(over), recordings=_recordings(records))


async def purge(kept: Kept, before: datetime, now: datetime, business_id: BusinessId | None = None) -> Forgotten:
    """Deletes the calls that ended before an instant, and the appointments that were over by then."""
    records = await kept.calls.over_before(before, business_id)
    deleted = await _delete(kept, records, now)
    appointments = await kept.appointments.purge(before, business_id)
    return Forgotten(calls=deleted, appointments=appointments, recordings=_recordings(records))


async def known_of(kept: Kept, caller: str, now: datetime) -> Forgotten:
    """What :func:`erase` would delete. ``caller``: as :func:`calls.caller_identity.identity_of` has it."""
    records = await kept.calls.of_caller(caller)
    booked = await kept.appointments.between(_BEGINNING, _END, with_cancelled=True)
    own = [one for one in booked if one.caller == caller]
    live = [record for record in records if not record.ended]
    return Forgotten(
        calls=len(records) - len(live),
        live=len(live),
        appointments=len(own),
        upcoming=sum(one.status == "booked" and one.starts_at > now for one in own),
        recordings=_recordings(records),
    )


async def erase(kept: Kept, caller: str, now: datetime) -> Forgotten:
    """Deletes every call of one caller, of all businesses, and every appointment they booked, past and to come."""
    known = await known_of(kept, caller, now)
    records = [record for record in await kept.calls.of_caller(caller) if record.ended]
    deleted = await _delete(kept, records, now)
    return msgspec.structs.replace(known, calls=deleted, appointments=await kept.appointments.erase_caller(caller))


async def enforce(kept: Kept, businesses: Iterable[BusinessProfile], now: datetime) -> None:
    """Deletes what each business wants to keep no longer. What cannot be deleted now is logged, and tried the next time."""
    for profile in businesses:
        days = profile.privacy.retention_days
        if days is None:
            continue
        try:
            gone = await purge(kept, now - timedelta(days=days), now, profile.business_id)
        except StoreError as error:
            log.error("retention.failed", business_id=profile.id, why=str(error))
            continue
        if gone.calls or gone.appointments:
            log.info("retention.deleted", business_id=profile.id, calls=gone.calls, appointments=gone.appointments, days=days)


async def _delete(kept: Kept, records: Sequence[CallRecord], now: datetime) -> int:
    call_sids = [record.call_sid for record in records]
    for other in kept.others:
        await other.forget(call_sids)
    return await kept.calls.delete(call_sids, now)


def _recordings(records: Iterable[CallRecord]) -> tuple[str, ...]:
    return tuple(message.recording_url for record in records for message in record.messages)
