"""What a store keeps beside its calls. A store that keeps any of it has the property ``companions``."""

from typing import Protocol

from calls.store.appointments import AppointmentStore
from calls.store.businesses import BusinessStore
from calls.store.fleet import FleetStore
from calls.store.greetings import GreetingStore
from calls.store.leads import LeadStore
from calls.store.outbox import Outbox
from calls.store.retention import RetentionStore


class Companions(Protocol):
    """Each is made when it is asked for, and works on the store that is open."""

    def outbox(self) -> Outbox:
        """What is still to be posted."""

    def appointments(self) -> AppointmentStore:
        """The calendars."""

    def greetings(self) -> GreetingStore:
        """The recorded greetings."""

    def leads(self) -> LeadStore:
        """The leads."""

    def retention(self) -> RetentionStore:
        """How calls are forgotten."""

    def fleet(self) -> FleetStore:
        """What the bridges say of themselves."""

    def businesses(self) -> BusinessStore:
        """The business files that have been applied."""
