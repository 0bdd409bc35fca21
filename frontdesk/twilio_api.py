"""Twilio's REST API for commands: a client from the environment, and every failure as one sentence."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from calls.cli_output import CommandError
from calls.exit_codes import ExitCode
from frontdesk.settings import is_loopback

if TYPE_CHECKING:
    from twilio.rest import Client

WITHIN_S = 10.0

# Twilio, *Error and Warning Dictionary*: what a person can do about it.
_SENTENCES: dict[int, tuple[str, ExitCode]] = {
    20003: (
        "Twilio does not accept TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN; copy both from the account's page in Twilio's console",
        ExitCode.FAILED,
    ),
    20404: (
        "Twilio knows nothing of that name in this account; look whether TWILIO_ACCOUNT_SID is the account that has it",
        ExitCode.NOT_FOUND,
    ),
    20429: ("Twilio is asked too much at a time; nothing was done, try again in a moment", ExitCode.UNAVAILABLE),
    10004: ("the account has as many calls at a time as Twilio allows it; wait for one to end", ExitCode.UNAVAILABLE),
    21205: ("Twilio cannot use the address of the webhook; look at PUBLIC_URL", ExitCode.FAILED),
    21210: ("the number to call from is not one of this Twilio account; name one of its own with --from", ExitCode.FAILED),
    21211: ("Twilio says that the number to call is not valid; write it in full, such as +15005550100", ExitCode.FAILED),
    21212: ("Twilio says that the number to call from is not valid; name one of the account's own with --from", ExitCode.FAILED),
    21214: ("that number cannot be reached", ExitCode.FAILED),
    21215: (
        "this Twilio account may not call that country; allow it in Twilio's console under Voice, Geo permissions",
        ExitCode.FAILED,
    ),
    21219: (
        "a Twilio trial account may call verified numbers only; verify the number in Twilio's console, or upgrade",
        ExitCode.FAILED,
    ),
    21405: ("Twilio takes no fallback address for a number that has no address for calls", ExitCode.FAILED),
}


@contextmanager
def twilio_client(environ: Mapping[str, str] = os.environ) -> Iterator["Client"]:
    """A client of the account in the environment, each request bounded at 10 s.

    Raises:
        CommandError: credentials are missing; or, out of the block, what Twilio or the network has said.
    """
    from requests.exceptions import RequestException  # noqa: PLC0415  # takes longer to load than `--help` may
    from twilio.base.exceptions import TwilioException  # noqa: PLC0415
    from twilio.http.http_client import TwilioHttpClient  # noqa: PLC0415

    from bridge.settings import TwilioAccount  # noqa: PLC0415
    from bridge.twilio_rest import rest_client  # noqa: PLC0415

    account = TwilioAccount(
        account_sid=environ.get("TWILIO_ACCOUNT_SID") or None,
        auth_token=environ.get("TWILIO_AUTH_TOKEN") or None,
        api_url=api_url(environ),
    )
    http = TwilioHttpClient(timeout=WITHIN_S)
    client = rest_client(account, http)
    if client is None:
        raise CommandError(
            "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set; this command asks Twilio and needs both", ExitCode.USAGE
        )
    try:
        yield client
    except TwilioException as error:
        raise _explained(error) from None
    except RequestException as error:
        raise CommandError(f"Twilio cannot be reached at {account.api_url}: {_why(error)}", ExitCode.UNAVAILABLE) from None
    finally:
        if http.session is not None:
            http.session.close()


def api_url(environ: Mapping[str, str] = os.environ) -> str:
    """Where Twilio's REST API is."""
    return (environ.get("TWILIO_API_URL") or "https://api.twilio.com").rstrip("/")


def public_origin(url: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """``PUBLIC_URL`` as Twilio can reach it: https, and not this machine; unless Twilio is a simulator on this machine, too.

    Raises:
        CommandError: it is not.
    """
    origin = (url or "").rstrip("/")
    if not origin:
        raise CommandError("PUBLIC_URL is not set; set it to the https address Twilio reaches Frontdesk at", ExitCode.USAGE)
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if parts.scheme == "http" and is_loopback(host) and is_loopback(urlsplit(api_url(environ)).hostname or ""):
        return origin
    if is_loopback(host):
        raise CommandError(
            f"PUBLIC_URL={origin} is this machine, which Twilio cannot reach; set it to the https address Twilio uses",
            ExitCode.USAGE,
        )
    if parts.scheme != "https" or not host or parts.query or parts.fragment:
        raise CommandError(
            f"PUBLIC_URL={origin} is not an https address without query; set it to the origin Twilio uses", ExitCode.USAGE
        )
    return origin


def _explained(error: Any) -> CommandError:
    code, status, message = _facts(error)
    code = {401: 20003, 403: 20003, 404: 20404, 429: 20429}.get(status, 0) if code not in _SENTENCES else code
    if code in _SENTENCES:
        return CommandError(*_SENTENCES[code])
    exit_code = ExitCode.UNAVAILABLE if status >= 500 else ExitCode.FAILED
    return CommandError(f"Twilio says no: {message} (status {status})", exit_code)


def _facts(error: Any) -> tuple[int, int, str]:
    """Code, HTTP status and sentence of any of the SDK's exceptions. A list that fails has its response as its second argument."""
    response = error.args[1] if len(error.args) > 1 else None
    body: dict[str, Any] = {}
    if response is not None and hasattr(response, "text"):
        body = _json(response.text)
    code = getattr(error, "code", None) or body.get("code") or 0
    status = getattr(error, "status", None) or getattr(response, "status_code", None) or 0
    message = getattr(error, "msg", None) or getattr(error, "title", None) or body.get("message") or str(error.args[:1])
    return int(code), int(status), f"{message}, error {code}" if code else str(message)


def _json(text: str) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _why(error: Exception) -> str:
    from requests.exceptions import Timeout  # noqa: PLC0415

    return f"no answer within {WITHIN_S:g} s" if isinstance(error, Timeout) else type(error).__name__
