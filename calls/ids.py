"""Names for the identifiers that travel between the parts, so that a type checker keeps them apart."""

from typing import NewType

CallSid = NewType("CallSid", str)
"""Twilio's name of a call: ``CA`` and 32 hex digits."""

StreamSid = NewType("StreamSid", str)
"""Twilio's name of one media stream of a call: ``MZ`` and 32 hex digits. A resumed call has another one."""

BusinessId = NewType("BusinessId", str)
"""The ``id`` of a business file."""

ItemId = NewType("ItemId", str)
"""The Realtime API's name of a conversation item; a turn of the caller or of the AI."""

ResponseId = NewType("ResponseId", str)
"""The Realtime API's name of one generated response; it may hold several items."""
