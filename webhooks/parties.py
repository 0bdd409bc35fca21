"""Who is on a call: the caller, and the business that was called."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from calls.address import Channel, channel_of, is_e164
from calls.business import BusinessProfile
from calls.ids import BusinessId, CallSid
from calls.log_context import note
from calls.record import CallRecord
from webhooks.context import Businesses, Context
from webhooks.event import Event, address, call_sid, text

_PORT = re.compile(r":\d+$")


@dataclass(frozen=True, slots=True)
class Caller:
    """An address and the network it belongs to."""

    address: str
    channel: Channel
    call_sid: CallSid | None = None
    """Their call, where it is known."""

    def may_be_dialled_to(self, to: str) -> bool:
        """Whether Twilio connects this caller with ``to``: it rejects WhatsApp calls to telephone numbers (*WhatsApp
        Business Calling*)."""
        return not (self.channel == "whatsapp" and channel_of(to) == "pstn")


def is_placed(event: Event) -> bool:
    """Whether the business has placed the call itself, over REST."""
    return text(event, "Direction").lower() == "outbound-api"


def called_address(event: Event) -> str:
    """The business's address: the one that was dialled, or on a call it has placed the one that calls."""
    return address(event, "From", "Caller") if is_placed(event) else address(event, "To", "Called")


def caller_of(event: Event, record: CallRecord | None = None) -> Caller:
    """Who calls, from the call's record where there is one; on a call the business has placed: who is called."""
    if record is not None:
        return Caller(record.from_, record.channel, record.call_sid)
    names = ("To", "Called") if is_placed(event) else ("From", "Caller")
    caller = address(event, *names) or "anonymous"
    channel = channel_of(caller)
    if channel == "pstn" and channel_of(called_address(event)) == "whatsapp":
        channel = "whatsapp"
    return Caller(caller, channel, call_sid(event))


def business_of(context: Context, event: Event, record: CallRecord | None = None) -> BusinessProfile | None:
    """The business of a call: its record's, or the one the dialled address reaches."""
    if record is not None:
        known = context.businesses.get(BusinessId(record.business_id))
        if known is not None:
            note(business_id=known.id)
            return known
    found = find_business(context.businesses, event)
    note(business_id=found.id if found is not None else None)
    return found


def find_business(businesses: Businesses, event: Event) -> BusinessProfile | None:
    """The business that the dialled address reaches, or that has placed the call, in any of the forms Twilio may give its address."""
    names = ("From", "Caller") if is_placed(event) else ("To", "Called")
    dialled = dict.fromkeys(address(event, name) for name in names)
    found = (businesses.find(form) for to in dialled if to for form in _forms_of(to))
    return next((profile for profile in found if profile is not None), None)


def _forms_of(to: str) -> Iterator[str]:
    yield to
    match channel_of(to):
        case "sip":  # the INVITE's URI, which may name port and transport
            yield _PORT.sub("", to.partition(";")[0].partition("?")[0])
        case "whatsapp":  # Twilio does not say whether WhatsApp calls carry the prefix
            yield to.partition(":")[2].strip()
        case "pstn" if is_e164(to):
            yield f"whatsapp:{to}"
        case _:
            pass
