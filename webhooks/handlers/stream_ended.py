"""The media stream is over, and Twilio asks what now: the call's disposition is the answer."""

from twilio.twiml.voice_response import VoiceResponse

from calls.business import BusinessProfile
from calls.record import CallRecord, Disposition
from webhooks.context import Context
from webhooks.endings import settle
from webhooks.event import Event, call_sid, is_over
from webhooks.log import explained
from webhooks.parties import Caller, business_of, caller_of
from webhooks.twiml import ask_for_message, connect_to, fallback_response, hang_up, hang_up_after, sorry, take_message


def handler(context: Context, event: Event) -> VoiceResponse:
    """Hangs up, dials or takes a message, as the bridge has decided; without its decision, the business's fallback."""
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
    if record.ended:
        return hang_up()
    if record.disposition is None:
        context.log("warning", "a stream ended without a disposition", call_sid=record.call_sid, owner=record.owner)
        return _fallback(context, event, record)
    return _disposed(context, event, record, record.disposition)


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
