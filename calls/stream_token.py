"""The token that binds a media stream to the call it was made for.

The webhook puts it into ``<Parameter name="token">``; Twilio hands it to the bridge in ``start.customParameters``. It names the
call and the business, is good for 60 s, and is used once: the store keeps which one has been used.
A parameter's name and value together must stay under 500 characters (Twilio, ``<Parameter>``); this is under 200.
"""

import base64
import hashlib
import hmac

import msgspec

from calls.ids import BusinessId, CallSid

LIFETIME_S = 60
_SKEW_S = 5  # two machines' clocks may differ by this much
_MAX_LENGTH = 400


class StreamToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says once its signature has been checked."""

    call_sid: CallSid
    business_id: BusinessId
    issued_at_s: int
    attempt: int
    """1 for the first stream of a call; a call that is resumed gets a token of its own."""

    @property
    def nonce(self) -> str:
        """What the store remembers in order to refuse a second use."""
        return f"{self.call_sid}/{self.attempt}/{self.issued_at_s}"


class TokenRefused(Exception):
    """A stream token that must not be served. ``reason`` is one of ``missing``, ``forged``, ``expired``, ``wrong_call``,
    ``wrong_business``, ``replayed``, ``unknown_call``; it holds nothing secret."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"stream token refused: {self.reason}"


def mint(token: StreamToken, secret: str) -> str:
    """The token as text. The same token and secret always give the same text, so that a webhook Twilio retries answers alike."""
    body = f"{token.call_sid}.{token.business_id}.{token.issued_at_s}.{token.attempt}"
    return f"{body}.{_signature(body, secret)}"


def verify(text: str | None, secret: str, *, call_sid: CallSid, business_id: BusinessId | None, now_s: float) -> StreamToken:
    """Reads a token back. Whether it was used before is the store's to say.

    Args:
        business_id: the business in the stream's URL; ``None`` when the URL names none.

    Raises:
        TokenRefused: missing, forged, expired, or made for another call or business.
    """
    if not text:
        raise TokenRefused("missing")
    body, _, signature = text.rpartition(".")
    if len(text) > _MAX_LENGTH or not hmac.compare_digest(signature.encode(), _signature(body, secret).encode()):
        raise TokenRefused("forged")
    try:
        sid, business, issued_at_s, attempt = body.split(".")
        token = StreamToken(
            call_sid=CallSid(sid), business_id=BusinessId(business), issued_at_s=int(issued_at_s), attempt=int(attempt)
        )
    except ValueError:
        raise TokenRefused("forged") from None
    if not -_SKEW_S <= now_s - token.issued_at_s <= LIFETIME_S:
        raise TokenRefused("expired")
    if token.call_sid != call_sid:
        raise TokenRefused("wrong_call")
    if business_id is not None and token.business_id != business_id:
        raise TokenRefused("wrong_business")
    return token


def _signature(body: str, secret: str) -> str:
    mac = hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:24]).decode()
