"""A request as AWS hands it to a Lambda function, and the answer as it takes it: payload format 2.0, which API Gateway's HTTP APIs and
Function URLs share (Amazon API Gateway, *Working with AWS Lambda proxy integrations for HTTP APIs*)."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from webhooks.dispatch import Request
from webhooks.response import Response
from webhooks.routes import handler_at


class NotARequest(ValueError):
    """The event is no HTTP request of payload format 2.0; the message says what it should be."""


def request_of(event: object) -> Request:
    """The request that an event carries, its path without the stage of the API.

    Raises:
        NotARequest: it carries none.
    """
    if not isinstance(event, Mapping):
        raise NotARequest(f"The event is {type(event).__name__}; this function takes HTTP requests of an API or a Function URL.")
    about = event.get("requestContext")
    http = about.get("http") if isinstance(about, Mapping) else None
    if not isinstance(about, Mapping) or not isinstance(http, Mapping) or event.get("version") != "2.0":
        raise NotARequest("The event is no HTTP request in payload format 2.0; set that format in the API's integration.")
    return Request(
        method=str(http.get("method", "")).upper(),
        path=_without_stage(str(event.get("rawPath") or "/"), str(about.get("stage") or "")),
        raw_query=str(event.get("rawQueryString") or ""),
        headers=_headers(event.get("headers"), event.get("cookies")),
        body=_body(event),
    )


def event_answer(response: Response) -> dict[str, Any]:
    """An answer as API Gateway and Function URLs take it."""
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body,
        "isBase64Encoded": False,
    }


def _headers(given: object, cookies: object) -> dict[str, str]:
    """In lower case; cookies, which come apart from the others, are put where a browser had them."""
    headers = {str(name).lower(): str(value) for name, value in given.items()} if isinstance(given, Mapping) else {}
    if isinstance(cookies, list) and cookies:
        headers["cookie"] = "; ".join(str(one) for one in cookies)
    return headers


def _body(event: Mapping[str, Any]) -> bytes:
    body = str(event.get("body") or "")
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return b64decode(body, validate=True)
    except ValueError:
        raise NotARequest("The event says that its body is base64, and it is not.") from None


def _without_stage(path: str, stage: str) -> str:
    """``/prod/incoming-call`` of an API's own address is ``/incoming-call``; behind a domain of its own there is no stage to take off."""
    below = path.removeprefix(f"/{stage}")
    return below if handler_at(below) is not None else path
