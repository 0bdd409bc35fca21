"""A call comes in: Twilio is told to open the media stream. No ``<Say>``, which would only delay the greeting."""

from twilio.twiml.voice_response import VoiceResponse

from calls.business import BusinessProfile
from calls.ids import CallSid
from calls.language import ENGLISH
from calls.store.base import NewCall, OpenedCall
from calls.stream_token import mint
from webhooks.context import Context
from webhooks.event import Event, call_sid
from webhooks.log import explained, shown
from webhooks.parties import business_of, called_address, caller_of
from webhooks.twiml import fallback_response, hang_up, hang_up_after, sorry


def handler(context: Context, event: Event) -> VoiceResponse:
    """Opens the call's record and answers with the stream. A request that Twilio repeats gets the same answer."""
    profile = business_of(context, event)
    if profile is None:
        context.log("warning", "no business has the dialled address", called=shown(called_address(event)))
        return hang_up_after(ENGLISH.unknown_number, "en")
    sid = call_sid(event)
    if sid is None:
        context.log("warning", "a call without a usable CallSid", business_id=profile.id)
        return sorry(profile)
    try:
        opened = _open(context, event, profile, sid)
    except Exception as error:  # whatever it is, the caller is to hear a voice and not a click
        context.log("error", "the call could not be opened", call_sid=sid, business_id=profile.id, error=explained(error))
        return fallback_response(context, profile, caller_of(event))
    return hang_up() if opened.record.ended else _stream(context, opened, profile)


def _open(context: Context, event: Event, profile: BusinessProfile, sid: CallSid) -> OpenedCall:
    caller = caller_of(event)
    call = NewCall(
        call_sid=sid,
        business_id=profile.business_id,
        from_=caller.address,
        to=called_address(event),
        channel=caller.channel,
    )
    return context.calls.open_call(call, context.now())


def _stream(context: Context, opened: OpenedCall, profile: BusinessProfile) -> VoiceResponse:
    response = VoiceResponse()
    connect = response.connect(action=context.webhook_url("/stream-ended"), method="POST")
    stream = connect.stream(url=context.media_url(profile.business_id), status_callback=context.webhook_url("/stream-status"))
    stream.parameter(name="token", value=mint(opened.token, context.stream_token_secret))
    return response
