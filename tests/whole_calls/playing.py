"""Calls on a stage, small enough for a test: a shop with a short greeting, a quick model, callers of few words.

Nothing here waits for time to pass: what is waited for is an observation of the phone or an event on the call's record.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from bridge.operator.tokens import OperatorKey
from bridge.settings import ModelEndpoint
from calls.bus import BusAddress
from calls.bus.memory import Subscription
from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory
from calls.events import AnyEvent, CallEnded, CallEvent, EventBody
from calls.ids import CallSid
from calls.recordings.place import Place
from calls.store.base import CallStore
from frontdesk.stage import NO_FAULTS, SILENT, Stage, prepare_voices, simulated_endpoint, stage
from frontdesk.watch_settings import WatchSettings
from simulator import voice
from simulator.ears import Ears
from simulator.model.faults import Faults
from simulator.model.server import SessionLog, SessionPlan
from simulator.model.timing import ModelTiming
from simulator.phone.policies import Policies
from simulator.phone.running import RunningCall
from simulator.phone.timeline import Observation
from simulator.scenario import Caller as ScriptedCaller
from simulator.scenario import CallerStep, Mind, Reply, Scenario

WITHIN_S = 30.0
"""Far beyond any call here: a condition that has not come by then never will."""
SAMPLES_PER_MS = 8
NUMBER = "+15005550006"
CALLER = "+15005550100"
HUMAN = "+15005550010"
GREETING = "Hello."
GOODBYE = "Goodbye."
CALM = Policies()
QUICK = ModelTiming(
    session_update_ms=20, acknowledge_ms=5, time_to_first_audio_ms=80, transcript_lead_ms=30, transcription_delay_ms=60
)
HANGS_UP = CallerStep(after_ms=400, hang_up=True)

Seen = TypeVar("Seen", bound=Observation)
Told = TypeVar("Told", bound=EventBody)


def business(**changes: Any) -> BusinessProfile:
    """A shop; ``changes`` are keys and tables of its file."""
    file: dict[str, Any] = {
        "id": "corner-shop",
        "name": "Corner Shop",
        "numbers": [NUMBER, f"whatsapp:{NUMBER}", "sip:shop@corner.example", "client:corner-shop"],
        "language": "en",
        "voice": "alloy",
        "instructions": "You answer the phone of {name}.",
        "greeting": {"text": GREETING},
        "closing": {"text": GOODBYE},
        "turns": {"silence_duration_ms": 200},
        "fallback": {"mode": "hangup", "text": "Call later."},
    }
    return msgspec.convert(file | changes, BusinessProfile)


def scenario(
    *steps: CallerStep, replies: Mapping[str, str] | None = None, caller: str = CALLER, to: str = NUMBER, name: str = "test"
) -> Scenario:
    """A caller who does ``steps``, and a model that answers what it hears (a pattern) with ``replies``."""
    return Scenario(
        name=name,
        title=name,
        business="corner-shop",
        to=to,
        caller=ScriptedCaller(from_=caller, steps=steps, gives_up_after_s=25),
        mind=Mind(replies=tuple(Reply(hears=hears, say=say) for hears, say in (replies or {}).items()), otherwise="Sorry?"),
    )


def plan_for(
    *scenarios: Scenario, timing: ModelTiming = QUICK, faults: Faults | Mapping[int, Faults] = NO_FAULTS, seed: int = 0
) -> Callable[[int], SessionPlan]:
    """Model sessions that hear and answer the callers of all these scenarios. ``faults``: of all sessions, or of the nth."""
    lines = [step.say for each in scenarios for step in each.caller.steps if step.say is not None]
    ears = Ears.for_lines(lines, scenarios[0].caller.voice)
    replies = tuple(reply for each in scenarios for reply in each.mind.replies)
    mind = msgspec.structs.replace(scenarios[0].mind, replies=replies)

    def plan(nth: int) -> SessionPlan:
        wrong = faults if isinstance(faults, Faults) else faults.get(nth, NO_FAULTS)
        return SessionPlan(mind=mind, ears=ears, timing=timing, faults=wrong, seed=seed + nth)

    return plan


class Caller:
    """A call as its phone sees it."""

    def __init__(self, place: Callable[[Callable[[Observation], None]], RunningCall]) -> None:
        self._waiting: list[tuple[Callable[[Observation], bool], asyncio.Future[Observation]]] = []
        self._at: list[tuple[Callable[[Observation], bool], Callable[[], None]]] = []
        self.phone = place(self._observed)

    @property
    def sid(self) -> CallSid:
        """The call's SID."""
        return CallSid(self.phone.call_sid)

    @property
    def heard(self) -> bytes:
        """What the caller heard, μ-law, from the moment they dialled."""
        return bytes(self.phone.machine.recording.heard)

    def heard_ms(self, line: bytes) -> float:
        """How much of a line's beginning the caller really heard."""
        begins = self.heard.find(line[: 100 * SAMPLES_PER_MS])
        assert begins >= 0, "not even its beginning"
        heard = np.frombuffer(self.heard[begins : begins + len(line)], np.uint8)
        same = heard == np.frombuffer(line[: len(heard)], np.uint8)
        return float(len(same) if same.all() else np.argmin(same)) / SAMPLES_PER_MS

    def observed(self, kind: type[Seen]) -> list[Seen]:
        """Everything of one kind the phone has seen so far."""
        return [seen for seen in self.phone.machine.timeline if isinstance(seen, kind)]

    async def sees(self, kind: type[Seen], matching: Callable[[Seen], bool] = lambda _: True) -> Seen:
        """The first observation of that kind, waited for if need be."""
        for seen in self.observed(kind):
            if matching(seen):
                return seen
        future: asyncio.Future[Observation] = asyncio.get_running_loop().create_future()
        self._waiting.append((lambda seen: isinstance(seen, kind) and matching(seen), future))
        async with asyncio.timeout(WITHIN_S):
            found = await future
        assert isinstance(found, kind)
        return found

    async def sees_one_more(self, kind: type[Seen]) -> Seen:
        """The next observation of that kind."""
        seen_before = len(self.observed(kind))
        return await self.sees(kind, lambda _: len(self.observed(kind)) > seen_before)

    def at_first(self, kind: type[Seen], do: Callable[[], None], matching: Callable[[Seen], bool] = lambda _: True) -> None:
        """Does something in the very moment the phone sees the first of a kind, before anybody else has a turn."""
        self._at.append((lambda seen: isinstance(seen, kind) and matching(seen), do))

    async def is_over(self) -> None:
        """Returns once the phone is done with the call."""
        async with asyncio.timeout(WITHIN_S):
            await self.phone.finished()

    def _observed(self, seen: Observation) -> None:
        for matching, future in self._waiting:
            if not future.done() and matching(seen):
                future.set_result(seen)
        due = [entry for entry in self._at if entry[0](seen)]
        for entry in due:
            self._at.remove(entry)
            # not within the machine's own step
            asyncio.get_running_loop().call_soon(entry[1])


class Call(Caller):
    """A call being played on a stage: the phone's side as it is seen, the record as it is written."""

    def __init__(
        self, place: Callable[[Callable[[Observation], None]], RunningCall], told: Subscription, store: CallStore
    ) -> None:
        super().__init__(place)
        self._told = told
        self._store = store
        self._record: list[CallEvent] = []

    async def records(self, kind: type[Told], matching: Callable[[Told], bool] = lambda _: True) -> Told:
        """The first event of that kind on the call's record, waited for if need be."""
        for event in self._record:
            if isinstance(event.body, kind) and matching(event.body):
                return event.body
        async with asyncio.timeout(WITHIN_S):
            while True:
                event = await self._told.get()
                if event.call_sid == self.sid:
                    self._record.append(event)
                    if isinstance(event.body, kind) and matching(event.body):
                        return event.body

    async def over(self) -> list[AnyEvent]:
        """Once the call is over on both sides: its events, as they are stored."""
        return [event.body for event in await self.events_when_over()]

    async def events_when_over(self) -> list[CallEvent]:
        """The same, numbered and dated."""
        await self.is_over()
        await self.records(CallEnded)
        return await self._store.events(self.sid)


class Playing:
    """A stage on which calls are played."""

    def __init__(self, stage: Stage, stack: AsyncExitStack, first: Scenario) -> None:
        self.stage = stage
        self._stack = stack
        self._first = first

    def call(self, scenario: Scenario | None = None, policies: Policies = CALM) -> Call:
        """A caller dials."""
        told = self._stack.enter_context(self.stage.deployment.bus.subscribe())
        played = scenario or self._first
        store = self.stage.deployment.store
        return Call(lambda observe: self.stage.place_call(played, policies=policies, observe=observe), told, store)

    async def model_closed(self, nth: int = 0) -> SessionLog:
        """The nth session's log, once its socket is gone."""
        session = self.stage.model.sessions[nth]
        async with asyncio.timeout(WITHIN_S):
            await session.closed.wait()
        return session


@asynccontextmanager
async def playing(
    folder: Path,
    *scenarios: Scenario,
    profile: BusinessProfile | None = None,
    timing: ModelTiming = QUICK,
    faults: Faults | Mapping[int, Faults] = NO_FAULTS,
    businesses: BusinessDirectory | None = None,
    signed: bool = True,
    seed: int = 0,
    operators: tuple[OperatorKey, ...] = (),
    recordings: Place | None = None,
    warm_sockets: int = 0,
    bus: BusAddress = BusAddress(),  # noqa: B008
    watch: WatchSettings = SILENT,
    endpoint: Callable[[str], ModelEndpoint] = simulated_endpoint,
    store: str | None = None,
) -> AsyncIterator[Playing]:
    """The stage for these scenarios; records are kept in ``folder``, or in ``store``."""
    directory = businesses or BusinessDirectory([profile or business()])
    for each in scenarios:
        prepare_voices(each, directory)
    plan = plan_for(*scenarios, timing=timing, faults=faults, seed=seed)
    async with AsyncExitStack() as stack:
        set_stage = await stack.enter_async_context(
            stage(
                plan,
                store=store or f"sqlite:{folder / 'calls.db'}",
                businesses=directory,
                signed=signed,
                operators=operators,
                recordings=recordings,
                warm_sockets=warm_sockets,
                bus=bus,
                watch=watch,
                endpoint=endpoint,
            )
        )
        yield Playing(set_stage, stack, scenarios[0])


def of_kind(record: list[AnyEvent], kind: type[Told]) -> list[Told]:
    """The events of one kind, in order."""
    return [event for event in record if isinstance(event, kind)]


def spoken(line: str, speaker: str = Mind().voice) -> bytes:
    """What a line sounds like, μ-law; by default in the model's voice."""
    return voice.speak(line, speaker)
