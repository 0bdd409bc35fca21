"""How soon everything is up, beside a Python that does nothing: `python -c pass` is started in turns with the rest.

Run as ``python -m benchmarks.start_up`` (a minute). What counts is the ratio of the medians: milliseconds are those of one machine.
The files are in its caches already, and Python's compiled ones are written: the first start after an installation takes longer.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from benchmarks import processes, shops
from benchmarks.bench import scratch
from benchmarks.console import HEADER, NotShown, Screen, feeder
from benchmarks.figures import Amount, Row, row, say, show, show_amounts, write_json
from benchmarks.processes import NotReady

RUNS = 9
CONSOLE_CALLS = 5
BARE = "python -c pass"
HELP = [sys.executable, "-c", "from frontdesk.cli import main; main()", "--help"]
WEBHOOKS = [sys.executable, "-c", "import webhooks.aws_service"]
POLL_S = 0.002

Start = Callable[[], Awaitable[None]]


async def runs_to_its_end(*command: str) -> None:
    """A command that ends by itself. Raises ``NotReady`` if it fails."""
    nobody = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=nobody, stderr=nobody, cwd=Path(__file__).parent.parent)
    if await process.wait():
        raise NotReady(f"{' '.join(command[1:])} failed")


def ratios_of(took: dict[str, list[float]]) -> list[Amount]:
    """Medians, as multiples of the bare Python's."""
    bare = median(took[BARE])
    return [
        Amount(figure=name, case=f": {BARE}", value=median(values) / bare, unit="×")
        for name, values in took.items()
        if name != BARE
    ]


async def serve_is_ready(folder: Path) -> float:
    """``frontdesk serve``: from its start to the first HTTP answer, in ms; stopping it is not counted. Raises ``NotReady``."""
    port = processes.free_port()
    environ = processes.serve_environ(
        folder, folder / "shops", "ws://127.0.0.1:9", "http://127.0.0.1:9", port=port, public_url=f"http://127.0.0.1:{port}"
    )
    began_s = time.monotonic()
    process = await processes.start(processes.SERVE, environ, folder / "serve.log")
    try:
        await processes.until_answering(process, port, folder / "serve.log", every_s=POLL_S)
        return (time.monotonic() - began_s) * 1000
    finally:
        await processes.stop(process)


async def run(runs: int) -> dict[str, list[float]]:
    """Everything. Raises ``NotReady`` or ``NotShown``."""
    async with scratch() as folder, feeder(CONSOLE_CALLS) as bridge:
        shops.open_shops(folder / "shops", 1)
        short: dict[str, Start] = {
            BARE: lambda: runs_to_its_end(sys.executable, "-c", "pass"),
            "frontdesk --help": lambda: runs_to_its_end(*HELP),
            "import of the webhooks (Lambda)": lambda: runs_to_its_end(*WEBHOOKS),
        }
        took: dict[str, list[float]] = {name: [] for name in short}
        took |= {"frontdesk serve, ready": [], "frontdesk console, first screen": []}
        for turn in range(runs + 1):
            say(f"{turn} of {runs}")
            seen = {name: (await timed_once_ms(start)) for name, start in short.items()}
            seen["frontdesk serve, ready"] = await serve_is_ready(folder)
            async with Screen(bridge) as screen:
                seen["frontdesk console, first screen"] = await screen.shows(HEADER) * 1000
            if turn:  # the first of each fills the caches
                for name, ms in seen.items():
                    took[name].append(ms)
        return took


async def timed_once_ms(start: Start) -> float:
    """How long it takes, once."""
    began_s = time.monotonic()
    await start()
    return (time.monotonic() - began_s) * 1000


def rows_of(took: dict[str, list[float]]) -> list[Row]:
    """What was measured."""
    return [row(name, "start → up" if name != BARE else "start → end", values) for name, values in took.items()]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help="of everything, in turns (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("give 1 run or more")
    try:
        took = asyncio.run(run(given.runs))
    except (NotReady, NotShown) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show("start-up", rows_of(took))
    show_amounts("start-up, medians as ratios", ratios_of(took))
    if given.json is not None:
        write_json(given.json, {}, rows_of(took), amounts=ratios_of(took))


if __name__ == "__main__":
    main()
