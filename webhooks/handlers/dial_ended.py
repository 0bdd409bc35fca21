"""The human the caller was put through to has hung up, or never answered (Twilio, *TwiML Voice: Dial*, ``action``)."""

from twilio.twiml.voice_response import VoiceResponse

from webhooks.context import Context
from webhooks.endings import settle
from webhooks.event import Event, is_over, text
from webhooks.parties import business_of
from webhooks.twiml import ask_for_message, hang_up, sorry

_TALKED = ("completed", "answered")


def handler(context: Context, event: Event) -> VoiceResponse:
    """Hangs up after a conversation; a caller whom nobody answered is asked for a message."""
    record = settle(context, event)
    if is_over(event) or text(event, "DialCallStatus").lower() in _TALKED:
        return hang_up()
    profile = business_of(context, event, record)
    return sorry(None) if profile is None else ask_for_message(context, profile)
