"""``frontdesk numbers``: what a Twilio number does, pointing it here, putting it back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from calls.cli_business_source import businesses_option
from calls.cli_output import CommandError, console, echo_json, narrate, printable
from calls.cli_store import json_option, store_option
from calls.exit_codes import ExitCode
from frontdesk.asking import ask, businesses_in, public_url_option, yes_option
from frontdesk.number_backups import Book, backup_path, read_backups
from frontdesk.numbers import OwnNumber, Setup, all_numbers, in_words, number_named, setup_for
from frontdesk.pointing import nothing_remembered, point, refuse_changed, refuse_foreign, restore
from frontdesk.twilio_api import public_origin, twilio_client

if TYPE_CHECKING:
    from calls.business_files import BusinessDirectory

_NOTHING = "nothing"
_force_option = click.option("--force", is_flag=True, help="Even if somebody else has changed the number since.")
_dry_run_option = click.option("--dry-run", is_flag=True, help="Only say what would be changed.")


@click.group("numbers")
def numbers_group() -> None:
    """See what your Twilio numbers do, point one here, and put it back.

    Twilio's account is taken from TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.

    \b
    Examples:
      frontdesk numbers show
      frontdesk numbers point +15005550006 --dry-run
      frontdesk numbers restore +15005550006

    Data goes to stdout, everything else to stderr.

    \b
    Exit codes: 0 done · 1 failed · 2 usage · 3 Twilio cannot be reached · 4 no such number, nothing remembered
    """


@numbers_group.command("show")
@click.argument("number", required=False)
@public_url_option
@json_option
@businesses_option
@store_option
def show_command(*, number: str | None, public_url: str | None, as_json: bool, folder: Path, store_url: str) -> None:
    """Show where the calls of a number go, or of every number of the account. Changes nothing.

    \b
    Examples:
      frontdesk numbers show
      frontdesk numbers show +15005550006 --json
    """
    origin = (public_url or "").rstrip("/") or None
    with twilio_client() as client:
        numbers = [number_named(client, number)] if number is not None else all_numbers(client)
    book = read_backups(backup_path(store_url))
    directory = _directory(folder)
    if as_json:
        echo_json([_as_json(one, origin, directory, book) for one in numbers])
    elif not numbers:
        narrate("The Twilio account has no numbers.")
    else:
        _print_table(numbers, origin, directory, book)
        if number is not None:
            _print_setup(numbers[0].setup)


@numbers_group.command("point")
@click.argument("number")
@click.option("--business", "business_id", metavar="ID", help="Only if this business has the number.")
@public_url_option
@_dry_run_option
@_force_option
@yes_option
@businesses_option
@store_option
def point_command(
    *,
    number: str,
    business_id: str | None,
    public_url: str | None,
    dry_run: bool,
    force: bool,
    yes: bool,
    folder: Path,
    store_url: str,
) -> None:
    """Point a number here: its calls, their fallback and the report of their end. What it did before is remembered.

    \b
    Examples:
      frontdesk numbers point +15005550006 --dry-run
      frontdesk numbers point +15005550006 --business bobs-hvac --yes
    """
    origin = public_origin(public_url)
    backups = backup_path(store_url)
    wanted = setup_for(origin)
    with twilio_client() as client:
        own = number_named(client, number)
        _check_business(own, business_id, folder)
        refuse_foreign(read_backups(backups), own, wanted, force=force)
        if not (own.setup.differences(wanted)):
            narrate(f"{own.number} points here already.")
            return
        _print_changes(own, wanted)
        if dry_run:
            narrate("Nothing was changed.")
            return
        ask(f"Point {own.number} here?", yes=yes)
        point(client, own, wanted, backups, force=force)
    narrate(f"{own.number} points here. `frontdesk numbers restore {own.number}` puts back what it did before.")


@numbers_group.command("restore")
@click.argument("number")
@_dry_run_option
@_force_option
@yes_option
@store_option
def restore_command(*, number: str, dry_run: bool, force: bool, yes: bool, store_url: str) -> None:
    """Put back exactly what a number did before it was pointed here.

    \b
    Examples:
      frontdesk numbers restore +15005550006
    """
    backups = backup_path(store_url)
    with twilio_client() as client:
        own = number_named(client, number)
        known = read_backups(backups).get(own.sid)
        if known is None:
            raise nothing_remembered(own, backups)
        refuse_changed(known, own, force=force)
        _print_changes(own, known.before)
        if dry_run:
            narrate("Nothing was changed.")
            return
        ask(f"Put {own.number} back?", yes=yes)
        now = restore(client, own, backups, force=force)
    narrate(f"{own.number} does again what it did on {known.saved_at[:10]}: {in_words(now, None)}.")


def _directory(folder: Path) -> "BusinessDirectory | None":
    try:
        return businesses_in(folder)
    except CommandError as error:
        narrate(f"Which business has a number cannot be said: {error.message}")
        return None


def _check_business(own: OwnNumber, business_id: str | None, folder: Path) -> None:
    """Refuses a number that another business has than the one named; without a name, warns of one that none has."""
    directory = businesses_in(folder) if business_id is not None else _directory(folder)
    if directory is None:
        return
    profile = directory.find(own.number)
    if business_id is not None:
        if directory.get(business_id) is None:
            raise CommandError(f"there is no business {business_id!r} in {folder}", ExitCode.NOT_FOUND)
        if profile is None or profile.id != business_id:
            whose = "no business has" if profile is None else f"{profile.id} has"
            raise CommandError(f"{whose} {own.number}; add it to the numbers of {business_id}, or name another number")
    elif profile is None:
        narrate(f"No business file in {folder} has {own.number}: its callers will hear that the number is not in service.")


def _as_json(own: OwnNumber, origin: str | None, directory: "BusinessDirectory | None", book: Book) -> dict[str, Any]:
    profile = directory.find(own.number) if directory is not None else None
    known = book.get(own.sid)
    return {
        "number": own.number,
        "sid": own.sid,
        "name": own.name,
        **msgspec.structs.asdict(own.setup),
        "meaning": in_words(own.setup, origin),
        "business_id": profile.id if profile is not None else None,
        "before": msgspec.structs.asdict(known.before) if known is not None else None,
    }


def _print_table(numbers: list[OwnNumber], origin: str | None, directory: "BusinessDirectory | None", book: Book) -> None:
    from rich.table import Table  # noqa: PLC0415  # takes longer to load than `--help` may
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("NUMBER", "NAME", "BUSINESS", "CALLS", "REMEMBERED"):
        table.add_column(heading, no_wrap=heading == "NUMBER", overflow="fold")
    for own in numbers:
        profile = directory.find(own.number) if directory is not None else None
        before = in_words(book[own.sid].before, None) if own.sid in book else ""
        cells = (own.number, own.name, profile.id if profile is not None else "", in_words(own.setup, origin), before)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console().print(table)


def _print_setup(setup: Setup) -> None:
    for name, value in msgspec.structs.asdict(setup).items():
        click.echo(f"{name} = {printable(value) or _NOTHING}")


def _print_changes(own: OwnNumber, wanted: Setup) -> None:
    for name, (before, after) in own.setup.differences(wanted).items():
        narrate(f"{name}: {before or _NOTHING} → {after or _NOTHING}")
