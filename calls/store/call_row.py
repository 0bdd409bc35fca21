"""What becomes of a call's row, step by step: the same in every store.

Nothing here reads or writes. A store reads a row, asks what it becomes, and writes that on the condition that nobody has written in
between. ``None``: there is nothing to write.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from calls.events import AnyEvent, CallEnded, CallEvent, CallStarted, Usage, parse_timestamp, timestamp
from calls.record import CallRecord, Disposition, Message
from calls.store.base import RESUMES, NewCall, OpenedCall, StoreError
from calls.stream_token import LIFETIME_S, StreamToken, TokenRefused


class CallRow(msgspec.Struct, frozen=True):
    """A call as a store keeps it: the record, and the token state that belongs to no one but the store."""

    record: CallRecord
    attempt: int
    issued_at_s: int
    used: str | None = None

    @property
    def token(self) -> StreamToken:
        """The token given out last."""
        return StreamToken(
            call_sid=self.record.call_sid,
            business_id=self.record.business_id,
            issued_at_s=self.issued_at_s,
            attempt=self.attempt,
        )

    def opened(self, event: CallEvent | None = None) -> OpenedCall:
        """As ``open_call`` and ``resume_call`` answer."""
        return OpenedCall(record=self.record, token=self.token, event=event)

    def changed(self, **changes: Any) -> "CallRow":
        """With other values in its record."""
        return msgspec.structs.replace(self, record=msgspec.structs.replace(self.record, **changes))

    def after(self, events: Sequence[CallEvent]) -> "CallRow":
        """With these events counted in."""
        record = self.record
        for event in events:
            record = record.after(event)
        return msgspec.structs.replace(self, record=record)

    def next_event(self, body: AnyEvent, at: datetime) -> CallEvent:
        """The event that follows its last."""
        return CallEvent(self.record.call_sid, self.record.last_seq + 1, parse_timestamp(timestamp(at)), body)


def new_row(call: NewCall, at: datetime) -> CallRow:
    """Of a call that rings for the first time, without its first event."""
    record = CallRecord(
        call_sid=call.call_sid,
        business_id=call.business_id,
        from_=call.from_,
        to=call.to,
        channel=call.channel,
        direction=call.direction,
        started_at=timestamp(at),
    )
    return CallRow(record, attempt=1, issued_at_s=int(at.timestamp()))


def started(call: NewCall) -> CallStarted:
    """Its first event."""
    return CallStarted(business_id=call.business_id, from_=call.from_, to=call.to, channel=call.channel, direction=call.direction)


def renewed(row: CallRow, at: datetime) -> CallRow | None:
    """Once its token has run out unused: with a later one."""
    ran_out = at.timestamp() - row.issued_at_s > LIFETIME_S
    if not ran_out or row.used is not None or row.record.ended:
        return None
    return msgspec.structs.replace(row, issued_at_s=int(at.timestamp()))


def claimed(row: CallRow | None, token: StreamToken, owner: str, at: datetime) -> CallRow:
    """Owned by whoever has brought the token.

    Raises:
        TokenRefused: ``replayed`` or ``unknown_call``.
    """
    if row is None or row.record.ended or token.attempt > row.attempt:
        raise TokenRefused("unknown_call")
    if row.used is not None or token.attempt < row.attempt:
        raise TokenRefused("replayed")
    accepted_at = row.record.accepted_at or timestamp(at)
    owned = row.changed(owner=owner, accepted_at=accepted_at, released_at=None, action_requested_at=None)
    return msgspec.structs.replace(owned, used=token.nonce)


def decided(row: CallRow | None, call_sid: str, disposition: Disposition, owner: str | None = None) -> CallRow:
    """With what becomes of the caller, decided by the bridge ``owner``, or by nobody in particular.

    Raises:
        StoreError: there is no such call, or it is not that bridge's any more.
    """
    known = _known(row, call_sid)
    if owner is not None and known.record.owner != owner:
        raise StoreError(f"{call_sid} is owned by {known.record.owner or 'nobody'}, not by {owner}")
    return known.changed(disposition=disposition)


def released(  # noqa: PLR0917
    row: CallRow | None, call_sid: str, owner: str, usage: Usage, at: datetime, cost_usd: float | None
) -> CallRow | None:
    """Let go by its owner, with what the stream has used and cost added; said twice, they count once. From a bridge that the stream was
    taken from meanwhile, that is all it says.

    Raises:
        StoreError: there is no such call, or another bridge owns it.
    """
    known = _known(row, call_sid)
    record = known.record
    spent = {"usage": _sum(record.usage, usage), "cost_usd": record.cost_with(usage, cost_usd)}
    if record.owner != owner and owner in record.unreleased:
        return known.changed(unreleased=_without(record.unreleased, owner), **spent)
    if record.owner is None and (record.released_at is not None or (record.resumed is not None and not record.ended)):
        return None
    if record.owner not in (None, owner):
        raise StoreError(f"{call_sid} is owned by {record.owner}, not by {owner}")
    return known.changed(owner=None, released_at=timestamp(at), **spent)


def asked(row: CallRow | None, at: datetime) -> CallRow | None:
    """With when Twilio asked what becomes of the caller."""
    return None if row is None else row.changed(action_requested_at=timestamp(at))


def resumed(row: CallRow | None, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None) -> CallRow | None:
    """With a further stream, or, asked again before that one is used, with the same. It is taken from a bridge that has not let go.
    ``after``: the attempt whose stream is over; if another has followed it, nothing changes."""
    if row is None or row.record.ended:
        return None
    if row.used is not None and after is not None and after < row.attempt:
        return row
    is_repeated = row.attempt > 1 and row.used is None and row.record.disposition is None
    if not is_repeated:
        if row.attempt > RESUMES:
            return None
        owner, left = row.record.owner, row.record.unreleased
        unreleased = left if owner is None else (*left, owner)
        row = row.changed(
            disposition=None, owner=None, released_at=None, resumed=why, resumed_at=timestamp(at), unreleased=unreleased
        )
        row = msgspec.structs.replace(row, attempt=row.attempt + 1, used=None)
    return msgspec.structs.replace(row, issued_at_s=int(at.timestamp()))


def with_message(row: CallRow | None, message: Message) -> CallRow | None:
    """With a message the caller left, or what became of it."""
    return None if row is None else msgspec.structs.replace(row, record=row.record.with_message(message))


def with_recording(row: CallRow | None, where: str) -> CallRow | None:
    """With where its audio is kept."""
    return None if row is None or row.record.recording == where else row.changed(recording=where)


def takes_events(row: CallRow | None, owner: str | None = None) -> bool:
    """Whether the call is known, goes on and, if it is the bridge ``owner`` that writes, is no other bridge's."""
    if row is None or row.record.ended:
        return False
    return owner is None or row.record.owner in (None, owner)


def takes_summary(row: CallRow | None) -> bool:
    """Whether the call is known and no bridge owns it, which alone would append then; it may have ended."""
    return row is not None and row.record.owner is None


def ending(record: CallRecord, reason: str, at: datetime, duration_ms: int | None) -> CallEnded:
    """``call.ended``, with what the record adds up to."""
    if duration_ms is None:
        lasted = at - parse_timestamp(record.started_at)
        duration_ms = max(0, round(lasted.total_seconds() * 1000))
    return CallEnded(
        reason=reason,
        duration_ms=duration_ms,
        greeting_latency_ms=record.greeting_latency_ms,
        barge_ins=record.barge_ins,
        usage=record.usage,
        cost_usd=record.cost_usd,
    )


def _known(row: CallRow | None, call_sid: str) -> CallRow:
    if row is None:
        raise StoreError(f"there is no call {call_sid}")
    return row


def _without(owners: tuple[str, ...], owner: str) -> tuple[str, ...]:
    at = owners.index(owner)
    return owners[:at] + owners[at + 1 :]


def _sum(first: Usage, second: Usage) -> Usage:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}
