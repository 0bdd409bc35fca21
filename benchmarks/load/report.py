"""What a sweep says: a table and verdicts for people, JSON for machines."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.load.pairing import Spread
from benchmarks.load.step import FRONTDESK, LATE_MS, RELAY, Capacity, Step, capacity_of, ratio
from benchmarks.load.sweep import Plan, placement

_COLUMNS = (
    "calls",
    "program",
    "phone → model",
    "model → phone",
    "greeting",
    "turn",
    "cut",
    "CPU",
    "memory",
    "loop lag",
    "lost",
    "generator",
)
CPU_CALLS, CPU_TARGET = (20, 60, 120), 1.3
CAPACITY_TARGET = 0.8
LATE_CALLS, LATE_TARGET_MS, FLOOR_LATE_MS = 60, 10.0, 8.0
MEMORY_TARGET_MB = 0.6
MEMORY_FROM_CALLS = 20
"""With fewer, what a call needs is lost in what a process does anyway."""


BESIDE = ", both at the same time"
PLAIN_COLUMNS = 200
"""How wide a table is where there is no terminal to ask."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One target, and what was measured. ``met`` is ``None`` where nothing can be said."""

    what: str
    measured: str
    target: str
    met: bool | None


def verdicts_of(steps: Sequence[Step]) -> list[Verdict]:
    """The targets that these steps can be held against."""
    beside = [step for step in steps if step.beside]
    steps = [step for step in steps if not step.beside]
    ours, theirs = _of(steps, FRONTDESK), _of(steps, RELAY)
    found = [
        _cpu(calls, _at(_of(compared, FRONTDESK), calls), _at(_of(compared, RELAY), calls), "" if compared is steps else BESIDE)
        for calls in CPU_CALLS
        for compared in (beside, steps)
        if _at(_of(compared, FRONTDESK), calls) and _at(_of(compared, RELAY), calls)
    ]
    if _at(ours, LATE_CALLS):
        found.append(_late(_at(ours, LATE_CALLS), _at(theirs, LATE_CALLS)))
    crowded = [step for step in ours if step.calls >= MEMORY_FROM_CALLS and step.holds]
    if crowded:
        most = max(step.memory_mb for step in crowded)
        what = f"memory per call, {MEMORY_FROM_CALLS} calls and more"
        found.append(
            Verdict(what=what, measured=f"{most:.2f} MB", target=f"≤ {MEMORY_TARGET_MB:g} MB", met=most <= MEMORY_TARGET_MB)
        )
    if ours:
        found.append(_lost(ours))
    if ours and theirs:
        found.append(_capacity(capacity_of(ours), capacity_of(theirs)))
    return found


def _cpu(calls: int, ours: Sequence[Step], theirs: Sequence[Step], how: str) -> Verdict:
    """Of several rounds, each is compared with the one it was measured with, in turns or at the same time."""
    factors = [ratio(one.cpu_ms, other.cpu_ms) for one, other in zip(ours, theirs, strict=False)]
    factor = median(factors)
    measured = f"{factor:.2f}" + (
        f" (median of {len(factors)}, {min(factors):.2f} to {max(factors):.2f})" if len(factors) > 1 else ""
    )
    what = f"CPU per call at {calls} calls, frontdesk : bare relay{how}"
    return Verdict(what=what, measured=measured, target=f"≤ {CPU_TARGET:g}", met=factor <= CPU_TARGET)


def _late(ours: Sequence[Step], theirs: Sequence[Step]) -> Verdict:
    """Of several rounds, the worst."""
    late_ms, relays_ms = (max((step.late_ms for step in steps), default=0.0) for steps in (ours, theirs))
    what = f"p99 of added delay at {LATE_CALLS} calls"
    measured = f"{late_ms:.1f} ms" + (f" (relay {relays_ms:.1f} ms)" if theirs else "")
    target = f"≤ {LATE_TARGET_MS:g} ms where the relay has ≤ {FLOOR_LATE_MS:g} ms"
    return Verdict(
        what=what, measured=measured, target=target, met=late_ms <= LATE_TARGET_MS if relays_ms <= FLOOR_LATE_MS else None
    )


def _lost(steps: Sequence[Step]) -> Verdict:
    lost, audio_ms = sum(step.lost for step in steps), sum(step.lost_audio_ms for step in steps)
    measured = f"{lost} of {sum(step.frames for step in steps)} frames, {audio_ms:.0f} ms of the AI's audio"
    return Verdict(what="lost by frontdesk", measured=measured, target="0", met=not lost and not audio_ms)


def _capacity(ours: Capacity, theirs: Capacity) -> Verdict:
    """Both ends of what is known: met if it is met whatever lies between the steps, missed if it is missed whatever does."""
    least = ratio(ours.holds, theirs.breaks) if theirs.breaks is not None else None
    most = ratio(ours.breaks, theirs.holds) if ours.breaks is not None else None
    met = True if least is not None and least >= CAPACITY_TARGET else None
    if most is not None and most < CAPACITY_TARGET:
        met = False
    what = f"calls per core with p99 ≤ {LATE_MS:g} ms, frontdesk : bare relay"
    known = f"{ratio(ours.holds, theirs.holds):.2f}" if ours.breaks is not None and theirs.breaks is not None else "not known"
    return Verdict(what=what, measured=f"{known} ({ours} : {theirs})", target=f"≥ {CAPACITY_TARGET:g}", met=met)


def _of(steps: Sequence[Step], program: str) -> list[Step]:
    return [step for step in steps if step.program == program]


def _at(steps: Sequence[Step], calls: int) -> list[Step]:
    return [step for step in steps if step.calls == calls]


# --- for people ------------------------------------------------------------------------------------------------------------


def show(console: Console, steps: Sequence[Step]) -> None:
    """The table, what the steps add up to, and what to doubt."""
    table = Table(title="frontdesk bench", title_justify="left", box=SIMPLE_HEAD, caption_justify="left", caption=_CAPTION)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "program" else "right")
    for step in sorted((step for step in steps if not step.beside), key=lambda one: (one.calls, one.program != FRONTDESK)):
        table.add_row(*cells_of(step), style=None if step.holds else "dim")
    console.print(table)
    _show_capacities(console, steps)
    marks = {True: "met   ", False: "missed", None: "open  "}
    for verdict in verdicts_of(steps):
        text = f"{marks[verdict.met]}  {verdict.what}: {verdict.measured} (target {verdict.target})"
        console.print(text, highlight=False, markup=False)
    for doubt in doubts_of(steps):
        console.print(doubt, highlight=False, markup=False)


_CAPTION = (
    "Milliseconds, p50 / p99 / max. greeting, turn, cut: p50 / p99. CPU: ms per second of a call. memory: MB per call.\n"
    "loop lag: mean of the program's own samples. generator: share of its core, and how late it was itself (p99)."
)


def line_of(step: Step) -> str:
    """A step in a line, for whoever watches."""
    if step.beside:
        return f"{step.program}, {step.calls} calls, both programs at the same time: CPU {step.cpu_ms:.2f} ms per call-second"
    figures = (
        f"phone → model {_three(step.caller)} ms, model → phone {_three(step.agent)} ms, "
        f"CPU {step.cpu_ms:.2f} ms per call-second, memory {step.memory_mb:.2f} MB per call"
    )
    ending = "" if step.holds else f": does not hold ({step.why_not})"
    limit = "; the generator was the bottleneck" if step.generator_was_the_limit else ""
    return f"{step.program}, {step.calls} calls: {figures}{ending}{limit}"


def cells_of(step: Step) -> list[str]:
    """One row of the table."""
    lag = "–" if step.loop_lag_ms is None else f"{step.loop_lag_ms:.1f}"
    lost = f"{step.lost}" if step.holds else msgspec.structs.replace(step, refusal="").why_not
    ours = step.program == FRONTDESK
    return [
        str(step.calls),
        step.program,
        _three(step.caller),
        _three(step.agent),
        _two(step.greeting),
        _two(step.turn) if ours else "–",
        _two(step.cut) if ours else "–",
        f"{step.cpu_ms:.2f}",
        f"{step.memory_mb:.2f}",
        lag,
        lost,
        f"{step.generator_busy:.0%}, {step.generator_late.p99:.1f}" + ("!" if step.generator_was_the_limit else ""),
    ]


def _three(values: Spread) -> str:
    return f"{values.p50:.1f} / {values.p99:.1f} / {values.max:.1f}" if values.n else "–"


def _two(values: Spread) -> str:
    return f"{values.p50:.1f} / {values.p99:.1f}" if values.n else "–"


def _show_capacities(console: Console, steps: Sequence[Step]) -> None:
    for program in (FRONTDESK, RELAY):
        own = [step for step in steps if step.program == program]
        if own:
            text = f"{program} carries, with p99 ≤ {LATE_MS:g} ms and nothing lost: {capacity_of(own)}"
            console.print(text, highlight=False, markup=False)


def doubts_of(steps: Sequence[Step]) -> list[str]:
    """What makes these figures say less than they seem to."""
    refusals = {step.refusal: step for step in steps if step.refusal}
    doubts = [f"{step.program} refused calls at {step.calls} calls: {why}." for why, step in refusals.items()]
    doubts += [
        f"The generator was the bottleneck at {step.calls} calls ({step.program}): it used {step.generator_busy:.0%} of its core and was "
        f"{step.generator_late.p99:.1f} ms late itself (p99). Do not take that step's figures for the program's."
        for step in steps
        if step.generator_was_the_limit and not step.beside
    ]
    if placement() == (None, None):
        doubts.append("Program and generator share the only core: every figure holds both. Use a machine with two cores or more.")
    disturbed = max((step.others_busy for step in steps if not step.beside), default=0.0)
    if disturbed > 0.1:
        doubts.append(f"Other processes used up to {disturbed:.0%} of a core meanwhile. Stop them and measure again.")
    return doubts


# --- for machines ----------------------------------------------------------------------------------------------------------


def as_json(steps: Sequence[Step], plan: Plan) -> str:
    """Everything, with what it was measured on."""
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "tls": plan.with_tls,
        "seed": plan.seed,
    }
    body = {
        **facts,
        "steps": [
            msgspec.to_builtins(step)
            | {"late_ms": step.late_ms, "holds": step.holds, "generator_was_the_limit": step.generator_was_the_limit}
            for step in steps
        ],
        "capacity": {
            program: msgspec.to_builtins(capacity_of([step for step in steps if step.program == program]))
            for program in dict.fromkeys(step.program for step in steps)
        },
        "targets": msgspec.to_builtins(verdicts_of(steps)),
        "doubts": doubts_of(steps),
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, steps: Sequence[Step], plan: Plan) -> None:
    """Writes it. Raises ``OSError``."""
    path.write_text(as_json(steps, plan), encoding="utf-8")
