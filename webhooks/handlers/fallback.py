"""The last resort: what Twilio asks for when another webhook could not be fetched or run (``VoiceFallbackUrl``).

It needs nothing to work, neither a store nor a business, and leads nowhere but to the end of the call.
"""

from twilio.twiml.voice_response import VoiceResponse

from webhooks.context import Context
from webhooks.event import Event, call_sid, text
from webhooks.parties import find_business
from webhooks.twiml import sorry


def handler(context: Context | None, event: Event) -> VoiceResponse:
    """Says that the call cannot be answered, in the business's language if it can be told, and hangs up."""
    _report(context, event)
    try:
        return sorry(find_business(context.businesses, event) if context is not None else None)
    except Exception:  # what brought the call here may be in the way here too
        return sorry(None)


def _report(context: Context | None, event: Event) -> None:
    try:
        code = text(event, "ErrorCode")[:10]
        if context is not None and code:
            context.log("error", "Twilio went to the fallback", call_sid=call_sid(event), code=code)
    except Exception:
        return
