"""The live calls as their events tell them: a snapshot that needs no store, kept by whoever reads the bus."""

from collections.abc import Iterable

import msgspec

from calls.events import CallEnded, CallEvent, CallStarted, timestamp
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord


class LiveCalls:
    """The records of all calls that have begun and not ended, newest last."""

    def __init__(self) -> None:
        self._records: dict[CallSid, CallRecord] = {}

    def __contains__(self, call_sid: CallSid) -> bool:
        return call_sid in self._records

    def take(self, event: CallEvent) -> None:
        """Counts an event in. Of a call whose beginning was not seen nothing is kept: the store knows it."""
        record = self._records.get(event.call_sid)
        if isinstance(event.body, CallEnded):
            self._records.pop(event.call_sid, None)
        elif record is not None:
            if event.seq > record.last_seq:
                self._records[event.call_sid] = record.after(event)
        elif isinstance(event.body, CallStarted):
            self._records[event.call_sid] = _opened(event, event.body)

    def seed(self, stored: Iterable[CallRecord]) -> None:
        """Takes over what a store knows of calls that began before anybody listened."""
        for record in stored:
            if not record.ended:
                self._records.setdefault(record.call_sid, record)

    def forget(self) -> None:
        """Events were lost: nothing is certain any more."""
        self._records.clear()

    def names(self) -> set[CallSid]:
        """The calls that are known."""
        return set(self._records)

    def drop(self, call_sids: Iterable[CallSid]) -> None:
        """Calls that turn out to have ended unseen."""
        for call_sid in call_sids:
            self._records.pop(call_sid, None)

    def merged(self, stored: Iterable[CallRecord]) -> list[CallRecord]:
        """All live calls, newest first; of a call that the store knows too, whatever is further."""
        merged = {record.call_sid: record for record in stored if not record.ended}
        for call_sid, known in self._records.items():
            other = merged.get(call_sid)
            merged[call_sid] = known if other is None else _further(known, other)
        return sorted(merged.values(), key=lambda record: record.started_at, reverse=True)


def _further(known: CallRecord, stored: CallRecord) -> CallRecord:
    # Ownership is no event, so the store is what knows it.
    return stored if stored.last_seq >= known.last_seq else msgspec.structs.replace(known, owner=stored.owner)


def _opened(event: CallEvent, body: CallStarted) -> CallRecord:
    return CallRecord(
        call_sid=event.call_sid,
        business_id=BusinessId(body.business_id),
        from_=body.from_,
        to=body.to,
        channel=body.channel,
        direction=body.direction,
        started_at=timestamp(event.at),
        last_seq=event.seq,
    )
