"""What the model is told to be: a base preamble that makes for a good telephone voice, then the business's own instructions."""

from calls.business import BusinessProfile
from calls.hours import hours_in_words

PREAMBLE = """\
You are on a live telephone call. Everything you say is heard, so speak as people do on the phone: short sentences, one question
at a time, no lists, no markup, no emoji, no web addresses spelled out.
When something is unclear or you did not hear it well, ask; never assume. Do not ask again for what the caller has already given.
Before you act on a name, a number or an address, read it back and let the caller confirm it. Read numbers digit by digit.
Let your warmth fit what happened: calm and quick in an emergency, kind when something went wrong, cheerful when there is reason.
Speak {language} unless the caller clearly speaks another language; a foreign word, a name or an accent is no reason to change.
You represent the business below and nothing else. Do not make up prices, times or promises. If you cannot help, say so plainly.
"""

HAS_CALLED = """\
You have placed this call on behalf of the business: the person on the line, spoken of here as the caller, did not call you. If they
do not want to talk now, thank them and end the call.
"""

_LANGUAGE_NAMES = {"en": "English", "he": "Hebrew", "es": "Spanish", "fr": "French", "ar": "Arabic", "ru": "Russian"}


def persona_of(profile: BusinessProfile, *, has_called: bool = False) -> str:
    """The session instructions of a business, for a call that came in or one it has placed."""
    own = profile.instructions.replace("{name}", profile.name).replace("{hours}", hours_in_words(profile))
    language = _LANGUAGE_NAMES.get(profile.language, f"the language with the ISO-639-1 code {profile.language!r}")
    preamble = PREAMBLE.replace("{language}", language) + (HAS_CALLED if has_called else "")
    return f"{preamble}\n{own.strip()}\n"
