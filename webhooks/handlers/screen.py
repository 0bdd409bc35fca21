"""A human has picked up the telephone the caller is put through to, and is asked whether they take the call.

Runs on the human's leg before it is joined with the caller's (Twilio, *TwiML Voice: Number*, ``url``): only a person presses 1, a
mailbox does not. The caller's leg is named in the URL, since this request is about another call.
"""

from twilio.twiml.voice_response import VoiceResponse

from calls.business import BusinessProfile
from calls.ids import CallSid
from calls.language import phrases_of
from calls.record import CallRecord
from webhooks.context import Context
from webhooks.event import Event, text
from webhooks.log import explained
from webhooks.parties import business_of
from webhooks.twiml import hang_up, say

WAIT_S = 5
"""How long the human has for pressing the key. The caller hears it ring meanwhile."""


def handler(context: Context, event: Event) -> VoiceResponse:
    """Says who calls and why, and joins the two once 1 is pressed; anything else hangs up on the human alone."""
    pressed = text(event, "Digits")
    if pressed == "1":
        return VoiceResponse()  # nothing more to run here: Twilio joins the legs
    if pressed:
        return hang_up()
    record = _record_of(context, event)
    profile = business_of(context, event, record) if record is not None else None
    language = profile.language if profile is not None else "en"
    response = VoiceResponse()
    if profile is not None and record is not None:
        _ask(context, event, response, _introduction(profile, record), language)
    _ask(context, event, response, "", language)
    response.hangup()
    return response


def screen_url(context: Context, call_sid: str) -> str:
    """Where the human's leg asks, on behalf of the caller's call."""
    return context.webhook_url(f"/screen?for_call={call_sid}")


def _record_of(context: Context, event: Event) -> CallRecord | None:
    """The caller's call; a store that is away costs the human the introduction, not the caller the human."""
    sid = text(event, "for_call")
    try:
        return context.calls.get_call(CallSid(sid)) if sid.isalnum() else None
    except Exception as error:
        context.log("error", "the call's record cannot be read", error=explained(error))
        return None


def _ask(context: Context, event: Event, response: VoiceResponse, introduction: str, language: str) -> None:
    gather = response.gather(num_digits=1, timeout=WAIT_S, action=screen_url(context, text(event, "for_call")), method="POST")
    say(gather, introduction, language)
    say(gather, phrases_of(language).press_one, language)


def _introduction(profile: BusinessProfile, record: CallRecord) -> str:
    who = phrases_of(profile.language).call_for_you.replace("{name}", profile.name).replace("{caller}", _spoken(record.from_))
    return f"{who} {told_of(record)}"


def told_of(record: CallRecord) -> str:
    """What is known of the reason for the call: the AI's own words, its summary, or what was said last."""
    briefing = record.disposition.briefing if record.disposition is not None else None
    return briefing or record.summary or record.last_line or ""


def _spoken(address: str) -> str:
    """A number digit by digit, so that it is not read as a huge number; a name as it is."""
    plain = address.partition(":")[2] or address
    return " ".join(plain.lstrip("+")) if plain.lstrip("+").isdigit() else plain
