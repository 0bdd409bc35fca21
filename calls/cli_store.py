"""What commands share that look into the call store: their options, the store itself, and the file their data goes to."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import click

from calls.cli_output import CommandError
from calls.exit_codes import ExitCode
from calls.store import DEFAULT_URL

if TYPE_CHECKING:
    from calls.store.base import CallStore

T = TypeVar("T")

store_option = click.option(
    "--store",
    "store_url",
    envvar="FRONTDESK_STORE",
    default=DEFAULT_URL,
    show_default=True,
    help="Where calls are kept: sqlite:PATH or dynamodb:TABLE. [env: FRONTDESK_STORE]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON value on stdout.")
jsonl_option = click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line on stdout.")
business_option = click.option("--business", "business_id", metavar="ID", help="Only of this business.")
output_option = click.option(
    "--output", "-o", type=click.Path(dir_okay=False, writable=True), default="-", help="A file instead of stdout."
)


def from_store(url: str, work: "Callable[[CallStore], Awaitable[T]]", *, read_only: bool = True, create: bool = False) -> T:
    """Runs ``work`` with the store, which has to be there already unless ``create``; store errors become the command's."""
    from calls.store import open_store  # noqa: PLC0415  # drivers are loaded when a command runs
    from calls.store.base import StoreError, StoreUnavailable  # noqa: PLC0415
    from calls.store.blocking import run_with_store  # noqa: PLC0415

    try:
        return run_with_store(open_store(url, read_only=read_only, create=create), work)
    except StoreUnavailable as error:
        raise CommandError(str(error), ExitCode.UNAVAILABLE) from None
    except StoreError as error:
        raise CommandError(str(error)) from None


@contextmanager
def writing(output: str) -> Iterator[IO[str]]:
    """stdout for ``-``; else a file that takes its name when it is complete, so that a failure leaves what was there."""
    target = Path(output)
    if output == "-" or (target.exists() and not target.is_file()):
        with click.open_file(output, "w", encoding="utf-8") as out:
            yield out
        return
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(target)
    except OSError as error:
        raise CommandError(f"cannot write {output}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            part.unlink()


def one_format(as_json: bool, as_jsonl: bool) -> None:
    """Refuses both."""
    if as_json and as_jsonl:
        raise click.UsageError("Give --json or --jsonl, not both.")
