"""Where live events and commands are shared. :func:`open_bus` makes the bus a setting names; ``base`` says what carries it."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from calls.bus.base import BusUnusable, Counts

if TYPE_CHECKING:
    from calls.bus.base import Transport
    from calls.bus.shared import SharedBus

DEFAULT_URL = "memory:"

_PASSWORD = re.compile(r"//.*@")
_IN_QUERY = re.compile(r"([?&](?:password|username)=)[^&]*")


class BusAddress(msgspec.Struct, frozen=True):
    """What ``FRONTDESK_BUS`` says. Printed, it shows no password."""

    url: str = DEFAULT_URL

    def __str__(self) -> str:
        return _IN_QUERY.sub(r"\1***", _PASSWORD.sub("//***@", self.url))

    def __repr__(self) -> str:
        return f"BusAddress({str(self)!r})"


class Tally(msgspec.Struct, frozen=True):
    """Where the bus counts its messages; ``None``: nowhere."""

    published: Counts | None = None
    received: Counts | None = None
    dropped: Counts | None = None


UNCOUNTED = Tally()


def parse_bus(text: str) -> BusAddress:
    """The address that a setting names: ``memory:``, ``redis://HOST:PORT`` or ``rediss://HOST:PORT``.

    Raises:
        BusUnusable: it names none.
    """
    address = BusAddress(text)
    _transport_of(address, UNCOUNTED)
    return address


def open_bus(address: BusAddress, name: str, tally: Tally = UNCOUNTED) -> "SharedBus":
    """The bus at an address, to be entered with ``async with``. ``name``: this process's among the others.

    Raises:
        BusUnusable: the address names no bus.
    """
    from calls.bus.shared import SharedBus  # noqa: PLC0415

    return SharedBus(_transport_of(address, tally), name)


def _transport_of(address: BusAddress, tally: Tally) -> "Transport":
    scheme, _, rest = address.url.partition(":")
    if address.url == "memory:":
        from calls.bus.memory import Alone  # noqa: PLC0415

        return Alone()
    if scheme in ("redis", "rediss") and rest.startswith("//"):
        return _redis(address, tally)
    if scheme == "hub" and rest:
        return _hub(rest, tally)
    raise BusUnusable(f"{address} names no bus; write memory:, redis://HOST:PORT or rediss://HOST:PORT")


def _redis(address: BusAddress, tally: Tally) -> "Transport":
    from calls.bus.linked import LinkedTransport  # noqa: PLC0415
    from calls.bus.redis import RedisServer  # noqa: PLC0415  # the driver is loaded when it is asked for

    try:
        connect = RedisServer(address.url).connect
    except BusUnusable:
        raise BusUnusable(f"{address} is not the address of a Redis; write redis://HOST:PORT or rediss://HOST:PORT") from None
    return LinkedTransport(str(address), connect, published=tally.published, received=tally.received, dropped=tally.dropped)


def _hub(path: str, tally: Tally) -> "Transport":
    """What ``frontdesk serve --workers`` gives its workers; nobody has to write it."""
    from calls.bus.hub_link import HubAt  # noqa: PLC0415
    from calls.bus.linked import LinkedTransport  # noqa: PLC0415

    connect = HubAt(Path(path)).connect
    return LinkedTransport("hub", connect, published=tally.published, received=tally.received, dropped=tally.dropped)
