"""Which live call a person means."""

import re

from calls.cli_output import CommandError
from calls.exit_codes import ExitCode
from console.operator_http import OperatorApiError, OperatorHttp, Trouble
from console.protocol import CallSummary

SHORTEST = 4
"""Characters of a shortened SID; fewer would too easily name another call."""
_WHOLE_SID = re.compile(r"CA[0-9a-fA-F]{32}")
_EXIT_CODES: dict[Trouble, ExitCode] = {"unreachable": ExitCode.UNAVAILABLE, "not_found": ExitCode.NOT_FOUND}


def command_error(error: OperatorApiError) -> CommandError:
    """The same trouble as the end of a command."""
    return CommandError(str(error), _EXIT_CODES.get(error.trouble, ExitCode.FAILED))


async def named_call(http: OperatorHttp, named: str) -> CallSummary:
    """The call that ``named`` means: its whole SID, or the beginning or the end of a live call's, at least four characters of it.

    Raises :class:`CommandError` if there is none or it fits several, and if the bridge cannot be asked.
    """
    try:
        if _WHOLE_SID.fullmatch(named):
            return await http.call(named)
        live = await http.calls(live=True)
    except OperatorApiError as error:
        raise command_error(error) from None
    exact = [call for call in live if call.call_sid == named]
    return exact[0] if exact else _only_one([call for call in live if _fits(call.call_sid, named)], named)


def _fits(call_sid: str, named: str) -> bool:
    sid, part = call_sid.lower(), named.lower()
    return len(part) >= SHORTEST and (sid.startswith(part) or sid.endswith(part))


def _only_one(fitting: list[CallSummary], named: str) -> CallSummary:
    if len(named) < SHORTEST:
        raise CommandError(
            f"{named!r} is too short to name a call; give at least {SHORTEST} characters of its SID", ExitCode.USAGE
        )
    if len(fitting) > 1:
        some = ", ".join(call.call_sid for call in fitting[:3])
        raise CommandError(f"{named} names {len(fitting)} live calls ({some} …); give more of the SID", ExitCode.USAGE)
    if not fitting:
        raise CommandError(
            f"there is no live call {named!r}; `frontdesk console --plain` tells of those there are", ExitCode.NOT_FOUND
        )
    return fitting[0]
