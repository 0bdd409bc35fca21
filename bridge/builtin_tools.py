"""Built-in tools that need more than the conversation: a calendar, a message to send. The shell runs them beside the audio."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from calls.business import BusinessProfile
from calls.events import AnyEvent
from calls.record import CallRecord


class ToolRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a built-in tool."""

    profile: BusinessProfile
    record: CallRecord
    """The call it was made on, as it was when the stream was accepted: who calls, and what they dialled."""
    name: str
    arguments: dict[str, Any]


class ToolAnswer(msgspec.Struct, frozen=True):
    """What a tool has done."""

    output: str
    """For the model; JSON or a sentence."""
    events: tuple[AnyEvent, ...] = ()
    """What goes on the call's record, before ``tool.finished``."""


BuiltinRun = Callable[[ToolRequest], Awaitable[ToolAnswer]]
"""Runs a tool. Raises :class:`bridge.tool_runner.ToolFailed` with a sentence the AI can speak."""
