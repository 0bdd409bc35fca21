"""What each bridge has said of itself last: the one interface every store has."""

from datetime import datetime
from typing import Protocol

from calls.fleet import TaskLoad


class FleetStore(Protocol):
    """Methods raise :class:`calls.store.base.StoreError` and nothing else."""

    async def note(self, load: TaskLoad) -> None:
        """Keeps it in place of what that bridge said before. Lines of bridges that are long gone may be dropped by the way."""

    async def forget(self, owner: str) -> None:
        """The bridge goes. Nothing for one that said nothing."""

    async def loads(self, since: datetime) -> list[TaskLoad]:
        """What was said at that moment or later, by name of the bridge. It may be a few seconds behind."""
