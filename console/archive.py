"""Where the screens of one call and of past calls read from."""

from typing import Protocol, runtime_checkable

from console.protocol import CallSummary, Event


class Archive(Protocol):
    """What they need of :class:`console.operator_http.OperatorHttp`; every method raises its ``OperatorApiError``."""

    async def calls(self, *, live: bool | None = None, business_id: str = "", limit: int = 500) -> list[CallSummary]:
        """Calls, newest first."""
        ...

    async def events(self, call_sid: str, *, after: int = 0) -> list[Event]:
        """The events of a call behind a number, in order."""
        ...


@runtime_checkable
class HasArchive(Protocol):
    """A connection that can also be asked about the past."""

    http: Archive
