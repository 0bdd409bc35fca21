"""Whether two calls come from the same caller, as far as their addresses tell."""

from calls.address import channel_of, is_e164, normalise

# What Twilio writes into From for a caller who hides: the words ANONYMOUS, BLOCKED, RESTRICTED, UNAVAILABLE and UNKNOWN as a
# telephone's keypad spells them (Twilio, "Why am I getting calls from these strange numbers?").
_NOBODY = frozenset({"+266696687", "+2562533", "+7378742833", "+86282452253", "+8656696"})
_NOBODY_IN_WORDS = ("anonymous", "unknown", "restricted", "unavailable", "private", "blocked")


def identity_of(address: str) -> str | None:
    """What all calls of one caller have in common; ``None`` for a caller who hides, who may be anybody.

    A number is the same caller on the telephone and on WhatsApp.
    """
    address = normalise(address)
    channel = channel_of(address)
    if channel in ("pstn", "whatsapp"):
        number = address.rpartition(":")[2]
        return number if is_e164(number) and number not in _NOBODY else None
    name = address.partition(":")[2].partition("@")[0].lower()
    return None if not name or name in _NOBODY_IN_WORDS else address
