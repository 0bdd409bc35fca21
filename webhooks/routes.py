"""Which handler answers at which path."""

from collections.abc import Callable
from types import MappingProxyType

from twilio.twiml.voice_response import VoiceResponse

from webhooks.context import Context
from webhooks.event import Event
from webhooks.handlers import (
    call_status,
    dial_ended,
    fallback,
    incoming_call,
    recording_status,
    screen,
    stream_ended,
    stream_status,
    voicemail,
)
from webhooks.response import Response

Handler = Callable[[Context, Event], VoiceResponse | Response]

ROUTES = MappingProxyType[str, Handler](
    {
        "/incoming-call": incoming_call.handler,
        "/api/realtime/incoming": incoming_call.handler,
        "/api/twiml": incoming_call.handler,
        "/stream-ended": stream_ended.handler,
        "/stream-status": stream_status.handler,
        "/call-status": call_status.handler,
        "/screen": screen.handler,
        "/dial-ended": dial_ended.handler,
        "/voicemail": voicemail.handler,
        "/recording-status": recording_status.handler,
        "/fallback": fallback.handler,
    }
)
"""Paths below ``PUBLIC_URL``. A number may be pointed at any of the three first."""


def handler_at(path: str) -> Handler | None:
    """The handler of a path, with or without a slash at its end."""
    return ROUTES.get(path.rstrip("/"))
