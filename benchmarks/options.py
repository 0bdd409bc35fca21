"""What the benchmarks are told on the command line, and the facts of the machine they write down."""

import argparse
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    calls: int
    seed: int
    json: Path | None


def read(description: str | None, *, calls: int = 50) -> Options:
    """Reads the command line; leaves the process when it asks for help or makes no sense. ``calls`` is how many there are unless it
    says otherwise."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--calls", type=_at_least_one, default=calls, help="simultaneous calls in the crowded cases (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same callers and model (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    return Options(calls=given.calls, seed=given.seed, json=given.json)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return number


def facts(options: Options) -> dict[str, object]:
    """What a reader needs to know to compare the figures with others."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "calls": options.calls,
        "seed": options.seed,
    }
