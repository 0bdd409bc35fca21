"""Putting the caller through to a human: whether it can be done, and what that human is to know first.

Asked for by the AI (``escalate_to_human``), the caller (the key 0) or an operator, it is one thing: the caller is told, then the
stream is left with a disposition that has Twilio dial (Twilio, *TwiML Voice: Dial*).
"""

from calls.address import channel_of, is_dialable
from calls.business import BusinessProfile, Escalation
from calls.record import CallRecord

MAX_BRIEFING = 600
"""Characters of what the human is told before they take the call; about forty seconds of speech."""
KEY = "0"
"""What a caller presses to be put through."""
REASON = "transferred"
"""Why a call ended for the AI that was put through to a human."""


def why_not(profile: BusinessProfile, record: CallRecord, to: str | None = None) -> str | None:
    """Why the caller cannot be put through to ``to``, or to the business's own human; ``None`` if they can."""
    target = to or (profile.escalation.to if profile.escalation is not None else None)
    if target is None:
        return "this business names nobody to escalate to; say whom to dial"
    if not is_dialable(target):
        return f"{target!r} cannot be dialled; write +15005550010, client:NAME or sip:NAME@HOST"
    if record.channel == "whatsapp" and channel_of(target) == "pstn":
        return "a WhatsApp caller can be put through to client:NAME or sip:NAME@HOST only"
    if target in profile.numbers:
        return "that is this business's own number, where the AI would answer again"
    return None


def target_of(profile: BusinessProfile, to: str | None = None) -> Escalation:
    """Whom to dial and how: the business's own way, or, where it has none, the product's."""
    return profile.escalation or Escalation(to=to or "")


def briefing(reason: str, summary: str) -> str | None:
    """What the AI has to tell the human, one line."""
    told = " ".join(f"{reason.strip()}. {summary.strip()}".split()).strip(" .")
    return told[:MAX_BRIEFING] or None
