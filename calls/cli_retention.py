"""``frontdesk calls purge`` and ``frontdesk calls erase``: deleting what is kept of callers, for good."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from calls.cli_output import CommandError, echo_json, narrate, printable
from calls.cli_store import business_option, from_store, json_option, store_option
from calls.ids import BusinessId

if TYPE_CHECKING:
    from calls.retention import Forgotten, Kept
    from calls.store.base import CallStore

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command("purge")
@click.option("--older-than", "age", metavar="AGE", required=True, help="Calls that ended longer ago: 12h, 30d, 4w.")
@business_option
@dry_run_option
@yes_option
@json_option
@store_option
def purge_command(*, age: str, business_id: str | None, dry_run: bool, yes: bool, as_json: bool, store_url: str) -> None:
    """Delete old calls for good: record, events, leads, and appointments that were over by then.

    Calls that are going on and appointments still to come stay. To have it done every day, set retention_days in the business
    file. It may run while `frontdesk serve` has the same file open.

    \b
    Examples:
      frontdesk calls purge --older-than 30d --dry-run
      frontdesk calls purge --older-than 30d --business bobs-hvac --yes
    """
    from calls.retention import BadAge, outdated, parse_age, purge  # noqa: PLC0415  # loaded when the command runs

    now = datetime.now(UTC)
    try:
        before = now - parse_age(age)
    except (BadAge, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint="--older-than") from None
    business = BusinessId(business_id) if business_id is not None else None
    found = from_store(store_url, lambda store: outdated(_kept(store), before, business))
    whose = f" of {printable(business_id)}" if business_id else ""
    if _goes_ahead(found, f"the calls{whose} that ended before {before:%Y-%m-%d %H:%M} UTC", dry_run=dry_run, yes=yes):

        async def delete(store: "CallStore") -> "Forgotten":
            gone = await purge(_kept(store), before, now, business)
            await _kept(store).calls.settle()
            return gone

        found = from_store(store_url, delete, read_only=False)
    _tell(found, as_json=as_json, dry_run=dry_run)


@click.command("erase")
@click.option("--caller", metavar="ADDRESS", required=True, help="Whom to forget: +15005550100, sip:NAME@HOST, client:NAME.")
@dry_run_option
@yes_option
@json_option
@store_option
def erase_command(*, caller: str, dry_run: bool, yes: bool, as_json: bool, store_url: str) -> None:
    """Forget one caller everywhere: every call from that address, at any business, and every appointment booked from it.

    A number is the same caller on the telephone and on WhatsApp. Calls that are going on stay: run it again once they are over.

    \b
    Examples:
      frontdesk calls erase --caller +15005550100 --dry-run
      frontdesk calls erase --caller "+1 500 555 0100" --yes
    """
    from calls.caller_identity import identity_of  # noqa: PLC0415
    from calls.retention import erase, known_of  # noqa: PLC0415

    identity = identity_of(_without_separators(caller))
    if identity is None:
        sentence = f"{caller!r} names no caller; write +15005550100, sip:NAME@HOST or client:NAME"
        raise click.BadParameter(sentence, param_hint="--caller")
    now = datetime.now(UTC)
    found = from_store(store_url, lambda store: known_of(_kept(store), identity, now))
    if _goes_ahead(found, f"everything of {printable(identity)}", dry_run=dry_run, yes=yes):

        async def delete(store: "CallStore") -> "Forgotten":
            gone = await erase(_kept(store), identity, now)
            await _kept(store).calls.settle()
            return gone

        found = from_store(store_url, delete, read_only=False)
    _tell(found, as_json=as_json, dry_run=dry_run)
    if found.live and not dry_run:
        calls = "1 call of theirs is" if found.live == 1 else f"{found.live} calls of theirs are"
        raise CommandError(f"{calls} still going on; run this again once they are over")


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _kept(store: "CallStore") -> "Kept":
    from calls.retention import kept_in  # noqa: PLC0415

    return kept_in(store)


def _without_separators(caller: str) -> str:
    """A number as people write it, without what only makes it legible."""
    return "".join(char for char in caller if char not in " -()./\u00a0") if caller.strip().startswith("+") else caller


def _goes_ahead(found: "Forgotten", what: str, *, dry_run: bool, yes: bool) -> bool:
    """Whether anything is to be deleted, asked on a terminal.

    Raises:
        click.UsageError: there is nobody to ask.
        click.Abort: they do not want it.
    """
    if dry_run or not (found.calls or found.appointments):
        return False
    if yes:
        return True
    if not is_terminal():
        raise click.UsageError("This deletes for good. Give --yes to say so, or --dry-run to look first.")
    question = f"Delete {what} for good: {_in_words(found)}?"
    click.confirm(question, abort=True, err=True)
    return True


def _tell(found: "Forgotten", *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        echo_json(found)
    if not (found.calls or found.appointments):
        narrate("There is nothing to delete.")
        return
    narrate(f"{'Would delete' if dry_run else 'Deleted'} {_in_words(found)}.")
    if found.recordings:
        narrate("Twilio keeps the messages they left until you delete them there:")
        for url in found.recordings:
            narrate(f"  {printable(url)}")


def _in_words(found: "Forgotten") -> str:
    words = f"{_counted(found.calls, 'call')}, {_counted(found.appointments, 'appointment')}"
    return f"{words} ({found.upcoming} still to come)" if found.upcoming else words


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else f'{noun}s'}"
