"""The event loop: uvloop where there is one."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine to its end."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(work)


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        loop = asyncio.new_event_loop()
    else:
        import uvloop  # noqa: PLC0415  (not on Windows)

        loop = uvloop.new_event_loop()
    loop.set_exception_handler(_log_what_failed)
    return loop


def _log_what_failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As usual, but for a connection that was ended with the process: before Python 3.12 asyncio reports it as a callback that failed."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)
