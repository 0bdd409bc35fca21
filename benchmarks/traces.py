"""Interruptions that bridges are known to get wrong, as scripted calls: what the model says, and when the caller comes in."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.shops import QUICK_FROM
from simulator.model.timing import ModelTiming
from simulator.scenario import Caller, CallerStep, Mind, Reply, ToolCall

ASKS = CallerStep(after_ms=500, say="Could you tell me more about it, please?")
HANGS_UP = CallerStep(when="previous", after_ms=300, hang_up=True)
LONG = "We can send a technician tomorrow at nine, who will look at the furnace and tell you what has to be done."
"""5.4 s."""
LONGER = (
    "We can send a technician tomorrow at nine, who will look at the furnace, the ducts and the thermostat, "
    "and tell you what has to be done and what it will cost."
)
"""8.3 s."""
SHORT = "Of course. What would you like to know?"
WHOLE = "I can tell you all about it"
"""Without a pause that a caller might take for its end."""
BURST = ModelTiming(realtime_factor=10_000)
SLOW = ModelTiming(realtime_factor=1.3)
QUICK = ModelTiming(realtime_factor=50, time_to_first_audio_ms=250)

Steps = Callable[[random.Random], tuple[CallerStep, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One kind of interruption."""

    name: str
    says: tuple[Reply, ...]
    steps: Steps
    """Drawn anew for each call, so that cuts fall anywhere between two marks."""
    timing: ModelTiming = field(default_factory=ModelTiming)
    first_shop: int = 0
    cuts: int = 1
    queued: int = 0
    """Items waiting behind the one that is cut."""
    cancels: int | None = 0
    """How many `response.cancel` are right; ``None``: that depends on the moment."""
    before_mark: bool = False
    """The cut comes before Twilio has confirmed any audio of the item."""
    reaction: str = "noise"
    """``noise``: from the first loud sample to `clear` is what the gate says; ``speech``: speech has gaps; ``none``: it was loud
    before there was anything to cut."""

    def mind(self) -> Mind:
        """The model's side. It hears nothing, so every turn gets the next reply."""
        return Mind(replies=self.says, otherwise=SHORT)

    def caller(self, chance: random.Random) -> Caller:
        """The caller's side."""
        return Caller(steps=(*self.steps(chance), HANGS_UP))


def noise(after_ms: int, chance: random.Random, duration_ms: int = 500) -> CallerStep:
    """Noise once the other side has been heard for so long, or up to 200 ms more."""
    return CallerStep(when="agent_speaking", after_ms=after_ms + chance.randrange(0, 200, 20), noise_ms=duration_ms)


def _says(*lines: str) -> tuple[Reply, ...]:
    return tuple(Reply(hears="", say=line, once=True) for line in lines)


_A_THEN_B = (Reply(hears="", say=LONG, call=(ToolCall(name="get_current_time"),), after_tools=LONGER, once=True),)

TRACES = (
    Trace(name="5 s in one burst, cut at 1.0 s", says=_says(LONG), steps=lambda c: (ASKS, noise(620, c)), timing=BURST),
    Trace(name="cut while being generated", says=_says(LONG), steps=lambda c: (ASKS, noise(620, c)), timing=SLOW, cancels=1),
    Trace(
        name="B queued behind A, cut 1.0 s into A",
        says=_A_THEN_B,
        steps=lambda c: (ASKS, noise(620, c)),
        timing=QUICK,
        queued=1,
        cancels=None,
    ),
    Trace(
        name="cut before the first mark is back",
        says=_says(LONG),
        steps=lambda c: (ASKS, CallerStep(when="previous", after_ms=c.randrange(940, 1000, 20), noise_ms=500)),
        first_shop=QUICK_FROM,
        before_mark=True,
        cancels=None,
        reaction="none",
    ),
    Trace(
        name="a second cut", says=_says(LONG, LONGER), steps=lambda c: (ASKS, noise(620, c), noise(620, c)), cuts=2, cancels=None
    ),
    Trace(name="generated, 4 s still playing", says=_says(LONGER), steps=lambda c: (ASKS, noise(3400, c))),
    Trace(
        name="second reply, cut at 300 ms",
        says=_says(WHOLE, LONG),
        steps=lambda c: (ASKS, ASKS, CallerStep(when="agent_speaking", after_ms=c.randrange(0, 60, 20), noise_ms=500)),
        cancels=None,
    ),
    Trace(
        name="cut by spoken words",
        says=_says(LONG),
        steps=lambda c: (
            ASKS,
            CallerStep(
                when="agent_speaking", after_ms=620 + c.randrange(0, 200, 20), say="Wait, wait, please stop for a moment."
            ),
        ),
        cancels=None,
        reaction="speech",
    ),
)
