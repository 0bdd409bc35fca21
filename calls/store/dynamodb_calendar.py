"""The calendars in DynamoDB, for code that may block. What each method does is said in ``calls.store.appointments``.

An appointment is written twice, under its id and in its business's calendar by beginning, and its time into the days it touches
(:mod:`calls.store.dynamodb_days`), all in one transaction.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from calls.appointments import Appointment, has_room, is_same_name
from calls.ids import BusinessId
from calls.store.appointments import AppointmentChanged, AppointmentIdTaken, SlotTaken
from calls.store.base import StoreError, StoreUnavailable
from calls.store.dynamodb_days import Days, businesses_with_appointments, seconds
from calls.store.dynamodb_schema import GSI2
from calls.store.dynamodb_table import Condition, ConditionFailed, Delete, DynamoTable, Item, Put, Write
from calls.store.dynamodb_writes import ABSENT, when

LONGEST = timedelta(days=2)
"""What is looked back for when a stretch of time is asked for; more than a business may have its appointments last."""

_TRIES = 60
_LONGEST_PAUSE_S = 0.2

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Appointment)


class DynamoCalendar:
    """See the module. ``sleep``: how a thread waits before it looks again at a day others are writing to."""

    def __init__(self, table: DynamoTable, sleep: Callable[[float], object] = time.sleep) -> None:
        self._table, self._sleep = table, sleep

    def book(self, wanted: Appointment, per_slot: int) -> Appointment:
        """See :meth:`calls.store.appointments.AppointmentStore.book`."""
        _must_be_short(wanted)
        for _ in self._tries():
            days = Days(self._table, wanted.business_id, wanted)
            if (same := self._the_same(days, wanted)) is not None:
                return same
            _must_fit(wanted, days, per_slot)
            days.put_in(wanted)
            try:
                self._table.transact([Put(_by_id(wanted), ABSENT), Put(_in_calendar(wanted)), *days.writes()])
            except ConditionFailed as failed:
                if failed.index == 0:
                    raise AppointmentIdTaken(f"there is another appointment {wanted.appointment_id}") from None
            else:
                return wanted
        raise _too_busy()

    def change(self, new: Appointment, per_slot: int) -> None:
        """See :meth:`calls.store.appointments.AppointmentStore.change`."""
        _must_be_short(new)
        for _ in self._tries():
            stored = self.get(new.appointment_id)
            if stored is None or stored.sequence != new.sequence - 1:
                raise _changed(new)
            days = Days(self._table, new.business_id, stored, new)
            days.take_out(new.appointment_id)
            if new.status == "booked":
                _must_fit(new, days, per_slot)
                days.put_in(new)
            try:
                self._table.transact([Put(_by_id(new), _as_read(stored)), *_moved(stored, new), *days.writes()])
            except ConditionFailed as failed:
                if failed.index == 0:
                    raise _changed(new) from None
            else:
                return
        raise _too_busy()

    def get(self, appointment_id: str) -> Appointment | None:
        """See :meth:`calls.store.appointments.AppointmentStore.get`."""
        item = self._table.get(*_id_key(appointment_id))
        return _decoded(item) if item is not None else None

    def between(
        self, since: datetime, until: datetime, business_id: BusinessId | None, with_cancelled: bool
    ) -> Sequence[Appointment]:
        """See :meth:`calls.store.appointments.AppointmentStore.between`."""
        found = [
            one
            for one in self._begun(since - LONGEST, until, business_id)
            if one.starts_at < until and one.ends_at > since and (with_cancelled or one.status == "booked")
        ]
        return _in_order(found)

    def of_caller(self, caller: str, business_id: BusinessId, since: datetime) -> Sequence[Appointment]:
        """See :meth:`calls.store.appointments.AppointmentStore.of_caller`."""
        return _in_order(
            one
            for one in self._all_of_caller(caller)
            if one.business_id == business_id and one.starts_at > since and one.status == "booked"
        )

    def erase_caller(self, caller: str) -> int:
        """See :meth:`calls.store.appointments.AppointmentStore.erase_caller`."""
        return sum([self._erase(one.appointment_id) for one in self._all_of_caller(caller)])

    def purge(self, before: datetime, business_id: BusinessId | None) -> int:
        """See :meth:`calls.store.appointments.AppointmentStore.purge`."""
        begun = self._begun(None, before, business_id)
        return sum([self._erase(one.appointment_id) for one in begun if one.ends_at < before])

    def _begun(self, since: datetime | None, until: datetime, business_id: BusinessId | None) -> list[Appointment]:
        """What begins between two instants."""
        first, last = (f"{max(seconds(at), 0) if at else 0:012d}" for at in (since, until))
        calendars = [business_id] if business_id is not None else businesses_with_appointments(self._table)
        items = [item for each in calendars for item in self._table.query(f"CALENDAR#{each}", between=(first, f"{last}$"))]
        return [_decoded(item) for item in items]

    def _all_of_caller(self, caller: str) -> list[Appointment]:
        keys = [(item["pk"], item["sk"]) for item in self._table.query(_of_caller(caller), index=GSI2)]
        return [_decoded(item) for item in self._table.batch_get(keys).values()]

    def _the_same(self, days: Days, wanted: Appointment) -> Appointment | None:
        """What the same call has booked at the same time under the same name."""
        at_s = seconds(wanted.starts_at)
        asked = (one for one in days.taken() if one.call_sid == wanted.call_sid and one.since_s == at_s)
        found = (self.get(one.appointment_id) for one in asked)
        return next((one for one in found if one is not None and is_same_name(one.name, wanted.name)), None)

    def _erase(self, appointment_id: str) -> bool:
        for _ in self._tries():
            stored = self.get(appointment_id)
            if stored is None:
                return False
            days = Days(self._table, stored.business_id, stored)
            days.take_out(appointment_id)
            gone = [Delete(*_id_key(appointment_id), _as_read(stored)), Delete(*_calendar_key(stored))]
            try:
                self._table.transact([*gone, *days.writes()])
            except ConditionFailed:
                continue
            return True
        raise _too_busy()

    def _tries(self) -> Iterator[None]:
        for attempt in range(1, _TRIES + 1):
            yield
            self._sleep(random.uniform(0, min(0.01 * attempt, _LONGEST_PAUSE_S)))  # noqa: S311  (to part those who meet)


def _must_be_short(one: Appointment) -> None:
    if one.ends_at - one.starts_at > LONGEST:
        raise StoreError(f"an appointment may last {LONGEST.days} days at most; make several of it")


def _must_fit(wanted: Appointment, days: Days, per_slot: int) -> None:
    others = [one.busy for one in days.taken() if one.appointment_id != wanted.appointment_id]
    if not has_room(wanted.starts_at, wanted.ends_at, others, per_slot):
        raise SlotTaken("as many appointments as there is room for take place then already")


def _changed(one: Appointment) -> AppointmentChanged:
    return AppointmentChanged(f"appointment {one.appointment_id} has been changed by somebody else just now; look at it again")


def _too_busy() -> StoreUnavailable:
    return StoreUnavailable("too many are writing to the calendar of that day at once; try again")


def _as_read(stored: Appointment) -> Condition:
    return when("#sequence = :sequence", sequence=stored.sequence)


def _moved(stored: Appointment, new: Appointment) -> Iterator[Write]:
    """The calendar's writes when ``stored`` becomes ``new``."""
    if _calendar_key(stored) != _calendar_key(new):
        yield Delete(*_calendar_key(stored))
    yield Put(_in_calendar(new))


def _by_id(one: Appointment) -> Item:
    pk, sk = _id_key(one.appointment_id)
    item: Item = {"pk": pk, "sk": sk, "sequence": one.sequence, "appointment": _encoder.encode(one).decode()}
    return item if one.caller is None else {**item, GSI2.pk: _of_caller(one.caller), GSI2.sk: pk}


def _in_calendar(one: Appointment) -> Item:
    pk, sk = _calendar_key(one)
    return {"pk": pk, "sk": sk, "appointment": _encoder.encode(one).decode()}


def _id_key(appointment_id: str) -> tuple[str, str]:
    return f"APPOINTMENT#{appointment_id}", "APPOINTMENT"


def _calendar_key(one: Appointment) -> tuple[str, str]:
    return f"CALENDAR#{one.business_id}", f"{seconds(one.starts_at):012d}#{one.appointment_id}"


def _of_caller(caller: str) -> str:
    # A key holds 2 KB at most; what a caller's device sends as its address is not ours to bound.
    return f"APPOINTMENTS_OF#{sha256(caller.encode(errors='surrogatepass')).hexdigest()}"


def _decoded(item: Item) -> Appointment:
    try:
        return _decoder.decode(item["appointment"])
    except msgspec.MsgspecError as error:
        raise StoreError(f"the call store holds an appointment this version of Frontdesk cannot read: {error}") from None


def _in_order(found: Iterable[Appointment]) -> list[Appointment]:
    return sorted(found, key=lambda one: (one.starts_at, one.appointment_id))
