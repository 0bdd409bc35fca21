"""The composition root's own subcommands."""

import sys
from pathlib import Path

import click


@click.command("serve")
def serve_command() -> None:
    """Answer calls: the media bridge, with the webhooks mounted beside it.

    Settings come from the environment; those without a default are OPENAI_API_KEY and, for real calls, TWILIO_AUTH_TOKEN,
    TWILIO_ACCOUNT_SID and PUBLIC_URL.

    \b
    For a simulator on this machine:
      FRONTDESK_VERIFY_TWILIO=off OPENAI_REALTIME_URL=ws://127.0.0.1:9000/v1/realtime OPENAI_API_KEY=x frontdesk serve
    """
    from frontdesk.serve import serve

    sys.exit(serve())


@click.command("demo")
@click.option("--hebrew", is_flag=True, help="Call the Hebrew garage instead of the English heating service.")
@click.option("--fast", is_flag=True, help="No sockets: the same core and both far ends in this process, under a virtual clock.")
@click.option(
    "--wav", type=click.Path(dir_okay=False, path_type=Path), help="Write the call: caller left, what they heard right."
)
@click.option("--plain", is_flag=True, help="Print lines (the only view so far).")
def demo_command(*, hebrew: bool, fast: bool, wav: Path | None, plain: bool) -> None:
    """Watch a simulated call being answered. Needs no account and no network.

    A simulated Twilio posts a signed webhook, opens the media WebSocket and lets a caller with a problem talk; a simulated model
    speaks the Realtime protocol. The webhook, the bridge and everything between are the real ones. Exit code 0 only if the call
    went as scripted.
    """
    from frontdesk.demo import demo

    del plain
    sys.exit(demo(hebrew=hebrew, fast=fast, wav=wav))
