"""Two bridges with one store and one bus: callers reach the first, operators the second."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.operator.tokens import OperatorKey
from bridge.settings import BridgeSettings, ModelEndpoint, TwilioAccount
from calls.bus import BusAddress
from calls.business_files import BusinessDirectory
from frontdesk.listening import listen
from frontdesk.serving import Deployment, deployed
from frontdesk.settings import DEFAULT_MODEL, Settings
from frontdesk.stage import ACCOUNT_SID
from simulator.phone.cloud import PhoneCloud
from simulator.scenario import Scenario
from tests.whole_calls.operators import OPERATORS
from tests.whole_calls.playing import WITHIN_S, Playing, business, playing


@asynccontextmanager
async def another_bridge(
    store: Path, bus: BusAddress, cloud: PhoneCloud, model_url: str, operators: tuple[OperatorKey, ...] = OPERATORS
) -> AsyncIterator[Deployment]:
    """A bridge of the same deployment, in this process. No caller is sent to it."""
    listener = listen("127.0.0.1", 0)
    origin = f"127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(
        host="127.0.0.1",
        port=listener.getsockname()[1],
        public_url=f"http://{origin}",
        businesses=Path(),
        store=f"sqlite:{store}",
        bus=bus,
        bridge=BridgeSettings(
            owner="another-bridge",
            model=ModelEndpoint(url=model_url, api_key="simulated", default_model=DEFAULT_MODEL),
            twilio=TwilioAccount(account_sid=ACCOUNT_SID, auth_token=cloud.auth_token, api_url=cloud.rest_url),
            stream_origin=f"ws://{origin}",
            stream_token_secret="another secret",
            verify_twilio=True,
            max_calls=100,
            drain_s=0,
            operators=operators,
        ),
    )
    try:
        async with deployed(settings, listener, businesses=BusinessDirectory([business()])) as deployment:
            yield deployment
    finally:
        listener.close()


class Pair:
    """Both of them."""

    def __init__(self, first: Playing, second: Deployment) -> None:
        self.first, self.second = first, second

    async def bus_is(self, *, up: bool) -> None:
        """Returns once both have noticed."""
        for deployment in (self.first.stage.deployment, self.second):
            await _until(deployment, up=up)


async def _until(deployment: Deployment, *, up: bool) -> None:
    transport = deployment.bus.transport
    changed = asyncio.Event()
    undo: Callable[[], None] = transport.on_change(lambda _: changed.set())
    try:
        async with asyncio.timeout(WITHIN_S):
            while transport.is_up != up:
                changed.clear()
                await changed.wait()
    finally:
        undo()


@asynccontextmanager
async def two_bridges(folder: Path, bus: BusAddress, *scenarios: Scenario) -> AsyncIterator[Pair]:
    """Both are up, and so is the bus."""
    async with (
        playing(folder, *scenarios, operators=OPERATORS, bus=bus) as first,
        another_bridge(folder / "calls.db", bus, first.stage.cloud, first.stage.model.url) as second,
    ):
        pair = Pair(first, second)
        await pair.bus_is(up=True)
        yield pair
