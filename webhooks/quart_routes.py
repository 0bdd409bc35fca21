"""The webhooks as Quart routes, to be mounted beside the bridge."""

import asyncio

from quart import Blueprint, request
from quart import Response as QuartResponse

from webhooks.context import Context
from webhooks.dispatch import MAX_BODY_BYTES, Request, TwilioAuth, dispatch, public_path
from webhooks.response import Response, plain
from webhooks.routes import ROUTES

BODY_TIMEOUT_S = 15
"""Twilio's own limit for a whole request (*Webhooks connection overrides*)."""


def webhook_blueprint(context: Context, auth: TwilioAuth) -> Blueprint:
    """All webhooks, at their paths and, if ``PUBLIC_URL`` has a path, below it too: some proxies strip it.

    Handlers run in worker threads; the ledger in ``context`` may block.
    """

    async def serve() -> QuartResponse:
        try:
            body = await _body()
        except TimeoutError:
            return _sent(plain(408, f"The request's body did not arrive within {BODY_TIMEOUT_S} s."))
        if body is None:
            return _sent(plain(413, f"The request is larger than {MAX_BODY_BYTES // 1024} KiB."))
        scope = request.scope
        wire = Request(
            method=request.method,
            path=scope["raw_path"].decode("latin-1"),
            raw_query=scope["query_string"].decode("latin-1"),
            headers=dict(request.headers.items(lower=True)),
            body=body,
        )
        return _sent(await asyncio.to_thread(dispatch, context, auth, wire))

    blueprint = Blueprint("webhooks", __name__)
    for prefix in dict.fromkeys(("", public_path(context.public_url))):
        for path in ROUTES:
            blueprint.add_url_rule(
                prefix + path,
                endpoint=f"{prefix}{path}".replace("/", "_").replace(".", "_"),
                view_func=serve,
                methods=["GET", "POST"],
                strict_slashes=False,
                provide_automatic_options=False,
            )
    return blueprint


async def _body() -> bytes | None:
    """The request's body, ``None`` if it is larger than any webhook's."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    async with asyncio.timeout(BODY_TIMEOUT_S):
        async for chunk in request.body:
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return None
    return bytes(body)


def _sent(response: Response) -> QuartResponse:
    return QuartResponse(response.body, response.status, dict(response.headers))
