"""The calendar of every business, in the SQLite store. Implements :class:`calls.store.appointments.AppointmentStore`."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from calls.appointments import Appointment, Busy, has_room, is_same_name
from calls.ids import BusinessId
from calls.store.appointments import AppointmentChanged, AppointmentIdTaken, SlotTaken
from calls.store.sqlite_errors import explained

if TYPE_CHECKING:
    from calls.store.sqlite import SqliteStore

SCHEMA: tuple[str, ...] = (
    """CREATE TABLE appointments (
        appointment_id TEXT PRIMARY KEY,
        business_id TEXT NOT NULL,
        caller TEXT,
        starts_at_s INTEGER NOT NULL,
        ends_at_s INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        appointment TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX appointments_by_start ON appointments (business_id, starts_at_s)",
    "CREATE INDEX appointments_by_caller ON appointments (caller, starts_at_s)",
)
"""Its tables."""

_SAVE = """
INSERT INTO appointments (appointment_id, business_id, caller, starts_at_s, ends_at_s, cancelled, appointment)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (appointment_id) DO UPDATE SET
    caller = excluded.caller, starts_at_s = excluded.starts_at_s, ends_at_s = excluded.ends_at_s, cancelled = excluded.cancelled,
    appointment = excluded.appointment
"""

_MEANWHILE = """
SELECT appointment FROM appointments
WHERE business_id = ? AND starts_at_s < ? AND ends_at_s > ? AND NOT cancelled
"""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Appointment)


class SqliteAppointments:
    """See the module. ``store``: an open :class:`calls.store.sqlite.SqliteStore`, whose file and transactions it shares."""

    def __init__(self, store: "SqliteStore") -> None:
        self._store = store

    async def book(self, appointment: Appointment, per_slot: int) -> Appointment:
        """See :meth:`calls.store.appointments.AppointmentStore.book`."""

        def work(db: sqlite3.Connection) -> Appointment:
            meanwhile = _meanwhile(db, appointment)
            for other in meanwhile:
                if _is_the_same(other, appointment):
                    return other
            _must_fit(appointment, meanwhile, per_slot)
            if _stored(db, appointment.appointment_id) is not None:
                raise AppointmentIdTaken(f"there is another appointment {appointment.appointment_id}")
            db.execute(_SAVE, _columns(appointment))
            return appointment

        return await self._store.write(work)

    async def change(self, appointment: Appointment, per_slot: int) -> None:
        """See :meth:`calls.store.appointments.AppointmentStore.change`."""

        def work(db: sqlite3.Connection) -> None:
            stored = _stored(db, appointment.appointment_id)
            if stored is None or stored.sequence != appointment.sequence - 1:
                raise AppointmentChanged(
                    f"appointment {appointment.appointment_id} has been changed by somebody else just now; look at it again"
                )
            if appointment.status == "booked":
                _must_fit(appointment, _meanwhile(db, appointment), per_slot)
            db.execute(_SAVE, _columns(appointment))

        await self._store.write(work)

    async def get(self, appointment_id: str) -> Appointment | None:
        """See :meth:`calls.store.appointments.AppointmentStore.get`."""
        found = await self._fetch("SELECT appointment FROM appointments WHERE appointment_id = ?", appointment_id)
        return found[0] if found else None

    async def between(
        self, since: datetime, until: datetime, *, business_id: BusinessId | None = None, with_cancelled: bool = False
    ) -> Sequence[Appointment]:
        """See :meth:`calls.store.appointments.AppointmentStore.between`."""
        return await self._fetch(
            "SELECT appointment FROM appointments WHERE (?1 IS NULL OR business_id = ?1) AND starts_at_s < ?2 AND ends_at_s > ?3"
            " AND (?4 OR NOT cancelled) ORDER BY starts_at_s, appointment_id",
            business_id,
            _seconds(until),
            _seconds(since),
            with_cancelled,
        )

    async def of_caller(self, caller: str, business_id: BusinessId, since: datetime) -> Sequence[Appointment]:
        """See :meth:`calls.store.appointments.AppointmentStore.of_caller`."""
        return await self._fetch(
            "SELECT appointment FROM appointments WHERE caller = ? AND business_id = ? AND starts_at_s > ? AND NOT cancelled"
            " ORDER BY starts_at_s, appointment_id",
            caller,
            business_id,
            _seconds(since),
        )

    async def erase_caller(self, caller: str) -> int:
        """See :meth:`calls.store.appointments.AppointmentStore.erase_caller`."""
        return await self._delete("caller = ?", caller)

    async def purge(self, before: datetime, business_id: BusinessId | None = None) -> int:
        """See :meth:`calls.store.appointments.AppointmentStore.purge`."""
        return await self._delete("ends_at_s < ?1 AND (?2 IS NULL OR business_id = ?2)", _seconds(before), business_id)

    async def _delete(self, condition: str, *parameters: object) -> int:
        # The condition is one of the two above.
        sql = f"DELETE FROM appointments WHERE {condition}"  # noqa: S608
        return await self._store.write(lambda db: db.execute(sql, parameters).rowcount)

    async def _fetch(self, sql: str, *parameters: object) -> list[Appointment]:
        rows = await self._store.fetch(sql, *parameters)
        try:
            return [_decoder.decode(encoded) for (encoded,) in rows]
        except msgspec.MsgspecError as error:
            raise explained(error, self._store.path) from error


def _is_the_same(other: Appointment, wanted: Appointment) -> bool:
    """Whether a call asks a second time for what it has booked."""
    same_time = other.call_sid == wanted.call_sid and other.starts_at == wanted.starts_at
    return same_time and is_same_name(other.name, wanted.name)


def _must_fit(appointment: Appointment, meanwhile: Sequence[Appointment], per_slot: int) -> None:
    others = [Busy(one.starts_at, one.ends_at) for one in meanwhile if one.appointment_id != appointment.appointment_id]
    if not has_room(appointment.starts_at, appointment.ends_at, others, per_slot):
        raise SlotTaken("as many appointments as there is room for take place then already")


def _meanwhile(db: sqlite3.Connection, wanted: Appointment) -> list[Appointment]:
    when = (wanted.business_id, _seconds(wanted.ends_at), _seconds(wanted.starts_at))
    return [_decoder.decode(encoded) for (encoded,) in db.execute(_MEANWHILE, when)]


def _stored(db: sqlite3.Connection, appointment_id: str) -> Appointment | None:
    sql = "SELECT appointment FROM appointments WHERE appointment_id = ?"
    rows = [encoded for (encoded,) in db.execute(sql, (appointment_id,))]
    return _decoder.decode(rows[0]) if rows else None


def _columns(one: Appointment) -> tuple[Any, ...]:
    when = (_seconds(one.starts_at), _seconds(one.ends_at))
    is_cancelled = one.status == "cancelled"
    return (one.appointment_id, one.business_id, one.caller, *when, is_cancelled, _encoder.encode(one).decode())


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
