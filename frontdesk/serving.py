"""The bridge with the webhooks mounted beside it: made from settings, run until told to stop."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from bridge.after_call import AfterCall
from bridge.app import Bridge
from bridge.booking import Booking
from bridge.builtin_tools import BuiltinRun
from bridge.capacity import Capacity, CapacitySampled
from bridge.draining import Draining
from bridge.endings import Endings
from bridge.fleet_notes import fleet_noted
from bridge.greetings import Greetings
from bridge.loop_lag import loop_lag_sampled
from bridge.messages import Messages
from bridge.metrics import BridgeMetrics
from bridge.model_breaker import ModelBreaker
from bridge.model_pool import ModelPool
from bridge.orphans import Orphans, orphans_ended
from bridge.posting import posting
from bridge.services import Services
from bridge.settings import BridgeSettings
from bridge.task_protection import task_protection
from bridge.tool_runner import ToolRunner
from bridge.twilio_rest import CallControl
from calls.bus import Tally, open_bus
from calls.bus.shared import SharedBus
from calls.business_files import BusinessDirectory, load_businesses
from calls.journal import Journal
from calls.keeping import kept_for
from calls.outbox import wanted_by
from calls.prices import Prices
from calls.retention import kept_in
from calls.store import appointments_of, businesses_of, fleet_of, greetings_of, open_store, outbox_of
from calls.store.base import CallStore
from frontdesk.applied_businesses import AppliedBusinesses, followed
from frontdesk.chores import ALL_CHORES, Chores, sweeping
from frontdesk.entrance import Entrance, Listener
from frontdesk.figures import telling_others
from frontdesk.housekeeping import housekeeping
from frontdesk.recordings import as_recorded, recording
from frontdesk.settings import Settings
from frontdesk.watchers import watched
from frontdesk.watching import Watched
from frontdesk.webhook_side import mount_webhooks

log = structlog.get_logger()


class Deployment:
    """A running ``frontdesk serve``."""

    def __init__(
        self,
        bridge: Bridge,
        bus: SharedBus,
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


@asynccontextmanager
async def deployed(
    settings: Settings,
    entrance: Entrance | socket.socket,
    *,
    businesses: BusinessDirectory | None = None,
    chores: Chores = ALL_CHORES,
) -> AsyncIterator[Deployment]:
    """Serves while the block runs; then leaves every call's stream and closes the store.

    Args:
        entrance: where connections come from; of a listening socket, which is closed at the end, those that are made to it.
        chores: what this process does of that for which one of several is enough.

    Raises:
        calls.store.base.StoreError: the store cannot be opened.
        calls.business_files.BusinessFileError: a business file cannot be used.
    """
    directory = _directory(settings, businesses)
    async with AsyncExitStack() as stack:
        store = await _opened(stack, settings, directory)
        if businesses is None and settings.businesses is None:
            await _follow(stack, settings, directory, store)
        metrics = BridgeMetrics()
        bus = await _bus(stack, settings, metrics)
        announcing = await stack.enter_async_context(watched(settings, metrics, bus))
        services = await _services(stack, settings, directory, store, announcing, metrics=metrics, chores=chores)
        bridge = Bridge(services, bus)
        mount_webhooks(settings, bridge, services, directory, bus, announcing=announcing)
        await bridge.operators.open()
        await _watched_over(stack, settings.bridge, bridge.capacity, services)
        async with _served(bridge, entrance if not isinstance(entrance, socket.socket) else Listener(entrance)) as url:
            yield Deployment(
                bridge, bus, store, after_call=services.after_call, greetings=services.greetings, pool=services.pool, url=url
            )


async def _watched_over(stack: AsyncExitStack, settings: BridgeSettings, capacity: Capacity, services: Services) -> None:
    """What is known of this process outside of it: its lag, what it can still carry, and that it must not be stopped now."""
    metrics = services.metrics
    stack.enter_context(loop_lag_sampled(CapacitySampled(capacity, metrics).note))
    await stack.enter_async_context(telling_others(metrics))
    await stack.enter_async_context(fleet_noted(fleet_of(services.store), settings.owner, capacity))
    await stack.enter_async_context(task_protection(settings.ecs_agent_uri, capacity, metrics.protected))


def _directory(settings: Settings, businesses: BusinessDirectory | None) -> BusinessDirectory:
    """The businesses, or, where they are read from the store, what will hold them."""
    if businesses is None:
        businesses = BusinessDirectory([]) if settings.businesses is None else load_businesses(settings.businesses)
    return as_recorded(businesses, settings.recordings)


async def _follow(stack: AsyncExitStack, settings: Settings, directory: BusinessDirectory, store: CallStore) -> None:
    applied = AppliedBusinesses(businesses_of(store), directory, where=settings.store, place=settings.recordings)
    await stack.enter_async_context(followed(applied))


async def _opened(stack: AsyncExitStack, settings: Settings, directory: BusinessDirectory) -> CallStore:
    store = open_store(settings.store, wants=wanted_by(directory), keeps=kept_for(directory))
    await store.open()
    stack.push_async_callback(store.close)
    return store


async def _bus(stack: AsyncExitStack, settings: Settings, metrics: BridgeMetrics) -> SharedBus:
    bus = open_bus(settings.bus, settings.bridge.owner, Tally(metrics.bus_published, metrics.bus_received, metrics.bus_dropped))
    bus.transport.on_change(metrics.bus_up.set)
    metrics.bus_up.set(bus.transport.is_up)
    return await stack.enter_async_context(bus)


async def _services(
    stack: AsyncExitStack,
    settings: Settings,
    directory: BusinessDirectory,
    store: CallStore,
    bus: Watched,
    *,
    metrics: BridgeMetrics,
    chores: Chores,
) -> Services:
    """What the bridge's calls need, each closed when ``stack`` is, in the reverse order."""
    journal = await stack.enter_async_context(Journal(store, bus, owner=settings.bridge.owner))
    metrics.backlog.journal = journal
    endings = await _endings(stack, settings, store, journal, bus)
    if chores.keeps_house:
        await stack.enter_async_context(housekeeping(kept_in(store), directory))
    await stack.enter_async_context(posting(outbox_of(store), directory, settings.bridge.owner))
    after_call = await _after_call(stack, settings, store, directory, bus, chores=chores)
    return Services(
        settings=settings.bridge,
        businesses=directory,
        store=store,
        journal=journal,
        call_control=stack.enter_context(CallControl(settings.bridge.twilio)),
        endings=endings,
        tools=await stack.enter_async_context(ToolRunner()),
        metrics=metrics,
        breaker=ModelBreaker(metrics.breaker_open, metrics.breaker_barred, clock=asyncio.get_running_loop().time),
        after_call=after_call,
        recorder=await stack.enter_async_context(recording(settings.recordings, store)),
        greetings=await _greetings(stack, settings, store, directory),
        pool=await stack.enter_async_context(_pool(settings, directory, metrics)),
        watch=bus,
        prices=Prices(settings.prices),
        builtin_tools=_builtin_tools(stack, settings, store),
    )


async def _endings(stack: AsyncExitStack, settings: Settings, store: CallStore, journal: Journal, bus: Watched) -> Endings:
    owner = settings.bridge.owner
    endings = Endings(store, journal, owner, bus.publish)
    stack.push_async_callback(endings.close)
    await endings.sweep()
    await stack.enter_async_context(orphans_ended(Orphans(store, fleet_of(store), owner, bus.publish)))
    return endings


async def _after_call(
    stack: AsyncExitStack, settings: Settings, store: CallStore, directory: BusinessDirectory, bus: Watched, *, chores: Chores
) -> AfterCall:
    after_call = AfterCall(store, settings.bridge.model, announce=bus.publish)
    stack.push_async_callback(after_call.close)
    await stack.enter_async_context(sweeping(lambda: after_call.sweep(directory.get), chores.sweeps_after_s))
    return after_call


async def _greetings(stack: AsyncExitStack, settings: Settings, store: CallStore, directory: BusinessDirectory) -> Greetings:
    greetings = Greetings(greetings_of(store), settings.bridge.model)
    stack.push_async_callback(greetings.close)
    await greetings.load(directory)
    return greetings


def _builtin_tools(stack: AsyncExitStack, settings: Settings, store: CallStore) -> dict[str, BuiltinRun]:
    messages = stack.enter_context(Messages(settings.bridge.twilio))
    return {"send_sms": messages.send_sms, **Booking(appointments_of(store)).tools}


@asynccontextmanager
async def _served(bridge: Bridge, entrance: Entrance) -> AsyncIterator[str]:
    """Runs the server; yields its URL. What is left when the block ends is left, as a call without a disposition."""
    async with entrance.serving(bridge.app):
        try:
            yield entrance.url
        finally:
            bridge.capacity.drain()
            bridge.leave_calls()
            await asyncio.gather(Draining(bridge.capacity).left(), bridge.operators.close())


async def run_until(deployment: Deployment, leave: asyncio.Event, leave_now: asyncio.Event, drain_s: float) -> None:
    """Waits for the signal to go, then up to ``drain_s`` for live calls to end by themselves; ``leave_now`` cuts that short."""
    await leave.wait()
    await Draining(deployment.bridge.capacity).run(leave_now, drain_s)


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
