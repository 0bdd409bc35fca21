"""Where appointments are kept: what every store does with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from calls.appointments import Appointment
from calls.ids import BusinessId
from calls.store.base import StoreError


class SlotTaken(StoreError):
    """As many appointments as are possible take place then."""


class AppointmentIdTaken(StoreError):
    """Another appointment has this id; try again with a new one."""


class AppointmentChanged(StoreError):
    """Somebody else has changed the appointment in between, or it is not there any more."""


class AppointmentStore(Protocol):
    """The calendars of all businesses. Whatever depends on a condition is one step: of two writers exactly one finds it met.
    Methods raise :class:`StoreError` and nothing else."""

    async def book(self, appointment: Appointment, per_slot: int) -> Appointment:
        """Puts a new appointment into the calendar. If the same call has one for the same name at the same time already, that one is
        returned, and nothing is written.

        Raises:
            SlotTaken: at some instant of it the business has ``per_slot`` appointments.
            AppointmentIdTaken: its id is another's.
        """

    async def change(self, appointment: Appointment, per_slot: int) -> None:
        """Writes the next version of an appointment: moved, or cancelled. Its ``sequence`` is one more than that of the version it
        was made from.

        Raises:
            SlotTaken: as for :meth:`book`, the appointment itself not counted.
            AppointmentChanged: the stored version is another one.
        """

    async def get(self, appointment_id: str) -> Appointment | None:
        """One appointment."""

    async def between(
        self, since: datetime, until: datetime, *, business_id: BusinessId | None = None, with_cancelled: bool = False
    ) -> Sequence[Appointment]:
        """Appointments that take place, at least in part, between two instants; by beginning."""

    async def of_caller(self, caller: str, business_id: BusinessId, since: datetime) -> Sequence[Appointment]:
        """Those that a caller (:func:`calls.caller_identity.identity_of`) has booked and that begin after ``since``; by beginning."""

    async def erase_caller(self, caller: str) -> int:
        """Deletes every appointment a caller has booked, past and to come, cancelled or not. Returns how many."""

    async def purge(self, before: datetime, business_id: BusinessId | None = None) -> int:
        """Deletes the appointments that were over before an instant. Returns how many."""
