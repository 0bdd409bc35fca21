"""What the commands share that deal with Twilio: their options, the question before something is changed, the businesses."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calls.cli_business_source import businesses_at_hand, place_of_businesses
from calls.cli_output import CommandError, printable
from calls.exit_codes import ExitCode

if TYPE_CHECKING:
    from calls.business import BusinessProfile
    from calls.business_files import BusinessDirectory

public_url_option = click.option(
    "--public-url", envvar="PUBLIC_URL", metavar="URL", help="The https address Twilio reaches Frontdesk at. [env: PUBLIC_URL]"
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def ask(question: str, *, yes: bool) -> None:
    """Ends the command unless somebody says yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is nobody to ask here: give --yes.")
    click.confirm(printable(question), abort=True, err=True)


def businesses_in(folder: Path) -> "BusinessDirectory":
    """The businesses of the folder or the store (see :mod:`calls.cli_business_source`). Raises :class:`CommandError` if one of them
    cannot be used."""
    from calls.business_files import BusinessFileError  # noqa: PLC0415  # jsonschema and all, not for `--help`

    try:
        return businesses_at_hand(folder)
    except BusinessFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def business_named(folder: Path, business_id: str) -> "BusinessProfile":
    """The business with this id. Raises :class:`CommandError` if there is none."""
    profile = businesses_in(folder).get(business_id)
    if profile is None:
        raise CommandError(
            f"there is no business {business_id!r} in {place_of_businesses(folder)}; `frontdesk businesses list` shows those there are",
            ExitCode.NOT_FOUND,
        )
    return profile
