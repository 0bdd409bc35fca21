"""The two far ends in this process, and calls through whatever stands between them in another."""

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lag import LoopLag
from benchmarks.processes import ACCOUNT_SID, AUTH_TOKEN
from benchmarks.shops import CLOSING, GREETING, number_of, shop_of
from simulator import voice
from simulator.ears import Ears
from simulator.model.server import ModelServer, SessionLog, SessionPlan
from simulator.model.timing import ModelTiming
from simulator.phone.cloud import PhoneCloud
from simulator.phone.policies import Number, Policies
from simulator.phone.running import RunningCall
from simulator.phone.timeline import Observation
from simulator.scenario import Caller, CallerStep, Mind, Scenario

DEAF = Ears({})
"""Hears every turn as nothing, and costs nothing: recognising speech would hold up both far ends."""
DEFAULT_TIMING = ModelTiming()
NO_SPREAD = 0.0
FINISHED_WITHIN_S = 60.0
SETTLE_S = 0.3
"""Between two rounds, for sockets to close."""

NumberOf = Callable[[int], Number]
"""How the nth call's number is set up."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One call as both far ends saw it."""

    timeline: Sequence[Observation]
    dialled_ms: float
    """On the clock of the event loop."""
    caller: bytes
    """What the caller said, μ-law, since dialling."""
    session: SessionLog
    """The call's session with the model."""

    def phone_ms(self, at_ms: float) -> float:
        """A time of the timeline on the loop's clock."""
        return self.dialled_ms + at_ms

    def model_ms(self, at_ms: float) -> float:
        """A time of the session on the loop's clock."""
        return self.session.opened_at_s * 1000 + at_ms


class Lost(Exception):
    """A call that could not be measured; ``str()`` says why."""


class FarEnds:
    """A simulated phone company and a simulated model. ``plan`` may be exchanged between rounds."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.plan = SessionPlan(mind=Mind(), ears=DEAF)
        self.model = ModelServer(self._plan_of, log_audio=False)
        self.cloud = PhoneCloud(ACCOUNT_SID, AUTH_TOKEN, seed=seed)
        self.lag = LoopLag()

    def _plan_of(self, nth: int) -> SessionPlan:
        plan = self.plan
        return SessionPlan(mind=plan.mind, ears=plan.ears, timing=plan.timing, faults=plan.faults, seed=self.seed + nth)

    def plays(self, mind: Mind, *, ears: Ears = DEAF, timing: ModelTiming = DEFAULT_TIMING) -> None:
        """What the model is like from the next session on. Its lines are spoken once now, before anything is timed."""
        lines = [line for reply in mind.replies for line in (reply.say, reply.after_tools) if line]
        voice.prepare([(line, mind.voice) for line in [*lines, mind.otherwise, GREETING, CLOSING]])
        self.plan = SessionPlan(mind=mind, ears=ears, timing=timing)

    async def round(
        self, callers: Sequence[Caller], number: NumberOf, *, spread_s: float = NO_SPREAD, policies: Sequence[Policies] = ()
    ) -> list[Seen]:
        """All these callers at once, or one after the other within ``spread_s``; returns when all of it is over.

        Raises:
            Lost: a call was never answered by the model, or did not end in time.
        """
        before = len(self.model.sessions)
        gc.collect()  # between rounds, so that none stops both far ends in the middle of one
        gc.freeze()
        voice.prepare([(step.say, caller.voice) for caller in callers for step in caller.steps if step.say is not None])
        calls: list[RunningCall] = []
        for index, caller in enumerate(callers):
            scenario = Scenario(name="bench", title="bench", business=shop_of(index), to=number_of(index), caller=caller)
            chosen = policies[index] if policies else Policies()
            calls.append(self.cloud.place_call(scenario, number(index), policies=chosen))
            if spread_s:
                await asyncio.sleep(spread_s / len(callers))
        try:
            async with asyncio.timeout(FINISHED_WITHIN_S):
                await asyncio.gather(*(call.finished() for call in calls))
        except TimeoutError:
            raise Lost(f"a call was not over after {FINISHED_WITHIN_S:.0f} s") from None
        await asyncio.sleep(SETTLE_S)
        sessions = {log.model: log for log in self.model.sessions[before:]}
        return [_seen(call, sessions.get(shop_of(index))) for index, call in enumerate(calls)]


def _seen(call: RunningCall, session: SessionLog | None) -> Seen:
    machine = call.machine
    if session is None:
        raise Lost(f"the model was never connected for a call: {[str(entry) for entry in machine.debugger] or 'no reason known'}")
    return Seen(machine.timeline, machine.dialled_ms, machine.recording.caller, session)


@asynccontextmanager
async def far_ends(seed: int) -> AsyncIterator[FarEnds]:
    """Both far ends, listening; the loop's lag is watched from now on."""
    ends = FarEnds(seed)
    async with ends.model, ends.cloud, ends.lag:
        yield ends


@asynccontextmanager
async def scratch() -> AsyncIterator[Path]:
    """A folder for the store, the business files and the logs of one run."""
    with tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as folder:
        yield Path(folder)


def served_by(url: str) -> NumberOf:
    """Numbers that ring a ``frontdesk serve``."""
    number = Number(voice_url=f"{url}/incoming-call", voice_fallback_url=f"{url}/fallback", status_callback=f"{url}/call-status")
    return lambda _: number


def relayed_by(url: str) -> NumberOf:
    """Numbers that ring the floor."""
    return lambda index: Number(voice_url=f"{url}/incoming-call/{shop_of(index)}", voice_method="GET")


def stays_on_the_line(for_ms: int) -> Caller:
    """A caller who says nothing and hangs up."""
    return Caller(steps=(CallerStep(when="answered", after_ms=for_ms, hang_up=True),))
