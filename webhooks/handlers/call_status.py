"""What becomes of a call (Twilio, *Call resource*, status callbacks). Requests may come late, twice and out of order."""

from webhooks.context import Context
from webhooks.endings import settle
from webhooks.event import Event
from webhooks.response import NO_CONTENT, Response


def handler(context: Context, event: Event) -> Response:
    """Ends the record of a call that is over, or tells the bridge that still owns it."""
    settle(context, event)
    return NO_CONTENT
