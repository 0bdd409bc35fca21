"""What each bridge has said of itself last, in a DynamoDB table. Implements :class:`calls.store.fleet.FleetStore`.

All bridges share a partition: a bridge speaks every few seconds, and there are not many.
"""

from datetime import datetime, timedelta

import msgspec

from calls.events import parse_timestamp, timestamp
from calls.fleet import TaskLoad
from calls.store.base import StoreError
from calls.store.dynamodb_schema import PK, SK, TTL
from calls.store.dynamodb_table import DynamoTable

_FLEET = "FLEET"
_GONE_AFTER = timedelta(hours=1)

_decoder = msgspec.json.Decoder(TaskLoad)


class DynamoFleet:
    """The bridges that use an open table."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def note(self, load: TaskLoad) -> None:
        """See :meth:`calls.store.fleet.FleetStore.note`."""
        item = {PK: _FLEET, SK: load.owner, "at": timestamp(load.at), "load": msgspec.json.encode(load).decode()}
        await self._table.run(self._table.put, {**item, TTL: self._table.expiry(_GONE_AFTER)})

    async def forget(self, owner: str) -> None:
        """See :meth:`calls.store.fleet.FleetStore.forget`."""
        await self._table.run(self._table.delete, _FLEET, owner)

    async def loads(self, since: datetime) -> list[TaskLoad]:
        """See :meth:`calls.store.fleet.FleetStore.loads`."""
        return await self._table.run(self.read_loads, since)

    def read_loads(self, since: datetime) -> list[TaskLoad]:
        """:meth:`loads`, for code that cannot await."""
        items = self._table.query(_FLEET, consistent=False)
        try:
            return [_decoder.decode(item["load"]) for item in items if parse_timestamp(item["at"]) >= since]
        except msgspec.MsgspecError as error:
            raise StoreError(f"the call store holds a bridge's load this version of Frontdesk cannot read: {error}") from None
