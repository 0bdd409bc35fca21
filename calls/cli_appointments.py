"""``frontdesk appointments``: what callers have booked, as lists, tables and calendar files; and changing it."""

import csv
import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import msgspec

from calls.appointments import Appointment, Bookable, NotPossible, instants_of_text
from calls.calendar_file import calendar_of
from calls.cli_business_source import businesses_at_hand, businesses_option, place_of_businesses
from calls.cli_output import CommandError, console, echo_json, echo_jsonl, json_text, narrate, printable, safe_cell
from calls.cli_store import (
    business_option,
    from_store,
    json_option,
    jsonl_option,
    one_format,
    output_option,
    store_option,
    writing,
)
from calls.exit_codes import ExitCode
from calls.ids import BusinessId
from calls.store import appointments_of

if TYPE_CHECKING:
    from calls.business import BusinessProfile

CSV_HEADER = (
    "appointment_id", "business_id", "starts_at", "ends_at", "timezone", "name", "phone", "reason", "status", "call_sid",
)  # fmt: skip
_DAY = timedelta(days=1)
_ANY_NUMBER = 1_000_000

day = click.DateTime(["%Y-%m-%d"])
since_option = click.option("--from", "since", type=day, metavar="DATE", help="Only from this day on, where the business is.")
until_option = click.option("--to", "until", type=day, metavar="DATE", help="Only up to this day, itself included.")
past_option = click.option("--past", is_flag=True, help="Those that are over, too.")
cancelled_option = click.option("--cancelled", is_flag=True, help="Those that were cancelled, too.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group("appointments")
def appointments_group() -> None:
    """Look at appointments, and change them.

    \b
    Examples:
      frontdesk appointments list                          those to come
      frontdesk appointments list --from 2026-11-23 --to 2026-11-23
      frontdesk appointments export --output calendar.ics
      frontdesk appointments move 12345678 2026-11-24T10:00
      frontdesk appointments cancel 12345678

    Times are those of the clock at the business. Data goes to stdout, everything else to stderr.

    \b
    Exit codes: 0 done · 1 failed · 2 usage · 3 store unavailable · 4 no such appointment
    """


@appointments_group.command("list")
@business_option
@since_option
@until_option
@past_option
@cancelled_option
@json_option
@jsonl_option
@store_option
def list_appointments_command(
    *,
    business_id: str | None,
    since: datetime | None,
    until: datetime | None,
    past: bool,
    cancelled: bool,
    as_json: bool,
    as_jsonl: bool,
    store_url: str,
) -> None:
    """List appointments by their beginning; those to come, unless told otherwise.

    \b
    Examples:
      frontdesk appointments list
      frontdesk appointments list --business bobs-hvac --from 2026-11-23 --to 2026-11-27
      frontdesk appointments list --json | jq -r '.[].phone'
    """
    one_format(as_json, as_jsonl)
    found = _found(store_url, business_id, since, until, past=past, cancelled=cancelled)
    if as_json:
        echo_json(found)
    elif as_jsonl:
        echo_jsonl(found)
    elif found:
        _print_table(found)
    if not found:
        narrate("There are no such appointments.")


@appointments_group.command("show")
@click.argument("appointment_id", metavar="ID")
@click.option("--ics", "as_ics", is_flag=True, help="As a calendar file (iCalendar).")
@json_option
@store_option
def show_appointment_command(*, appointment_id: str, as_ics: bool, as_json: bool, store_url: str) -> None:
    """Show one appointment.

    \b
    Examples:
      frontdesk appointments show 12345678
      frontdesk appointments show 12345678 --ics > appointment.ics
    """
    if as_ics and as_json:
        raise click.UsageError("Give --json or --ics, not both.")
    one = _named(store_url, appointment_id)
    if as_json:
        echo_json(one)
    elif as_ics:
        _write_bytes(calendar_of([one], datetime.now(UTC)))
    else:
        for key, value in msgspec.to_builtins(one).items():
            click.echo(printable(f"{key} = {value if value is not None else '-'}"))


@appointments_group.command("export")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["ics", "csv", "json", "jsonl"]),
    default="ics",
    show_default=True,
    help="ics: a calendar file. csv: one appointment a row; a text that begins with = + - or @ gets an apostrophe before it, so "
    "that no spreadsheet calculates it.",
)
@click.option(
    "--each", "folder", type=click.Path(file_okay=False, path_type=Path), help="A calendar file for each, ID.ics, in this folder."
)
@business_option
@since_option
@until_option
@past_option
@cancelled_option
@output_option
@store_option
def export_appointments_command(
    *,
    ids: Sequence[str],
    form: str,
    folder: Path | None,
    business_id: str | None,
    since: datetime | None,
    until: datetime | None,
    past: bool,
    cancelled: bool,
    output: str,
    store_url: str,
) -> None:
    """Export appointments, as a calendar file unless told otherwise: those named, or all to come.

    Importing a calendar file again moves or cancels what has been imported before, and adds nothing twice. For that, cancelled
    appointments have to be in it: give --cancelled.

    \b
    Examples:
      frontdesk appointments export --cancelled --output calendar.ics
      frontdesk appointments export 12345678 --output appointment.ics
      frontdesk appointments export --each calendar/
      frontdesk appointments export --past --format csv --output appointments.csv
    """
    if folder is not None and (output != "-" or form != "ics"):
        raise click.UsageError("--each writes calendar files of its own; leave out --output and --format.")
    found = (
        [_named(store_url, one) for one in ids]
        if ids
        else _found(store_url, business_id, since, until, past=past, cancelled=cancelled)
    )
    if folder is not None:
        _write_each(found, folder)
    else:
        text = _exported(found, form)
        if output == "-":
            _write_bytes(text)
        else:
            with writing(output) as out:
                out.write(text)
    if folder is not None or output != "-":
        narrate(f"Exported {_counted(found)} to {folder if folder is not None else output}.")


@appointments_group.command("cancel")
@click.argument("appointment_id", metavar="ID")
@yes_option
@json_option
@store_option
def cancel_appointment_command(*, appointment_id: str, yes: bool, as_json: bool, store_url: str) -> None:
    """Cancel an appointment. The caller is not told.

    \b
    Examples:
      frontdesk appointments cancel 12345678
      frontdesk appointments cancel 12345678 --yes --json
    """
    old = _named(store_url, appointment_id)
    if old.status == "cancelled":
        narrate(f"{_in_words(old)} was cancelled before.")
    else:
        _ask(f"Cancel {_in_words(old)}?", yes=yes)
        new = msgspec.structs.replace(old, status="cancelled", sequence=old.sequence + 1, changed_at=datetime.now(UTC))
        _change(store_url, new, _ANY_NUMBER)
        narrate(f"{_in_words(new)} is cancelled.")
        old = new
    if as_json:
        echo_json(old)


@appointments_group.command("move")
@click.argument("appointment_id", metavar="ID")
@click.argument("start", metavar="START")
@click.option("--anyway", is_flag=True, help="Whatever the opening hours, the notice, and who comes then.")
@yes_option
@json_option
@businesses_option
@store_option
def move_appointment_command(
    *, appointment_id: str, start: str, anyway: bool, yes: bool, as_json: bool, folder: Path, store_url: str
) -> None:
    """Move an appointment to START, a time such as 2026-11-24T10:00 on the clock at the business. The caller is not told.

    \b
    Examples:
      frontdesk appointments move 12345678 2026-11-24T10:00
      frontdesk appointments move 12345678 2026-11-22T08:00 --anyway
    """
    old = _named(store_url, appointment_id)
    if old.status == "cancelled":
        raise CommandError(f"{_in_words(old)} was cancelled; it cannot be moved")
    new, per_slot = _moved(old, start, None if anyway else _business(folder, old.business_id))
    _ask(f"Move {_in_words(old)} to {new.local_start}?", yes=yes)
    _change(store_url, new, per_slot)
    narrate(f"{_in_words(old)} is moved to {new.local_start}.")
    if as_json:
        echo_json(new)


def _found(
    store_url: str, business_id: str | None, since: datetime | None, until: datetime | None, *, past: bool, cancelled: bool
) -> list[Appointment]:
    """The appointments that are asked for. Days are those where each business is, so a day more is looked at on either side."""
    now = datetime.now(UTC)
    earliest = since.replace(tzinfo=UTC) - _DAY if since else datetime(1970, 1, 2, tzinfo=UTC) if past or until else now
    latest = until.replace(tzinfo=UTC) + 2 * _DAY if until else datetime(9999, 1, 1, tzinfo=UTC)
    business = BusinessId(business_id) if business_id is not None else None
    found = from_store(
        store_url,
        lambda store: appointments_of(store).between(earliest, latest, business_id=business, with_cancelled=cancelled),
    )
    return [
        one
        for one in found
        if (since is None or one.local_start[:10] >= f"{since:%Y-%m-%d}")
        and (until is None or one.local_start[:10] <= f"{until:%Y-%m-%d}")
        and (past or since is not None or one.ends_at > now)
    ]


def _named(store_url: str, appointment_id: str) -> Appointment:
    wanted = appointment_id.replace("-", "").replace(" ", "")
    one = from_store(store_url, lambda store: appointments_of(store).get(wanted))
    if one is None:
        sentence = f"there is no appointment {appointment_id!r}; `frontdesk appointments list --past` shows those there are"
        raise CommandError(sentence, ExitCode.NOT_FOUND)
    return one


def _change(store_url: str, new: Appointment, per_slot: int) -> None:
    from_store(store_url, lambda store: appointments_of(store).change(new, per_slot), read_only=False)


def _moved(old: Appointment, start: str, profile: "BusinessProfile | None") -> tuple[Appointment, int]:
    """The appointment at its new time, and how many may take place then; without a profile at any time and beside any number."""
    now = datetime.now(UTC)
    zone = ZoneInfo(old.timezone)
    try:
        if profile is None:
            starts, length, per_slot = instants_of_text(start, zone), old.ends_at - old.starts_at, _ANY_NUMBER
        else:
            bookable = Bookable(profile, now)
            starts, length, per_slot, zone = bookable.start_of(start), bookable.length, bookable.per_slot, bookable.zone
    except NotPossible as refused:
        raise CommandError(f"{refused}{'' if profile is None else '; give --anyway to move it all the same'}") from None
    new = msgspec.structs.replace(
        old,
        starts_at=starts[0].astimezone(zone),
        ends_at=(starts[0] + length).astimezone(zone),
        timezone=zone.key,
        sequence=old.sequence + 1,
        changed_at=now,
    )
    return new, per_slot


def _business(folder: Path, business_id: BusinessId) -> "BusinessProfile":
    from calls.business_files import BusinessFileError  # noqa: PLC0415

    try:
        profile = businesses_at_hand(folder).get(business_id)
    except BusinessFileError as error:
        raise CommandError(f"{error}\nGive --anyway to move it whatever the business's hours.") from None
    if profile is None:
        raise CommandError(
            f"there is no business {business_id} in {place_of_businesses(folder)}; name its folder, or give --anyway",
            ExitCode.NOT_FOUND,
        )
    return profile


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is nobody to ask here: give --yes.")
    click.confirm(printable(question), abort=True, err=True)


def _exported(found: Sequence[Appointment], form: str) -> str:
    if form == "ics":
        return calendar_of(found, datetime.now(UTC))
    if form == "csv":
        return _csv(found)
    if form == "json":
        return json_text(found, indent=2) + "\n"
    return "".join(f"{json_text(one)}\n" for one in found)


def _csv(found: Sequence[Appointment]) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(CSV_HEADER)
    for one in found:
        fields = msgspec.to_builtins(one)
        rows.writerow([safe_cell(str(fields[key])) for key in CSV_HEADER])
    return out.getvalue()


def _write_each(found: Sequence[Appointment], folder: Path) -> None:
    now = datetime.now(UTC)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in found:
            part = folder / f"{one.appointment_id}.ics.part"
            part.write_bytes(calendar_of([one], now).encode())
            part.replace(folder / f"{one.appointment_id}.ics")
    except OSError as error:
        raise CommandError(f"cannot write to {folder}: {error.strerror or error}") from None


def _write_bytes(text: str) -> None:
    """Data whose line ends are its own."""
    with suppress(BrokenPipeError):
        click.echo(text.encode(), nl=False)


def _print_table(found: Sequence[Appointment]) -> None:
    from rich.table import Table  # noqa: PLC0415  # rich takes longer to load than `--help` may
    from rich.text import Text  # noqa: PLC0415

    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("APPOINTMENT", "WHEN", "BUSINESS", "NAME", "PHONE", "STATUS"):
        table.add_column(heading, no_wrap=True)
    table.add_column("REASON", no_wrap=True, overflow="ellipsis", ratio=1 if sys.stdout.isatty() else None)
    for one in found:
        style = "dim" if one.status == "cancelled" else ""
        cells = (one.appointment_id, _when(one), one.business_id, one.name, one.phone, one.status, one.reason)
        table.add_row(*(Text(printable(cell), style=style) for cell in cells))
    out.print(table)


def _when(one: Appointment) -> str:
    return f"{one.starts_at.astimezone(ZoneInfo(one.timezone)):%a} {one.local_start.replace('T', ' ')}"


def _in_words(one: Appointment) -> str:
    return f"{one.appointment_id} ({one.name}, {one.local_start})"


def _counted(found: Sequence[Appointment]) -> str:
    return f"{len(found)} {'appointment' if len(found) == 1 else 'appointments'}"
