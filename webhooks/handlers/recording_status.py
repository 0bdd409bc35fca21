"""A message can be fetched now, or never will be (Twilio, *TwiML Voice: Record*, ``recordingStatusCallback``)."""

from calls.record import Message
from webhooks.context import Context
from webhooks.event import Event, call_sid, text
from webhooks.handlers.voicemail import duration_s, recording_url
from webhooks.response import NO_CONTENT, Response

_KNOWN = ("in-progress", "completed", "absent", "failed")


def handler(context: Context, event: Event) -> Response:
    """Notes on the call's record what became of the message."""
    sid, url, status = call_sid(event), recording_url(event), text(event, "RecordingStatus")
    if sid is not None and url and status in _KNOWN:
        context.calls.note_message(sid, Message(recording_url=url, duration_s=duration_s(event), status=status))
    return NO_CONTENT
