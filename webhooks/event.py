"""Reading the ``event`` of a Twilio Function: parameters by name, which may be missing, blank or of any other shape."""

import re
from collections.abc import Mapping
from typing import Any

from calls.ids import CallSid

Event = Mapping[str, Any]
"""The parameters of a request, body over query, and under ``request`` its headers and cookies."""

_CALL_SID = re.compile(r"CA[0-9A-Za-z]{1,62}")
_ADDRESS_LIMIT = 320
_OVER = frozenset(("completed", "busy", "failed", "no-answer", "canceled"))


def text(event: Event, name: str) -> str:
    """A parameter's text, ``""`` for anything that is none."""
    value = event.get(name)
    return value.strip() if isinstance(value, str) else ""


def address(event: Event, *names: str) -> str:
    """The first of the parameters that has an address, ``""`` if none has. Control characters are left out."""
    for name in names:
        found = "".join(char for char in text(event, name) if char.isprintable())[:_ADDRESS_LIMIT]
        if found:
            return found
    return ""


def call_sid(event: Event) -> CallSid | None:
    """The call a request is about, ``None`` if it names none.

    Twilio's are ``CA`` and 32 hex digits; its documentation has shorter ones in its examples, and they are taken too.
    """
    sid = text(event, "CallSid")
    return CallSid(sid) if _CALL_SID.fullmatch(sid) else None


def call_at_hand(event: Event) -> CallSid | None:
    """The call whose record a request belongs to: its own, or, asked on the leg of a human who is called in, the caller's."""
    sid = text(event, "for_call")
    return CallSid(sid) if _CALL_SID.fullmatch(sid) else call_sid(event)


def call_status(event: Event) -> str:
    """``CallStatus`` in lower case: ``ringing``, ``in-progress``, ``completed`` …"""
    return text(event, "CallStatus").lower()


def is_over(event: Event) -> bool:
    """Whether Twilio says that the call has ended (*TwiML request parameters*, ``CallStatus``)."""
    return call_status(event) in _OVER


def duration_ms(event: Event) -> int | None:
    """``CallDuration``, which is in seconds; ``None`` if the request has no sensible one."""
    seconds = text(event, "CallDuration")
    return int(seconds) * 1000 if re.fullmatch(r"[0-9]{1,7}", seconds) else None
