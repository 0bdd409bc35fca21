"""Callers who do not reach the AI: on what terms they would have, and what they hear instead."""

from typing import Final, Literal

from msgspec.structs import replace
from twilio.twiml.voice_response import VoiceResponse

from calls.admission import Admission, Refusal, day_began
from calls.business import BusinessProfile
from calls.language import phrases_of
from calls.record import Disposition
from webhooks.context import Context
from webhooks.parties import Caller
from webhooks.twiml import fallback_response, say

_ACTIONS: Final[dict[str, Literal["hang_up", "dial", "voicemail"]]] = {
    "hangup": "hang_up",
    "dial": "dial",
    "voicemail": "voicemail",
}


def admission_to(context: Context, profile: BusinessProfile, refusal: Refusal | None) -> Admission:
    """The business's terms for one more call. ``refusal``: why it is turned away anyway."""
    limits, now = profile.limits, context.now()
    daily_usd = limits.max_cost_usd_per_day
    return Admission(
        otherwise=_fallback(profile),
        refusal=refusal,
        max_live=limits.max_concurrent,
        max_call_s=limits.max_call_s,
        max_cost_usd=None if daily_usd is None else daily_usd - context.running_cost_usd(profile.business_id),
        day_began=day_began(profile, now),
    )


def reject() -> VoiceResponse:
    """The call is not answered, and therefore not billed; the caller's network says that the number is not in service (Twilio,
    *TwiML Voice: Reject*)."""
    response = VoiceResponse()
    response.reject(reason="rejected")
    return response


def turned_away(context: Context, profile: BusinessProfile, caller: Caller, refusal: str) -> VoiceResponse:
    """A sentence that says why, where there is one to say, then the business's fallback."""
    response = VoiceResponse()
    if refusal in ("all_lines_busy", "at_capacity"):
        say(response, phrases_of(profile.language).busy, profile.language)
    elif refusal == "closed":
        say(response, profile.closed_text or "", profile.language)
    for verb in fallback_response(context, profile, caller).verbs:
        response.append(verb)
    return response


def given_up(profile: BusinessProfile, reason: str) -> Disposition:
    """The business's fallback as what becomes of a caller whom the AI cannot talk to any more, with the words that go with it."""
    say = None if profile.fallback.mode == "voicemail" else profile.fallback_text
    return replace(_fallback(profile), reason=reason, say=say)


def _fallback(profile: BusinessProfile) -> Disposition:
    """The business's fallback, for the record."""
    action = _ACTIONS[profile.fallback.mode]
    if action == "dial" and profile.escalation is not None:
        return Disposition(action=action, reason="", to=profile.escalation.to, timeout_s=profile.escalation.timeout_s)
    return Disposition(action=action, reason="")
