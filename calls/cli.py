"""The commands about calls that need no server: ``frontdesk calls``.

They read the call store. Heavy libraries are loaded inside the commands, so that ``--help`` is quick.
"""

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import click

from calls.cli_audio import export_audio
from calls.cli_output import (
    CSV_HEADER,
    CommandError,
    csv_rows,
    echo_json,
    echo_jsonl,
    json_text,
    narrate,
)
from calls.cli_retention import erase_command, purge_command
from calls.cli_store import from_store, json_option, jsonl_option, one_format, store_option, writing
from calls.cli_trace import trace_command
from calls.exit_codes import ExitCode
from calls.ids import BusinessId, CallSid

if TYPE_CHECKING:
    from calls.events import CallEvent
    from calls.record import CallRecord
    from calls.store.base import CallStore

_EVERYTHING = 2**62


@click.group("calls")
def calls_group() -> None:
    """Look at calls, live and past, and step into live ones.

    \b
    Examples:
      frontdesk calls list --live              the calls going on now
      frontdesk calls show CA12ab              one call: what was said, what happened
      frontdesk calls trace CA12ab             its parts, and how long each took
      frontdesk calls export --all -o all.jsonl
      frontdesk calls list --json | jq '.[0].call_sid'
      frontdesk calls whisper CA12ab "Offer them Thursday at nine."

    list, show, trace and export read the store; the others speak to the bridge. Data goes to stdout, everything else to stderr. A call may
    be named by the beginning of its SID.

    \b
    Exit codes: 0 done · 1 failed · 2 usage · 3 store or bridge unavailable · 4 no such call or recording
    """


@calls_group.command("list")
@click.option("--business", "business_id", metavar="ID", help="Only calls of this business.")
@click.option("--live", is_flag=True, help="Only calls that have not ended.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, newest first.")
@json_option
@jsonl_option
@store_option
def list_command(*, business_id: str | None, live: bool, limit: int, as_json: bool, as_jsonl: bool, store_url: str) -> None:
    """List calls, newest first.

    \b
    Examples:
      frontdesk calls list
      frontdesk calls list --business bobs-hvac --limit 10
      frontdesk calls list --live --jsonl
    """
    one_format(as_json, as_jsonl)
    business = BusinessId(business_id) if business_id is not None else None
    records = from_store(store_url, lambda store: store.list_calls(limit=limit, business_id=business, live=live))
    if not records:
        narrate("There are no such calls." if live or business_id else "There are no calls yet.")
    if as_json:
        echo_json(records)
    elif as_jsonl:
        echo_jsonl(records)
    elif records:
        from calls.cli_show import print_calls

        print_calls(records)


@calls_group.command("show")
@click.argument("sid")
@click.option("--events", "only_events", is_flag=True, help="Every event in stored order instead of the conversation.")
@json_option
@jsonl_option
@store_option
def show_command(sid: str, only_events: bool, as_json: bool, as_jsonl: bool, store_url: str) -> None:
    """Show one call: its facts, the conversation in the order it was spoken, and what else happened.

    SID may be shortened as long as it names one call. Behind a line of the AI stands how much of it the caller heard.
    Times are milliseconds since the call came in.

    \b
    Examples:
      frontdesk calls show CA12ab
      frontdesk calls show CA12ab --events
      frontdesk calls show CA12ab --jsonl | jq -r 'select(.kind=="caller.transcript").text'
    """
    one_format(as_json, as_jsonl)
    record, events = from_store(store_url, lambda store: _call_with_events(store, sid))
    if as_json:
        echo_json({"call": record, "events": [event.flat() for event in events]})
    elif as_jsonl:
        echo_jsonl(event.flat() for event in events)
    else:
        from calls.cli_show import print_call, print_events

        (print_events if only_events else print_call)(record, events)


@calls_group.command("export")
@click.argument("sids", metavar="[SID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All calls in the store, oldest first.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "json", "csv"]),
    default="jsonl",
    show_default=True,
    help="jsonl: one event a line. json: one array of {call, events}. csv: one event a row; a text that begins with "
    "= + - or @ gets an apostrophe before it, so that no spreadsheet calculates it.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, writable=True), default="-", help="A file instead of stdout.")
@click.option(
    "--audio",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True),
    metavar="FILE",
    help="The call's recording instead of its events, as a stereo WAV file, the caller left; - for stdout.",
)
@store_option
def export_command(*, sids: Sequence[str], everything: bool, form: str, output: str, audio: str | None, store_url: str) -> None:
    """Export the events of calls, or one call's recording.

    \b
    Examples:
      frontdesk calls export CA12ab
      frontdesk calls export --all --format csv --output calls.csv
      frontdesk calls export --all | jq -r 'select(.kind=="lead.captured").fields.phone'
      frontdesk calls export CA12ab --audio call.wav
    """
    if audio is not None:
        if len(sids) != 1 or everything or output != "-":
            raise click.UsageError("--audio FILE takes one call, and neither --all nor --output.")
        export_audio(from_store(store_url, lambda store: named_call(store, sids[0])), audio)
        return
    if bool(sids) == everything:
        raise click.UsageError("Name the calls to export, or give --all.")

    async def write(store: "CallStore") -> int:
        records = await store.list_calls(limit=_EVERYTHING) if everything else [await named_call(store, sid) for sid in sids]
        ordered = list(reversed(records)) if everything else records
        with writing(output) as out:
            await _export(store, ordered, form, out)
        return len(ordered)

    count = from_store(store_url, write)
    if output != "-":
        narrate(f"Exported {count} {'call' if count == 1 else 'calls'} to {output}.")


calls_group.add_command(trace_command)
calls_group.add_command(purge_command)
calls_group.add_command(erase_command)


async def named_call(store: "CallStore", sid: str) -> "CallRecord":
    """The call that ``sid`` names or begins. Raises :class:`CommandError` for none, and for several."""
    record = await store.get_call(CallSid(sid))
    if record is not None:
        return record
    fitting = [one for one in await store.list_calls(limit=_EVERYTHING) if sid and one.call_sid.startswith(sid)]
    if len(fitting) > 1:
        some = ", ".join(one.call_sid for one in fitting[:3])
        raise CommandError(f"{sid} begins the SIDs of {len(fitting)} calls ({some} …); give more of it", ExitCode.USAGE)
    if not fitting:
        raise CommandError(f"there is no call {sid!r}; `frontdesk calls list` shows those there are", ExitCode.NOT_FOUND)
    return fitting[0]


async def _call_with_events(store: "CallStore", sid: str) -> "tuple[CallRecord, list[CallEvent]]":
    record = await named_call(store, sid)
    return record, await store.events(record.call_sid)


async def _export(store: "CallStore", records: "Sequence[CallRecord]", form: str, out: IO[str]) -> None:
    """Writes call by call, so that a store of any size fits through."""
    if form == "csv":
        out.write(",".join(CSV_HEADER) + "\n")
    if form == "json":
        out.write("[")
    for place, record in enumerate(records):
        events = await store.events(record.call_sid)
        if form == "json":
            call = {"call": record, "events": [event.flat() for event in events]}
            out.write(f"{',' if place else ''}\n{json_text(call)}")
        else:
            out.write(csv_rows(events) if form == "csv" else "".join(f"{json_text(event.flat())}\n" for event in events))
    if form == "json":
        out.write("\n]\n")
