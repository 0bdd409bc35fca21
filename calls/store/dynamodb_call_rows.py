"""Reading and writing the rows and events of calls in a DynamoDB table.

Rows that this process has read or written are remembered: a row that somebody has changed since is found out when it is written.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple
from uuid import uuid4

import msgspec

from calls.events import CallEvent
from calls.ids import CallSid
from calls.outbox import Wants
from calls.record import CallRecord
from calls.store.base import StoreError
from calls.store.call_row import CallRow
from calls.store.dynamodb_admission import left, spent
from calls.store.dynamodb_events import events_in, items_of, keys_after, partition
from calls.store.dynamodb_leads import rows_for as lead_rows
from calls.store.dynamodb_outbox_rows import rows_for as outbox_rows
from calls.store.dynamodb_rows import StoredRow, read_row, row_key, row_put, storable, ttl_of
from calls.store.dynamodb_schema import TTL
from calls.store.dynamodb_table import MAX_WRITES, ConditionFailed, DynamoTable
from calls.store.dynamodb_writes import Put, Write
from calls.store.retention import Keeps

REMEMBERED = 4000
"""Rows kept in memory; about ten megabytes."""

MAX_BYTES = 3_500_000
"""Of the 4 MB of a transaction (Amazon DynamoDB, *Quotas*)."""


class RowChanged(Exception):
    """Somebody else has written the row; ``stored`` is how it stands now."""

    def __init__(self, call_sid: CallSid, stored: StoredRow | None) -> None:
        self.call_sid, self.stored = call_sid, stored
        super().__init__(call_sid)


class Change(NamedTuple):
    """One step of one call: everything that is written with its row, the row first."""

    after: StoredRow
    writes: list[Write]
    bytes: int
    queues: bool
    """Whether something goes into the outbox."""

    @property
    def call_sid(self) -> CallSid:
        """The call."""
        return self.after.row.record.call_sid


class CallRows:
    """The rows of a table. Several threads may use it.

    Args:
        wants: which events go into the outbox with their row.
        keeps: for how long a business wants its calls kept.
        on_queued: called when something has been put into the outbox, in whatever thread that happened.
    """

    def __init__(self, table: DynamoTable, wants: Wants, keeps: Keeps, on_queued: Callable[[], None]) -> None:
        self.table = table
        self.wants, self._keeps, self._on_queued = wants, keeps, on_queued
        self._known: OrderedDict[CallSid, StoredRow] = OrderedDict()
        self._guard = threading.Lock()

    # Reading

    def known(self, call_sid: CallSid) -> StoredRow | None:
        """The row as this process has seen it last."""
        with self._guard:
            return self._known.get(call_sid)

    def read(self, call_sid: CallSid) -> StoredRow | None:
        """The row as it is."""
        stored = read_row(self.table.get(*row_key(call_sid)))
        self._remember(call_sid, stored)
        return stored

    def read_all(self, call_sids: Collection[CallSid]) -> dict[CallSid, StoredRow | None]:
        """The rows as they are, those that are known as they were."""
        rows = {call_sid: self.known(call_sid) for call_sid in call_sids}
        unknown = [call_sid for call_sid, stored in rows.items() if stored is None]
        if len(unknown) == 1:
            return rows | {unknown[0]: self.read(unknown[0])}
        found = self.table.batch_get([row_key(call_sid) for call_sid in unknown])
        for call_sid in unknown:
            rows[call_sid] = read_row(found.get(row_key(call_sid)))
        return rows

    def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """The events behind ``after``, read consistently."""
        items = self.table.query(partition(call_sid), between=keys_after(after))
        try:
            return events_in(call_sid, items, after)
        except msgspec.MsgspecError as error:
            raise StoreError(f"the call store holds an event this version of Frontdesk cannot read: {error}") from None

    # Writing

    def change(
        self, stored: StoredRow | None, row: CallRow, events: Sequence[CallEvent] = (), beside: Sequence[Write] = ()
    ) -> Change:
        """What is to be written so that ``stored`` becomes ``row``, with the events that made it so."""
        ttl = stored.ttl if stored is not None else ttl_of(row.record, self._keeps)
        row = storable(row)
        after = StoredRow(row, uuid4().hex, ttl)
        items = items_of(events, ttl) if events else []
        queued = outbox_rows(events, {row.record.call_sid: row.record.business_id}, self.wants)
        leads = lead_rows(events, {row.record.call_sid: row.record})
        writes: list[Write] = [row_put(stored, row, after.version, ttl)]
        writes += [*map(Put, items), *_lasting([*queued, *leads], ttl), *self._counted(stored, row.record), *beside]
        size = sum(_size(write) for write in writes)
        return Change(after, writes, size, bool(queued))

    def commit(self, changes: Sequence[Change]) -> None:
        """Writes the changes of several calls, all or none. They must fit into a transaction.

        Raises:
            RowChanged: somebody else has written one of the rows.
            ConditionFailed: of something beside the rows.
        """
        writes = [write for change in changes for write in change.writes]
        try:
            self._write(writes)
        except ConditionFailed as failed:
            self._find_out(changes, failed)
        for change in changes:
            self._remember(change.call_sid, change.after)
        if any(change.queues for change in changes):
            self._on_queued()

    def _counted(self, stored: StoredRow | None, after: CallRecord) -> list[Write]:
        """What a step changes of what its business's calls hold and cost."""
        before = stored.row.record if stored is not None else msgspec.structs.replace(after, cost_usd=None)
        more = spent(before, after, self.table.expiry)
        ends = after.ended and not before.ended
        return [*([left(after)] if ends else []), *([more] if more is not None else [])]

    def _write(self, writes: Sequence[Write]) -> None:
        if len(writes) == 1 and isinstance(writes[0], Put):
            self.table.write(writes[0])
        else:
            self.table.transact(writes)

    def _find_out(self, changes: Sequence[Change], failed: ConditionFailed) -> None:
        """Returns if the write that failed has been made before, by a request whose answer was lost."""
        first = 0
        for change in changes:
            if failed.index == first:
                stored = read_row(failed.old)
                if stored is not None and stored.version == change.after.version:
                    return
                self._remember(change.call_sid, stored)
                raise RowChanged(change.call_sid, stored) from None
            first += len(change.writes)
        raise failed

    def _remember(self, call_sid: CallSid, stored: StoredRow | None) -> None:
        with self._guard:
            self._known.pop(call_sid, None)
            if stored is not None and not stored.row.record.ended:
                self._known[call_sid] = stored
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)


def fitting(changes: Sequence[Change]) -> list[list[Change]]:
    """The changes in as many groups as it takes for each to fit into a transaction."""
    groups: list[list[Change]] = [[]]
    writes = size = 0
    for change in changes:
        writes, size = writes + len(change.writes), size + change.bytes
        if groups[-1] and (writes > MAX_WRITES or size > MAX_BYTES):
            groups.append([])
            writes, size = len(change.writes), change.bytes
        groups[-1].append(change)
    return groups


def _lasting(puts: Sequence[Put], ttl: int | None) -> list[Put]:
    return [Put({**put.item, TTL: ttl}, put.condition) for put in puts] if ttl is not None else list(puts)


def _size(write: Write) -> int:
    if not isinstance(write, Put):
        return 1000
    return sum(len(value) for value in write.item.values() if isinstance(value, (str, bytes))) + 200
