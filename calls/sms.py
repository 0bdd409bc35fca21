"""How long a text message is, as carriers count it: in segments.

A text of letters of the GSM 7-bit alphabet (3GPP TS 23.038) has 160 places, each of several segments 153; any other letter makes
the whole text UCS-2, with 70 and 67 places. Some GSM letters take two places, and so does an emoji in UCS-2.
"""

from collections.abc import Sequence

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_DOUBLE = frozenset("\f^{}\\[~]|€")


def segments(text: str) -> int:
    """How many segments ``text`` is sent in; 0 for an empty one."""
    if all(char in _GSM or char in _GSM_DOUBLE for char in text):
        return _count([2 if char in _GSM_DOUBLE else 1 for char in text], alone=160, joined=153)
    return _count([2 if ord(char) > 0xFFFF else 1 for char in text], alone=70, joined=67)


def _count(places: Sequence[int], *, alone: int, joined: int) -> int:
    total = sum(places)
    if total <= alone:
        return 1 if total else 0
    segments, left = 1, joined
    for wide in places:  # a letter of two places is never divided
        if wide > left:
            segments, left = segments + 1, joined
        left -= wide
    return segments
