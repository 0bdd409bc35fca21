"""The last resort: what Twilio asks for when another webhook could not be fetched or run (``VoiceFallbackUrl``).

It needs nothing to work, neither a store nor a business, and leads nowhere but to the end of the call, with one exception: where the
question that could not be asked was what comes after the stream, it is answered here. A task that dies takes such questions with it.
"""

from urllib.parse import parse_qs, urlsplit

from twilio.twiml.voice_response import VoiceResponse

from webhooks.context import Context
from webhooks.event import Event, call_sid, text
from webhooks.handlers import stream_ended
from webhooks.parties import find_business
from webhooks.twiml import sorry

UNREACHABLE = "112"
"""What the codes of answers that could not be had begin with (Twilio, *Error and warning dictionary*). An answer that was had and is
wrong would be so again."""


def handler(context: Context | None, event: Event) -> VoiceResponse:
    """Says that the call cannot be answered, in the business's language if it can be told, and hangs up; or answers for
    ``/stream-ended``."""
    _report(context, event)
    try:
        asked = urlsplit(text(event, "ErrorUrl"))
        if context is not None and asked.path.endswith("/stream-ended") and text(event, "ErrorCode").startswith(UNREACHABLE):
            return stream_ended.handler(context, {**event, **_asked(asked.query)})
        return sorry(find_business(context.businesses, event) if context is not None else None)
    except Exception:  # what brought the call here may be in the way here too
        return sorry(None)


def _asked(query: str) -> dict[str, str]:
    """The parameters of our own URL that could not be fetched."""
    values = parse_qs(query)
    return {name: "".join(values.get(name, [])) for name in ("attempt", "tries")}


def _report(context: Context | None, event: Event) -> None:
    try:
        code = text(event, "ErrorCode")[:10]
        if context is not None and code:
            context.log("error", "Twilio went to the fallback", call_sid=call_sid(event), code=code)
    except Exception:
        return
