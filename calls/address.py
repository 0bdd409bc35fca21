"""Who calls, and on what: the four address forms of Twilio's voice webhooks.

Twilio's ``From`` and ``To`` hold E.164 numbers, ``whatsapp:+E164``, ``sip:user@host`` or ``client:name``, and, when the
caller hides, words such as ``anonymous`` (Twilio, *TwiML request parameters*).
"""

import re
from typing import Literal

Channel = Literal["pstn", "whatsapp", "sip", "client"]

# Twilio escapes nothing for us: what could end a header or a line is no address.
_CLIENT = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_SIP = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
_E164 = re.compile(r"\+[1-9]\d{6,14}")


def channel_of(address: str) -> Channel:
    """The network an address belongs to. Anything without a known prefix is a telephone caller, named or not."""
    prefix = address.partition(":")[0].lower()
    if prefix == "whatsapp":
        return "whatsapp"
    if prefix in ("sip", "sips"):
        return "sip"
    if prefix == "client":
        return "client"
    return "pstn"


def is_e164(number: str) -> bool:
    """Whether ``number`` is a full international number such as ``+15005550006``."""
    return _E164.fullmatch(number) is not None


def normalise(address: str) -> str:
    """The form two addresses are compared in: no spaces around, lower-case prefix and host, SIP parameters dropped.

    A SIP URI keeps its user part as it is (RFC 3261 §19.1.4 compares it case-sensitively).
    """
    address = address.strip()
    prefix, colon, rest = address.partition(":")
    if not colon:
        return address
    prefix = prefix.lower()
    if prefix in ("sip", "sips"):
        rest = rest.partition(";")[0].partition("?")[0]
        user, at, host = rest.rpartition("@")
        return f"{prefix}:{user}{at}{host.lower()}"
    return f"{prefix}:{rest.strip()}"


def is_dialable(address: str) -> bool:
    """Whether an escalation can dial it: E.164, ``client:NAME`` or ``sip:USER@HOST``."""
    if is_e164(address):
        return True
    prefix, _, rest = address.partition(":")
    if prefix.lower() == "client":
        return _CLIENT.fullmatch(rest) is not None
    return prefix.lower() in ("sip", "sips") and _SIP.fullmatch(rest) is not None


def masked(address: str) -> str:
    """The address as a log may show it: the last two digits of a number, the first letter of a name.

    >>> masked("+15005550006")
    '+*********06'
    """
    prefix, colon, rest = address.rpartition(":")
    if "@" in rest:
        user, _, host = rest.partition("@")
        return f"{prefix}{colon}{_masked_word(user)}@{host}"
    return f"{prefix}{colon}{_masked_word(rest)}"


def _masked_word(word: str) -> str:
    if "*" in word:  # masked already
        return word
    digits = sum(char.isdigit() for char in word)
    if digits >= 6:
        lead = "+" if word.startswith("+") else ""
        return lead + "*" * (len(word) - len(lead) - 2) + word[-2:]
    return word[:1] + "***" if word else ""
