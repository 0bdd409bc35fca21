"""How soon callers are greeted: from Twilio's `start` to the first audio at the phone, cold, with warm sockets, and recorded.

Three bridges run side by side in processes of their own; phone and model are simulated in this one. In each case, a time to the first
audio and a time to connect on the model's side, the three are measured in turn, round by round, so that what else the machine does
hits all alike: *cold* connects at the handshake of the stream, *warm* takes a socket that is open, *recorded* plays the greeting from a
recording. Warm sockets are opened anew for each case; all of them are there before a round begins, whosever it is.

Several calls dial in two ways: one after the other within two seconds, so that all are up together in the end, and all in the same
instant (*burst*), which no phone line delivers; that one has no target.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import options as command_line
from benchmarks import processes
from benchmarks.bench import FINISHED_WITHIN_S, SETTLE_S, FarEnds, Lost, far_ends, scratch, served_by
from benchmarks.figures import Row, Target, row, say, show, write_json
from benchmarks.options import Options
from benchmarks.processes import Program
from benchmarks.shops import GREETING
from simulator.model.timing import ModelTiming
from simulator.phone.running import RunningCall
from simulator.phone.timeline import FirstMedia
from simulator.scenario import Caller, CallerStep, Mind, Scenario

FIRST_AUDIO_MS = (0, 300, 800)
CONNECT_MS = (0, 400)
ROUNDS = {1: 5, 20: 2}
CROWD_ROUNDS = 1
SPREAD_S = 2.0
STAYS_MS = 600
"""How much longer than its greeting takes to begin a caller stays, alone; a crowd stays longer, so that all are up together."""
CROWD_STAYS_MS = round(SPREAD_S * 1000) + 1000
FULL_WITHIN_S = 60.0
AT_ONCE = Target(statistic="p95", most=20)
TOLERANCE_MS = 20
"""Of the connection, this much may have passed before `start`."""
LATE = "  far ends late"
"""How late the loop of phone and model was while the recorded greetings were measured; they are no better known than that."""
TITLE = "greeting latency: `start` → first audio, at the phone"
NUMBER = "+15005560000"

SHOP = f"""\
id = "bench"
name = "Bench"
numbers = ["{NUMBER}"]
language = "en"
voice = "marin"
instructions = "You answer the phone."

[greeting]
text = "{GREETING}"
mode = "MODE"

[limits]
max_concurrent = 1000
"""


@dataclass(frozen=True, slots=True)
class Bridges:
    """The three programs."""

    cold: Program
    warm: Program
    recorded: Program

    def named(self) -> dict[str, Program]:
        """In the order they are measured in."""
        return {"cold": self.cold, "warm": self.warm, "recorded": self.recorded}


@dataclass(frozen=True, slots=True)
class Dialling:
    """How many calls, and within how long: ``0``, in the same instant."""

    count: int
    spread_s: float = 0.0

    def __str__(self) -> str:
        if self.count == 1:
            return "1 call"
        return f"{self.count} calls " + (f"within {self.spread_s:g} s" if self.spread_s else "in a burst")

    @property
    def is_burst(self) -> bool:
        """Whether it has no target."""
        return self.count > 1 and not self.spread_s

    @property
    def rounds(self) -> int:
        """How often it is measured."""
        return ROUNDS.get(self.count, CROWD_ROUNDS)

    @property
    def stays_ms(self) -> int:
        """How much longer than its greeting takes to begin each caller stays."""
        return STAYS_MS if self.count == 1 else CROWD_STAYS_MS


ONE = Dialling(1)


def diallings(calls: int) -> list[Dialling]:
    """One call, twenty and ``calls``, each crowd in both ways."""
    crowds = sorted({min(20, calls), calls} - {1})
    return [ONE, *(Dialling(count, spread_s) for count in crowds for spread_s in (SPREAD_S, 0.0))]


async def round_of(ends: FarEnds, program: Program, dialling: Dialling, slow_ms: int = 0) -> list[float]:
    """The latency of each call's greeting, in ms. ``slow_ms``: what the model takes to begin. Raises ``Lost``."""
    gc.collect()
    gc.freeze()
    caller = Caller(steps=(CallerStep(when="answered", after_ms=slow_ms + dialling.stays_ms, hang_up=True),))
    scenario = Scenario(name="bench", title="bench", business="bench", to=NUMBER, caller=caller)
    number = served_by(program.url)(0)
    calls: list[RunningCall] = []
    for _ in range(dialling.count):
        calls.append(ends.cloud.place_call(scenario, number))
        if dialling.spread_s:
            await asyncio.sleep(dialling.spread_s / dialling.count)
    try:
        async with asyncio.timeout(FINISHED_WITHIN_S):
            await asyncio.gather(*(call.finished() for call in calls))
    except TimeoutError:
        raise Lost(f"a call was not over after {FINISHED_WITHIN_S:.0f} s") from None
    await asyncio.sleep(SETTLE_S)
    return [latency_of(call) for call in calls]


def latency_of(call: RunningCall) -> float:
    """Raises ``Lost``."""
    first = next((seen for seen in call.machine.timeline if isinstance(seen, FirstMedia)), None)
    if first is None:
        raise Lost(f"a caller was never greeted: {[str(entry) for entry in call.machine.debugger] or 'no reason known'}")
    return first.after_start_ms


async def metric(program: Program, name: str) -> float:
    """A figure of the program's ``/metrics``."""
    host, port = program.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        page = (await reader.read()).decode()
    finally:
        writer.close()
    return next((float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} ")), 0.0)


async def is_full(program: Program, size: int) -> None:
    """Returns once all warm sockets are there. Raises ``Lost``."""
    try:
        async with asyncio.timeout(FULL_WITHIN_S):
            while await metric(program, "frontdesk_warm_sockets") < size:  # noqa: ASYNC110  (another process tells nobody)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise Lost(f"the warm sockets were not there after {FULL_WITHIN_S:.0f} s") from None


async def is_recorded(ends: FarEnds, program: Program) -> None:
    """Has the recording made by a first call, and returns once another one is greeted with it. Raises ``Lost``."""
    for _ in range(10):
        before = len(ends.model.sessions)
        await round_of(ends, program, ONE)
        await asyncio.sleep(1)
        if len(ends.model.sessions) == before + 1:  # the call's own session, and none for a recording
            return
    raise Lost("the greeting was not recorded")


async def case(ends: FarEnds, bridges: Bridges, timing: ModelTiming, all_ways: Sequence[Dialling]) -> list[Row]:
    """All ways of dialling, with the model's times as they are in this case."""
    ends.plays(Mind(), timing=timing)
    slow_ms = round(timing.connect_ms + timing.time_to_first_audio_ms)
    most = max(dialling.count for dialling in all_ways)
    await round_of(ends, bridges.warm, Dialling(most), slow_ms)  # the sockets opened from now on have these times
    rows: list[Row] = []
    for dialling in all_ways:
        name = f"first audio {timing.time_to_first_audio_ms:g}, connect {timing.connect_ms:g}, {dialling}"
        say(f"{name}: {dialling.rounds} rounds")
        seen: dict[str, list[float]] = {who: [] for who in (*bridges.named(), LATE)}
        for _ in range(dialling.rounds):
            for who, program in bridges.named().items():
                await is_full(
                    bridges.warm, most
                )  # its own calls need them, and nobody else is to be held up by their being opened
                ends.lag.late_ms.clear()
                seen[who] += await round_of(ends, program, dialling, slow_ms)
            seen[LATE] += ends.lag.late_ms
        rows += rows_of(name, seen, timing.connect_ms, has_target=not dialling.is_burst)
    return rows


def rows_of(name: str, seen: dict[str, list[float]], connect_ms: float, *, has_target: bool = True) -> list[Row]:
    """The three, and what warm sockets save: call by call, in the order of their latencies."""
    saved = [cold - warm for cold, warm in zip(sorted(seen["cold"]), sorted(seen["warm"]), strict=True)]
    target = Target(statistic="p50", least=connect_ms - TOLERANCE_MS) if connect_ms and has_target else None
    return [
        row("cold", name, seen["cold"]),
        row("warm", name, seen["warm"]),
        row("  saved by warm", name, saved, target),
        row("recorded", name, seen["recorded"], AT_ONCE if has_target else None),
        row(LATE, name, seen[LATE]),
    ]


@asynccontextmanager
async def three_bridges(folder: Path, ends: FarEnds, size: int) -> AsyncIterator[Bridges]:
    """The bridges, ready. Raises ``NotReady``."""
    async with AsyncExitStack() as stack:

        async def bridge(name: str, mode: str, warm_sockets: int) -> Program:
            home = folder / name
            shops = home / "shops"
            shops.mkdir(parents=True)
            (shops / "bench.toml").write_text(SHOP.replace("MODE", mode), encoding="utf-8")
            started = processes.bridge(home, shops, ends.model.url, ends.cloud.rest_url, warm_sockets=warm_sockets)
            return await stack.enter_async_context(started)

        yield Bridges(
            await bridge("cold", "live", 0), await bridge("warm", "live", size), await bridge("recorded", "recorded", 0)
        )


async def run(options: Options) -> list[Row]:
    """Everything. Raises ``Lost`` or ``NotReady``."""
    all_ways = diallings(options.calls)
    rows: list[Row] = []
    async with scratch() as folder, far_ends(options.seed) as ends:
        ends.plays(Mind(), timing=ModelTiming(time_to_first_audio_ms=0))
        async with three_bridges(folder, ends, options.calls) as bridges:
            await is_recorded(ends, bridges.recorded)
            await round_of(ends, bridges.cold, ONE)  # the first call of a process imports and compiles
            for connect_ms in CONNECT_MS:
                for first_ms in FIRST_AUDIO_MS:
                    timing = ModelTiming(time_to_first_audio_ms=first_ms, connect_ms=connect_ms)
                    rows += await case(ends, bridges, timing, all_ways)
    return rows


def main() -> None:
    """The command."""
    options = command_line.read(__doc__, calls=100)
    try:
        rows = asyncio.run(run(options))
    except (Lost, processes.NotReady) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show(TITLE, rows)
    if options.json is not None:
        write_json(options.json, command_line.facts(options), rows)


if __name__ == "__main__":
    main()
