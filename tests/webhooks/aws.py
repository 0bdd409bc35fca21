"""Requests as AWS hands them to a Lambda function, signed as Twilio signs them."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from tests.webhooks.doubles import AUTH_TOKEN, PUBLIC_URL, SID

Pairs = Sequence[tuple[str, str]]

CALL: Pairs = (
    ("CallSid", SID),
    ("From", "+15005550001"),
    ("To", "+15005550006"),
    ("FromZip", ""),
    ("FromCity", "תל אביב 🔧"),
    ("CallStatus", "in-progress"),
)


def with_(**changes: str) -> Pairs:
    """The parameters of a call, some of them other ones."""
    return tuple({**dict(CALL), **changes}.items())


class _Form(dict[str, list[str]]):
    def getall(self, name: str) -> list[str]:
        return self[name]


def signature(url: str, params: Pairs = (), token: str = AUTH_TOKEN) -> str:
    """``X-Twilio-Signature``, duplicate names and blank values included."""
    form = _Form()
    for name, value in params:
        form.setdefault(name, []).append(value)
    return str(RequestValidator(token).compute_signature(url, form))


def http_event(
    path: str = "/incoming-call",
    params: Pairs = CALL,
    *,
    query: str = "",
    stage: str = "$default",
    token: str = AUTH_TOKEN,
    public_url: str = PUBLIC_URL,
    is_base64: bool = True,
    **changes: Any,
) -> dict[str, Any]:
    """A ``POST`` of Twilio through an HTTP API or a Function URL. ``path``: as Twilio was told it, below ``public_url``."""
    body = urlencode(params)
    signed = signature(public_url + path + (f"?{query}" if query else ""), params, token)
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": (f"/{stage}" if stage != "$default" else "") + path,
        "rawQueryString": query,
        "headers": {
            "host": "abc123.execute-api.us-east-1.amazonaws.com",
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": signed,
        },
        "requestContext": {"stage": stage, "http": {"method": "POST", "path": path, "sourceIp": "54.172.60.0"}},
        "body": b64encode(body.encode()).decode() if is_base64 else body,
        "isBase64Encoded": is_base64,
    }
    return {**event, **changes}
