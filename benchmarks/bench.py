"""The two far ends in this process, and calls through whatever stands between them in another."""

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import percentile
from benchmarks.lag import Load, LoopLag
from benchmarks.processes import ACCOUNT_SID, AUTH_TOKEN, Program
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
DISTURBED = 0.1
"""Of one core, used by neither the program nor the far ends."""
TRIES = 4
QUIET_FOR_S, QUIET_WITHIN_S = 0.2, 15.0

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


@dataclass(slots=True)
class Rounds:
    """What was measured, and what it was measured under."""

    calls: list[Seen] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """How late the generator's loop was."""
    program_s: float = 0.0
    others_s: float = 0.0
    lasted_s: float = 0.0
    repeated: int = 0

    def add(self, calls: Sequence[Seen], late_ms: Sequence[float], *, program_s: float, others_s: float, lasted_s: float) -> None:
        """One round more."""
        self.calls += calls
        self.late_ms += late_ms
        self.program_s, self.others_s = self.program_s + program_s, self.others_s + others_s
        self.lasted_s += lasted_s

    @property
    def conditions(self) -> str:
        """For people."""
        text = (
            f"generator's loop late by {percentile(self.late_ms, 0.95):.1f} ms (p95), {max(self.late_ms):.1f} ms (max); "
            f"of a core, program {self.program_s / self.lasted_s:.0%}, others {self.others_s / self.lasted_s:.0%}"
        )
        return f"{text}; {self.repeated} disturbed rounds measured again" if self.repeated else text


class FarEnds:
    """A simulated phone company and a simulated model. ``plan`` may be exchanged between rounds."""

    def __init__(self, seed: int, *, log_audio: bool = False) -> None:
        self.seed = seed
        self.plan = SessionPlan(mind=Mind(), ears=DEAF)
        self.model = ModelServer(self._plan_of, log_audio=log_audio)
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

    async def rounds(self, count: int, program: Program, one_round: Callable[[], Awaitable[list[Seen]]]) -> Rounds:
        """Measures so many rounds. Each waits for a quiet machine, and one in which others kept the processors busy is
        measured again, a few times at most and whatever its figures are: it says more about them than about the program."""
        done = Rounds()
        for _ in range(count):
            for attempt in range(TRIES):
                await _quiet(program)
                self.lag.late_ms.clear()
                load, began_s = Load(program.pid), time.monotonic()
                seen = await one_round()
                lasted_s = time.monotonic() - began_s
                if load.others_s <= DISTURBED * lasted_s or attempt == TRIES - 1:
                    break
                done.repeated += 1
            done.add(seen, self.lag.late_ms, program_s=load.program_s, others_s=load.others_s, lasted_s=lasted_s)
        return done

    async def round(
        self,
        callers: Sequence[Caller],
        number: NumberOf,
        *,
        spread_s: float = NO_SPREAD,
        policies: Sequence[Policies] = (),
        first_shop: int = 0,
    ) -> list[Seen]:
        """All these callers at once, or one after the other within ``spread_s``, each at a shop of their own from ``first_shop`` on;
        returns when all of it is over.

        Raises:
            Lost: a call was never answered by the model, or did not end in time.
        """
        gc.collect()  # between rounds, so that none stops both far ends in the middle of one
        gc.freeze()
        before = len(self.model.sessions)
        voice.prepare([(step.say, caller.voice) for caller in callers for step in caller.steps if step.say is not None])
        calls: list[RunningCall] = []
        for index, caller in enumerate(callers, first_shop):
            chosen = policies[index - first_shop] if policies else Policies()
            calls.append(self.cloud.place_call(_scenario(index, caller), number(index), policies=chosen))
            if spread_s:
                await asyncio.sleep(spread_s / len(callers))
        try:
            async with asyncio.timeout(FINISHED_WITHIN_S):
                await asyncio.gather(*(call.finished() for call in calls))
        except TimeoutError:
            raise Lost(f"a call was not over after {FINISHED_WITHIN_S:.0f} s") from None
        await asyncio.sleep(SETTLE_S)
        sessions = {log.model: log for log in self.model.sessions[before:]}
        return [_seen(call, sessions.get(shop_of(index))) for index, call in enumerate(calls, first_shop)]


async def _quiet(program: Program) -> None:
    """Waits until nobody else is busy, but not for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(QUIET_WITHIN_S):
            while True:
                load = Load(program.pid)
                await asyncio.sleep(QUIET_FOR_S)
                if load.others_s <= DISTURBED * QUIET_FOR_S:
                    return


def _scenario(index: int, caller: Caller) -> Scenario:
    return Scenario(name="bench", title="bench", business=shop_of(index), to=number_of(index), caller=caller)


def _seen(call: RunningCall, session: SessionLog | None) -> Seen:
    machine = call.machine
    if session is None:
        raise Lost(f"the model was never connected for a call: {[str(entry) for entry in machine.debugger] or 'no reason known'}")
    return Seen(machine.timeline, machine.dialled_ms, machine.recording.caller, session)


@asynccontextmanager
async def far_ends(seed: int, *, log_audio: bool = False) -> AsyncIterator[FarEnds]:
    """Both far ends, listening; the loop's lag is watched from now on. ``log_audio``: sessions note when each frame came."""
    ends = FarEnds(seed, log_audio=log_audio)
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
