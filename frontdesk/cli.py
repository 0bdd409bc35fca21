"""The ``frontdesk`` command. Every subcommand is imported when it is called, so that ``--help`` is quick."""

import importlib
import sys

import click

from calls.exit_codes import ExitCode

_JOINED = {"calls": ("console.cli", "CALL_COMMANDS")}
"""Commands of one part that stand in the group of another."""
_COMMANDS = {
    "serve": ("frontdesk.commands", "serve_command", "Answer calls: the bridge, with the webhooks beside it."),
    "console": ("console.cli", "console_command", "Watch all live calls and step in."),
    "demo": ("frontdesk.commands", "demo_command", "Watch a simulated call being answered; needs no account."),
    "calls": ("calls.cli", "calls_group", "Look at calls, and step into them."),
    "listen": ("console.cli", "listen_command", "Listen to a live call."),
    "call": ("frontdesk.cli_call", "call_command", "Call somebody and have the AI speak."),
    "greetings": ("frontdesk.cli_greetings", "greetings_group", "Record what calls are greeted with."),
    "leads": ("calls.cli_leads", "leads_group", "Look at the leads that calls have brought."),
    "outbox": ("calls.cli_outbox", "outbox_group", "See what still has to be posted to webhooks."),
    "appointments": ("calls.cli_appointments", "appointments_group", "Look at appointments, and change them."),
    "numbers": ("frontdesk.cli_numbers", "numbers_group", "See what Twilio numbers do, point one here, put it back."),
    "businesses": ("calls.cli_businesses", "businesses_group", "Check, apply and show business files."),
    "bench": ("frontdesk.cli_bench", "bench_command", "Measure how many calls one core carries, and how late they are."),
}


class LazyCommands(click.Group):
    """Finds subcommands by name and imports them when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order they are taught."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        if isinstance(command, click.Group) and cmd_name in _JOINED:
            _join(command, *_JOINED[cmd_name])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in ``--help``, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


def _join(group: click.Group, module: str, attribute: str) -> None:
    for command in getattr(importlib.import_module(module), attribute):
        group.add_command(command)


@click.group(
    cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]}, epilog="Exit codes: docs/reference/exit-codes.md"
)
@click.version_option(package_name="frontdesk", prog_name="frontdesk")
def frontdesk() -> None:
    """Answers a business's phone with a voice AI.

    Start with "frontdesk demo": it places a simulated call and shows it being answered. Then copy a file in businesses/, check it
    with "frontdesk businesses check", and run "frontdesk serve".
    """


def main() -> None:
    """Entry point of the ``frontdesk`` script."""
    try:
        sys.exit(frontdesk(prog_name="frontdesk", standalone_mode=False) or ExitCode.OK)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(ExitCode.INTERRUPTED)
