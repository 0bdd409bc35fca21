"""A deployment of its own settings and a bare Twilio account: for tests that need a secret, a limit, or bad manners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.settings import BridgeSettings, ModelEndpoint, TwilioAccount
from calls.bus.memory import Subscription
from calls.business_files import BusinessDirectory
from calls.events import AnyEvent, CallEnded
from calls.ids import CallSid
from frontdesk.listening import listen
from frontdesk.serving import Deployment, deployed
from frontdesk.settings import DEFAULT_MODEL, Settings
from frontdesk.stage import ACCOUNT_SID
from simulator.model.server import ModelServer, SessionLog
from tests.whole_calls.playing import WITHIN_S, business, plan_for, scenario
from tests.whole_calls.raw_phone import Twilio, twilio_at

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
STREAM_SECRET = "what the webhooks and the bridge share"
CALL_SID = "CA" + "1" * 32
OTHER_SID = "CA" + "2" * 32
NOBODY = "http://127.0.0.1:1"
"""A REST API that does not answer."""


class Door:
    """The deployment, the model behind it, and Twilio in front."""

    def __init__(self, deployment: Deployment, model: ModelServer, twilio: Twilio, told: Subscription) -> None:
        self.deployment = deployment
        self.model = model
        self.twilio = twilio
        self._told = told

    async def events(self, call_sid: str = CALL_SID) -> list[AnyEvent]:
        """What is stored of a call."""
        return [event.body for event in await self.deployment.store.events(CallSid(call_sid))]

    async def over(self, call_sid: str = CALL_SID) -> list[AnyEvent]:
        """What is stored of a call, once its end is on record."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                event = await self._told.get()
                if event.call_sid == call_sid and isinstance(event.body, CallEnded):
                    return await self.events(call_sid)

    async def sessions_when_closed(self) -> list[SessionLog]:
        """The logs of all model sessions there were, once their sockets are gone."""
        for session in self.model.sessions:
            async with asyncio.timeout(WITHIN_S):
                await session.closed.wait()
        return self.model.sessions


@asynccontextmanager
async def door(folder: Path, *, max_calls: int = 100, greeting: str = "Hello.") -> AsyncIterator[Door]:
    """Opens it. Records are kept in ``folder``."""
    shop = business(greeting={"text": greeting})
    listener = listen("127.0.0.1", 0)
    origin = f"127.0.0.1:{listener.getsockname()[1]}"
    async with ModelServer(plan_for(scenario())) as model:
        settings = Settings(
            host="127.0.0.1",
            port=listener.getsockname()[1],
            public_url=f"http://{origin}",
            businesses=folder,
            store=f"sqlite:{folder / 'calls.db'}",
            bridge=BridgeSettings(
                owner="door",
                model=ModelEndpoint(url=model.url, api_key="simulated", default_model=DEFAULT_MODEL),
                twilio=TwilioAccount(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, api_url=NOBODY),
                stream_origin=f"ws://{origin}",
                stream_token_secret=STREAM_SECRET,
                verify_twilio=True,
                max_calls=max_calls,
                drain_s=0,
            ),
        )
        async with (
            deployed(settings, listener, businesses=BusinessDirectory([shop])) as deployment,
            twilio_at(deployment.url, AUTH_TOKEN) as twilio,
        ):
            with deployment.bus.subscribe() as told:
                yield Door(deployment, model, twilio, told)
