"""The human the caller was put through to has hung up, or never took the call (Twilio, *TwiML Voice: Dial*, ``action``)."""

from twilio.twiml.voice_response import VoiceResponse

from calls.admission import REFUSALS
from calls.business import BusinessProfile
from calls.record import CallRecord
from webhooks.context import Context
from webhooks.endings import settle
from webhooks.event import Event, is_over, text
from webhooks.log import explained
from webhooks.parties import business_of
from webhooks.twiml import ask_for_message, hang_up, sorry, stream_to


def handler(context: Context, event: Event) -> VoiceResponse:
    """Hangs up after a conversation; a caller whom nobody took goes back to the AI or leaves a message, as the business wants."""
    record = settle(context, event)
    if is_over(event) or talked(event):
        return hang_up()
    profile = business_of(context, event, record)
    if profile is None:
        return sorry(None)
    return _back_to_the_ai(context, profile, record) or ask_for_message(context, profile)


def talked(event: Event) -> bool:
    """Whether the two were joined. ``completed`` alone does not say so: somebody may have picked up and declined."""
    joined = text(event, "DialBridged").lower()
    if joined:
        return joined == "true"
    return text(event, "DialCallStatus").lower() in ("completed", "answered")


def _back_to_the_ai(context: Context, profile: BusinessProfile, record: CallRecord | None) -> VoiceResponse | None:
    escalation = profile.escalation
    if record is None or record.ended or escalation is None or escalation.no_answer != "ai":
        return None
    if record.disposition is not None and record.disposition.reason in REFUSALS:
        return None  # who was not let through to the AI does not get to it this way
    try:
        opened = context.calls.resume_call(record.call_sid, "no_answer", context.now())
    except Exception as error:  # the caller can still leave a message
        context.log("error", "the call could not go back to the AI", call_sid=record.call_sid, error=explained(error))
        return None
    return stream_to(context, profile, opened.token) if opened is not None else None
