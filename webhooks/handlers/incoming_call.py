"""A call comes in, or one the business has placed is answered: Twilio is told to open the media stream. No ``<Say>``, which would
only delay the greeting."""

from msgspec.structs import replace
from twilio.twiml.voice_response import VoiceResponse

from calls.admission import Refusal, refusal_at_the_door
from calls.business import BusinessProfile
from calls.ids import CallSid
from calls.language import ENGLISH
from calls.log_context import note
from calls.store.base import NewCall, OpenedCall
from webhooks.context import Context
from webhooks.event import Event, call_sid
from webhooks.log import explained, shown
from webhooks.parties import business_of, called_address, caller_of, is_placed
from webhooks.placed_calls import NOTHING_MORE, refusal_of_placed, refused
from webhooks.refusals import admission_to, reject, turned_away
from webhooks.twiml import fallback_response, hang_up, hang_up_after, sorry, stream_to


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
    refusal = _refusal(context, event, profile)
    try:
        opened = _open(context, event, profile, sid, refusal)
    except Exception as error:  # whatever it is, the caller is to hear a voice and not a click
        context.log("error", "the call could not be opened", call_sid=sid, business_id=profile.id, error=explained(error))
        return _unopened(context, event, profile, refusal)
    return _answer(context, event, profile, opened, refusal)


def _refusal(context: Context, event: Event, profile: BusinessProfile) -> Refusal | None:
    """What can be decided before the call is opened."""
    return _unwanted(context, event, profile) or ("at_capacity" if context.nobody_accepts() else None)


def _unwanted(context: Context, event: Event, profile: BusinessProfile) -> Refusal | None:
    if is_placed(event):
        return refusal_of_placed(profile, event)
    return refusal_at_the_door(profile, caller_of(event).address, context.now())


def _unopened(context: Context, event: Event, profile: BusinessProfile, refusal: Refusal | None) -> VoiceResponse:
    if is_placed(event):
        return refused(profile, event, refusal or "")
    return reject() if refusal == "blocked" else fallback_response(context, profile, caller_of(event))


def _open(context: Context, event: Event, profile: BusinessProfile, sid: CallSid, refusal: Refusal | None) -> OpenedCall:
    caller, admission = caller_of(event), admission_to(context, profile, refusal)
    if is_placed(event):
        admission = replace(admission, otherwise=NOTHING_MORE)
    call = NewCall(
        call_sid=sid,
        business_id=profile.business_id,
        from_=caller.address,
        to=called_address(event),
        channel=caller.channel,
        direction="outbound" if is_placed(event) else "inbound",
        admission=admission,
    )
    opened = context.calls.open_call(call, context.now())
    if refusal == "blocked":  # nothing more will be heard of it
        context.calls.end_call(sid, refusal, context.now(), 0)
    return opened


def _answer(
    context: Context, event: Event, profile: BusinessProfile, opened: OpenedCall, refusal: Refusal | None
) -> VoiceResponse:
    if refusal == "blocked" and not is_placed(event):
        return reject()
    if opened.record.ended:
        return hang_up()
    if opened.refusal is not None:
        note(refused=opened.refusal)
        context.log("info", "a caller was turned away", call_sid=opened.record.call_sid, reason=opened.refusal)
        if is_placed(event):
            return refused(profile, event, opened.refusal)
        return turned_away(context, profile, caller_of(event), opened.refusal)
    return stream_to(context, profile, opened.token)
