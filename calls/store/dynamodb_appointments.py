"""The calendar of every business, in the DynamoDB store. Implements :class:`calls.store.appointments.AppointmentStore`."""

from collections.abc import Sequence
from datetime import datetime

from calls.appointments import Appointment
from calls.ids import BusinessId
from calls.store.dynamodb_calendar import DynamoCalendar
from calls.store.dynamodb_table import DynamoTable


class DynamoAppointments:
    """The calendars of an open table, read and written in its threads."""

    def __init__(self, table: DynamoTable) -> None:
        self._table, self._calendar = table, DynamoCalendar(table)

    async def book(self, appointment: Appointment, per_slot: int) -> Appointment:
        """See :meth:`calls.store.appointments.AppointmentStore.book`."""
        return await self._table.run(self._calendar.book, appointment, per_slot)

    async def change(self, appointment: Appointment, per_slot: int) -> None:
        """See :meth:`calls.store.appointments.AppointmentStore.change`."""
        await self._table.run(self._calendar.change, appointment, per_slot)

    async def get(self, appointment_id: str) -> Appointment | None:
        """See :meth:`calls.store.appointments.AppointmentStore.get`."""
        return await self._table.run(self._calendar.get, appointment_id)

    async def between(
        self, since: datetime, until: datetime, *, business_id: BusinessId | None = None, with_cancelled: bool = False
    ) -> Sequence[Appointment]:
        """See :meth:`calls.store.appointments.AppointmentStore.between`."""
        return await self._table.run(self._calendar.between, since, until, business_id, with_cancelled)

    async def of_caller(self, caller: str, business_id: BusinessId, since: datetime) -> Sequence[Appointment]:
        """See :meth:`calls.store.appointments.AppointmentStore.of_caller`."""
        return await self._table.run(self._calendar.of_caller, caller, business_id, since)

    async def erase_caller(self, caller: str) -> int:
        """See :meth:`calls.store.appointments.AppointmentStore.erase_caller`."""
        return await self._table.run(self._calendar.erase_caller, caller)

    async def purge(self, before: datetime, business_id: BusinessId | None = None) -> int:
        """See :meth:`calls.store.appointments.AppointmentStore.purge`."""
        return await self._table.run(self._calendar.purge, before, business_id)
