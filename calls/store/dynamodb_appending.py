"""Appending batches of events to calls in a DynamoDB table."""

from collections.abc import Sequence

from calls.events import CallEvent, LeadCaptured, encode_body, timestamp
from calls.ids import BusinessId, CallSid
from calls.store.base import SequenceConflict, StoreUnavailable
from calls.store.call_row import takes_events
from calls.store.dynamodb_call_rows import CallRows, Change, RowChanged, fitting
from calls.store.dynamodb_rows import StoredRow

BESIDE_AT_ONCE = 60
"""What events of one call bring with them in one transaction, rows of the outbox and leads: each is one more of its hundred writes."""

BYTES_AT_ONCE = 1_000_000
_ATTEMPTS = 50


class Appending:
    """One batch on its way into the table. All its events are looked at before any is written; what fits into one transaction, nearly
    every batch, is written in one."""

    def __init__(self, rows: CallRows, events: Sequence[CallEvent], owner: str | None = None) -> None:
        self._rows = rows
        self._owner = owner
        self._left: dict[CallSid, list[CallEvent]] = {}
        for event in events:
            self._left.setdefault(event.call_sid, []).append(event)
        self._stored: dict[CallSid, StoredRow | None] = {}
        self._certain: set[CallSid] = set()

    def run(self) -> None:
        """Writes the batch, of each call in order.

        Raises:
            SequenceConflict: events do not follow the last of their call, which are not those that are stored there already.
        """
        self._stored = self._rows.read_all(self._left)
        for _ in range(_ATTEMPTS):
            changes = self._changes()
            if not changes:
                return
            self._commit(changes)
        raise StoreUnavailable(f"cannot append to {', '.join(self._left)}: others kept writing to the same calls")

    def _changes(self) -> list[Change]:
        """The next step of each call that has events left."""
        left = {call_sid: self._unwritten(call_sid) for call_sid in self._left}
        self._left = {call_sid: events for call_sid, events in left.items() if events}
        return [self._change(call_sid, events) for call_sid, events in self._left.items()]

    def _change(self, call_sid: CallSid, events: Sequence[CallEvent]) -> Change:
        stored = self._stored[call_sid]
        assert stored is not None  # noqa: S101  (what does not follow is refused by then)
        events = self._first_of(events, stored.row.record.business_id)
        return self._rows.change(stored, stored.row.after(events), events)

    def _first_of(self, events: Sequence[CallEvent], business_id: BusinessId) -> Sequence[CallEvent]:
        """As many as go into one transaction, at least one."""
        size = beside = 0
        for count, event in enumerate(events):
            size += len(encode_body(event.body))
            beside += self._rows.wants(business_id, event.kind) + isinstance(event.body, LeadCaptured)
            if count and (size > BYTES_AT_ONCE or beside > BESIDE_AT_ONCE):
                return events[:count]
        return events

    def _commit(self, changes: Sequence[Change]) -> None:
        try:
            for group in fitting(changes):
                self._rows.commit(group)
                for change in group:
                    self._settle(change.after)
        except RowChanged as changed:
            self._stored[changed.call_sid] = changed.stored
            self._certain.add(changed.call_sid)

    def _settle(self, after: StoredRow) -> None:
        record = after.row.record
        self._stored[record.call_sid] = after
        self._left[record.call_sid] = [event for event in self._left[record.call_sid] if event.seq > record.last_seq]

    def _unwritten(self, call_sid: CallSid) -> list[CallEvent]:
        """The call's events without those that are stored: by a request whose answer was lost, or by this one."""
        events = self._left[call_sid]
        if not events:
            return events
        if not self._follow(call_sid, events) and call_sid not in self._certain:
            self._stored[call_sid] = self._rows.read(call_sid)
            self._certain.add(call_sid)
        if self._follow(call_sid, events):
            return events
        stored = self._stored[call_sid]
        last_seq = stored.row.record.last_seq if stored is not None else 0
        rest = [event for event in events if event.seq > last_seq]
        repeated = events[: len(events) - len(rest)]
        if repeated and self._are_stored(call_sid, repeated) and (not rest or self._follow(call_sid, rest)):
            return rest
        raise SequenceConflict(call_sid, last_seq)

    def _follow(self, call_sid: CallSid, events: Sequence[CallEvent]) -> bool:
        stored = self._stored[call_sid]
        if stored is None or not takes_events(stored.row, self._owner):
            return False
        return [event.seq for event in events] == [stored.row.record.last_seq + n for n in range(1, len(events) + 1)]

    def _are_stored(self, call_sid: CallSid, events: Sequence[CallEvent]) -> bool:
        stored = self._rows.events(call_sid, after=events[0].seq - 1)
        return [_identity(one) for one in stored[: len(events)]] == [_identity(one) for one in events]


def _identity(event: CallEvent) -> tuple[int, str, bytes]:
    return event.seq, timestamp(event.at), encode_body(event.body)
