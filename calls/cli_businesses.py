"""``frontdesk businesses``: checking business files, applying them to a store, looking at what they mean."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calls.cli_apply import apply_command
from calls.cli_business_source import businesses_at_hand, businesses_option, place_of_businesses, store_of_businesses
from calls.cli_output import CommandError, echo_json, json_text, narrate, printable
from calls.cli_store import json_option, store_option
from calls.exit_codes import ExitCode

if TYPE_CHECKING:
    from calls.business_files import BusinessDirectory


@click.group("businesses")
def businesses_group() -> None:
    """Check business files, one TOML file a business, and apply them where calls are answered from a store.

    \b
    Examples:
      frontdesk businesses check                      every file in businesses/
      frontdesk businesses check new.toml             one file before it goes there
      frontdesk businesses apply                      have a DynamoDB deployment answer by them
      frontdesk businesses show bobs-hvac --json

    \b
    Exit codes: 0 done, warnings allowed · 1 problems found · 2 usage · 3 store unavailable · 4 no such business
    """


@businesses_group.command("check")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@json_option
@businesses_option
def check_command(files: Sequence[Path], as_json: bool, folder: Path) -> None:
    """Check business files and name every problem: file, line, key, and what to do.

    Without FILE, all files of the folder are checked, also for ids and numbers that two of them claim.

    \b
    Examples:
      frontdesk businesses check
      frontdesk businesses check businesses/bobs-hvac.toml
      frontdesk businesses check --json | jq '.[] | select(.severity=="error")'
    """
    from calls.business_files import BusinessFileError, business_paths, check_files  # noqa: PLC0415  # jsonschema, not for `--help`

    try:
        paths = list(files) or business_paths(folder)
        problems = check_files(paths)
    except BusinessFileError as error:
        paths, problems = [], list(error.problems)
    if as_json:
        echo_json(problems)
    else:
        for problem in problems:
            click.echo(printable(str(problem)))
    errors = sum(problem.severity == "error" for problem in problems)
    narrate(f"{_counted(len(paths), 'file')}: {_counted(errors, 'error')}, {_counted(len(problems) - errors, 'warning')}.")
    if errors:
        raise click.exceptions.Exit(ExitCode.FAILED)


businesses_group.add_command(apply_command)


@businesses_group.command("list")
@json_option
@businesses_option
@store_option
def list_businesses_command(as_json: bool, folder: Path, store_url: str) -> None:
    """List the businesses, with the numbers that reach them.

    They are those `frontdesk serve` answers for with the same settings: of the folder, or, with a DynamoDB store and no folder named,
    those that have been applied to it.

    \b
    Examples:
      frontdesk businesses list
      frontdesk businesses list --json | jq -r '.[].numbers[]'
      frontdesk businesses list --store dynamodb:frontdesk
    """
    directory = _directory(folder, store_url)
    if as_json:
        echo_json(list(directory))
        return
    for profile in directory:
        numbers = ", ".join(profile.numbers)
        click.echo(printable(f"{profile.id}  {profile.name}  ({profile.language})  {numbers}"))


@businesses_group.command("show")
@click.argument("business_id", metavar="ID")
@json_option
@businesses_option
@store_option
def show_business_command(*, business_id: str, as_json: bool, folder: Path, store_url: str) -> None:
    """Show one business with every setting, those left to their defaults included.

    \b
    Examples:
      frontdesk businesses show bobs-hvac
      frontdesk businesses show bobs-hvac --json | jq .barge_in
    """
    directory = _directory(folder, store_url)
    profile = directory.get(business_id)
    if profile is None:
        known = ", ".join(one.id for one in directory)
        place = place_of_businesses(folder)
        raise CommandError(f"there is no business {business_id} in {place}; there are {known}", ExitCode.NOT_FOUND)
    if as_json:
        echo_json(profile)
        return
    import msgspec  # noqa: PLC0415

    from calls.hours import hours_in_words  # noqa: PLC0415

    for key, value in _settings(msgspec.to_builtins(profile)):
        click.echo(f"{key} = {json_text(value)}")
    narrate(f"Open: {hours_in_words(profile)}.")


def _directory(folder: Path, store_url: str) -> "BusinessDirectory":
    from calls.business_files import BusinessFileError  # noqa: PLC0415

    try:
        directory = businesses_at_hand(folder)
    except BusinessFileError as error:
        raise CommandError(str(error)) from None
    if store_of_businesses() is not None:
        narrate(f"These have been applied to {store_url}.")
    return directory


def _settings(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else f'{noun}s'}"
