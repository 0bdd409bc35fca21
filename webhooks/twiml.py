"""The pieces of TwiML the handlers build their answers from.

Every document ends in ``<Hangup/>`` or in a verb with ``action``: nothing is ever left to what Twilio does at the end of a
document, and no ``<Pause>`` keeps a caller in silence.
"""

import re
from urllib.parse import urlencode

from twilio.twiml.voice_response import VoiceResponse

from calls.address import channel_of, is_dialable, is_e164
from calls.business import BusinessProfile
from calls.language import ENGLISH, phrases_of
from calls.stream_token import StreamToken, mint
from webhooks.context import Context
from webhooks.parties import Caller

MAX_SAID = 3000
"""Characters of one ``<Say>``; Twilio takes 4096, in which an escaped character may count for several."""
MAX_MESSAGE_S = 120
"""Seconds a caller may speak after the tone."""
DEFAULT_DIAL_TIMEOUT_S = 25

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """``text`` without the characters that XML 1.0 §2.2 does not have, escaped or not; the SDK would let them through."""
    return _NOT_XML.sub("", text)


def say(response: VoiceResponse, text: str, language: str) -> None:
    """Speaks ``text`` in the voice of ``language`` (ISO-639-1). Nothing for a blank text."""
    spoken = xml_text(text).strip()[:MAX_SAID]
    if spoken:
        phrases = phrases_of(language)
        response.say(spoken, language=phrases.twilio_locale, voice=phrases.twilio_voice)


def hang_up() -> VoiceResponse:
    """The call ends at once."""
    response = VoiceResponse()
    response.hangup()
    return response


def hang_up_after(text: str, language: str) -> VoiceResponse:
    """The call ends after a sentence."""
    response = VoiceResponse()
    say(response, text, language)
    response.hangup()
    return response


def stream_to(context: Context, profile: BusinessProfile, token: StreamToken, *, tries: int = 0) -> VoiceResponse:
    """The caller talks to the AI (Twilio, *TwiML Voice: Stream*). ``tries``: how often this stream has been offered before."""
    response = VoiceResponse()
    connect = response.connect(action=context.webhook_url(_after_stream(token, tries)), method="POST")
    stream = connect.stream(url=context.media_url(profile.business_id), status_callback=context.webhook_url("/stream-status"))
    stream.parameter(name="token", value=mint(token, context.stream_token_secret))
    return response


def _after_stream(token: StreamToken, tries: int) -> str:
    """Where Twilio asks what comes after the stream: which one that is, if it is not the call's first, and how often it was offered."""
    asked = {
        name: number for name, number in (("attempt", token.attempt if token.attempt > 1 else 0), ("tries", tries)) if number
    }
    return f"/stream-ended?{urlencode(asked)}" if asked else "/stream-ended"


def sorry(profile: BusinessProfile | None) -> VoiceResponse:
    """The call ends after the sentence for calls that cannot be answered."""
    if profile is None:
        return hang_up_after(ENGLISH.cannot_answer, "en")
    return hang_up_after(phrases_of(profile.language).cannot_answer, profile.language)


def take_message(context: Context, text: str, language: str) -> VoiceResponse:
    """The caller is asked for a message, and recorded."""
    response = VoiceResponse()
    say(response, text, language)
    response.record(
        action=context.webhook_url("/voicemail"),
        method="POST",
        max_length=MAX_MESSAGE_S,
        play_beep=True,
        recording_status_callback=context.webhook_url("/recording-status"),
        recording_status_callback_event="completed absent",
    )
    # Twilio does not ask the action about an empty recording, it goes on here.
    response.hangup()
    return response


def ask_for_message(context: Context, profile: BusinessProfile) -> VoiceResponse:
    """The caller is asked for a message in the business's own words, or its language's."""
    own = profile.fallback_text if profile.fallback.mode == "voicemail" else None
    return take_message(context, own or phrases_of(profile.language).leave_message, profile.language)


def connect_to(
    context: Context,
    profile: BusinessProfile,
    caller: Caller,
    to: str | None,
    *,
    announce: str | None,
    timeout_s: int | None = None,
) -> VoiceResponse:
    """The caller is put through to ``to``, or asked for a message where that cannot be done. The human is asked first whether they
    take the call, unless the business does without.

    Args:
        announce: spoken first, and only if the call is put through: it must not promise what is not kept.
        timeout_s: how long it rings; the business's own when not given.
    """
    if to is None or not is_dialable(to) or not caller.may_be_dialled_to(to):
        return ask_for_message(context, profile)
    response = VoiceResponse()
    say(response, announce or "", profile.language)
    dial = response.dial(
        action=context.webhook_url("/dial-ended"),
        method="POST",
        timeout=_ring_time_s(profile, timeout_s),
        caller_id=_caller_id(profile, caller, to),
    )
    is_screened = profile.escalation is None or profile.escalation.screen
    _add_target(dial, xml_text(to), context.webhook_url(f"/screen?for_call={caller.call_sid or ''}") if is_screened else None)
    return response


def fallback_response(context: Context, profile: BusinessProfile, caller: Caller) -> VoiceResponse:
    """What a business wants for a caller whom the AI cannot answer."""
    match profile.fallback.mode:
        case "dial":
            to = profile.escalation.to if profile.escalation else None
            return connect_to(context, profile, caller, to, announce=profile.fallback_text)
        case "voicemail":
            return ask_for_message(context, profile)
        case "hangup":
            return hang_up_after(profile.fallback_text, profile.language)


def _ring_time_s(profile: BusinessProfile, timeout_s: int | None) -> int:
    own = profile.escalation.timeout_s if profile.escalation else DEFAULT_DIAL_TIMEOUT_S
    return min(max(timeout_s or own, 5), 600)  # Twilio, *TwiML Voice: Dial*


def _caller_id(profile: BusinessProfile, caller: Caller, to: str) -> str | None:
    """The business's own number where the caller's address is none that a telephone can show; otherwise Twilio's choice,
    which is the caller."""
    if channel_of(to) != "pstn" or is_e164(caller.address):
        return None
    return next((number for number in profile.numbers if is_e164(number)), None)


def _add_target(dial: VoiceResponse, to: str, screen_url: str | None) -> None:
    match channel_of(to):
        case "client":
            dial.client(to.partition(":")[2], url=screen_url)
        case "sip":
            dial.sip(to, url=screen_url)
        case _:
            dial.number(to, url=screen_url)
