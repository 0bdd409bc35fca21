"""``WS /operator``: the token is checked at the handshake.

Like the media stream it is an ASGI route of its own: Quart keeps whatever a WebSocket receives in a queue without bound.
"""

from typing import Any

import msgspec
import structlog
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from bridge.operator.desk import OperatorDesk
from bridge.operator.hypercorn_socket import OperatorSocket

PATH = "/operator"

log = structlog.get_logger()


class OperatorSockets:
    """Serves ``/operator``; everything else goes to ``inner``."""

    def __init__(self, inner: ASGIFramework, desk: OperatorDesk) -> None:
        self._inner = inner
        self._desk = desk

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable, **extra: Any) -> None:
        """ASGI entry."""
        if scope["type"] != "websocket" or scope["path"] != PATH:
            await self._inner(scope, receive, send, **extra)
            return
        await receive()  # websocket.connect
        key = self._desk.admitted(authorization_of(scope["headers"]))
        if isinstance(key, str):
            log.warning("operator.refused", why=key)
            await _refuse(send, 401, key)
        elif self._desk.is_full:
            await _refuse(send, 503, "This bridge takes no further operator; it is stopping, or has too many.")
        else:
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            await self._desk.serve(key, OperatorSocket(receive, send))


def authorization_of(headers: Any) -> bytes | None:
    """The ``Authorization`` header of an ASGI scope, as bytes."""
    return next((bytes(value) for name, value in headers if name.lower() == b"authorization"), None)


async def _refuse(send: ASGISendCallable, status: int, why: str) -> None:
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": msgspec.json.encode({"error": why}), "more_body": False})
