"""Where calls are kept. :func:`open_store` makes the store a setting names; ``base`` says what every store does."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calls.outbox import Wants
    from calls.store.appointments import AppointmentStore
    from calls.store.base import CallStore
    from calls.store.greetings import GreetingStore
    from calls.store.leads import LeadStore
    from calls.store.outbox import Outbox
    from calls.store.retention import RetentionStore

DEFAULT_URL = "sqlite:frontdesk.db"


def open_store(
    url: str = DEFAULT_URL, *, read_only: bool = False, create: bool = True, wants: "Wants | None" = None
) -> "CallStore":
    """The store that ``FRONTDESK_STORE`` names: ``sqlite:PATH``. Its ``open`` is still to be awaited.

    Args:
        read_only: nothing will be written, and nothing is to be created.
        create: whether it is made where it is missing.
        wants: which events are put into the outbox as they are stored; none, if left out.

    Raises:
        StoreUnavailable: the URL names no store this version has.
    """
    from calls.outbox import nobody_wants  # noqa: PLC0415
    from calls.store.base import StoreUnavailable  # noqa: PLC0415  # drivers are loaded when a store is asked for

    scheme, colon, place = url.partition(":")
    if scheme == "sqlite" and place:
        from calls.store.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(place, read_only=read_only, create=create, wants=wants or nobody_wants)
    if scheme == "dynamodb" and colon:
        raise StoreUnavailable(f"FRONTDESK_STORE={url}: DynamoDB is not available in this version; use sqlite:PATH")
    raise StoreUnavailable(f"FRONTDESK_STORE={url!r} names no call store; use sqlite:PATH, for example {DEFAULT_URL}")


def outbox_of(store: "CallStore") -> "Outbox":
    """What a store still has to be posted.

    Raises:
        StoreUnavailable: that kind of store has no outbox.
    """
    from calls.store.base import StoreUnavailable  # noqa: PLC0415
    from calls.store.sqlite import SqliteStore  # noqa: PLC0415
    from calls.store.sqlite_outbox import SqliteOutbox  # noqa: PLC0415

    if isinstance(store, SqliteStore):
        return SqliteOutbox(store)
    raise StoreUnavailable(f"{type(store).__name__} has no outbox")


def appointments_of(store: "CallStore") -> "AppointmentStore":
    """The calendars a store keeps.

    Raises:
        StoreUnavailable: that kind of store keeps none.
    """
    from calls.store.base import StoreUnavailable  # noqa: PLC0415
    from calls.store.sqlite import SqliteStore  # noqa: PLC0415
    from calls.store.sqlite_appointments import SqliteAppointments  # noqa: PLC0415

    if isinstance(store, SqliteStore):
        return SqliteAppointments(store)
    raise StoreUnavailable(f"{type(store).__name__} keeps no appointments")


def greetings_of(store: "CallStore") -> "GreetingStore":
    """The recorded greetings a store keeps.

    Raises:
        StoreUnavailable: that kind of store keeps none.
    """
    from calls.store.base import StoreUnavailable  # noqa: PLC0415
    from calls.store.sqlite import SqliteStore  # noqa: PLC0415
    from calls.store.sqlite_greetings import SqliteGreetings  # noqa: PLC0415

    if isinstance(store, SqliteStore):
        return SqliteGreetings(store)
    raise StoreUnavailable(f"{type(store).__name__} keeps no recorded greetings")


def leads_of(store: "CallStore") -> "LeadStore":
    """The leads a store keeps.

    Raises:
        StoreUnavailable: that kind of store keeps none.
    """
    from calls.store.base import StoreUnavailable  # noqa: PLC0415
    from calls.store.sqlite import SqliteStore  # noqa: PLC0415
    from calls.store.sqlite_leads import SqliteLeads  # noqa: PLC0415

    if isinstance(store, SqliteStore):
        return SqliteLeads(store)
    raise StoreUnavailable(f"{type(store).__name__} keeps no leads")


def retention_of(store: "CallStore") -> "RetentionStore":
    """How a store forgets calls.

    Raises:
        StoreUnavailable: that kind of store does not.
    """
    from calls.store.base import StoreUnavailable  # noqa: PLC0415
    from calls.store.sqlite import SqliteStore  # noqa: PLC0415
    from calls.store.sqlite_retention import SqliteRetention  # noqa: PLC0415

    if isinstance(store, SqliteStore):
        return SqliteRetention(store)
    raise StoreUnavailable(f"{type(store).__name__} cannot forget calls")
