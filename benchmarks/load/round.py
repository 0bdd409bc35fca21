"""One step of a sweep is measured: calls are placed, have time to settle, are watched for a while, and hang up."""

import asyncio
import gc
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import aiohttp
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.lag import Load
from benchmarks.load import cpu, wire
from benchmarks.load.lines import Lines, Number, Refused
from benchmarks.load.model import ModelSession
from benchmarks.load.pairing import Floats, Keys, Paired, heard_bytes_of, missing_bytes, paired, spread
from benchmarks.load.phone import PhoneLine
from benchmarks.load.step import Step
from benchmarks.processes import Program
from benchmarks.readings import answer_delays_ms
from simulator import g711

CALLS_A_SECOND = 25
SETTLE_S = 3.0
"""From the last call placed to the first frame counted: greetings are under way, nobody is connecting."""
ARRIVE_S = 1.0
"""From the last frame counted to the first call that hangs up."""
GATE_FRAMES = 14
"""An interruption is decided by the 15th loud frame: 180 ms are held, 120 ms of grace follow (`benchmarks/shops.py`)."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """A program that takes part in a sweep."""

    name: str
    program: Program
    number: Number
    idle_mb: float
    """What it uses without a call, having had one."""
    has_metrics: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The time that counts."""

    begin_s: float
    end_s: float

    def holds(self, times_s: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of these times are in it."""
        return (times_s >= self.begin_s) & (times_s <= self.end_s)


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in the window."""

    cpu_s: float
    generator_s: float
    others_s: float
    memory_mb: float
    lag_ms: float | None


async def measure(
    measured: Measured, calls: int, seconds: float, sessions: list[ModelSession], *, chance: random.Random, tell: Tell
) -> Step:
    """One step. Whatever the program does, there are figures of it. ``chance`` has to go on from step to step: the SIDs of calls are
    drawn from it, and a call that has ended is not answered again."""
    lines = Lines(measured.number, sessions, chance)
    gc.collect()
    gc.disable()  # a collection would stop both far ends
    try:
        await place(lines, calls, tell)
        tell("settling")
        await asyncio.sleep(SETTLE_S)
        tell(f"measuring for {seconds:g} s")
        window, used = await _watched(measured, seconds)
        await asyncio.sleep(ARRIVE_S)
        dropped = sum(phone.notes.closed_s <= window.end_s for phone in lines.phones)
        tell("hanging up")
        await asyncio.gather(*(lines.hang_up(phone) for phone in lines.phones))
    finally:
        await lines.close()
        gc.enable()
    return step_of(measured, calls, lines, window=window, used=used, dropped=dropped)


async def place(lines: Lines, calls: int, tell: Tell) -> None:
    """Places so many calls, one after the other; a refused one is counted and not tried again."""
    placing: list[asyncio.Task[None]] = []
    for nth in range(calls):
        placing.append(asyncio.create_task(_placed(lines)))
        if nth % 5 == 0:
            tell(f"{nth} of {calls} calls placed")
        await asyncio.sleep(1 / CALLS_A_SECOND)
    await asyncio.gather(*placing)


async def _placed(lines: Lines) -> None:
    try:
        await lines.call()
    except Refused:
        return  # counted there


async def _watched(measured: Measured, seconds: float) -> tuple[Window, Used]:
    pid = measured.program.pid
    lag = await lag_so_far(measured)
    load, own_s, program_s, begin_s = Load(pid), time.process_time(), cpu.cpu_s(pid), monotonic()
    await asyncio.sleep(seconds)
    program_s, own_s, end_s = cpu.cpu_s(pid) - program_s, time.process_time() - own_s, monotonic()
    others_s, memory_mb, lag_now = load.others_s, cpu.memory_mb(pid), await lag_so_far(measured)
    count = lag_now[1] - lag[1]
    mean_ms = (lag_now[0] - lag[0]) / count * 1000 if count else None
    return Window(begin_s, end_s), Used(program_s, own_s, others_s, memory_mb, mean_ms)


async def lag_so_far(measured: Measured) -> tuple[float, float]:
    """Sum in seconds and count of the program's own samples of its loop's lag; zeros if it does not say."""
    if not measured.has_metrics:
        return 0.0, 0.0
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{measured.program.url}/metrics") as answer:
            page = await answer.text()
    except (OSError, TimeoutError, aiohttp.ClientError):
        return 0.0, 0.0
    samples = {sample.name: sample.value for family in text_string_to_metric_families(page) for sample in family.samples}
    return samples.get("frontdesk_loop_lag_seconds_sum", 0.0), samples.get("frontdesk_loop_lag_seconds_count", 0.0)


# --- reading the notes -----------------------------------------------------------------------------------------------------


def step_of(measured: Measured, calls: int, lines: Lines, *, window: Window, used: Used, dropped: int) -> Step:
    """The figures of a step whose calls are over."""
    phones, sessions = lines.phones, lines.sessions
    caller = caller_frames(phones, sessions, window)
    agent, lost_bytes = agent_audio(phones, sessions, window)
    lasted_s = window.end_s - window.begin_s
    talking = max(1, len(phones))
    return Step(
        program=measured.name,
        calls=calls,
        lasted_s=lasted_s,
        caller=spread(caller.delays_ms),
        agent=spread(agent.delays_ms),
        greeting=spread(greetings_ms(phones, sessions)),
        turn=spread([ms for session in sessions for ms in turns_ms(session, window)]),
        cut=spread([ms for phone in phones for ms in cuts_ms(phone, window)]),
        cpu_ms=used.cpu_s * 1000 / lasted_s / talking,
        memory_mb=(used.memory_mb - measured.idle_mb) / talking,
        loop_lag_ms=used.lag_ms,
        frames=len(caller.delays_ms) + caller.lost,
        lost=caller.lost,
        lost_audio_ms=lost_bytes / g711.SAMPLES_PER_MS,
        refused=lines.refused,
        refusal=next((why for why, _ in lines.refusals.most_common(1)), ""),
        dropped=dropped,
        generator_busy=used.generator_s / lasted_s,
        generator_late=spread(np.concatenate([np.zeros(0), *(late_ms(phone, window) for phone in phones)])),
        others_busy=used.others_s / lasted_s,
    )


def caller_frames(phones: list[PhoneLine], sessions: list[ModelSession], window: Window) -> Paired:
    """Frames sent in the window, with when they came."""
    sent_keys, sent_s = [np.zeros(0, np.int64)], [np.zeros(0)]
    for phone in phones:
        times_s = np.array(phone.notes.frames_sent_s)
        counts = window.holds(times_s)
        sent_keys.append(phone.line << 24 | np.flatnonzero(counts))
        sent_s.append(times_s[counts])
    came_keys = np.concatenate([np.zeros(0, np.int64), *(wire.keys_of(session.notes.frame_tags) for session in sessions)])
    came_s = np.concatenate([np.zeros(0), *(np.array(session.notes.frames_s) for session in sessions)])
    return paired(np.concatenate(sent_keys), np.concatenate(sent_s), came_keys, came_s)


def agent_audio(phones: list[PhoneLine], sessions: list[ModelSession], window: Window) -> tuple[Paired, int]:
    """Deltas sent in the window, with when the first of each came; and how many bytes of those that nobody cut never did."""
    keys, sent_s, sizes = _deltas(sessions, window)
    heard_keys, heard_s, heard_bytes = _heard(phones)
    cut = np.array([session.line << 24 | number for session in sessions for number in session.notes.cut_from], np.int64)
    whole = ~np.isin(keys, cut)
    lost = missing_bytes(sizes[whole], keys[whole], heard_keys, heard_bytes)
    return paired(keys, sent_s, heard_keys, heard_s), lost


def _deltas(sessions: list[ModelSession], window: Window) -> tuple[Keys, Floats, Keys]:
    keys, sent_s, sizes = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
    for session in sessions:
        times_s = np.array(session.notes.deltas_sent_s)
        counts = window.holds(times_s)
        keys.append(session.line << 24 | np.flatnonzero(counts))
        sent_s.append(times_s[counts])
        sizes.append(np.array(session.notes.delta_bytes, np.int64)[counts])
    return np.concatenate(keys), np.concatenate(sent_s), np.concatenate(sizes)


def _heard(phones: list[PhoneLine]) -> tuple[Keys, Floats, Keys]:
    keys, heard_s, sizes = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
    for phone in phones:
        begins = np.array(phone.notes.heard_bytes, np.int64) > 0
        keys.append(wire.keys_of(phone.notes.heard_tags))
        heard_s.append(np.array(phone.notes.heard_s)[begins])
        sizes.append(heard_bytes_of(np.array(phone.notes.heard_bytes, np.int64)))
    return np.concatenate(keys), np.concatenate(heard_s), np.concatenate(sizes)


def greetings_ms(phones: list[PhoneLine], sessions: list[ModelSession]) -> list[float]:
    """Of each call: ``start`` → first audio, less the model's own time."""
    by_line = {session.line: session for session in sessions}
    added = []
    for phone in phones:
        notes = phone.notes
        if notes.heard_tags:
            session = by_line.get(int(wire.keys_of(notes.heard_tags[: wire.TAG_CHARS])[0]) >> 24)
            if session is not None and session.notes.first_delays_s:
                added.append((notes.heard_s[0] - notes.started_s - session.notes.first_delays_s[0]) * 1000)
    return added


def turns_ms(session: ModelSession, window: Window) -> list[float]:
    """Of each turn that ended in the window: its end → ``response.create``."""
    ended = [at_s * 1000 for at_s in session.notes.committed_s if window.begin_s <= at_s <= window.end_s]
    return answer_delays_ms(ended, [at_s * 1000 for at_s in session.notes.asked_s])


def cuts_ms(phone: PhoneLine, window: Window) -> list[float]:
    """Of each interruption in the window: the frame that decides it → ``clear``."""
    sent_s = phone.notes.frames_sent_s
    return [
        (cleared_s - sent_s[first + GATE_FRAMES]) * 1000
        for first, cleared_s in phone.notes.cuts
        if window.begin_s <= cleared_s <= window.end_s and first + GATE_FRAMES < len(sent_s)
    ]


def late_ms(phone: PhoneLine, window: Window) -> Floats:
    """How late this phone itself was with the frames of the window."""
    times_s = np.array(phone.notes.frames_sent_s)
    late: Floats = np.array(phone.notes.late_s)[window.holds(times_s)] * 1000
    return late
