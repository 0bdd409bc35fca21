"""Where commands read businesses from: the folder, or, beside a DynamoDB store, what has been applied to it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from calls.cli_output import narrate, printable
from calls.cli_store import from_store

if TYPE_CHECKING:
    from calls.business_files import BusinessDirectory
    from calls.store.base import CallStore
    from calls.store.businesses import Applied

businesses_option = click.option(
    "--businesses",
    "folder",
    envvar="FRONTDESK_BUSINESSES",
    default="businesses/",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of business files. [env: FRONTDESK_BUSINESSES]",
)


def store_of_businesses() -> str | None:
    """The store that businesses are read from; ``None``: from the folder, which is so wherever one was named."""
    context = click.get_current_context()
    if context.get_parameter_source("folder") not in (ParameterSource.DEFAULT, None):
        return None
    url = str(context.params.get("store_url") or os.environ.get("FRONTDESK_STORE") or "")
    return url if url.startswith("dynamodb:") else None


def place_of_businesses(folder: Path) -> str:
    """What a sentence calls that place."""
    return store_of_businesses() or str(folder)


def businesses_at_hand(folder: Path) -> "BusinessDirectory":
    """The businesses a command is about. What keeps one of a store from being used is told on stderr.

    Raises:
        BusinessFileError: there is none, or a file of the folder cannot be used.
        CommandError: the store cannot be read.
    """
    from calls.business_files import BusinessDirectory, load_businesses  # noqa: PLC0415  # jsonschema and all, not for `--help`

    url = store_of_businesses()
    if url is None:
        return load_businesses(folder)
    from calls.applied import AppliedFiles, must_be_some  # noqa: PLC0415

    usable = AppliedFiles(url).usable(from_store(url, applied_to), BusinessDirectory([]))
    must_be_some(usable, url)
    for problem in usable.problems:
        if problem.severity == "error":
            narrate(printable(str(problem)))
    return BusinessDirectory(usable.profiles, usable.problems)


async def applied_to(store: "CallStore") -> "Applied":
    """What has been applied to an open store."""
    from calls.store import businesses_of  # noqa: PLC0415

    return await businesses_of(store).load()
