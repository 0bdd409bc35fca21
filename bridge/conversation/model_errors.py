"""What an ``error`` event of the Realtime API means for the call.

There is no published list, so known codes are named and everything else is logged and survived; except while the session is
being set up, when any refusal means that it runs on settings nobody asked for.
"""

from enum import Enum


class Severity(Enum):
    """What becomes of the call."""

    HARMLESS = "harmless"  #: expected now and then; not even recorded
    BUSY = "busy"  #: our ``response.create`` came while another response was active
    NOTED = "noted"  #: recorded; the call goes on
    FATAL = "fatal"  #: this model session is over


_HARMLESS = frozenset({"response_cancel_not_active", "input_audio_buffer_commit_empty", "unsupported_content_type"})
_FATAL = frozenset(
    {
        "session_expired",
        "beta_api_shape_disabled",
        "invalid_api_key",
        "insufficient_quota",
        "account_deactivated",
        "billing_hard_limit_reached",
        "model_not_found",
    }
)
_HOPELESS = (_FATAL - {"session_expired"}) | {
    "unknown_parameter",
    "invalid_value",
    "missing_required_parameter",
    "invalid_event",
}
_HOPELESS_STATUSES = frozenset({400, 401, 402, 403, 404, 422})
_BUSY = "conversation_already_has_active_response"


def severity_of(code: str | None, *, setting_up: bool) -> Severity:
    """How bad it is. ``setting_up``: the session's configuration has not been confirmed yet."""
    if code in _FATAL:
        return Severity.FATAL
    if code == _BUSY:
        return Severity.BUSY
    if code in _HARMLESS:
        return Severity.HARMLESS
    return Severity.FATAL if setting_up else Severity.NOTED


def is_hopeless(code: str | None) -> bool:
    """Whether a new session would fare no better: the account or the configuration is at fault. Asked where a session is over."""
    return code in _HOPELESS


def is_hopeless_status(status: int) -> bool:
    """The same of a handshake that was refused with this HTTP status."""
    return status in _HOPELESS_STATUSES
