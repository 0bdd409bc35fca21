"""Ending the record of a call that Twilio reports as over."""

from calls.record import CallRecord
from webhooks.context import Context
from webhooks.event import Event, call_sid, call_status, duration_ms, is_over
from webhooks.log import explained

CALLER_HUNG_UP = "caller_hung_up"


def settle(context: Context, event: Event) -> CallRecord | None:
    """Ends the record if the request says that the call is over, and returns it as it was; ``None`` if the call is unknown or
    the store cannot say. The answer to Twilio does not depend on it, so a store that fails is only logged.

    While a bridge owns the stream it is the only writer, and it ends the call: one in this process is told, one elsewhere
    learns it from its socket. Once Twilio has asked what comes after the stream, an owner that never let go is gone.
    """
    sid = call_sid(event)
    if sid is None:
        return None
    try:
        record = context.calls.get_call(sid)
        if record is not None and is_over(event) and not record.ended:
            _end(context, event, record)
    except Exception as error:
        context.log("error", "the call's record could not be settled", call_sid=sid, error=explained(error))
        return None
    return record


def _end(context: Context, event: Event, record: CallRecord) -> None:
    status, length_ms = call_status(event), duration_ms(event)
    if record.owner is not None and record.action_requested_at is None:
        context.call_over(record.call_sid, status, length_ms)
    else:
        context.calls.end_call(record.call_sid, _reason(status, record), context.now(), length_ms)


def _reason(status: str, record: CallRecord) -> str:
    if status != "completed":
        return status
    return record.disposition.reason if record.disposition else CALLER_HUNG_UP
