"""The bridge's web application: Quart for what people and machines ask over HTTP, the media streams beside it."""

import structlog
from quart import Quart, Response

from bridge.call import CallSession
from bridge.media_stream import MediaStreams
from bridge.operator.desk import Bus, OperatorDesk
from bridge.operator.routes import operator_blueprint
from bridge.operator.sockets import OperatorSockets
from bridge.services import Services
from calls.ids import CallSid
from calls.store.base import StoreError

log = structlog.get_logger()


class Bridge:
    """The application and its live calls. ``app`` is what an ASGI server serves; ``operators`` is to be opened before it is.

    ``bus``: where the events of calls are told.
    """

    def __init__(self, services: Services, bus: Bus) -> None:
        self._services = services
        self.is_draining = False
        self.app = Quart("bridge")
        self.streams = MediaStreams(self.app.asgi_app, services, capacity=self)
        self.operators = OperatorDesk(services, _Sessions(self.streams), bus)
        self.app.asgi_app = OperatorSockets(self.streams, self.operators)  # type: ignore[method-assign]
        self.app.register_blueprint(operator_blueprint(self.operators))
        self.app.add_url_rule("/healthz", "healthz", self._healthz)
        self.app.add_url_rule("/readyz", "readyz", self._readyz)
        self.app.add_url_rule("/metrics", "metrics", self._metrics)
        self.app.register_error_handler(404, _not_found)
        self.app.register_error_handler(405, _wrong_method)

    def refusal(self) -> str | None:
        """Why no new stream is taken: ``draining`` or ``at_capacity``; ``None`` if one is."""
        if self.is_draining:
            return "draining"
        if len(self.streams.sessions) >= self._services.settings.max_calls:
            return "at_capacity"
        return None

    def drain(self) -> None:
        """Takes no new streams; those there are go on."""
        self.is_draining = True

    def leave_calls(self) -> None:
        """Leaves every live stream without a disposition; ``/stream-ended`` decides what becomes of the callers."""
        for session in list(self.streams.sessions):
            session.drain()

    @property
    def live_calls(self) -> int:
        """How many streams are being served."""
        return len(self.streams.sessions)

    async def _healthz(self) -> Response:
        return _plain("ok\n", 200)

    async def _readyz(self) -> Response:
        reason = self.refusal()
        if reason is None:
            try:
                await self._services.store.check()
            except StoreError as error:
                log.error("readyz.store", why=str(error))
                reason = "store_unavailable"
        return _plain("ready\n", 200) if reason is None else _plain(f"{reason}\n", 503)

    async def _metrics(self) -> Response:
        return Response(self._services.metrics.page(), content_type="text/plain; version=0.0.4; charset=utf-8")


class _Sessions:
    """The live calls as the operator API sees them."""

    def __init__(self, streams: MediaStreams) -> None:
        self._streams = streams

    def live(self) -> set[CallSession]:
        """All sessions of this process."""
        return self._streams.sessions

    def session_of(self, call_sid: CallSid) -> CallSession | None:
        """The session of a call."""
        return self._streams.session_of(call_sid)


async def _not_found(_: Exception) -> Response:
    return _plain("There is nothing at this path.\n", 404)


async def _wrong_method(_: Exception) -> Response:
    return _plain("This path does not take that method.\n", 405)


def _plain(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="text/plain; charset=utf-8")
