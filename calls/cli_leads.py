"""``frontdesk leads``: what callers have left their names for."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from calls.cli_output import echo_json, echo_jsonl, json_text, narrate, printable, safe_cell
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
from calls.ids import BusinessId

if TYPE_CHECKING:
    from calls.store.leads import Lead

_EVERYTHING = 2**62
_FACTS = ("at", "business_id", "call_sid", "from")

since_option = click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), metavar="DATE", help="Only from this UTC date or time on."
)


@click.group("leads")
def leads_group() -> None:
    """Look at the leads that calls have brought: list, export.

    \b
    Examples:
      frontdesk leads list
      frontdesk leads list --business bobs-hvac --since 2026-11-01
      frontdesk leads export --output leads.csv
      frontdesk leads export --format jsonl | jq -r .fields.phone

    Data goes to stdout, everything else to stderr.

    \b
    Exit codes: 0 done · 1 failed · 2 usage · 3 store unavailable
    """


@leads_group.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first.")
@since_option
@business_option
@json_option
@jsonl_option
@store_option
def list_leads_command(
    *, limit: int, since: datetime | None, business_id: str | None, as_json: bool, as_jsonl: bool, store_url: str
) -> None:
    """List leads, newest first.

    \b
    Examples:
      frontdesk leads list --limit 10
      frontdesk leads list --json | jq '.[0].fields'
    """
    one_format(as_json, as_jsonl)
    leads = _leads(store_url, business_id, since, limit)
    if not leads:
        narrate("There are no such leads." if business_id or since else "There are no leads yet.")
    if as_json:
        echo_json(leads)
    elif as_jsonl:
        echo_jsonl(leads)
    else:
        for lead in leads:
            fields = "  ".join(f"{name}: {value}" for name, value in lead.fields.items())
            click.echo(printable(f"{lead.at[:16].replace('T', ' ')}  {lead.business_id}  {lead.from_}  {fields}"))


@leads_group.command("export")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json", "jsonl"]),
    default="csv",
    show_default=True,
    help="csv: one lead a row, a column for each field; a text that a spreadsheet would calculate gets an apostrophe before it, plain "
    "telephone numbers do not. json: one array. jsonl: one lead a line.",
)
@since_option
@business_option
@output_option
@store_option
def export_leads_command(*, form: str, since: datetime | None, business_id: str | None, output: str, store_url: str) -> None:
    """Export leads, oldest first.

    \b
    Examples:
      frontdesk leads export > leads.csv
      frontdesk leads export --format json --since 2026-11-01 --output leads.json
    """
    leads = _leads(store_url, business_id, since, _EVERYTHING)[::-1]
    with writing(output) as out:
        for piece in _exported(leads, form):
            out.write(piece)
    if output != "-":
        narrate(f"Exported {len(leads)} {'lead' if len(leads) == 1 else 'leads'} to {output}.")


def _leads(store_url: str, business_id: str | None, since: datetime | None, limit: int) -> "list[Lead]":
    from calls.store import leads_of  # noqa: PLC0415  # drivers are loaded when a command runs

    business = BusinessId(business_id) if business_id is not None else None
    begin = since.replace(tzinfo=UTC) if since is not None else None
    return from_store(store_url, lambda store: leads_of(store).leads(business_id=business, since=begin, limit=limit))


def _exported(leads: "Sequence[Lead]", form: str) -> Iterator[str]:
    if form == "json":
        yield json_text(leads, indent=2) + "\n"
    elif form == "jsonl":
        yield from (f"{json_text(lead)}\n" for lead in leads)
    else:
        yield from _csv(leads)


def _csv(leads: "Sequence[Lead]") -> Iterator[str]:
    """The facts every lead has, then every field that any of them has, as they were first seen."""
    names = list(dict.fromkeys(name for lead in leads for name in lead.fields))
    yield _row([*_FACTS, *(f"field_{name}" if name in _FACTS else name for name in names)])
    for lead in leads:
        facts = msgspec.to_builtins(lead)
        yield _row([*(facts[name] for name in _FACTS), *(lead.fields.get(name, "") for name in names)])


def _row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(safe_cell(cell) for cell in cells)
    return line.getvalue()
