"""A message has been recorded (Twilio, *TwiML Voice: Record*, ``action``)."""

import re

from twilio.twiml.voice_response import VoiceResponse

from calls.language import phrases_of
from calls.record import Message
from webhooks.context import Context
from webhooks.endings import settle
from webhooks.event import Event, call_sid, is_over, text
from webhooks.log import explained
from webhooks.parties import business_of
from webhooks.twiml import hang_up, hang_up_after

_MAX_URL = 500


def handler(context: Context, event: Event) -> VoiceResponse:
    """Notes the message on the call's record, thanks the caller and hangs up. A caller who hung up after speaking has left one, too."""
    _note(context, event)
    record = settle(context, event)
    if is_over(event):
        return hang_up()
    profile = business_of(context, event, record)
    language = profile.language if profile else "en"
    return hang_up_after(phrases_of(language).message_taken, language)


def recording_url(event: Event) -> str:
    """Where the recording is; empty for what is no address."""
    url = text(event, "RecordingUrl")[:_MAX_URL]
    return url if url.startswith("https://") or re.match(r"http://(127\.0\.0\.1|localhost|\[::1\])[:/]", url) else ""


def duration_s(event: Event) -> int | None:
    """How long the message is."""
    seconds = text(event, "RecordingDuration")
    return int(seconds) if re.fullmatch(r"[0-9]{1,6}", seconds) else None


def _note(context: Context, event: Event) -> None:
    sid, url = call_sid(event), recording_url(event)
    if sid is None or not url:
        return
    try:
        context.calls.note_message(sid, Message(recording_url=url, duration_s=duration_s(event)))
    except Exception as error:  # the caller is thanked all the same, and Twilio keeps the recording
        context.log("error", "the caller's message could not be noted", call_sid=sid, error=explained(error))
