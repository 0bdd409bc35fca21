"""One step of a sweep: so many calls through one program, what was read of it, and what follows from that."""

from collections.abc import Sequence
from math import nan

import msgspec

from benchmarks.load.pairing import Spread

LATE_MS = 20.0
"""One frame. A program that adds more to one frame in a hundred has too many calls."""
BUSY = 0.9
"""A generator that uses so much of its core is no longer sure to be on time."""
GENERATOR_LATE_MS = 5.0
"""Nor is one whose own frames are later than this, one in a hundred of them."""
FRONTDESK, RELAY = "frontdesk", "bare relay"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one step. Distributions are in milliseconds."""

    program: str
    calls: int
    """As many as there were to be."""
    lasted_s: float
    caller: Spread
    """Phone → model, added to each frame."""
    agent: Spread
    """Model → phone, added to each delta."""
    greeting: Spread
    """The stream's start → its first audio, without the model's own time."""
    turn: Spread
    """The turn's end → the model is asked for an answer."""
    cut: Spread
    """The frame that decides an interruption → `clear`."""
    cpu_ms: float
    """Per second of a call."""
    memory_mb: float
    """Per call, above what the program uses without any."""
    loop_lag_ms: float | None
    """Mean, as the program itself says; ``None``: it does not."""
    frames: int
    lost: int
    """Frames of the caller that never reached the model."""
    lost_audio_ms: float
    """Of what the AI said and nobody cut."""
    refused: int
    """Calls that were not taken."""
    refusal: str = ""
    """Why most of them were not."""
    dropped: int
    """Calls that the program ended."""
    generator_busy: float
    """Share of its core."""
    generator_late: Spread
    others_busy: float
    """How much of a core everybody else used."""
    beside: bool = False
    """Measured while the other program had as many calls on the same core: what they cost may be compared, and nothing else."""

    @property
    def late_ms(self) -> float:
        """The worse of both ways, of one frame in a hundred."""
        return max(self.caller.p99, self.agent.p99)

    @property
    def generator_was_the_limit(self) -> bool:
        """Whether these figures say more about the far ends than about the program."""
        return self.generator_busy >= BUSY or self.generator_late.p99 > GENERATOR_LATE_MS

    @property
    def generator_was_disturbed(self) -> bool:
        """Whether somebody kept the far ends from their core, who had time enough themselves: it is worth another try."""
        return self.generator_late.p99 > GENERATOR_LATE_MS and self.generator_busy < BUSY / 2

    @property
    def holds(self) -> bool:
        """Whether the program carries so many calls: all of them, nothing lost, and on time."""
        whole = not (self.refused or self.dropped or self.lost or self.lost_audio_ms)
        return whole and self.caller.n > 0 and self.late_ms <= LATE_MS

    @property
    def why_not(self) -> str:
        """For people; empty if it holds."""
        reasons = [
            (self.refused, f"{self.refused} calls refused" + (f" ({self.refusal})" if self.refusal else "")),
            (self.dropped, f"{self.dropped} calls dropped"),
            (self.lost, f"{self.lost} frames lost"),
            (self.lost_audio_ms, f"{self.lost_audio_ms:.0f} ms of the AI's audio lost"),
            (not self.caller.n, "nothing came"),
            (self.late_ms > LATE_MS, f"p99 is {self.late_ms:.1f} ms"),
        ]
        return ", ".join(text for applies, text in reasons if applies)


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls a program carries on its core. What lies between the two was not tried."""

    holds: int
    """The most that held; 0 if none did."""
    breaks: int | None
    """The fewest that did not; ``None``: the sweep ended before, or it was the generator that gave in."""
    is_generators: bool
    """It was the generator that gave in."""

    def __str__(self) -> str:
        if self.breaks is not None:
            return f"{self.holds} calls (not {self.breaks})"
        return f"{self.holds} calls or more" + (", the generator gave in first" if self.is_generators else "")


def capacity_of(steps: Sequence[Step]) -> Capacity:
    """What the steps of one program say, in any order. Where a number of calls was measured several times, most of them decide."""
    steps = [step for step in steps if not step.beside]
    held = {calls: mostly_holds(steps, calls) for calls in {step.calls for step in steps}}
    breaks = min((calls for calls, holds in held.items() if holds is False), default=None)
    below = [calls for calls, holds in held.items() if holds and (breaks is None or calls < breaks)]
    gave_in = breaks is None and None in held.values()
    return Capacity(holds=max(below, default=0), breaks=breaks, is_generators=gave_in)


def mostly_holds(steps: Sequence[Step], calls: int) -> bool | None:
    """Whether most of the steps with so many calls held, those left out that say more about the generator; ``None`` if none is left."""
    sound = [step.holds for step in steps if step.calls == calls and not step.generator_was_the_limit]
    return sum(sound) * 2 > len(sound) if sound else None


def next_between(capacity: Capacity, nearer_than: float = 0.1) -> int | None:
    """How many calls to try to know the capacity better; ``None`` if it is known well enough, to a tenth or to five calls."""
    if capacity.breaks is None or capacity.breaks - capacity.holds <= max(5, nearer_than * capacity.breaks):
        return None
    return (capacity.holds + capacity.breaks) // 2


def ratio(ours: float, theirs: float) -> float:
    """Ours to theirs; not a number where there is nothing to compare with."""
    return ours / theirs if theirs else nan
