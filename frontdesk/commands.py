"""The composition root's own subcommands."""

import os
import sys
from pathlib import Path

import click


@click.command("serve")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    envvar="FRONTDESK_WORKERS",
    show_envvar=True,
    help="How many processes answer calls.",
)
def serve_command(workers: int) -> None:
    """Answer calls: the media bridge, with the webhooks mounted beside it.

    Settings come from the environment; those without a default are OPENAI_API_KEY and, for real calls, TWILIO_AUTH_TOKEN,
    TWILIO_ACCOUNT_SID and PUBLIC_URL.

    \b
    For a simulator on this machine:
      FRONTDESK_VERIFY_TWILIO=off OPENAI_REALTIME_URL=ws://127.0.0.1:9000/v1/realtime OPENAI_API_KEY=x frontdesk serve
    """
    if workers > 1:
        from frontdesk.workers import serve_with_workers

        sys.exit(serve_with_workers(workers))
    from frontdesk.serve import serve

    sys.exit(serve())


@click.command("demo")
@click.option("--hebrew", is_flag=True, help="One call to the Hebrew garage, printed as it happens.")
@click.option(
    "--fast", is_flag=True, help="One call, printed, without sockets: the same core and both far ends under a virtual clock."
)
@click.option(
    "--wav",
    type=click.Path(dir_okay=False, path_type=Path),
    help="One call, printed, and written as sound: caller left, what they heard right.",
)
@click.option(
    "--plain", is_flag=True, help="One call, printed as it happens; chosen by itself when there is no terminal for the console."
)
@click.option(
    "--calls",
    "at_a_time",
    type=click.IntRange(1, 30),
    default=7,
    show_default=True,
    metavar="N",
    help="How many calls at a time the console shows.",
)
def demo_command(*, hebrew: bool, fast: bool, wav: Path | None, plain: bool, at_a_time: int) -> None:
    """Watch simulated calls being answered. Needs no account and no network.

    Opens the operator console on calls that keep coming: look into them, listen, step in. Callers and model are simulated; the
    webhooks, the bridge and everything between are the real ones. q leaves.

    With --plain, --hebrew, --fast or --wav it is one call, printed as it happens: exit code 0 only if that went as scripted.
    """
    if plain or hebrew or fast or wav is not None or not _on_a_terminal():
        from frontdesk.demo import demo

        sys.exit(demo(hebrew=hebrew, fast=fast, wav=wav))
    from frontdesk.demo_console import watch_demo

    sys.exit(watch_demo(at_a_time))


def _on_a_terminal() -> bool:
    """Whether a screen can be drawn and keys be read; the console draws on stderr."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)) and os.environ.get("TERM") != "dumb"
