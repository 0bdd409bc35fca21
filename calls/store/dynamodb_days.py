"""The days of a calendar in DynamoDB: who takes which time, in one item a business and day (UTC).

An item is read and written as a whole, and what was read is what a write of it is conditional on: whoever has found room in a day
writes only if nobody has written to that day since. An appointment over midnight is in two days, written in one transaction. The
mark of a version is random, so that a day that was emptied and filled again is another version for certain.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec

from calls.appointments import Appointment, Busy
from calls.ids import BusinessId
from calls.store.base import StoreError
from calls.store.dynamodb_table import Delete, DynamoTable, Item, Put, Write
from calls.store.dynamodb_writes import ABSENT, when

_BUSINESSES = "CALENDARS"

_encoder = msgspec.json.Encoder()


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """The time of one appointment."""

    appointment_id: str
    since_s: int
    until_s: int
    call_sid: str | None

    @property
    def busy(self) -> Busy:
        """As :func:`calls.appointments.has_room` takes it."""
        return Busy(datetime.fromtimestamp(self.since_s, UTC), datetime.fromtimestamp(self.until_s, UTC))


_decoder = msgspec.json.Decoder(list[Taken])


class Day:
    """One day of one business as it was read, and what is to become of it."""

    def __init__(self, business_id: BusinessId, day: date, item: Item | None) -> None:
        self._key = (f"DAY#{business_id}", day.isoformat())
        self._business_id, self._version = business_id, item["v"] if item else None
        stored = _decoder.decode(item["taken"]) if item else []
        self._before = {one.appointment_id: one for one in stored}
        self.taken = dict(self._before)

    def writes(self) -> Iterator[Write]:
        """What makes the day what :attr:`taken` says, if it still is as it was read. Nothing for a day that stays as it is."""
        if self.taken == self._before:
            return
        pk, sk = self._key
        unchanged = when("#v = :v", v=self._version) if self._version else ABSENT
        if not self.taken:
            yield Delete(pk, sk, unchanged)
            return
        taken = _encoder.encode(sorted(self.taken.values(), key=lambda one: one.since_s)).decode()
        yield Put({"pk": pk, "sk": sk, "v": secrets.token_hex(8), "taken": taken}, unchanged)
        if self._version is None:
            yield Put({"pk": _BUSINESSES, "sk": self._business_id})


class Days:
    """The days that some appointments touch, as they are now."""

    def __init__(self, table: DynamoTable, business_id: BusinessId, *appointments: Appointment | None) -> None:
        dates = {day for one in appointments if one is not None for day in days_of(one)}
        keys = {(f"DAY#{business_id}", day.isoformat()): day for day in sorted(dates)}
        items = table.batch_get(list(keys))
        try:
            self._days: Mapping[date, Day] = {day: Day(business_id, day, items.get(key)) for key, day in keys.items()}
        except msgspec.MsgspecError as error:
            raise StoreError(f"the call store holds a calendar this version of Frontdesk cannot read: {error}") from None

    def taken(self) -> list[Taken]:
        """Whatever takes place in these days, each once."""
        return list({one.appointment_id: one for day in self._days.values() for one in day.taken.values()}.values())

    def take_out(self, appointment_id: str) -> None:
        """That appointment takes no time any more."""
        for day in self._days.values():
            day.taken.pop(appointment_id, None)

    def put_in(self, one: Appointment) -> None:
        """That appointment takes its time."""
        taken = Taken(one.appointment_id, seconds(one.starts_at), seconds(one.ends_at), one.call_sid)
        for day in days_of(one):
            self._days[day].taken[one.appointment_id] = taken

    def writes(self) -> list[Write]:
        """Of all the days that have changed. Two new days are both of one business, which is noted once."""
        return _each_once(write for day in self._days.values() for write in day.writes())


def businesses_with_appointments(table: DynamoTable) -> list[BusinessId]:
    """The businesses that have, or have had, any."""
    return [BusinessId(item["sk"]) for item in table.query(_BUSINESSES)]


def days_of(one: Appointment) -> list[date]:
    """The days (UTC) that an appointment touches."""
    first, last = one.starts_at.astimezone(UTC), one.ends_at.astimezone(UTC) - timedelta(microseconds=1)
    count = (max(last, first).date() - first.date()).days
    return [first.date() + timedelta(days=day) for day in range(count + 1)]


def seconds(at: datetime) -> int:
    """Since 1970."""
    return int(at.timestamp())


def _each_once(writes: Iterable[Write]) -> list[Write]:
    found: dict[tuple[str, str], Write] = {}
    for write in writes:
        key = (write.item["pk"], write.item["sk"]) if isinstance(write, Put) else (write.pk, write.sk)
        found.setdefault(key, write)
    return list(found.values())
