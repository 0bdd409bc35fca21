"""A message has been recorded (Twilio, *TwiML Voice: Record*, ``action``)."""

from twilio.twiml.voice_response import VoiceResponse

from calls.language import phrases_of
from webhooks.context import Context
from webhooks.endings import settle
from webhooks.event import Event, is_over
from webhooks.parties import business_of
from webhooks.twiml import hang_up, hang_up_after


def handler(context: Context, event: Event) -> VoiceResponse:
    """Thanks the caller and hangs up."""
    record = settle(context, event)
    if is_over(event):
        return hang_up()
    profile = business_of(context, event, record)
    language = profile.language if profile else "en"
    return hang_up_after(phrases_of(language).message_taken, language)
