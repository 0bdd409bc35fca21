"""``frontdesk call``: the AI calls somebody."""

from datetime import UTC, datetime
from pathlib import Path

import click

from calls.cli_business_source import businesses_option
from calls.cli_output import CommandError, echo_json, narrate
from calls.cli_store import json_option
from calls.exit_codes import ExitCode
from calls.outbound import ON_MACHINE, OnMachine
from frontdesk.asking import ask, business_named, public_url_option, yes_option
from frontdesk.outbound import Progress, call_to, doubts, follow, has_reached_somebody, place
from frontdesk.twilio_api import public_origin, twilio_client


@click.command("call")
@click.argument("to")
@click.option("--business", "business_id", metavar="ID", required=True, help="On whose behalf.")
@click.option("--from", "from_", metavar="NUMBER", help="Which of its numbers calls; its first telephone number if left out.")
@click.option(
    "--machine",
    "on_machine",
    type=click.Choice(ON_MACHINE),
    default="hang-up",
    show_default=True,
    help="When a machine answers: hang up, leave a message and hang up, or talk to whoever answers without finding out.",
)
@click.option("--text", "message", metavar="TEXT", help="What is left on a machine, instead of the business's own message.")
@click.option("--wait", is_flag=True, help="Say how the call goes, until it is over.")
@json_option
@public_url_option
@yes_option
@businesses_option
def call_command(
    *,
    to: str,
    business_id: str,
    from_: str | None,
    on_machine: OnMachine,
    message: str | None,
    wait: bool,
    as_json: bool,
    public_url: str | None,
    yes: bool,
    folder: Path,
) -> None:
    """Call somebody and have the AI speak for a business. Prints the call's SID.

    `frontdesk serve` has to be running at PUBLIC_URL; Twilio's account is taken from TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.

    \b
    Examples:
      frontdesk call +15005550100 --business bobs-hvac --wait
      frontdesk call +15005550100 --business bobs-hvac --machine leave-message --text "Your part has arrived."

    \b
    Exit codes: 0 placed; with --wait: somebody was reached, or the message left · 1 refused; with --wait: nobody answered, or a
    machine did · 2 usage · 3 Twilio cannot be reached · 4 no such business
    """
    profile = business_named(folder, business_id)
    placed = call_to(profile, to, from_, on_machine, message)
    origin = public_origin(public_url)
    for doubt in doubts(profile, datetime.now(UTC)):
        narrate(f"{doubt}.")
    ask(f"Call {placed.to} from {placed.from_} for {profile.name}?", yes=yes)
    with twilio_client() as client:
        call_sid = place(client, placed, origin)
        if not as_json:
            click.echo(call_sid)
        progress = follow(client, call_sid, narrate) if wait else Progress(call_sid=call_sid, status="queued")
    if as_json:
        echo_json({"to": placed.to, "from": placed.from_, **_facts(progress)})
    if wait and not has_reached_somebody(progress, placed.errand):
        raise CommandError(f"nobody was reached at {placed.to}", ExitCode.FAILED)


def _facts(progress: Progress) -> dict[str, object]:
    return {name: getattr(progress, name) for name in progress.__struct_fields__}
