"""The media WebSocket's door: checks who comes in, before anything is spent on them, and serves one call behind it.

It is an ASGI route beside Quart's own, because Quart cancels a WebSocket handler the moment the peer is gone, and that is when a
call's record is completed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope, WebsocketScope

from bridge.call import CallSession, MediaSocket
from bridge.frame_engine.takeover import accepted
from bridge.services import Services
from calls.ids import BusinessId, CallSid
from calls.signature import HandshakeForm, is_signed_handshake

PREFIX = "/media-stream"
INTERNAL_ERROR = 1011

log = structlog.get_logger()


class Capacity(Protocol):
    """What admits streams."""

    def refusal(self) -> str | None:
        """Why no new stream is taken, or ``None``."""

    def changed(self) -> None:
        """A stream has come or gone."""


class MediaStreams:
    """Serves ``/media-stream`` and ``/media-stream/{business_id}``; everything else goes to ``inner``."""

    def __init__(self, inner: ASGIFramework, services: Services, capacity: Capacity) -> None:
        self._inner = inner
        self._services = services
        self._capacity = capacity
        self.sessions: set[CallSession] = set()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable, **extra: Any) -> None:
        """ASGI entry."""
        path = self._relative(scope["path"]) if scope["type"] == "websocket" else ""
        if scope["type"] != "websocket" or not _is_media_path(path):
            await self._inner(scope, receive, send, **extra)
            return
        await receive()  # websocket.connect
        refusal = self._refusal(scope, _business_of(path))
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        await self._serve(await accepted(send) or AsgiSocket(receive, send), _business_of(path))

    def session_of(self, call_sid: CallSid) -> CallSession | None:
        """The session that serves a call, if this process does; not one that has given it up."""
        of_call = (session for session in self.sessions if session.call_sid == call_sid)
        return next((session for session in of_call if not session.is_given_up), None)

    async def _serve(self, socket: MediaSocket, business_id: BusinessId | None) -> None:
        session = CallSession(self._services, socket, business_id, self.session_of)
        self.sessions.add(session)
        self._changed()
        try:
            await session.run()
        finally:
            self.sessions.discard(session)
            self._changed()
            await socket.close(INTERNAL_ERROR)  # unless the session has closed it, as it always should

    def _changed(self) -> None:
        self._services.metrics.live_calls.set(len(self.sessions))
        self._capacity.changed()

    def _relative(self, path: str) -> str:
        """The path below ``STREAM_URL``, whose own path a proxy may have stripped or not."""
        prefix = urlsplit(self._services.settings.stream_origin).path
        return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path

    def _refusal(self, scope: WebsocketScope, business_id: BusinessId | None) -> tuple[int, str] | None:
        """Status and reason of a refused handshake."""
        if self._services.settings.verify_twilio and not self._is_signed(scope):
            reason = "no_signature" if _header(scope, b"x-twilio-signature") is None else "bad_signature"
            return self._log_refusal(403, reason)
        if business_id is not None and self._services.businesses.get(business_id) is None:
            return self._log_refusal(404, "unknown_business")
        full = self._capacity.refusal()
        return None if full is None else self._log_refusal(503, full)

    def _log_refusal(self, status: int, reason: str) -> tuple[int, str]:
        self._services.metrics.refused.labels(reason).inc()
        log.warning("stream.handshake_refused", status=status, reason=reason)
        return status, reason

    def _is_signed(self, scope: WebsocketScope) -> bool:
        settings = self._services.settings
        if not settings.twilio.auth_token:
            return False
        url = settings.stream_origin + self._relative(scope["raw_path"].decode("ascii", "replace"))
        form = is_signed_handshake(url, _header(scope, b"x-twilio-signature"), settings.twilio.auth_token)
        if form is HandshakeForm.HTTP_TWIN:
            log.warning("stream.signed_for_http", url=url)
        return form is not None


class AsgiSocket:
    """An accepted ASGI WebSocket as a :class:`bridge.call.MediaSocket`."""

    def __init__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._receive = receive
        self._send = send
        self._is_closed = False

    async def read(self, received: Callable[[Sequence[str | bytes]], object]) -> None:
        """Hands over every message by itself; returns once the socket is closed."""
        while (message := await self._receive())["type"] == "websocket.receive":
            text = message.get("text")
            received([text if text is not None else message.get("bytes") or b""])
        self._is_closed = True

    def send_now(self, *_texts: str) -> bool:
        """ASGI has nothing to be sent without waiting."""
        return False

    async def send(self, text: str) -> None:
        """Sends text; nothing on a closed socket."""
        if not self._is_closed:
            await self._send({"type": "websocket.send", "text": text, "bytes": None})

    async def close(self, code: int) -> None:
        """Closes, once."""
        if not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": code, "reason": None})


def _is_media_path(path: str) -> bool:
    return path == PREFIX or path.startswith(PREFIX + "/")


def _business_of(path: str) -> BusinessId | None:
    name = path.removeprefix(PREFIX).strip("/")
    return BusinessId(name) if name else None


def _header(scope: WebsocketScope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key.lower() == name:
            return bytes(value).decode("latin-1")
    return None


async def _refuse(send: ASGISendCallable, status: int, reason: str) -> None:
    await send({"type": "websocket.http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "websocket.http.response.body", "body": reason.encode(), "more_body": False})
