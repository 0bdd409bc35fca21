"""Where calls are kept. :func:`open_store` makes the store a setting names; ``base`` says what every store does."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calls.store.base import CallStore

DEFAULT_URL = "sqlite:frontdesk.db"


def open_store(url: str = DEFAULT_URL, *, read_only: bool = False) -> "CallStore":
    """The store that ``FRONTDESK_STORE`` names: ``sqlite:PATH``. Its ``open`` is still to be awaited.

    Args:
        read_only: nothing will be written, and nothing is to be created.

    Raises:
        StoreUnavailable: the URL names no store this version has.
    """
    from calls.store.base import StoreUnavailable  # noqa: PLC0415  # drivers are loaded when a store is asked for

    scheme, colon, place = url.partition(":")
    if scheme == "sqlite" and place:
        from calls.store.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(place, read_only=read_only)
    if scheme == "dynamodb" and colon:
        raise StoreUnavailable(f"FRONTDESK_STORE={url}: DynamoDB is not available in this version; use sqlite:PATH")
    raise StoreUnavailable(f"FRONTDESK_STORE={url!r} names no call store; use sqlite:PATH, for example {DEFAULT_URL}")
