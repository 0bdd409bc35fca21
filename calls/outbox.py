"""What is posted to a business's own webhook: the message, its key, its signature, and when it is tried again.

A message is posted until it is answered with 2xx, so it may arrive twice; its key is the same each time. The signature is an
HMAC-SHA256 (RFC 2104) over the time of the attempt and the body, so that a recorded request is not good for long.
"""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

import msgspec

from calls.business import BusinessProfile
from calls.events import CallEvent
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord

SIGNATURE_HEADER = "Frontdesk-Signature"
KEY_HEADER = "Idempotency-Key"

GIVE_UP_AFTER = timedelta(days=3)
"""How long a message is tried. Then it is *dead*: kept, and posted again only when somebody asks for it."""

_FIRST_RETRY_S = 5.0
_GROWTH = 3.0
_LONGEST_RETRY_S = 3600.0

Wants = Callable[[BusinessId, str], bool]
"""Whether a business wants events of a kind posted."""


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to a business."""

    call_sid: CallSid
    seq: int
    business_id: BusinessId
    kind: str
    attempts: int
    """How often it has been tried."""
    give_up_at: datetime
    body: bytes
    """What is posted."""

    @property
    def key(self) -> str:
        """The message's idempotency key."""
        return key_of(self.call_sid, self.seq)


class Businesses(Protocol):
    """Where profiles are looked up."""

    def get(self, business_id: BusinessId) -> BusinessProfile | None:
        """The profile, or ``None`` if there is no such business."""


def wanted_by(businesses: Businesses) -> Wants:
    """What the business files say."""

    def wants(business_id: BusinessId, kind: str) -> bool:
        profile = businesses.get(business_id)
        return profile is not None and profile.webhook is not None and kind in profile.webhook.events

    return wants


def nobody_wants(_business_id: BusinessId, _kind: str) -> bool:
    """No events are posted."""
    return False


def key_of(call_sid: CallSid, seq: int) -> str:
    """The idempotency key of an event: ``CA…/17``."""
    return f"{call_sid}/{seq}"


def body_of(record: CallRecord, event: CallEvent) -> bytes:
    """The JSON that is posted: the key, the business, whose call it was, and the event as everywhere else."""
    call = {
        "call_sid": record.call_sid,
        "from": record.from_,
        "to": record.to,
        "channel": record.channel,
        "started_at": record.started_at,
    }
    key = key_of(event.call_sid, event.seq)
    return msgspec.json.encode({"id": key, "business_id": record.business_id, "call": call, "event": event.flat()})


def signature(secret: str, body: bytes, at: datetime) -> str:
    """The value of ``Frontdesk-Signature``: ``t=SECONDS,v1=HEX``, the HMAC being over ``SECONDS.BODY``."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def retry_delay_s(attempts: int, jitter: float) -> float:
    """The pause after so many failed attempts (1, 2, 3 …): 5 s, three times as long each time, at most an hour; of that the half
    and, by ``jitter`` (0 to 1), up to the whole, so that a server that comes back is not asked by everybody at once."""
    longest = min(_FIRST_RETRY_S * _GROWTH ** min(attempts - 1, 20), _LONGEST_RETRY_S)
    return longest * (1 + jitter) / 2


def next_try(posting: Posting, now: datetime, jitter: float) -> datetime | None:
    """When a posting that has just failed is tried again; ``None``: no more."""
    at = now + timedelta(seconds=retry_delay_s(posting.attempts + 1, jitter))
    return at if at < posting.give_up_at else None
