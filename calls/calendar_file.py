"""Appointments as iCalendar files (RFC 5545, with the methods of RFC 5546), for any calendar program.

Times are in UTC, which needs no table of a zone's rules in the file; a calendar shows them in its own zone. An appointment keeps its
``UID`` for ever and counts its changes in ``SEQUENCE``, so that importing it again moves or cancels the entry instead of adding one.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from calls.address import channel_of, normalise
from calls.appointments import Appointment
from calls.caller_identity import identity_of

MAX_OCTETS = 75
"""Of a line, its end not counted (RFC 5545 §3.1)."""
_PRODUCT = "-//Frontdesk//Appointments//EN"


def calendar_of(appointments: Sequence[Appointment], now: datetime) -> str:
    """The appointments as an iCalendar stream: one object for those that are booked (``METHOD:PUBLISH``), one for those that have
    been cancelled (``METHOD:CANCEL``), each only if there are any; an empty calendar for none. Lines end in CRLF.

    Args:
        now: when the file is made, aware.
    """
    booked = [one for one in appointments if one.status == "booked"]
    cancelled = [one for one in appointments if one.status == "cancelled"]
    lines = _calendar("PUBLISH", booked, now) if booked or not cancelled else []
    if cancelled:
        lines += _calendar("CANCEL", cancelled, now)
    return "".join(f"{folded(line)}\r\n" for line in lines)


def folded(line: str) -> str:
    """A content line in pieces of at most 75 octets, all but the first behind a space; no character is cut in two."""
    pieces: list[str] = []
    piece, room = "", MAX_OCTETS
    for char in line:
        octets = len(char.encode())
        if octets > room:
            pieces.append(piece)
            piece, room = "", MAX_OCTETS - 1
        piece += char
        room -= octets
    return "\r\n ".join([*pieces, piece])


def escaped(text: str) -> str:
    """A value of type TEXT (RFC 5545 §3.3.11). What a line cannot hold is left out."""
    text = "\n".join(text.splitlines())
    for char, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(char, written)
    return "".join(char for char in text if _is_writable(char))


def _calendar(method: str, appointments: Iterable[Appointment], now: datetime) -> list[str]:
    events = [line for one in appointments for line in _event(one, now)]
    return [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{_PRODUCT}",
        "CALSCALE:GREGORIAN",
        f"METHOD:{method}",
        *events,
        "END:VCALENDAR",
    ]


def _event(one: Appointment, now: datetime) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{one.appointment_id}@{one.business_id}.frontdesk.invalid",
        f"SEQUENCE:{one.sequence}",
        f"DTSTAMP:{_utc(now)}",
        f"CREATED:{_utc(one.created_at)}",
        f"LAST-MODIFIED:{_utc(one.changed_at)}",
        f"DTSTART:{_utc(one.starts_at)}",
        f"DTEND:{_utc(one.ends_at)}",
        f"SUMMARY:{escaped(one.summary)}",
        f"DESCRIPTION:{escaped(_description(one))}",
        f"STATUS:{'CONFIRMED' if one.status == 'booked' else 'CANCELLED'}",
        # RFC 5546 wants an organizer under either method; the business has a telephone and not always an address for mail.
        f"ORGANIZER;CN={_parameter(one.business_name)}:{_uri(one.dialled)}",
        "END:VEVENT",
    ]


def _description(one: Appointment) -> str:
    lines = [f"{one.business_name}: {one.appointment_id}", one.phone, one.reason]
    return "\n".join(line for line in lines if line)


def _uri(address: str) -> str:
    address = normalise(address)
    if number := identity_of(address) if channel_of(address) in ("pstn", "whatsapp") else None:
        return f"tel:{number}"
    return quote(address, safe=":@+;=.-_~%!$&'()*,/?") if channel_of(address) == "sip" else "invalid:nomail"


def _parameter(text: str) -> str:
    """A parameter's value in quotes, which can hold none itself (RFC 5545 §3.2)."""
    return '"' + "".join(char for char in text.replace('"', "'") if _is_writable(char)) + '"'


def _is_writable(char: str) -> bool:
    return char == "\t" or not (char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
