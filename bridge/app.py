"""The bridge's web application: Quart for what people and machines ask over HTTP, the media streams beside it."""

import structlog
from quart import Quart, Response

from bridge.call import CallSession
from bridge.capacity import Capacity
from bridge.media_stream import MediaStreams
from bridge.operator.desk import OperatorDesk
from bridge.operator.routes import operator_blueprint
from bridge.operator.sockets import OperatorSockets
from bridge.services import Services
from calls.bus.shared import SharedBus
from calls.ids import CallSid
from calls.store.base import StoreError

log = structlog.get_logger()


class Bridge:
    """The application and its live calls. ``app`` is what an ASGI server serves; ``operators`` is to be opened before it is.

    ``bus``: where the events of calls are told.
    """

    def __init__(self, services: Services, bus: SharedBus) -> None:
        self._services = services
        self.app = Quart("bridge")
        settings = services.settings
        self.capacity = Capacity(
            lambda: len(self.streams.sessions),
            max_calls=settings.max_calls,
            max_lag_ms=settings.max_lag_ms,
            finishing=lambda: sum(session.is_over for session in self.streams.sessions),
        )
        self.streams = MediaStreams(self.app.asgi_app, services, self.capacity)
        self.operators = OperatorDesk(services, _Sessions(self.streams), bus)
        self.app.asgi_app = OperatorSockets(self.streams, self.operators)  # type: ignore[method-assign]
        self.app.register_blueprint(operator_blueprint(self.operators))
        self.app.add_url_rule("/healthz", "healthz", self._healthz)
        self.app.add_url_rule("/readyz", "readyz", self._readyz)
        self.app.add_url_rule("/metrics", "metrics", self._metrics)
        self.app.register_error_handler(404, _not_found)
        self.app.register_error_handler(405, _wrong_method)

    def leave_calls(self) -> None:
        """Leaves every live stream without a disposition; ``/stream-ended`` decides what becomes of the callers."""
        for session in list(self.streams.sessions):
            session.drain()

    async def _healthz(self) -> Response:
        return _plain("ok\n", 200)

    async def _readyz(self) -> Response:
        standing = self.capacity.standing
        refusal = standing.refusal or await self._store_is_away()
        lines = (refusal or "ready", f"live_calls {standing.live_calls}", f"max_calls {standing.max_calls}")
        body = "\n".join((*lines, f"lag_ms {standing.lag_ms:.1f}", f"used {standing.used:.2f}", ""))
        return _plain(body, 200 if refusal is None else 503)

    async def _store_is_away(self) -> str | None:
        try:
            await self._services.store.check()
        except StoreError as error:
            log.error("readyz.store", why=str(error))
            return "store_unavailable"
        return None

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
