"""``frontdesk businesses apply``: business files go to the store, all of them or none."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click
import msgspec

from calls.cli_business_source import applied_to, businesses_option
from calls.cli_output import CommandError, echo_json, narrate, printable
from calls.cli_retention import is_terminal
from calls.cli_store import from_store, json_option, store_option
from calls.ids import BusinessId

if TYPE_CHECKING:
    from calls.business_files import BusinessRead, Problem
    from calls.store.base import CallStore
    from calls.store.businesses import Applied, BusinessText

Change = Literal["added", "changed", "unchanged", "removed", "left"]


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one business in the store. ``left``: no file is about it, and it stays as it is."""

    business_id: BusinessId
    change: Change


@click.command("apply")
@click.argument("paths", metavar="[FILE|FOLDER]...", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--prune", is_flag=True, help="Remove businesses from the store that no file is about.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before removing.")
@json_option
@businesses_option
@store_option
def apply_command(
    *, paths: Sequence[Path], prune: bool, dry_run: bool, yes: bool, as_json: bool, folder: Path, store_url: str
) -> None:
    """Put business files into the store, where a DynamoDB deployment reads them; without FILE, those of the folder.

    They are checked first, together with what the store has: if anything is wrong, nothing is written. Bridges that are running answer
    new calls by them within half a minute. Businesses that no file is about stay, unless you give --prune.

    \b
    Examples:
      frontdesk businesses apply --store dynamodb:frontdesk --dry-run
      frontdesk businesses apply businesses/bobs-hvac.toml
      frontdesk businesses apply --prune --yes
    """
    given = _given(_files(paths, folder))
    # A dry run makes no store where there is none.
    applied = from_store(store_url, applied_to, read_only=dry_run, create=not dry_run)
    texts = [one.text for one in given]
    plan = list(_plan(texts, applied, prune=prune))
    _check_together(given, [text for text in applied.businesses if _is(plan, text.business_id, "left")], store_url)
    if not dry_run:
        _may_remove(plan, store_url, yes=yes)
        _write(texts, plan, applied, store_url)
    _tell(plan, store_url, as_json=as_json, dry_run=dry_run)


def _files(paths: Sequence[Path], folder: Path) -> list[Path]:
    from calls.business_files import BusinessFileError, business_paths  # noqa: PLC0415  # jsonschema and all, not for `--help`

    try:
        return [file for path in paths or [folder] for file in ([path] if path.is_file() else business_paths(path))]
    except BusinessFileError as error:
        raise CommandError(str(error)) from None


class _Given(NamedTuple):
    """A file, as it was read and as it is to be stored."""

    read: "BusinessRead"
    text: "BusinessText"


def _given(files: Sequence[Path]) -> list[_Given]:
    """The files. What is wrong or doubtful about them is told.

    Raises:
        CommandError: they have errors.
    """
    from calls.business_files import problems_of, read_file  # noqa: PLC0415
    from calls.store.businesses import BusinessText  # noqa: PLC0415

    reads = [read_file(file) for file in files]
    _must_be_sound(problems_of(reads))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    named = [(read, file.read_text("utf-8-sig"), read.business_id) for read, file in zip(reads, files, strict=True)]
    return [
        _Given(read, BusinessText(business_id=one, text=text, applied_at=now)) for read, text, one in named if one is not None
    ]


def _check_together(given: Sequence[_Given], left: "Sequence[BusinessText]", store_url: str) -> None:
    """Refuses what does not go together with what stays in the store."""
    from calls.applied import AppliedFiles  # noqa: PLC0415
    from calls.business_files import problems_of  # noqa: PLC0415

    own = {one.read.name for one in given}
    problems = problems_of([*AppliedFiles(store_url).read(left), *(one.read for one in given)])
    _must_be_sound([problem for problem in problems if problem.file in own and problem.severity == "error"])


def _must_be_sound(problems: "Sequence[Problem]") -> None:
    for problem in problems:
        narrate(printable(str(problem)))
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        raise CommandError(f"nothing was applied: put {'this' if errors == 1 else f'these {errors} problems'} right first")


def _plan(given: "Sequence[BusinessText]", applied: "Applied", *, prune: bool) -> Iterable[Planned]:
    before = {text.business_id: text.text for text in applied.businesses}
    for one in given:
        old = before.pop(one.business_id, None)
        change: Change = "added" if old is None else "unchanged" if old == one.text else "changed"
        yield Planned(business_id=one.business_id, change=change)
    for business_id in before:
        yield Planned(business_id=business_id, change="removed" if prune else "left")


def _is(plan: Sequence[Planned], business_id: BusinessId, *changes: Change) -> bool:
    return any(one.business_id == business_id and one.change in changes for one in plan)


def _may_remove(plan: Sequence[Planned], store_url: str, *, yes: bool) -> None:
    removed = [one.business_id for one in plan if one.change == "removed"]
    if not removed or yes:
        return
    if not is_terminal():
        raise click.UsageError(f"This would remove {', '.join(removed)}. Give --yes to say so, or --dry-run to look first.")
    question = f"Remove {', '.join(removed)} from {store_url}? Their numbers are not answered any more."
    click.confirm(printable(question), abort=True, err=True)


def _write(given: "Sequence[BusinessText]", plan: Sequence[Planned], applied: "Applied", store_url: str) -> None:
    put = [text for text in given if _is(plan, text.business_id, "added", "changed")]
    remove = [one.business_id for one in plan if one.change == "removed"]
    if not put and not remove:
        return

    async def write(store: "CallStore") -> int:
        from calls.store import businesses_of  # noqa: PLC0415

        return await businesses_of(store).apply(put, remove, applied.version)

    from_store(store_url, write, read_only=False)


def _tell(plan: Sequence[Planned], store_url: str, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        echo_json(plan)
    else:
        for one in plan:
            click.echo(printable(f"{one.change:9}  {one.business_id}"))
    if dry_run:
        narrate("Nothing was changed.")
    elif not store_url.startswith("dynamodb:"):
        narrate("`frontdesk serve` reads the folder, not this store: only beside a DynamoDB store does it read what was applied.")
