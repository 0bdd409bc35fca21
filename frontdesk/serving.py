"""The bridge with the webhooks mounted beside it: made from settings, run until told to stop."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import Literal

import structlog
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from bridge.after_call import AfterCall
from bridge.app import Bridge
from bridge.booking import Booking
from bridge.endings import Endings
from bridge.greetings import Greetings
from bridge.messages import Messages
from bridge.metrics import BridgeMetrics
from bridge.model_breaker import ModelBreaker
from bridge.model_pool import ModelPool
from bridge.posting import posting
from bridge.services import Services
from bridge.tool_runner import ToolRunner
from bridge.twilio_rest import CallControl
from calls.bus.memory import MemoryBus
from calls.business_files import BusinessDirectory, load_businesses
from calls.events import AnyEvent, CallEvent
from calls.ids import BusinessId, CallSid
from calls.journal import Journal
from calls.outbox import wanted_by
from calls.prices import Prices
from calls.record import CallRecord, Message
from calls.retention import kept_in
from calls.store import appointments_of, greetings_of, open_store, outbox_of
from calls.store.base import CallStore, NewCall, OpenedCall
from calls.store.blocking import BlockingStore
from frontdesk.housekeeping import housekeeping
from frontdesk.recordings import as_recorded, recording
from frontdesk.settings import Settings
from webhooks.context import Context
from webhooks.dispatch import TwilioAuth
from webhooks.quart_routes import webhook_blueprint

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""What the server reads of one WebSocket message before it closes the socket itself; the core's own limits are far below."""

ANSWER_WITHIN_S = 10
"""Twilio waits 15 s for an answer to a webhook; what takes longer than this is logged as failed."""

log = structlog.get_logger()


class Deployment:
    """A running ``frontdesk serve``."""

    def __init__(
        self,
        bridge: Bridge,
        bus: MemoryBus,
        store: CallStore,
        *,
        after_call: AfterCall,
        greetings: Greetings,
        pool: ModelPool,
        url: str,
    ) -> None:
        self.bridge = bridge
        self.bus = bus
        self.store = store
        self.after_call = after_call
        self.greetings = greetings
        self.pool = pool
        self.url = url
        """Where it listens, ``http://host:port``."""


class AnnouncedLedger:
    """The webhooks' store, synchronous; what they put on the record reaches the bus too."""

    def __init__(self, store: BlockingStore, announce: Callable[[CallEvent], None]) -> None:
        self._store = store
        self._announce = announce

    def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """See ``CallStore.open_call``."""
        opened = self._store.open_call(call, at)
        self._tell(opened.event)
        return opened

    def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """See ``CallStore.get_call``."""
        return self._store.get_call(call_sid)

    def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """See ``CallStore.note_action``."""
        return self._store.note_action(call_sid, at)

    def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """See ``CallStore.end_call``."""
        return self._tell(self._store.end_call(call_sid, reason, at, duration_ms))

    def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """See ``CallStore.append_next``."""
        return self._tell(self._store.append_next(call_sid, body, at))

    def resume_call(self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime) -> OpenedCall | None:
        """See ``CallStore.resume_call``."""
        return self._store.resume_call(call_sid, why, at)

    def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See ``CallStore.note_message``."""
        self._store.note_message(call_sid, message)

    def _tell(self, event: CallEvent | None) -> CallEvent | None:
        if event is not None:
            self._announce(event)
        return event


@asynccontextmanager
async def deployed(
    settings: Settings, listener: socket.socket, *, businesses: BusinessDirectory | None = None
) -> AsyncIterator[Deployment]:
    """Serves on ``listener``, which it closes, while the block runs; then leaves every call's stream and closes the store.

    Raises:
        calls.store.base.StoreError: the store cannot be opened.
        calls.business_files.BusinessFileError: a business file cannot be used.
    """
    directory = as_recorded(businesses if businesses is not None else load_businesses(settings.businesses), settings.recordings)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        store = open_store(settings.store, wants=wanted_by(directory))
        await store.open()
        stack.push_async_callback(store.close)
        bus = MemoryBus()
        journal = await stack.enter_async_context(Journal(store, bus))
        endings = Endings(store, journal, settings.bridge.owner, bus.publish)
        stack.push_async_callback(endings.close)
        await endings.sweep()
        await stack.enter_async_context(housekeeping(kept_in(store), directory))
        await stack.enter_async_context(posting(outbox_of(store), directory, settings.bridge.owner))
        after_call = AfterCall(store, settings.bridge.model, announce=bus.publish)
        stack.push_async_callback(after_call.close)
        await after_call.sweep(directory.get)
        recorder = await stack.enter_async_context(recording(settings.recordings, store))
        greetings = Greetings(greetings_of(store), settings.bridge.model)
        stack.push_async_callback(greetings.close)
        await greetings.load(directory)
        metrics = BridgeMetrics()
        pool = await stack.enter_async_context(_pool(settings, directory, metrics))
        bridge = Bridge(
            Services(
                settings=settings.bridge,
                businesses=directory,
                store=store,
                journal=journal,
                call_control=stack.enter_context(CallControl(settings.bridge.twilio)),
                endings=endings,
                tools=await stack.enter_async_context(ToolRunner()),
                metrics=metrics,
                breaker=ModelBreaker(metrics.breaker_open, metrics.breaker_barred, clock=loop.time),
                after_call=after_call,
                recorder=recorder,
                greetings=greetings,
                pool=pool,
                prices=Prices(settings.prices),
                builtin_tools={
                    "send_sms": stack.enter_context(Messages(settings.bridge.twilio)).send_sms,
                    **Booking(appointments_of(store)).tools,
                },
            ),
            bus,
        )
        ledger = AnnouncedLedger(BlockingStore(store, loop), _announcer(bus, loop))
        context = Context(
            public_url=settings.public_url,
            stream_url=settings.bridge.stream_origin,
            stream_token_secret=settings.bridge.stream_token_secret,
            businesses=directory,
            calls=ledger,
            call_over=_call_over(bridge, endings, loop),
            running_cost_usd=_running_cost(bridge),
        )
        auth = TwilioAuth(auth_token=settings.bridge.twilio.auth_token or "", verify=settings.bridge.verify_twilio)
        bridge.app.register_blueprint(webhook_blueprint(context, auth))
        await bridge.operators.open()
        host, port = listener.getsockname()[:2]
        stop = asyncio.Event()
        server = asyncio.create_task(_serve(bridge, listener.detach(), stop), name="server")
        try:
            url = f"http://{host}:{port}"
            yield Deployment(bridge, bus, store, after_call=after_call, greetings=greetings, pool=pool, url=url)
        finally:
            bridge.drain()
            bridge.leave_calls()
            await bridge.operators.close()
            stop.set()
            await server


async def run_until(deployment: Deployment, leave: asyncio.Event, leave_now: asyncio.Event, drain_s: float) -> None:
    """Waits for the signal to go, then up to ``drain_s`` for live calls to end by themselves; ``leave_now`` cuts that short."""
    await leave.wait()
    deployment.bridge.drain()
    if deployment.bridge.live_calls:
        log.info("serve.draining", live_calls=deployment.bridge.live_calls, drain_s=drain_s)
    with suppress(TimeoutError):
        async with asyncio.timeout(drain_s):
            while deployment.bridge.live_calls and not leave_now.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await leave_now.wait()


async def _serve(bridge: Bridge, listener_fd: int, stop: asyncio.Event) -> None:
    config = Config()
    config.bind = [f"fd://{listener_fd}"]
    config.websocket_max_message_size = MAX_MESSAGE_BYTES
    config.graceful_timeout = 5
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    await hypercorn_serve(bridge.app, config, shutdown_trigger=stop.wait, mode="asgi")


def _pool(settings: Settings, directory: BusinessDirectory, metrics: BridgeMetrics) -> ModelPool:
    models = Counter(profile.model for profile in directory)
    return ModelPool(
        settings.bridge.model,
        [model for model, _ in models.most_common()],
        size=settings.bridge.warm_sockets,
        max_age_s=settings.bridge.warm_max_age_s,
        taken=metrics.warm_sockets_taken,
        waiting=metrics.warm_sockets,
    )


def _announcer(bus: MemoryBus, loop: asyncio.AbstractEventLoop) -> Callable[[CallEvent], None]:
    """Publishes from a worker thread."""

    def announce(event: CallEvent) -> None:
        loop.call_soon_threadsafe(bus.publish, event)

    return announce


def _call_over(bridge: Bridge, endings: Endings, loop: asyncio.AbstractEventLoop) -> Callable[[CallSid, str, int | None], None]:
    """Tells the session that serves the call, or, if none does, ends the record: its owner is gone."""

    async def tell(call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        session = bridge.streams.session_of(call_sid)
        if session is None or not session.call_over(status, duration_ms):
            await endings.call_over(call_sid, status, duration_ms)

    def call_over(call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        asyncio.run_coroutine_threadsafe(tell(call_sid, status, duration_ms), loop).result(ANSWER_WITHIN_S)

    return call_over


def _running_cost(bridge: Bridge) -> Callable[[BusinessId], float]:
    """What the calls that this process serves have cost so far. Asked from worker threads, hence the copy."""

    def running_cost_usd(business_id: BusinessId) -> float:
        live = list(bridge.streams.sessions)
        return sum(session.unrecorded_cost_usd for session in live if session.business_id == business_id)

    return running_cost_usd


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``OSError`` if the address is taken or is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
