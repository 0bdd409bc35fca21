"""Pointing a number here, and putting back what it did before. Twilio is asked only for what differs, in one request."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from calls.cli_output import CommandError
from calls.exit_codes import ExitCode
from frontdesk.number_backups import Book, Remembered, changing_backups, remembered, write_backups
from frontdesk.numbers import OwnNumber, Setup, number_named, set_up

if TYPE_CHECKING:
    from twilio.rest import Client


def point(client: "Client", number: OwnNumber, wanted: Setup, backups: Path, *, force: bool) -> Setup:
    """Points a number here. What it did before is remembered first; if that is remembered already, it stays as it is.

    Returns:
        What Twilio says the number does now.

    Raises:
        CommandError: somebody else has changed it since it was pointed here, and ``force`` is not given.
    """
    with changing_backups(backups) as book:
        number = number_named(client, number.sid)  # as it is now that nobody else of us can change it
        refuse_foreign(book, number, wanted, force=force)
        known = book.get(number.sid)
        if known is None and number.setup != wanted:
            book[number.sid] = remembered(number, wanted, datetime.now(UTC))
            write_backups(backups, book)
        elif known is not None and wanted not in known.set_here:
            book[number.sid] = msgspec.structs.replace(known, set_here=(*known.set_here, wanted))
            write_backups(backups, book)
        return _verified(number, wanted, set_up(client, number, wanted))


def refuse_foreign(book: Book, number: OwnNumber, wanted: Setup, *, force: bool) -> None:
    """Raises :class:`CommandError` if pointing it here would lose what somebody else has set."""
    known = book.get(number.sid)
    if known is not None and number.setup != wanted and not known.knows(number.setup) and not force:
        raise CommandError(
            f"{number.number} was pointed here on {known.saved_at[:10]} and has been changed by somebody else since; `frontdesk numbers "
            "show` says to what. That would be lost: what is remembered is what it did before. Give --force to point it here again"
        )


def restore(client: "Client", number: OwnNumber, backups: Path, *, force: bool) -> Setup:
    """Puts back what the number did before it was pointed here, and forgets it.

    Raises:
        CommandError: nothing is remembered; or somebody else has changed it since, and ``force`` is not given.
    """
    with changing_backups(backups) as book:
        known = book.get(number.sid)
        if known is None:
            raise nothing_remembered(number, backups)
        number = number_named(client, number.sid)
        refuse_changed(known, number, force=force)
        now = _verified(number, known.before, set_up(client, number, known.before))
        del book[number.sid]
        write_backups(backups, book)
        return now


def refuse_changed(known: Remembered, number: OwnNumber, *, force: bool) -> None:
    """Raises :class:`CommandError` if putting it back would lose what somebody else has set."""
    if not known.knows(number.setup) and not force:
        raise CommandError(
            f"{number.number} has been changed by somebody else since it was pointed here; `frontdesk numbers show` says to what. "
            "Give --force to put back what it did before all the same"
        )


def nothing_remembered(number: OwnNumber, backups: Path) -> CommandError:
    """There is nothing to put back."""
    return CommandError(
        f"nothing is remembered of {number.number} in {backups}: `frontdesk numbers point` has not changed it, or it has been put back",
        ExitCode.NOT_FOUND,
    )


def _verified(number: OwnNumber, wanted: Setup, now: Setup) -> Setup:
    wrong = ", ".join(f"{name} is {has or 'empty'}" for name, (has, _) in now.differences(wanted).items())
    if wrong:
        raise CommandError(
            f"Twilio has not made {number.number} what was asked for: {wrong}. What it did before stays remembered; set the rest in "
            "Twilio's console"
        )
    return now
