"""Forgetting calls in a DynamoDB table. Implements :class:`calls.store.retention.RetentionStore`."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from calls.caller_identity import identity_of
from calls.events import timestamp
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord
from calls.store.base import StoreUnavailable
from calls.store.dynamodb_events import partition
from calls.store.dynamodb_rows import LIVE, OVER, ROW, StoredRow, caller_partition, partitions_of, read_record, read_row, row_key
from calls.store.dynamodb_schema import GSI2, PK, SK, Index
from calls.store.dynamodb_table import ConditionFailed, DynamoTable, Item
from calls.store.dynamodb_writes import when
from calls.store.retention import LONGEST_CALL

_FIRST = "0"  # before every time
_ATTEMPTS = 10


class DynamoRetention:
    """See the module. ``table``: an opened one."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def over_before(self, before: datetime, business_id: BusinessId | None = None) -> list[CallRecord]:
        """See :meth:`calls.store.retention.RetentionStore.over_before`."""
        return await self._table.run(self._over_before, before, business_id)

    async def of_caller(self, caller: str) -> list[CallRecord]:
        """See :meth:`calls.store.retention.RetentionStore.of_caller`."""
        return await self._table.run(self._of_caller, caller)

    async def delete(self, call_sids: Sequence[CallSid], now: datetime) -> int:
        """See :meth:`calls.store.retention.RetentionStore.delete`. The row goes last: a deletion that is cut short is found again."""
        deleted = 0
        for call_sid in call_sids:
            deleted += await self._table.run(self._delete, call_sid, timestamp(now - LONGEST_CALL))
        return deleted

    async def settle(self) -> None:
        """See :meth:`calls.store.retention.RetentionStore.settle`. What DynamoDB has deleted is in its backups only."""

    def _over_before(self, before: datetime, business_id: BusinessId | None) -> list[CallRecord]:
        index, whose = partitions_of(business_id)
        end, a_day_earlier = timestamp(before), timestamp(before - LONGEST_CALL)
        listed = self._table.query(OVER + whose, index=index, between=(_FIRST, end))
        listed += self._table.query(LIVE + whose, index=index, between=(_FIRST, a_day_earlier))
        return [
            record
            for record in self._records(listed, index)
            if (record.ended_at is not None and record.ended_at < end) or record.started_at < a_day_earlier
        ]

    def _of_caller(self, caller: str) -> list[CallRecord]:
        listed = self._table.query(caller_partition(caller), index=GSI2)
        return [record for record in self._records(listed, GSI2) if identity_of(record.from_) == caller]

    def _records(self, listed: Iterable[Item], index: Index) -> list[CallRecord]:
        """Their records, the oldest first."""
        keys = [(item[PK], item[SK]) for item in sorted(listed, key=lambda item: str(item[index.sk])) if item[SK] == ROW]
        found = self._table.batch_get(keys)
        return [read_record(found[key]) for key in dict.fromkeys(keys) if key in found]

    def _delete(self, call_sid: CallSid, a_day_ago: str) -> bool:
        for _ in range(_ATTEMPTS):
            items = self._table.query(partition(call_sid))
            stored = read_row(next((item for item in items if item[SK] == ROW), None))
            if stored is None or not _is_over(stored.row.record, a_day_ago):
                return False
            if self._delete_all(items, stored):
                return True
        raise StoreUnavailable(f"cannot delete call {call_sid}: others kept writing to it; it is tried again later")

    def _delete_all(self, items: Sequence[Item], stored: StoredRow) -> bool:
        """Whether nobody has written to the call meanwhile, so that it is gone as a whole."""
        self._table.batch_delete([(item[PK], item[SK]) for item in items if item[SK] != ROW])
        try:
            self._table.delete(*row_key(stored.row.record.call_sid), when("#v = :was", was=stored.version))
        except ConditionFailed as failed:
            return failed.old is None
        return True


def _is_over(record: CallRecord, a_day_ago: str) -> bool:
    return record.ended or record.started_at < a_day_ago
