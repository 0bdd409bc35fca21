"""The media stream is over, and Twilio asks what now: the call's disposition is the answer. Without one the call goes on elsewhere."""

from twilio.twiml.voice_response import VoiceResponse

from calls.business import BusinessProfile
from calls.record import CallRecord, Disposition
from calls.store.base import RESUMES, NewCall
from calls.stream_token import StreamToken
from webhooks.after_stream import what_next, why_given_up
from webhooks.context import Context
from webhooks.endings import settle
from webhooks.event import Event, call_sid, call_status, is_over, text
from webhooks.log import explained
from webhooks.parties import Caller, business_of, caller_of
from webhooks.refusals import given_up
from webhooks.twiml import (
    ask_for_message,
    connect_to,
    fallback_response,
    hang_up,
    hang_up_after,
    sorry,
    stream_to,
    take_message,
)

_ATTEMPTS = frozenset(map(str, range(2, RESUMES + 2)))


def handler(context: Context, event: Event) -> VoiceResponse:
    """Hangs up, dials or takes a message, as the bridge has decided. Without its decision the caller is connected again, a few times
    at most, and then gets the business's fallback."""
    if is_over(event):
        # Not noted as a request: a bridge that sees none after the stream's stop ends the call itself.
        settle(context, event)
        return hang_up()
    sid = call_sid(event)
    try:
        record = context.calls.note_action(sid, context.now()) if sid is not None else None
    except Exception as error:  # the caller is still on the line
        context.log("error", "the call's record cannot be read", call_sid=sid, error=explained(error))
        return _fallback(context, event, None)
    if record is None:
        context.log("warning", "the stream of an unknown call has ended", call_sid=sid)
        return sorry(business_of(context, event))
    return _answer(context, event, record)


def _answer(context: Context, event: Event, record: CallRecord) -> VoiceResponse:
    if record.disposition is not None and not record.ended:
        return _disposed(context, event, record, record.disposition)
    tries, nobody_accepts = _tries(event), context.nobody_accepts()
    match what_next(record, call_status(event), tries, nobody_accepts=nobody_accepts):
        case "hang_up":
            return hang_up()
        case "offer_again":
            return _connected(context, event, record, tries + 1)
        case "resume":
            return _connected(context, event, record, 0)
        case _:
            context.log("warning", "a stream ended without a disposition", call_sid=record.call_sid, owner=record.owner)
            return _given_up(context, event, record, why_given_up(record, nobody_accepts=nobody_accepts))


def _connected(context: Context, event: Event, record: CallRecord, tries: int) -> VoiceResponse:
    """Connected again: to a stream that was offered before, ``tries`` times with this one, or, with none, to a further one."""
    profile = business_of(context, event, record)
    if profile is None:
        return sorry(None)
    try:
        token = _token(context, event, record, is_new=not tries)
    except Exception as error:  # the caller is still on the line
        context.log("error", "the call cannot be resumed", call_sid=record.call_sid, error=explained(error))
        return _fallback(context, event, record)
    if token is None:
        context.log("warning", "a call is not resumed", call_sid=record.call_sid, owner=record.owner)
        return _given_up(context, event, record, why_given_up(record))
    how = "offered again" if tries else "resumed"
    context.log("warning", f"a stream ended without a disposition and is {how}", call_sid=record.call_sid, owner=record.owner)
    return stream_to(context, profile, token, tries=tries)


def _token(context: Context, event: Event, record: CallRecord, *, is_new: bool) -> StreamToken | None:
    """Asked again about a stream that another has followed, it is the token of that: nothing is taken from whoever has it."""
    if not is_new:
        return context.calls.open_call(_as_opened(record), context.now()).token
    opened = context.calls.resume_call(record.call_sid, "lost", context.now(), _attempt(event))
    return opened.token if opened is not None else None


def _as_opened(record: CallRecord) -> NewCall:
    """The call as it was opened: asked for again, it gets its token again."""
    return NewCall(
        call_sid=record.call_sid,
        business_id=record.business_id,
        from_=record.from_,
        to=record.to,
        channel=record.channel,
        direction=record.direction,
    )


def _tries(event: Event) -> int:
    """How often this stream was offered before, as our own URL says."""
    given = text(event, "tries")
    return int(given) if given in ("1", "2") else 0


def _attempt(event: Event) -> int | None:
    """Which of the call's streams is over, as our own URL says of every one but the first."""
    given = text(event, "attempt")
    return int(given) if given in _ATTEMPTS else None


def _given_up(context: Context, event: Event, record: CallRecord, why: str) -> VoiceResponse:
    """The business's fallback, and on the record why: it is what becomes of the caller, however often Twilio asks."""
    profile = business_of(context, event, record)
    if profile is None:
        return sorry(None)
    disposition = given_up(profile, why)
    try:
        context.calls.set_disposition(record.call_sid, disposition)
    except Exception as error:  # the caller is still on the line
        context.log("error", "why a call was given up cannot be stored", call_sid=record.call_sid, error=explained(error))
    return _disposed(context, event, record, disposition)


def _fallback(context: Context, event: Event, record: CallRecord | None) -> VoiceResponse:
    profile = business_of(context, event, record)
    return sorry(None) if profile is None else fallback_response(context, profile, caller_of(event, record))


def _disposed(context: Context, event: Event, record: CallRecord, disposition: Disposition) -> VoiceResponse:
    profile = business_of(context, event, record)
    if profile is None:  # its file was removed during the call
        return hang_up_after(disposition.say or "", "en") if disposition.action == "hang_up" else sorry(None)
    match disposition.action:
        case "hang_up":
            return hang_up_after(disposition.say or "", profile.language)
        case "dial":
            return _dial(context, profile, caller_of(event, record), disposition)
        case "voicemail":
            if disposition.say:
                return take_message(context, disposition.say, profile.language)
            return ask_for_message(context, profile)


def _dial(context: Context, profile: BusinessProfile, caller: Caller, disposition: Disposition) -> VoiceResponse:
    to = disposition.to or (profile.escalation.to if profile.escalation else None)
    return connect_to(context, profile, caller, to, announce=disposition.say, timeout_s=disposition.timeout_s)
