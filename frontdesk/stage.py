"""A stage: the real bridge and webhooks between a simulated phone and a simulated model, all over sockets of this machine.

The demo plays one call on it, tests and measurements play many.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.operator.tokens import OperatorKey
from bridge.settings import BridgeSettings, ModelEndpoint, TwilioAccount
from calls.bus import BusAddress
from calls.business_files import BusinessDirectory, load_businesses
from calls.recordings.place import Place
from frontdesk.listening import listen
from frontdesk.serving import Deployment, deployed
from frontdesk.settings import DEFAULT_MODEL, Settings
from frontdesk.watch_settings import WatchSettings
from simulator import voice
from simulator.ears import Ears
from simulator.model.faults import Faults
from simulator.model.server import ModelServer, SessionPlan
from simulator.model.timing import ModelTiming
from simulator.phone.cloud import PhoneCloud
from simulator.phone.policies import Number, Policies
from simulator.phone.running import RunningCall
from simulator.phone.timeline import Observation
from simulator.scenario import Scenario

ACCOUNT_SID = "AC" + "0" * 32
DEFAULT_TIMING = ModelTiming()
SILENT = WatchSettings(story=False)
"""The log tells what goes wrong only."""

NO_FAULTS = Faults()
CALM = Policies()


class Stage:
    """What is on it. ``place_call`` lets a caller dial."""

    def __init__(self, deployment: Deployment, cloud: PhoneCloud, model: ModelServer) -> None:
        self.deployment = deployment
        self.cloud = cloud
        self.model = model

    def place_call(
        self, scenario: Scenario, *, policies: Policies = CALM, observe: Callable[[Observation], None] | None = None
    ) -> RunningCall:
        """The scenario's caller dials the number, whose webhooks are the deployment's."""
        return self.cloud.place_call(scenario, number_of(self.deployment.url), policies=policies, observe=observe)


def number_of(url: str) -> Number:
    """How a Twilio number is set up to reach a deployment."""
    return Number(voice_url=f"{url}/incoming-call", voice_fallback_url=f"{url}/fallback", status_callback=f"{url}/call-status")


def plan_of(
    scenario: Scenario, *, timing: ModelTiming = DEFAULT_TIMING, faults: Mapping[int, Faults] | None = None, seed: int = 0
) -> Callable[[int], SessionPlan]:
    """Model sessions that play the scenario's part. ``faults``: what goes wrong with the nth session."""
    lines = [step.say for step in scenario.caller.steps if step.say is not None]
    ears = Ears.for_lines(lines, scenario.caller.voice)
    return lambda nth: SessionPlan(
        mind=scenario.mind, ears=ears, timing=timing, faults=(faults or {}).get(nth, NO_FAULTS), seed=seed + nth
    )


def prepare_voices(scenario: Scenario, businesses: BusinessDirectory) -> None:
    """Renders what both sides will say, so that no voice is made while frames are paced."""
    voice.prepare(spoken_lines(scenario, businesses))


def spoken_lines(scenario: Scenario, businesses: BusinessDirectory) -> list[tuple[str, str]]:
    """What both sides will say, each line with the voice that says it."""
    profile = next((business for business in businesses if business.id == scenario.business), None)
    texts = [profile.greeting_text, profile.closing_text] if profile is not None else []
    texts += [text for reply in scenario.mind.replies for text in (reply.say, reply.after_tools) if text is not None]
    caller = [(step.say, scenario.caller.voice) for step in scenario.caller.steps if step.say is not None]
    return [(text, scenario.mind.voice) for text in [*texts, scenario.mind.otherwise]] + caller


def simulated_endpoint(url: str) -> ModelEndpoint:
    """The simulated model as it is."""
    return ModelEndpoint(url=url, api_key="simulated", default_model=DEFAULT_MODEL)


@asynccontextmanager
async def stage(
    plan: Callable[[int], SessionPlan],
    *,
    store: str,
    businesses: Path | BusinessDirectory,
    signed: bool = True,
    log_audio: bool = True,
    operators: tuple[OperatorKey, ...] = (),
    recordings: Place | None = None,
    warm_sockets: int = 0,
    bus: BusAddress = BusAddress(),  # noqa: B008
    watch: WatchSettings = SILENT,
    endpoint: Callable[[str], ModelEndpoint] = simulated_endpoint,
) -> AsyncIterator[Stage]:
    """Sets the stage, and clears it when the block is left: nothing of it is left behind. ``endpoint`` is told the simulated model's
    address and says how the bridge gets there."""
    directory = businesses if isinstance(businesses, BusinessDirectory) else load_businesses(businesses)
    auth_token = secrets.token_hex(16)
    listener = listen("127.0.0.1", 0)
    origin = f"127.0.0.1:{listener.getsockname()[1]}"
    async with ModelServer(plan, log_audio=log_audio) as model, PhoneCloud(ACCOUNT_SID, auth_token if signed else None) as cloud:
        settings = Settings(
            host="127.0.0.1",
            port=listener.getsockname()[1],
            public_url=f"http://{origin}",
            businesses=Path(),
            store=store,
            bridge=BridgeSettings(
                owner=f"stage-{secrets.token_hex(4)}",
                model=endpoint(model.url),
                twilio=TwilioAccount(account_sid=ACCOUNT_SID, auth_token=auth_token, api_url=cloud.rest_url),
                stream_origin=f"ws://{origin}",
                stream_token_secret=secrets.token_hex(16),
                verify_twilio=signed,
                max_calls=10_000,
                drain_s=0,
                operators=operators,
                warm_sockets=warm_sockets,
            ),
            bus=bus,
            watch=watch,
            recordings=recordings,
        )
        try:
            async with deployed(settings, listener, businesses=directory) as deployment:
                yield Stage(deployment, cloud, model)
        finally:
            listener.close()
        await asyncio.sleep(0)
