"""What becomes of a media stream (Twilio, *TwiML Voice: Stream*, ``statusCallback``). Its errors are put on the call's record."""

import re
from datetime import timedelta

from calls.events import ErrorHappened
from calls.record import CallRecord
from webhooks.context import Context
from webhooks.event import Event, call_sid, text
from webhooks.response import NO_CONTENT, Response

_CODE = re.compile(r"\b3\d{4}\b")
_MESSAGE_LIMIT = 300
_LOOKED_BACK = 10  # events
_REPEATED_WITHIN = timedelta(minutes=1)  # Twilio asks again within seconds, if at all (*Webhooks connection overrides*)


def handler(context: Context, event: Event) -> Response:
    """Logs an error of the stream, and appends it to the record of a call that no bridge is writing."""
    if text(event, "StreamEvent") != "stream-error":
        return NO_CONTENT
    sid = call_sid(event)
    message = text(event, "StreamError")[:_MESSAGE_LIMIT] or "Twilio gave no reason"
    code = _CODE.search(message)
    context.log("warning", "media stream error", call_sid=sid, code=code.group() if code else None, message=message)
    record = context.calls.get_call(sid) if sid is not None else None
    if record is not None and record.owner is None:
        _append(context, record, ErrorHappened(where="media stream", message=message))
    return NO_CONTENT


def _append(context: Context, record: CallRecord, error: ErrorHappened) -> None:
    now = context.now()
    latest = context.calls.events(record.call_sid, after=max(0, record.last_seq - _LOOKED_BACK))
    if not any(event.body == error and now - event.at < _REPEATED_WITHIN for event in latest):
        context.calls.append_next(record.call_sid, error, now)
