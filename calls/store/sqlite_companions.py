"""What the SQLite store keeps beside its calls. Implements :class:`calls.store.companions.Companions`."""

from calls.store.sqlite import SqliteStore
from calls.store.sqlite_appointments import SqliteAppointments
from calls.store.sqlite_businesses import SqliteBusinesses
from calls.store.sqlite_fleet import SqliteFleet
from calls.store.sqlite_greetings import SqliteGreetings
from calls.store.sqlite_leads import SqliteLeads
from calls.store.sqlite_outbox import SqliteOutbox
from calls.store.sqlite_retention import SqliteRetention


class SqliteCompanions:
    """In the file of ``store``, through its connections."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def outbox(self) -> SqliteOutbox:
        """See :meth:`calls.store.companions.Companions.outbox`."""
        return SqliteOutbox(self._store)

    def appointments(self) -> SqliteAppointments:
        """See :meth:`calls.store.companions.Companions.appointments`."""
        return SqliteAppointments(self._store)

    def greetings(self) -> SqliteGreetings:
        """See :meth:`calls.store.companions.Companions.greetings`."""
        return SqliteGreetings(self._store)

    def leads(self) -> SqliteLeads:
        """See :meth:`calls.store.companions.Companions.leads`."""
        return SqliteLeads(self._store)

    def retention(self) -> SqliteRetention:
        """See :meth:`calls.store.companions.Companions.retention`."""
        return SqliteRetention(self._store)

    def fleet(self) -> SqliteFleet:
        """See :meth:`calls.store.companions.Companions.fleet`."""
        return SqliteFleet(self._store)

    def businesses(self) -> SqliteBusinesses:
        """See :meth:`calls.store.companions.Companions.businesses`."""
        return SqliteBusinesses(self._store)
