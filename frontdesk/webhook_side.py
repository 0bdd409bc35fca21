"""The webhooks as ``frontdesk serve`` mounts them beside the bridge: the store they write to, and what they ask the bridge."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import structlog

from bridge.app import Bridge
from bridge.call_over import CallOver
from bridge.capacity import Capacity
from bridge.services import Services
from calls.bus.shared import SharedBus
from calls.business_files import BusinessDirectory
from calls.events import AnyEvent, CallEvent
from calls.fleet import FRESH, somebody_accepts
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord, Disposition, Message
from calls.store import fleet_of
from calls.store.base import NewCall, OpenedCall, StoreError
from calls.store.blocking import BlockingStore
from calls.store.fleet import FleetStore
from frontdesk.settings import Settings
from frontdesk.watching import Watched, log_of_webhooks
from webhooks.context import Context
from webhooks.dispatch import TwilioAuth
from webhooks.quart_routes import webhook_blueprint

FLEET_WITHIN_S = 2
ANSWER_WITHIN_S = 10
"""Twilio waits 15 s for an answer to a webhook; what takes longer than this is logged as failed."""

log = structlog.get_logger()


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

    def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """See ``CallStore.events``."""
        return self._store.events(call_sid, after)

    def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """See ``CallStore.resume_call``."""
        return self._store.resume_call(call_sid, why, at, after)

    def set_disposition(self, call_sid: CallSid, disposition: Disposition) -> None:
        """See ``CallStore.set_disposition``."""
        self._store.set_disposition(call_sid, disposition)

    def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See ``CallStore.note_message``."""
        self._store.note_message(call_sid, message)

    def _tell(self, event: CallEvent | None) -> CallEvent | None:
        if event is not None:
            self._announce(event)
        return event


def mount_webhooks(
    settings: Settings, bridge: Bridge, services: Services, directory: BusinessDirectory, bus: SharedBus, *, announcing: Watched
) -> None:
    """Serves the webhooks with the bridge's own routes. To be called in the loop that will serve them."""
    context = webhook_context(settings, bridge, services, directory, bus, announcing=announcing)
    auth = TwilioAuth(auth_token=settings.bridge.twilio.auth_token or "", verify=settings.bridge.verify_twilio)
    bridge.app.register_blueprint(webhook_blueprint(context, auth))


def webhook_context(
    settings: Settings, bridge: Bridge, services: Services, directory: BusinessDirectory, bus: SharedBus, *, announcing: Watched
) -> Context:
    """What the handlers are given; they run in worker threads."""
    loop = asyncio.get_running_loop()
    return Context(
        public_url=settings.public_url,
        stream_url=settings.bridge.stream_origin,
        stream_token_secret=settings.bridge.stream_token_secret,
        businesses=directory,
        calls=AnnouncedLedger(BlockingStore(services.store, loop), _announcer(announcing, loop)),
        call_over=_call_over(
            CallOver(bridge.streams, services.endings, services.store, bus.mailbox, settings.bridge.owner), loop
        ),
        running_cost_usd=_running_cost(bridge),
        nobody_accepts=_nobody_accepts(bridge.capacity, fleet_of(services.store), settings.bridge.owner, loop),
        log=log_of_webhooks,
        answered=announcing.answered,
    )


def _announcer(bus: Watched, loop: asyncio.AbstractEventLoop) -> Callable[[CallEvent], None]:
    """Publishes from a worker thread."""

    def announce(event: CallEvent) -> None:
        loop.call_soon_threadsafe(bus.publish, event)

    return announce


def _call_over(over: CallOver, loop: asyncio.AbstractEventLoop) -> Callable[[CallSid, str, int | None], None]:
    """Reports from a worker thread."""

    def call_over(call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        asyncio.run_coroutine_threadsafe(over.report(call_sid, status, duration_ms), loop).result(ANSWER_WITHIN_S)

    return call_over


def _nobody_accepts(capacity: Capacity, fleet: FleetStore, owner: str, loop: asyncio.AbstractEventLoop) -> Callable[[], bool]:
    """Asks the bridge beside the webhooks first; only when that takes no call, what the others have said. Asked from worker threads."""

    def nobody_accepts() -> bool:
        if capacity.refusal() is None:
            return False
        now = datetime.now(UTC)
        asked = asyncio.run_coroutine_threadsafe(fleet.loads(now - FRESH), loop)
        try:
            loads = asked.result(FLEET_WITHIN_S)
        except (StoreError, TimeoutError) as error:
            asked.cancel()
            log.warning("fleet.unknown", why=str(error) or "timeout")
            return False
        return not somebody_accepts((load for load in loads if load.owner != owner), now)

    return nobody_accepts


def _running_cost(bridge: Bridge) -> Callable[[BusinessId], float]:
    """What the calls that this process serves have cost so far. Asked from worker threads, hence the copy."""

    def running_cost_usd(business_id: BusinessId) -> float:
        live = list(bridge.streams.sessions)
        return sum(session.unrecorded_cost_usd for session in live if session.business_id == business_id)

    return running_cost_usd
