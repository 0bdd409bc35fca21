"""The log: one JSON object a line on stderr, or coloured lines on a terminal.

A line says what it is about (:mod:`calls.log_context`), and holds nothing that is nobody's business (:mod:`calls.log_privacy`).
"""

import logging
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from calls.log_context import known_facts
from calls.log_privacy import keep_private, told_of

LogFormat = Literal["json", "console", "auto"]
"""``auto``: lines for people on a terminal, JSON everywhere else."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""By the names settings use."""


def set_up_logs(*, level: int = logging.INFO, form: LogFormat = "auto", stream: TextIO = sys.stderr) -> None:
    """Configures structlog for the process, and what libraries log, from warnings on, likewise."""
    renderer = _renderer(form, stream)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *PRIVATE, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[library_handler(renderer, stream)], force=True)
    # The Twilio SDK logs whole requests at INFO.
    logging.getLogger("twilio").setLevel(logging.WARNING)


def _renderer(form: LogFormat, stream: TextIO) -> Processor:
    for_people = form == "console" or (form == "auto" and stream.isatty())
    if for_people:
        return structlog.dev.ConsoleRenderer(colors=stream.isatty())
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def library_handler(renderer: Processor, stream: TextIO) -> logging.Handler:
    """Writes what libraries log through the standard library in the shape of our own lines."""
    handler = logging.StreamHandler(stream)
    finish: Sequence[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    before = [structlog.stdlib.add_logger_name, first_line, *PRIVATE]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=finish))
    return handler


def first_line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: of a message of several lines the first. asyncio shows on the others what a task has failed with."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def say_what_about(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: adds what the line is about, unless the line says so itself."""
    for name, fact in known_facts().items():
        if event.get(name) is None:
            event[name] = fact
    return event


def name_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: an exception's kind and place in place of all it says."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = told_of(error)
    return event


PRIVATE: tuple[Processor, ...] = (
    say_what_about,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    name_exception,
    keep_private,
)
"""What every line goes through before it is rendered."""
