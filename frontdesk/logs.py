"""The log: one JSON object a line on stderr, or coloured lines on a terminal. Secrets and callers' numbers do not get into it."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from calls.address import masked

_SECRET_KEYS = frozenset({"token", "signature", "authorization", "auth_token", "api_key", "secret"})
_ADDRESS_KEYS = frozenset({"from", "from_", "to", "caller", "called", "address"})


def set_up_logs(*, level: int = logging.INFO) -> None:
    """Configures structlog for the process."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_private,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The Twilio SDK logs whole requests at INFO.
    logging.getLogger("twilio").setLevel(logging.WARNING)


def keep_private(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: blanks secrets, masks addresses."""
    for key, value in event.items():
        if key in _SECRET_KEYS:
            event[key] = "…"
        elif key in _ADDRESS_KEYS and isinstance(value, str):
            event[key] = masked(value)
    return event
