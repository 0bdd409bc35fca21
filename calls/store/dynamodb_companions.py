"""What the DynamoDB store keeps beside its calls. Implements :class:`calls.store.companions.Companions`."""

from calls.events import CallEvent
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.dynamodb import DynamoStore
from calls.store.dynamodb_appointments import DynamoAppointments
from calls.store.dynamodb_businesses import DynamoBusinesses
from calls.store.dynamodb_fleet import DynamoFleet
from calls.store.dynamodb_greetings import DynamoGreetings
from calls.store.dynamodb_leads import DynamoLeads
from calls.store.dynamodb_outbox import DynamoOutbox
from calls.store.dynamodb_retention import DynamoRetention


class DynamoCompanions:
    """In the table of ``store``, through its threads."""

    def __init__(self, store: DynamoStore) -> None:
        self._store = store

    def outbox(self) -> DynamoOutbox:
        """See :meth:`calls.store.companions.Companions.outbox`."""
        return DynamoOutbox(self._store.table, self._store.outbox_filled, self._look_up)

    def appointments(self) -> DynamoAppointments:
        """See :meth:`calls.store.companions.Companions.appointments`."""
        return DynamoAppointments(self._store.table)

    def greetings(self) -> DynamoGreetings:
        """See :meth:`calls.store.companions.Companions.greetings`."""
        return DynamoGreetings(self._store.table)

    def leads(self) -> DynamoLeads:
        """See :meth:`calls.store.companions.Companions.leads`."""
        return DynamoLeads(self._store.table)

    def retention(self) -> DynamoRetention:
        """See :meth:`calls.store.companions.Companions.retention`."""
        return DynamoRetention(self._store.table)

    def fleet(self) -> DynamoFleet:
        """See :meth:`calls.store.companions.Companions.fleet`."""
        return DynamoFleet(self._store.table)

    def businesses(self) -> DynamoBusinesses:
        """See :meth:`calls.store.companions.Companions.businesses`."""
        return DynamoBusinesses(self._store.table)

    def _look_up(self, call_sid: CallSid, seq: int) -> tuple[CallRecord, CallEvent] | None:
        record = self._store.calls.get_call(call_sid)
        event = next(iter(self._store.calls.events(call_sid, after=seq - 1)), None)
        return None if record is None or event is None else (record, event)
