"""What operators send, read without trusting any of it."""

from typing import Any, get_args

import msgspec

from calls.ids import CallSid
from calls.operator import MAX_ID_CHARS, MAX_TEXT_CHARS, MAX_TO_CHARS, Action, Command

MAX_MESSAGE_BYTES = 64 * 1024
MAX_SID_CHARS = 64

_ACTIONS: dict[str, Action] = {action: action for action in get_args(Action)}
_NEEDS_TEXT = ("whisper", "say")


class Unreadable(Exception):
    """Not a command. ``str()`` says why in one sentence; ``command_id`` is the message's id, if it has a usable one."""

    def __init__(self, why: str, command_id: str = "") -> None:
        self.command_id = command_id
        super().__init__(why)


def read_message(message: str | bytes) -> Command:
    """A message of the WebSocket. Raises :class:`Unreadable`."""
    if isinstance(message, bytes):
        raise Unreadable("the message is binary; commands are JSON text")
    fields = read_object(message.encode("utf-8", "surrogatepass"))
    command_id = fields.get("id", "")
    if not isinstance(command_id, str) or len(command_id) > MAX_ID_CHARS:
        raise Unreadable(f"the id is not a text of at most {MAX_ID_CHARS} characters")
    if fields.get("type") != "command":
        raise Unreadable("the message's type is not command", command_id)
    try:
        return read_command(fields, fields.get("call_sid"), command_id)
    except Unreadable as unreadable:
        raise Unreadable(str(unreadable), command_id) from None


def read_object(encoded: bytes) -> dict[str, Any]:
    """A JSON object of at most ``MAX_MESSAGE_BYTES``. Raises :class:`Unreadable`."""
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise Unreadable(f"the message is larger than {MAX_MESSAGE_BYTES // 1024} KiB")
    try:
        fields = msgspec.json.decode(encoded)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Unreadable("the message is not JSON") from None
    if not isinstance(fields, dict):
        raise Unreadable("the message is not a JSON object")
    return fields


def read_command(fields: dict[str, Any], call_sid: Any, command_id: str = "") -> Command:
    """The command in an object's fields. Raises :class:`Unreadable`."""
    if not isinstance(call_sid, str) or not 0 < len(call_sid) <= MAX_SID_CHARS:
        raise Unreadable("call_sid names no call")
    action = fields.get("action")
    if not isinstance(action, str) or action not in _ACTIONS:
        raise Unreadable(f"the action is none of {', '.join(_ACTIONS)}")
    text = _optional_text(fields, "text", MAX_TEXT_CHARS)
    if action in _NEEDS_TEXT and not (text or "").strip():
        raise Unreadable(f"{action} needs a text")
    to = _optional_text(fields, "to", MAX_TO_CHARS)
    return Command(id=command_id, call_sid=CallSid(call_sid), action=_ACTIONS[action], text=text, to=to)


def _optional_text(fields: dict[str, Any], name: str, most: int) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > most:
        raise Unreadable(f"{name} is not a text of at most {most} characters")
    return value
