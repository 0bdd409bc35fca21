"""The commands of the console: ``frontdesk console``, ``frontdesk listen``, and stepping into a call without a console.

They speak to a bridge over its operator API only. What takes time to load is loaded inside the commands, so that ``--help`` is quick.
"""

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calls.cli_output import CommandError, echo_json, narrate, printable
from calls.exit_codes import ExitCode
from console.endpoint import DEFAULT_URL, Endpoint, EndpointError, endpoint_from

if TYPE_CHECKING:
    from console.operator_http import OperatorHttp
    from console.protocol import CallSummary

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., object])

MAX_TEXT = 2_000
"""Characters a bridge takes of a whisper or a line to say."""
MAX_TO = 256
"""Characters a bridge takes of whom to dial."""


def endpoint_options(command: Command) -> Command:
    """``--url`` and ``--token``."""
    url = click.option(
        "--url",
        envvar="FRONTDESK_URL",
        default=DEFAULT_URL,
        show_default=True,
        metavar="URL",
        help="Where the bridge is. [env: FRONTDESK_URL]",
    )
    token = click.option(
        "--token",
        envvar="FRONTDESK_TOKEN",
        default="",
        metavar="TOKEN",
        help="An operator token of the bridge. On the command line others can see it: better in the environment. [env: FRONTDESK_TOKEN]",
    )
    return url(token(command))


def _endpoint(url: str, token: str) -> Endpoint:
    try:
        endpoint = endpoint_from(url, token)
    except EndpointError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    if not endpoint.token:
        raise CommandError(
            "no operator token is given; set FRONTDESK_TOKEN to one that the bridge has in OPERATOR_TOKENS", ExitCode.USAGE
        )
    if endpoint.in_clear:
        narrate(f"Warning: {endpoint.url} is not https: the token and what callers say cross the network unencrypted.")
    return endpoint


@click.command("console")
@endpoint_options
@click.option("--read-only", is_flag=True, help="Only watch: nothing that touches a call can be done.")
@click.option(
    "--plain", is_flag=True, help="One line an event instead of a screen; chosen by itself when stdout is not a terminal."
)
@click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object an event; with it there is no screen.")
@click.option(
    "--call", "named", metavar="SID", default="", help="Only this call, from its beginning to its end; without a screen."
)
def console_command(*, url: str, token: str, read_only: bool, plain: bool, as_jsonl: bool, named: str) -> None:
    """Watch all live calls and step in.

    On a terminal, a screen; ? shows the keys. Anywhere else one line an event: the calls that go on, until Ctrl+C. A lost connection
    is taken up again by itself, and what happened meanwhile is told then.

    \b
    Examples:
      frontdesk console
      frontdesk console --url https://phone.example.com --read-only
      frontdesk console --plain | grep barge
      frontdesk console --jsonl | jq -r 'select(.kind=="lead.captured").fields.phone'
      frontdesk console --call 4f2a

    \b
    Exit codes: 0 left, or the one call is over · 1 the token is refused · 2 usage · 3 bridge unavailable (--call)
                4 no such call (--call) · 130 Ctrl+C
    """
    endpoint = _endpoint(url, token)
    if plain or as_jsonl or named or not _has_screen():
        from console.plain import run_plain

        call_sid = _asked(endpoint, lambda http: _named(http, named)).call_sid if named else ""
        code = run_plain(endpoint, jsonl=as_jsonl, call_sid=call_sid)
    else:
        from console.app import run_console

        code = run_console(endpoint, read_only=read_only)
    raise click.exceptions.Exit(code)


def _has_screen() -> bool:
    # Textual draws on stderr.
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


@click.command("listen")
@click.argument("sid")
@endpoint_options
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Stop after so much of it.")
def listen_command(*, sid: str, url: str, token: str, seconds: float | None) -> None:
    """Listen to a live call: WAV on stdout while it is heard, the caller left and the AI right.

    Ends with the call. SID may be the beginning or the end of the call's SID, at least four characters. The operator's name goes on
    the call's record.

    \b
    Examples:
      frontdesk listen 4f2a | ffplay -nodisp -autoexit -
      frontdesk listen 4f2a --seconds 30 > call.wav

    \b
    Exit codes: 0 done · 1 not allowed, or the call is over · 2 usage · 3 bridge unavailable · 4 no such call · 130 Ctrl+C
    """
    if sys.stdout.isatty():
        raise CommandError("this writes audio, which a terminal cannot show; add `> call.wav` or `| ffplay -`", ExitCode.USAGE)
    endpoint = _endpoint(url, token)
    call = _asked(endpoint, lambda http: _named(http, sid))
    ms = _listened(endpoint, call.call_sid, seconds)
    narrate(f"{ms / 1000:.1f} s of {call.call_sid} written.")


def _listened(endpoint: Endpoint, call_sid: str, seconds: float | None) -> int:
    import asyncio

    from console.listening import ListeningError, Unreachable, listen
    from console.plain import abandon_stdout

    try:
        return asyncio.run(listen(endpoint, call_sid, sys.stdout.buffer, seconds))
    except Unreachable as error:
        raise CommandError(str(error), ExitCode.UNAVAILABLE) from None
    except ListeningError as error:
        raise CommandError(str(error)) from None
    except BrokenPipeError:
        abandon_stdout()
        raise click.exceptions.Exit(ExitCode.OK) from None


# --- stepping in

_CONFIRMED = {
    "hangup": "Say goodbye to {who} and hang up?",
    "force_hangup": "Cut {who} off at once, without a goodbye?",
    "escalate": "Hand {who} to a human?",
}
_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask whether to do it.")
_json = click.option("--json", "as_json", is_flag=True, help="What was accepted, as one JSON value on stdout.")
_text = click.argument("text")


@click.command("hangup", short_help="End a call politely.")
@click.argument("sid")
@_yes
@_json
@endpoint_options
def hangup_command(*, sid: str, **options: Any) -> None:
    """End a call politely: the AI says goodbye, then the line is released.

    SID may be the beginning or the end of a live call's SID, at least four characters.

    \b
    Examples:
      frontdesk calls hangup 4f2a
      frontdesk calls hangup 4f2a --yes
    """
    _step_in("hangup", sid, **options)


@click.command("force-hangup", short_help="End a call at once.")
@click.argument("sid")
@_yes
@_json
@endpoint_options
def force_hangup_command(*, sid: str, **options: Any) -> None:
    """End a call at once, without a goodbye; also one that no bridge holds any more.

    \b
    Example:
      frontdesk calls force-hangup 4f2a
    """
    _step_in("force_hangup", sid, **options)


@click.command("escalate", short_help="Hand a caller to a human.")
@click.argument("sid")
@click.option("--to", metavar="ADDRESS", help="Whom to dial, instead of the business's own: +1…, client:NAME or sip:URI.")
@_yes
@_json
@endpoint_options
def escalate_command(*, sid: str, **options: Any) -> None:
    """Hand a caller to a human: they are told, then connected.

    \b
    Examples:
      frontdesk calls escalate 4f2a
      frontdesk calls escalate 4f2a --to +15005550010 --yes
    """
    _step_in("escalate", sid, **options)


@click.command("whisper")
@click.argument("sid")
@_text
@_json
@endpoint_options
def whisper_command(*, sid: str, **options: Any) -> None:
    """Tell the AI something the caller does not hear.

    \b
    Example:
      frontdesk calls whisper 4f2a "Offer them Thursday at nine."
    """
    _step_in("whisper", sid, **options)


@click.command("say")
@click.argument("sid")
@_text
@_json
@endpoint_options
def say_command(*, sid: str, **options: Any) -> None:
    """Have the AI speak a line to the caller.

    \b
    Example:
      frontdesk calls say 4f2a "A colleague will join us in a minute."
    """
    _step_in("say", sid, **options)


@click.command("mute")
@click.argument("sid")
@_json
@endpoint_options
def mute_command(*, sid: str, **options: Any) -> None:
    """Keep the AI silent on a call until it is unmuted.

    \b
    Example:
      frontdesk calls mute 4f2a
    """
    _step_in("mute", sid, **options)


@click.command("unmute")
@click.argument("sid")
@_json
@endpoint_options
def unmute_command(*, sid: str, **options: Any) -> None:
    """Let a muted AI speak again.

    \b
    Example:
      frontdesk calls unmute 4f2a
    """
    _step_in("unmute", sid, **options)


CALL_COMMANDS = (
    hangup_command,
    force_hangup_command,
    escalate_command,
    whisper_command,
    say_command,
    mute_command,
    unmute_command,
)
"""They belong under ``frontdesk calls``."""


def _step_in(
    action: str,
    sid: str,
    *,
    url: str,
    token: str,
    as_json: bool,
    yes: bool = False,
    text: str | None = None,
    to: str | None = None,
) -> None:
    """Finds the call, asks if that is called for, and has the bridge do it."""
    _check_length("TEXT", text, MAX_TEXT)
    _check_length("--to", to, MAX_TO)
    endpoint = _endpoint(url, token)
    call = _asked(endpoint, lambda http: _named(http, sid))
    if action in _CONFIRMED and not yes:
        _confirm(action, call)
    _asked(endpoint, lambda http: http.command(call.call_sid, action, text, to))
    if as_json:
        echo_json({"call_sid": call.call_sid, "action": action, "ok": True})
    else:
        from console.wording import action as in_words

        narrate(f"Accepted: {in_words(action)}, {_who(call)}.")


def _check_length(name: str, text: str | None, limit: int) -> None:
    if text is not None and not text.strip():
        raise CommandError(f"{name} is empty", ExitCode.USAGE)
    if text is not None and len(text) > limit:
        raise CommandError(f"{name} has {len(text):,} characters; a bridge takes {limit:,} at most", ExitCode.USAGE)


def _confirm(action: str, call: "CallSummary") -> None:
    question = _CONFIRMED[action].format(who=_who(call))
    if not sys.stdin.isatty():
        raise CommandError(f"{question} Nobody is there to be asked; give --yes to do it without asking.", ExitCode.USAGE)
    if not click.confirm(printable(question), err=True):
        narrate("Left alone.")
        raise click.exceptions.Exit(ExitCode.FAILED)


def _who(call: "CallSummary") -> str:
    from console.wording import caller, short_id, spoken_age

    age = spoken_age((datetime.now(UTC) - call.started_at).total_seconds())
    return f"{caller(call.from_)} ({call.business_id}, {age}, call …{short_id(call.call_sid)})"


async def _named(http: "OperatorHttp", sid: str) -> "CallSummary":
    from console.naming import named_call

    return await named_call(http, sid)


def _asked(endpoint: Endpoint, work: "Callable[[OperatorHttp], Awaitable[T]]") -> T:
    """Runs ``work`` with the bridge; its errors become the command's."""
    import asyncio

    from console.naming import command_error
    from console.operator_http import OperatorApiError, OperatorHttp

    async def run() -> T:
        async with OperatorHttp(endpoint) as http:
            return await work(http)

    try:
        return asyncio.run(run())
    except OperatorApiError as error:
        raise command_error(error) from None
