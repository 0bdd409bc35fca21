"""The picture of a sweep: added delay and processor time over the number of calls, as SVG and as PNG."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.load.step import FRONTDESK, LATE_MS, RELAY, Step

SUFFIXES = (".svg", ".png")
_COLOURS = {FRONTDESK: "#0b6e4f", RELAY: "#8a8a8a"}
_WAYS: tuple[tuple[str, Callable[[Step], float], str], ...] = (
    ("phone → model", lambda step: step.caller.p99, "-"),
    ("model → phone", lambda step: step.agent.p99, "--"),
)


def files_of(path: Path) -> tuple[Path, ...]:
    """Both files for the one that was asked for, whichever suffix it has, or none."""
    stem = path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
    return tuple(stem.with_name(stem.name + suffix) for suffix in SUFFIXES)


def write_plot(path: Path, steps: Sequence[Step]) -> tuple[Path, ...]:
    """Draws it twice; returns the files. Raises ``OSError``."""
    figure = drawn(steps)
    with mpl.rc_context({"svg.hashsalt": "frontdesk", "svg.fonttype": "none"}):  # the same figures give the same file
        for file in files_of(path):
            metadata = {"Date": None} if file.suffix == ".svg" else None
            figure.savefig(file, dpi=150, metadata=metadata)
    return files_of(path)


def drawn(steps: Sequence[Step]) -> Figure:
    """The figure, of the steps of which the generator was not the limit."""
    figure = Figure(figsize=(8, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    delays, work = figure.subplots(2, 1, sharex=True)
    for program in (FRONTDESK, RELAY):
        own = sorted(
            (one for one in steps if one.program == program and not one.beside and not one.generator_was_the_limit), key=_calls
        )
        if own:
            _draw(delays, work, program, own)
    delays.axhline(LATE_MS, color="#b00020", linewidth=0.8, linestyle=":")
    delays.annotate(f"{LATE_MS:g} ms", (0, LATE_MS), color="#b00020", fontsize="small", va="bottom")
    delays.set(title="Added delay, 99th percentile", ylabel="ms", yscale="log")
    delays.yaxis.set_major_formatter("{x:g}")
    work.set(title="Processor time per second of a call", ylabel="ms", xlabel="calls on one core", ylim=(0, None))
    for axes in (delays, work):
        axes.grid(visible=True, linewidth=0.3)
        axes.legend(frameon=False, fontsize="small")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw(delays: Axes, work: Axes, program: str, own: Sequence[Step]) -> None:
    calls = [step.calls for step in own]
    for way, value, style in _WAYS:
        values = [max(value(step), 0.01) for step in own]
        delays.plot(calls, values, style, marker=".", color=_COLOURS[program], label=f"{program}, {way}")
    work.plot(calls, [step.cpu_ms for step in own], marker=".", color=_COLOURS[program], label=program)


def _calls(step: Step) -> int:
    return step.calls
