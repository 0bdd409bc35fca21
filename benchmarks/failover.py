"""Calls whose task dies or is replaced: do they go on, how long is nobody there, and is anything lost or ended that should not be.

Two ``frontdesk serve`` stand behind a load balancer with one store between them. First one of them is killed (SIGKILL) while all calls
are in conversation; then, with other calls, both are replaced one after the other by new ones (SIGTERM, with so little time to drain
that calls are left at the deadline). The gap of a call is the time from its broken stream to the first audio of the next one. Phone
and model are simulated in this process.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import options as command_line
from benchmarks import processes, shops
from benchmarks.balancer import Balancer
from benchmarks.bench import FarEnds, Lost, far_ends, scratch, served_by
from benchmarks.figures import Check, Row, row, say, show, show_checks, write_json
from benchmarks.options import Options
from calls.events import AgentTranscript, CallEnded, CallerTranscript, CallEvent, CallResumed
from calls.ids import CallSid
from calls.language import ENGLISH
from calls.record import CallRecord
from calls.store import open_store
from simulator import voice
from simulator.ears import Ears
from simulator.model.timing import ModelTiming
from simulator.phone.running import RunningCall
from simulator.phone.timeline import MediaReceived, Said, StepBegan, StepOver, StreamOpened, StreamOver
from simulator.scenario import Caller, CallerStep, Mind, Reply, Scenario

DRAIN_S = 2
READY_WITHIN_S = 30.0
FINISHED_WITHIN_S = 150.0
SPREAD_S = 4.0
"""Within this time the callers dial."""
IN_CONVERSATION_S = 9.0
"""After the last of them has dialled, everybody is in conversation."""
BETWEEN_RESTARTS_S = 6.0
WRITTEN_S = 11.0
"""By then the last events are on the record, also of calls whose end only their bridge has seen."""
TOPICS = ("tea", "coffee", "bread", "honey", "butter", "cheese")
QUESTIONS = tuple(f"Do you also sell {topic}?" for topic in TOPICS)
REPLIES = tuple(f"{topic.capitalize()} of many kinds, and all of it is made here in the valley." for topic in TOPICS)
"""No two begin alike: the simulated model goes on with the line whose beginning it is told was heard."""
CALLER = Caller(
    steps=(*(CallerStep(after_ms=1100, say=question) for question in QUESTIONS), CallerStep(after_ms=1100, hang_up=True)),
    gives_up_after_s=120,
)
WORDS = " ".join((shops.GREETING, *REPLIES)).split()
COMING_BACK = (ENGLISH.cut_off, ENGLISH.back_again)
_TOLD = (AgentTranscript, CallerTranscript, CallResumed)
COUNTED_FROM = "counts from the last event on the record, or from when Twilio asked, if that was later"
MIND = Mind(replies=tuple(Reply(hears=topic, say=say) for topic, say in zip(TOPICS, REPLIES, strict=True)), otherwise="Pardon?")


@dataclass(frozen=True, slots=True)
class Broken:
    """A stream that ended while its call went on, and the one that followed."""

    call: RunningCall
    at_ms: float
    """On the phone's clock, as all of these."""
    back_ms: float | None
    """The first audio after it; ``None``: there was none."""

    @property
    def was_speaking(self) -> bool:
        """Whether the caller was in the middle of a sentence, which nobody has heard."""
        seen = [one for one in self.call.machine.timeline if isinstance(one, StepBegan | StepOver)]
        until = self.back_ms if self.back_ms is not None else self.at_ms
        speaking = False
        for one in seen:
            if one.at_ms > until:
                break
            speaking = isinstance(one, StepBegan)
            if isinstance(one, StepOver) and one.at_ms >= self.at_ms - HEARD_MS:
                return True
        return speaking


HEARD_MS = 1200
"""What was said this shortly before the stream broke may not have been written down."""


def broken_streams(call: RunningCall) -> list[Broken]:
    """The streams of a call that were not its last; the last, too, if the call then ended without another."""
    timeline = call.machine.timeline
    over = [one.at_ms for one in timeline if isinstance(one, StreamOver) and one.by != "carrier"]
    opened = [one.at_ms for one in timeline if isinstance(one, StreamOpened)]
    heard = [one.at_ms for one in timeline if isinstance(one, MediaReceived)]
    broken = []
    for at_ms in over:
        again_ms = next((one for one in opened if one >= at_ms), None)
        back_ms = next((one for one in heard if again_ms is not None and one >= again_ms), None)
        broken.append(Broken(call, at_ms, back_ms))
    return broken


class Tasks:
    """The tasks of a deployment, behind the balancer."""

    def __init__(self, folder: Path, ends: FarEnds, balancer: Balancer) -> None:
        self._folder, self._ends, self.balancer = folder, ends, balancer
        self.running: dict[int, asyncio.subprocess.Process] = {}
        """By port."""

    async def start(self) -> int:
        """One more, ready for calls; returns its port. Raises ``NotReady``."""
        port, log = processes.free_port(), self._folder / "tasks.log"
        url, shops_folder = self.balancer.url, self._folder / "shops"
        environ = processes.serve_environ(
            self._folder, shops_folder, self._ends.model.url, self._ends.cloud.rest_url, port=port, public_url=url
        )
        own = {"FRONTDESK_DRAIN_S": str(DRAIN_S), "STREAM_TOKEN_SECRET": "the same for every task of this benchmark"}
        process = await processes.start(processes.SERVE, environ | own, log)
        self.running[port] = process
        await processes.until_answering(process, port, log)
        self.balancer.add(port)
        await self.balancer.ready(port, READY_WITHIN_S)
        return port

    async def kill(self, port: int) -> None:
        """SIGKILL."""
        process = self.running.pop(port)
        process.kill()
        await process.wait()
        self.balancer.forget(port)

    async def replace(self, port: int) -> int:
        """Starts another one, then asks this one to go and waits until it has gone; returns the other's port."""
        another = await self.start()
        process = self.running.pop(port)
        await processes.stop(process)
        self.balancer.forget(port)
        return another


@asynccontextmanager
async def deployed(folder: Path, ends: FarEnds) -> AsyncIterator[Tasks]:
    """Two tasks behind a balancer. Raises ``NotReady``."""
    async with Balancer().listening() as balancer:
        tasks = Tasks(folder, ends, balancer)
        try:
            for _ in range(2):
                await tasks.start()
            yield tasks
        finally:
            await asyncio.gather(*(processes.stop(process) for process in tasks.running.values()))


# --- calls -----------------------------------------------------------------------------------------------------------------


async def dialled(ends: FarEnds, tasks: Tasks, count: int) -> list[RunningCall]:
    """So many calls, all of them in conversation."""
    number = served_by(tasks.balancer.url)
    calls = []
    for index in range(count):
        scenario = Scenario(name="bench", title="bench", business=shops.shop_of(index), to=shops.number_of(index), caller=CALLER)
        calls.append(ends.cloud.place_call(scenario, number(index)))
        await asyncio.sleep(SPREAD_S / count)
    await asyncio.sleep(IN_CONVERSATION_S)
    return calls


async def finished(calls: Sequence[RunningCall]) -> None:
    """Waits for the end of all calls, and for their records. Raises ``Lost``."""
    try:
        async with asyncio.timeout(FINISHED_WITHIN_S):
            await asyncio.gather(*(call.finished() for call in calls))
    except TimeoutError:
        raise Lost(f"a call was not over after {FINISHED_WITHIN_S:.0f} s") from None
    await asyncio.sleep(WRITTEN_S)


async def recorded(folder: Path, calls: Sequence[RunningCall]) -> list[tuple[CallRecord, list[CallEvent]]]:
    """What the store has of them."""
    store = open_store(f"sqlite:{folder / 'bench.db'}")
    await store.open()
    try:
        kept = []
        for call in calls:
            record = await store.get_call(CallSid(call.call_sid))
            if record is None:
                raise Lost(f"there is no record of {call.call_sid}")
            kept.append((record, await store.events(record.call_sid)))
        return kept
    finally:
        await store.close()


# --- figures ---------------------------------------------------------------------------------------------------------------


def figures(
    case: str, calls: Sequence[RunningCall], kept: Sequence[tuple[CallRecord, list[CallEvent]]], killed_ms: float | None = None
) -> tuple[list[Row], list[Check]]:
    """The table, and what is right or wrong about these calls. ``killed_ms``: when a task was killed, on the loop's clock."""
    broken = [one for call in calls for one in broken_streams(call)]
    back = [one for one in broken if one.back_ms is not None]
    resumed = [float(event.body.ms) for _, events in kept for event in events if isinstance(event.body, CallResumed)]
    undisturbed = [(call, events) for call, (_, events) in zip(calls, kept, strict=True) if not _spoke_into_a_gap(call, broken)]
    for call, events in undisturbed:
        if _said(events) != WORDS:
            say(f"{case}: {call.call_sid} has other words on record: {_lines(events)}")
    rows = [
        row("stream broken → next audio", case, [one.back_ms - one.at_ms for one in back if one.back_ms is not None]),
        row("call.resumed", case, resumed, note=COUNTED_FROM),
    ]
    if killed_ms is not None:
        gaps_ms = [one.call.machine.dialled_ms + one.back_ms - killed_ms for one in back if one.back_ms is not None]
        rows.insert(0, row("task killed → next audio", case, gaps_ms))
    checks = [
        Check(case=case, what="a call whose stream broke goes on", good=len(back), n=len(broken)),
        Check(case=case, what="a call ends as the caller wants it to", good=sum(map(_ends_well, calls, kept)), n=len(calls)),
        Check(case=case, what="no event is missing", good=sum(_has_no_gap(events) for _, events in kept), n=len(kept)),
        Check(
            case=case,
            what="what was said to somebody is on record, once",
            good=sum(_asked(events) == Counter(QUESTIONS) for _, events in undisturbed),
            n=len(undisturbed),
        ),
        Check(
            case=case,
            what="no answer is left out, none is on record twice",
            good=sum(_said(events) == WORDS for _, events in undisturbed),
            n=len(undisturbed),
        ),
    ]
    return rows, checks


def _spoke_into_a_gap(call: RunningCall, broken: Sequence[Broken]) -> bool:
    return any(one.call is call and one.was_speaking for one in broken)


def _ends_well(call: RunningCall, kept: tuple[CallRecord, list[CallEvent]]) -> bool:
    """The script came to its end, no announcement was needed, and the record says that the caller has hung up."""
    timeline = call.machine.timeline
    began = {one.index for one in timeline if isinstance(one, StepBegan)}
    fallback = any(isinstance(one, Said) for one in timeline)
    ends = [event.body.reason for event in kept[1] if isinstance(event.body, CallEnded)]
    return len(began) == len(CALLER.steps) and not fallback and ends == ["caller_hung_up"]


def _has_no_gap(events: Sequence[CallEvent]) -> bool:
    return [event.seq for event in events] == list(range(1, len(events) + 1))


def _said(events: Sequence[CallEvent]) -> list[str]:
    """The words of the AI that were heard, without those it came back with."""
    lines = [event.body.text for event in events if isinstance(event.body, AgentTranscript)]
    return " ".join(line for line in lines if line not in COMING_BACK).split()


def _lines(events: Sequence[CallEvent]) -> list[str]:
    """Both sides' lines and the streams' ends, for who looks for a mistake."""
    return [getattr(event.body, "text", None) or event.kind for event in events if isinstance(event.body, _TOLD)]


def _asked(events: Sequence[CallEvent]) -> Counter[str]:
    return Counter(event.body.text for event in events if isinstance(event.body, CallerTranscript))


async def killed(folder: Path, ends: FarEnds, tasks: Tasks, options: Options) -> tuple[list[Row], list[Check]]:
    """One of two tasks is killed."""
    calls = await dialled(ends, tasks, options.calls)
    victim = random.Random(options.seed).choice(sorted(tasks.running))
    killed_ms = asyncio.get_running_loop().time() * 1000
    await tasks.kill(victim)
    await finished(calls)
    return figures("killed", calls, await recorded(folder, calls), killed_ms)


async def rolled(folder: Path, ends: FarEnds, tasks: Tasks, options: Options) -> tuple[list[Row], list[Check]]:
    """Every task is replaced, one after the other."""
    calls = await dialled(ends, tasks, options.calls)
    for port in sorted(tasks.running):
        await tasks.replace(port)
        await asyncio.sleep(BETWEEN_RESTARTS_S)
    await finished(calls)
    return figures("restarted", calls, await recorded(folder, calls))


async def run(options: Options) -> tuple[list[Row], list[Check]]:
    """Everything. Raises ``Lost`` or ``NotReady``."""
    voice.prepare([(line, CALLER.voice) for line in QUESTIONS])
    async with scratch() as folder:
        shops.open_shops(folder / "shops", options.calls)
        async with far_ends(options.seed) as ends, deployed(folder, ends) as tasks:
            ends.plays(MIND, ears=Ears.for_lines(QUESTIONS, CALLER.voice), timing=ModelTiming())
            say(f"{options.calls} calls on two tasks, one of which is killed")
            rows, checks = await killed(folder, ends, tasks, options)
            await tasks.start()
            say(f"{options.calls} calls on two tasks, each of which is replaced")
            more_rows, more_checks = await rolled(folder, ends, tasks, options)
    return [*rows, *more_rows], [*checks, *more_checks]


def main() -> None:
    """The command."""
    options = command_line.read(__doc__)
    try:
        rows, checks = asyncio.run(run(options))
    except (Lost, processes.NotReady) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show("tasks that die and tasks that are replaced", rows)
    show_checks("what became of the calls", checks)
    if options.json is not None:
        write_json(options.json, command_line.facts(options), rows, checks)


if __name__ == "__main__":
    main()
