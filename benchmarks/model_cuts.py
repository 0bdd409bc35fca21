"""Calls whose socket to the model is cut at a random moment: what becomes of them, and what the caller notices.

Every call is played twice, once undisturbed and once with its socket cut, at a moment drawn from the seed between dialling and the end
of the undisturbed call. The silence of a call is the longest time in it in which neither side could be heard, between the first sound
of the greeting and the caller's hanging up. The bridge runs in a process of its own; phone and model are simulated in this one.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import options as command_line
from benchmarks import processes, shops
from benchmarks.bench import FINISHED_WITHIN_S, FarEnds, Lost, NumberOf, far_ends, scratch, served_by, stays_on_the_line
from benchmarks.figures import Check, Row, row, say, show, show_checks, write_json
from benchmarks.options import Options
from bridge.spoken_lines import lines_of
from calls.events import AgentTranscript, AnyEvent, CallEnded, CallerTranscript, ModelLost, ModelResumed
from calls.ids import CallSid
from calls.store import open_store
from simulator import voice
from simulator.ears import Ears
from simulator.model.timing import ModelTiming
from simulator.phone.running import RunningCall
from simulator.scenario import Caller, CallerStep, Mind, Reply, Scenario

AT_ONCE = 25
QUESTIONS = ("Do you sell tea?", "Are you open today?")
REPLIES = (
    "We sell green tea and black tea, and on market days a smoked one from the mountains. Which one would you like?",
    "Today until five in the afternoon, and on Fridays until two. Is there anything else?",
)
"""They begin differently: the simulated model goes on with the line whose beginning it is told was heard."""
CALLER = Caller(
    steps=(*(CallerStep(after_ms=1200, say=question) for question in QUESTIONS), CallerStep(after_ms=1200, hang_up=True)),
    gives_up_after_s=45,
)
MIND = Mind(replies=tuple(Reply(hears=hears, say=say) for hears, say in zip(("tea", "open"), REPLIES, strict=True)))
WORDS = " ".join((shops.GREETING, *REPLIES)).split()
OWN_LINES = {line.text for line in lines_of("en").values()}
SILENT = 0xFF
QUIET_RMS_CODE_SPAN = 4
"""μ-law codes this near to silence are silence."""
WARM_UP_MS = 750
CONNECT_MS = 200
PACES = {"12 × real time": 12.0, "1.5 × real time": 1.5}
"""How quickly the model speaks: at its usual pace most of a reply is on the phone when the socket goes, at the other it breaks off."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call that is over."""

    events: Sequence[AnyEvent]
    lasted_ms: float
    silence_ms: float

    @property
    def is_in_fallback(self) -> bool:
        """Whether the model was given up."""
        return any(isinstance(event, AgentTranscript) and event.text == lines_of("en")["apology"].text for event in self.events)

    @property
    def said(self) -> list[str]:
        """The words of the AI that were heard, without what the bridge says by itself."""
        lines = [event.text for event in self.events if isinstance(event, AgentTranscript) and event.text not in OWN_LINES]
        return " ".join(lines).split()

    @property
    def asked(self) -> list[str]:
        """What the caller said, as it stands on the record."""
        return [event.text for event in self.events if isinstance(event, CallerTranscript)]


async def play(ends: FarEnds, number: NumberOf, store: Path, calls: int, cuts_ms: Sequence[float] | None) -> list[Outcome]:
    """So many calls, a few at a time; returns what became of them, in order. Raises ``Lost``."""
    outcomes: list[Outcome] = []
    for first in range(0, calls, AT_ONCE):
        batch = range(first, min(first + AT_ONCE, calls))
        running = [ends.cloud.place_call(_scenario(index), number(index)) for index in batch]
        cutting = [asyncio.create_task(_cut(ends, index, cuts_ms[index])) for index in batch] if cuts_ms is not None else []
        try:
            async with asyncio.timeout(FINISHED_WITHIN_S):
                await asyncio.gather(*(call.finished() for call in running), *cutting)
        except TimeoutError:
            raise Lost(f"a call was not over after {FINISHED_WITHIN_S:.0f} s") from None
        await asyncio.sleep(0.5)  # the last events are written
        outcomes += await _outcomes(running, store)
    return outcomes


async def _cut(ends: FarEnds, index: int, after_ms: float) -> None:
    await asyncio.sleep(after_ms / 1000)
    ends.model.cut(shops.shop_of(index))


def _scenario(index: int) -> Scenario:
    return Scenario(name="bench", title="bench", business=shops.shop_of(index), to=shops.number_of(index), caller=CALLER)


async def _outcomes(running: Sequence[RunningCall], path: Path) -> list[Outcome]:
    store = open_store(f"sqlite:{path}")
    await store.open()
    try:
        return [await _outcome(call, [event.body for event in await store.events(CallSid(call.call_sid))]) for call in running]
    finally:
        await store.close()


async def _outcome(call: RunningCall, events: Sequence[AnyEvent]) -> Outcome:
    heard, said = bytes(call.machine.recording.heard), bytes(call.machine.recording.caller)
    return Outcome(events, lasted_ms=len(heard) / 8, silence_ms=longest_silence_ms(heard, said))


def longest_silence_ms(heard: bytes, said: bytes) -> float:
    """The longest stretch in which neither side could be heard, from the first sound heard to the last of either side; μ-law."""
    length = max(len(heard), len(said))
    sounds = np.zeros(length, bool)
    for side in (heard, said):
        codes = np.frombuffer(side, np.uint8)
        sounds[: len(codes)] |= (codes & 0x7F) < 0x7F - QUIET_RMS_CODE_SPAN
    at = np.flatnonzero(sounds)
    first = np.flatnonzero((np.frombuffer(heard, np.uint8) & 0x7F) < 0x7F - QUIET_RMS_CODE_SPAN)
    at = at[at >= first[0]] if len(first) else at
    return float(np.max(np.diff(at), initial=0)) / 8


# --- figures ---------------------------------------------------------------------------------------------------------------


def figures(name: str, undisturbed: Sequence[Outcome], cut: Sequence[Outcome]) -> tuple[list[Row], list[Check]]:
    """The table and what is right or wrong about these calls."""
    lost = [call for call in cut if any(isinstance(event, ModelLost) for event in call.events)]
    kept = [call for call in lost if not call.is_in_fallback]
    resumed = [float(event.ms) for call in cut for event in call.events if isinstance(event, ModelResumed)]
    longer = [max(0.0, one.lasted_ms - whole.lasted_ms) for whole, one in zip(undisturbed, cut, strict=True) if one in kept]
    rows = [
        row("lost → new session confirmed", name, resumed),
        row("longest silence", f"{name}, undisturbed", [call.silence_ms for call in undisturbed]),
        row("longest silence", f"{name}, cut", [call.silence_ms for call in cut]),
        row("longer than undisturbed", name, longer),
    ]
    checks = [
        Check(
            case=f"{name}, cut",
            what=f"goes on ({len(kept)}) or gets the fallback ({len(lost) - len(kept)})",
            good=_right(lost),
            n=len(lost),
        ),
        Check(
            case=f"{name}, cut", what="nothing is said twice, nothing is left out", good=sum(map(_is_whole, kept)), n=len(kept)
        ),
        Check(case=f"{name}, cut", what="every question is on the record once", good=sum(map(_heard_all, kept)), n=len(kept)),
        Check(
            case=f"{name}, undisturbed",
            what="both of these",
            good=sum(_is_whole(c) and _heard_all(c) for c in undisturbed),
            n=len(undisturbed),
        ),
    ]
    return rows, checks


def _right(lost: Sequence[Outcome]) -> int:
    return sum(call.is_in_fallback or _ended_by_the_caller(call) for call in lost)


def _ended_by_the_caller(call: Outcome) -> bool:
    """They heard all they wanted to and hung up."""
    return any(isinstance(event, CallEnded) and event.reason == "caller_hung_up" for event in call.events)


def _is_whole(call: Outcome) -> bool:
    return call.said == WORDS


def _heard_all(call: Outcome) -> bool:
    return call.asked == list(QUESTIONS)


async def run(options: Options) -> tuple[list[Row], list[Check]]:
    """Everything. Raises ``Lost`` or ``NotReady``."""
    async with scratch() as folder:
        shops.open_shops(folder / "shops", options.calls)
        async with (
            far_ends(options.seed) as ends,
            processes.bridge(folder, folder / "shops", ends.model.url, ends.cloud.rest_url) as program,
        ):
            number, store = served_by(program.url), folder / "bench.db"
            rows: list[Row] = []
            checks: list[Check] = []
            voice.prepare([(question, CALLER.voice) for question in QUESTIONS])
            await ends.round([stays_on_the_line(WARM_UP_MS)], number)
            for name, factor in PACES.items():
                timing = ModelTiming(connect_ms=CONNECT_MS, realtime_factor=factor)
                ends.plays(MIND, ears=Ears.for_lines(QUESTIONS, CALLER.voice), timing=timing)
                say(f"{options.calls} calls, {name}, undisturbed")
                undisturbed = await play(ends, number, store, options.calls, None)
                chance = random.Random(f"cuts {name} {options.seed}")
                cuts_ms = [chance.uniform(0, call.lasted_ms) for call in undisturbed]
                say(f"{options.calls} calls, {name}, each cut once")
                cut = await play(ends, number, store, options.calls, cuts_ms)
                more_rows, more_checks = figures(name, undisturbed, cut)
                rows, checks = [*rows, *more_rows], [*checks, *more_checks]
    return rows, checks


def main() -> None:
    """The command."""
    options = command_line.read(__doc__, calls=100)
    try:
        rows, checks = asyncio.run(run(options))
    except (Lost, processes.NotReady) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show("sockets of the model cut at random moments", rows)
    show_checks("what became of the calls", checks)
    if options.json is not None:
        write_json(options.json, command_line.facts(options), rows, checks)


if __name__ == "__main__":
    main()
