"""Businesses that want to be told things."""

from typing import Any

import msgspec

from calls.business import BusinessProfile
from tests.bridge.conversation.line import PROFILE


def shop(url: str, **changes: Any) -> BusinessProfile:
    """A shop with a webhook at ``url``, which wants leads, keys and ends."""
    webhook = {"url": url, "secret": "${WEBHOOK_SECRET}", "events": ["lead.captured", "dtmf", "call.ended"]}
    return msgspec.convert(msgspec.to_builtins(PROFILE) | {"webhook": webhook} | changes, BusinessProfile)
