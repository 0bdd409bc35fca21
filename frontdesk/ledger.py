"""A call's record in memory, for a call that is played without a store."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from calls import events
from calls.events import AnyEvent, CallEvent, Usage
from calls.ids import CallSid
from calls.record import CallRecord, Disposition, Message
from calls.store.base import NewCall, OpenedCall
from calls.stream_token import StreamToken, TokenRefused


class MemoryLedger:
    """One call at a time, as the webhooks and the core see the store. ``announce`` hears of every event."""

    def __init__(self, announce: Callable[[AnyEvent], None]) -> None:
        self._announce = announce
        self._records: dict[str, CallRecord] = {}
        self._tokens: dict[str, StreamToken] = {}

    def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """See ``CallStore.open_call``."""
        if call.call_sid in self._records:
            return OpenedCall(record=self._records[call.call_sid], token=self._tokens[call.call_sid], event=None)
        token = StreamToken(call_sid=call.call_sid, business_id=call.business_id, issued_at_s=int(at.timestamp()), attempt=1)
        self._tokens[call.call_sid] = token
        self._records[call.call_sid] = CallRecord(
            call_sid=call.call_sid,
            business_id=call.business_id,
            from_=call.from_,
            to=call.to,
            channel=call.channel,
            direction=call.direction,
            started_at=events.timestamp(at),
        )
        body = events.CallStarted(
            business_id=call.business_id, from_=call.from_, to=call.to, channel=call.channel, direction=call.direction
        )
        event = self.record(call.call_sid, body, at)
        return OpenedCall(record=self._records[call.call_sid], token=token, event=event)

    def claim(self, token: StreamToken) -> CallRecord:
        """See ``CallStore.claim_stream``."""
        record = self._records.get(token.call_sid)
        if record is None or record.ended:
            raise TokenRefused("unknown_call")
        if record.accepted_at is not None:
            raise TokenRefused("replayed")
        return self._change(token.call_sid, owner="fast", accepted_at=record.started_at)

    def record(self, call_sid: str, body: AnyEvent, at: datetime) -> CallEvent:
        """Puts an event on the record."""
        record = self._records[call_sid]
        event = CallEvent(CallSid(call_sid), record.last_seq + 1, at, body)
        self._records[call_sid] = record.after(event)
        self._announce(body)
        return event

    def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """See ``CallStore.append_next``."""
        record = self._records.get(call_sid)
        return None if record is None or record.ended else self.record(call_sid, body, at)

    def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """See ``CallStore.events``: those of a fast call are announced, and not kept."""
        del call_sid, after
        return []

    def set_disposition(self, call_sid: str, disposition: Disposition) -> None:
        """See ``CallStore.set_disposition``."""
        self._change(call_sid, disposition=disposition)

    def release(self, call_sid: str, usage: Usage, cost_usd: float | None) -> None:
        """See ``CallStore.release_stream``."""
        self._change(call_sid, owner=None, usage=usage, cost_usd=cost_usd)

    def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """See ``CallStore.note_action``."""
        if call_sid not in self._records:
            return None
        return self._change(call_sid, action_requested_at=events.timestamp(at))

    def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """See ``CallStore.get_call``."""
        return self._records.get(call_sid)

    def end_call(self, call_sid: CallSid | str, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """See ``CallStore.end_call``."""
        record = self._records.get(call_sid)
        if record is None or record.ended:
            return None
        lasted_ms = round((at - events.parse_timestamp(record.started_at)).total_seconds() * 1000)
        ended = events.CallEnded(
            reason=reason,
            duration_ms=lasted_ms if duration_ms is None else duration_ms,
            greeting_latency_ms=record.greeting_latency_ms,
            barge_ins=record.barge_ins,
            usage=record.usage,
            cost_usd=record.cost_usd,
        )
        return self.record(call_sid, ended, at)

    def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """See ``CallStore.resume_call``: a fast call has one stream."""
        del call_sid, why, at, after
        return None

    def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See ``CallStore.note_message``."""
        self._records[call_sid] = self._records[call_sid].with_message(message)

    def _change(self, call_sid: str, **changes: object) -> CallRecord:
        self._records[call_sid] = msgspec.structs.replace(self._records[call_sid], **changes)
        return self._records[call_sid]
