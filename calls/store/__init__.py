"""Where calls are kept. :func:`open_store` makes the store a setting names; ``base`` says what every store does."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calls.ids import BusinessId
    from calls.outbox import Wants
    from calls.store.appointments import AppointmentStore
    from calls.store.base import CallStore
    from calls.store.businesses import BusinessStore
    from calls.store.companions import Companions
    from calls.store.fleet import FleetStore
    from calls.store.greetings import GreetingStore
    from calls.store.leads import LeadStore
    from calls.store.outbox import Outbox
    from calls.store.retention import Keeps, RetentionStore

DEFAULT_URL = "sqlite:frontdesk.db"


def open_store(
    url: str = DEFAULT_URL,
    *,
    read_only: bool = False,
    create: bool = True,
    wants: "Wants | None" = None,
    keeps: "Keeps | None" = None,
) -> "CallStore":
    """The store that ``FRONTDESK_STORE`` names: ``sqlite:PATH`` or ``dynamodb:TABLE``. Its ``open`` is still to be awaited.

    Args:
        read_only: nothing will be written, and nothing is to be created.
        create: whether it is made where it is missing; a table on AWS never is.
        wants: which events are put into the outbox as they are stored; none, if left out.
        keeps: for how long a business wants its calls kept, where a store can see to that by itself.

    Raises:
        StoreUnavailable: the URL names no store this version has.
    """
    from calls.outbox import nobody_wants  # noqa: PLC0415
    from calls.store.base import StoreUnavailable  # noqa: PLC0415  # drivers are loaded when a store is asked for

    scheme, _, place = url.partition(":")
    if scheme == "sqlite" and place:
        from calls.store.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(place, read_only=read_only, create=create, wants=wants or nobody_wants)
    if scheme == "dynamodb" and place:
        from calls.store.dynamodb import DynamoStore  # noqa: PLC0415
        from calls.store.dynamodb_table import DynamoTable  # noqa: PLC0415

        return DynamoStore(
            DynamoTable(place), create=create and not read_only, wants=wants or nobody_wants, keeps=keeps or _for_ever
        )
    if scheme == "dynamodb":
        raise StoreUnavailable(f"FRONTDESK_STORE={url!r} names no table; write dynamodb:TABLE, for example dynamodb:frontdesk")
    raise StoreUnavailable(
        f"FRONTDESK_STORE={url!r} names no call store; use sqlite:PATH or dynamodb:TABLE, for example {DEFAULT_URL}"
    )


def outbox_of(store: "CallStore") -> "Outbox":
    """What a store still has to be posted.

    Raises:
        StoreUnavailable: that kind of store has no outbox.
    """
    return _companions_of(store, "has no outbox").outbox()


def appointments_of(store: "CallStore") -> "AppointmentStore":
    """The calendars a store keeps.

    Raises:
        StoreUnavailable: that kind of store keeps none.
    """
    return _companions_of(store, "keeps no appointments").appointments()


def greetings_of(store: "CallStore") -> "GreetingStore":
    """The recorded greetings a store keeps.

    Raises:
        StoreUnavailable: that kind of store keeps none.
    """
    return _companions_of(store, "keeps no recorded greetings").greetings()


def leads_of(store: "CallStore") -> "LeadStore":
    """The leads a store keeps.

    Raises:
        StoreUnavailable: that kind of store keeps none.
    """
    return _companions_of(store, "keeps no leads").leads()


def retention_of(store: "CallStore") -> "RetentionStore":
    """How a store forgets calls.

    Raises:
        StoreUnavailable: that kind of store does not.
    """
    return _companions_of(store, "cannot forget calls").retention()


def fleet_of(store: "CallStore") -> "FleetStore":
    """What a store knows of the bridges that use it.

    Raises:
        StoreUnavailable: that kind of store knows nothing of them.
    """
    return _companions_of(store, "knows no bridges").fleet()


def businesses_of(store: "CallStore") -> "BusinessStore":
    """The business files that have been applied to a store.

    Raises:
        StoreUnavailable: that kind of store keeps none.
    """
    return _companions_of(store, "keeps no business files").businesses()


def _for_ever(_business_id: "BusinessId") -> None:
    return None


def _companions_of(store: "CallStore", otherwise: str) -> "Companions":
    from calls.store.base import StoreUnavailable  # noqa: PLC0415

    companions: Companions | None = getattr(store, "companions", None)
    if companions is None:
        raise StoreUnavailable(f"{type(store).__name__} {otherwise}")
    return companions
