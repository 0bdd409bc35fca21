"""``frontdesk bench``: how many calls one core carries, how late their audio is, and what a call costs."""

import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import click
from rich.console import Console
from rich.status import Status

from calls.cli_output import CommandError
from calls.exit_codes import ExitCode

MOST_CALLS = 1000
SECONDS = 10.0


class CallCounts(click.ParamType[tuple[int, ...]]):
    """Numbers of calls, separated by commas, in the order they are tried: fewest first."""

    name = "N,N,…"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers, sorted, each once."""
        if isinstance(value, tuple):
            return value
        try:
            counts = sorted({int(part) for part in str(value).split(",")})
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 20,60,120", param, ctx)
        if counts[0] < 1 or counts[-1] > MOST_CALLS:
            self.fail(f"each number has to be between 1 and {MOST_CALLS}, and {value!r} has another one", param, ctx)
        return tuple(counts)


@click.command("bench")
@click.option(
    "--calls", type=CallCounts(), help="How many calls to try, one after the other. Left out: 1, 20, 60, 120, 200, 280 and so on."
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 600),
    default=SECONDS,
    show_default=True,
    metavar="S",
    help="How long each step is measured, once its calls have settled.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="How often each number of calls is measured, bridge and relay in turns. Ratios are medians then, and most rounds decide.",
)
@click.option("--no-relay", is_flag=True, help="Leave out the bare relay, and with it all ratios. Takes half the time.")
@click.option(
    "--no-refine", is_flag=True, help="Do not look for the limit between the last step that held and the first that did not."
)
@click.option("--tls", is_flag=True, help="Speak to the model over TLS, with a certificate made for the run.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="The same seed gives the same callers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the figures, too: FILE as SVG and as PNG, whichever of the two it names.",
)
def bench_command(
    *,
    calls: tuple[int, ...] | None,
    seconds: float,
    rounds: int,
    no_relay: bool,
    no_refine: bool,
    tls: bool,
    seed: int,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Measure how many simulated calls one core carries, how late their audio is, and what a call costs.

    Runs `frontdesk serve` on a core of its own, with a store on disk and one operator attached, between simulated phones and a simulated
    model on another: 50 frames a second in, bursts of speech out, turns, interruptions. More and more calls are tried until one frame
    in a hundred is more than 20 ms late, or anything is lost. The least that a Python process can do for such a call, the bare
    relay, is measured in turns with it, and at 20, 60 and 120 calls at the same time, too, so that a machine that is now fast and now slow
    is as fast for the one as for the other. Needs no account and no network.

    A default run takes 7 to 9 minutes. Leave the machine alone meanwhile; what others use of it is said at the end.

    \b
    Examples:
      frontdesk bench
      frontdesk bench --calls 20,60,120 --rounds 5 --no-refine --plot bench.svg
      frontdesk bench --calls 60 --no-relay --json > bench.json
      frontdesk bench --calls 20,60,120 --tls --no-refine

    \b
    Exit codes: 0 measured, whatever the figures are · 1 nothing could be measured · 2 usage
    """
    sweep, report = _benchmarks("sweep"), _benchmarks("report")
    draw = None if plot is None else _plotting(plot)
    if tls:
        _benchmarks("certificate")  # made sure of before anything is begun
    plan = sweep.Plan(
        calls=calls or sweep.CALLS,
        seconds=seconds,
        seed=seed,
        with_relay=not no_relay,
        refines=not no_refine,
        rounds=rounds,
        with_tls=tls,
    )
    steps: list[object] = []
    is_interrupted = _run(sweep, report, plan, steps)
    if not steps:
        sys.exit(ExitCode.INTERRUPTED)
    if as_json:
        click.echo(report.as_json(steps, plan), nl=False)
    else:
        report.show(Console(width=None if sys.stdout.isatty() else report.PLAIN_COLUMNS), steps)
    if draw is not None and plot is not None:
        _draw(draw, plot, steps)
    sys.exit(ExitCode.INTERRUPTED if is_interrupted else ExitCode.OK)


def _run(sweep: ModuleType, report: ModuleType, plan: object, steps: list[object]) -> bool:
    """Measures; what was measured is in ``steps``. Whether it was ended by Ctrl+C."""
    told = Console(stderr=True)

    def done(step: object) -> None:
        steps.append(step)
        told.print(report.line_of(step), highlight=False, markup=False, soft_wrap=True)

    with Status("starting", console=told) as status:
        try:
            sweep.run(plan, sweep.Progress(now=status.update, done=done))
        except KeyboardInterrupt:
            return True
        except (sweep.CannotMeasure, OSError) as error:
            raise CommandError(f"the benchmark could not be run: {error}", ExitCode.FAILED) from None
    return False


def _benchmarks(name: str) -> ModuleType:
    """A part of the benchmarks, which are in the repository and not in the installed package."""
    checkout = str(Path(__file__).resolve().parent.parent)
    if checkout not in sys.path and (Path(checkout) / "benchmarks").is_dir():
        sys.path.append(checkout)
    try:
        return __import__(f"benchmarks.load.{name}", fromlist=[name])
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in ("benchmarks", "matplotlib", "prometheus_client", "uvloop"):
            raise CommandError(
                f"frontdesk bench needs a checkout of the repository with what it is developed with ({missing.name} is missing): "
                "clone it, run `make setup` or `make test` there, and use its .venv/bin/frontdesk",
                ExitCode.FAILED,
            ) from None
        raise


def _plotting(plot: Path) -> ModuleType:
    """What draws, made sure of before minutes are spent."""
    folder = plot.resolve().parent
    if not folder.is_dir():
        raise click.BadParameter(f"there is no folder {str(folder)!r} to write to; make it first", param_hint="--plot")
    return _benchmarks("plot")


def _draw(draw: ModuleType, plot: Path, steps: list[object]) -> None:
    with suppress(BrokenPipeError):
        try:
            files = draw.write_plot(plot, steps)
        except OSError as error:
            raise CommandError(f"the plot could not be written to {plot}: {error.strerror or error}", ExitCode.FAILED) from None
        click.echo(f"drawn: {', '.join(map(str, files))}", err=True)
