"""What the server answers to a request it does not accept: an ``error`` event. The session goes on."""

from typing import Any


class Refused(Exception):
    """A client event is not accepted. The text is the server's message; nothing of the event has taken effect.

    Shape and most codes follow OpenAI's ``error`` event; there is no published list of codes.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param

    def error(self, event_id: str | None) -> dict[str, Any]:
        """The ``error`` object; ``event_id`` is the client's own id of the refused event."""
        kind = "invalid_request_error"
        return {"type": kind, "code": self.code, "message": str(self), "param": self.param, "event_id": event_id}


def unknown_parameter(path: str) -> Refused:
    """A key the API does not have."""
    return Refused("unknown_parameter", f"Unknown parameter: '{path}'.", path)


def missing_parameter(path: str) -> Refused:
    """A key the API asks for."""
    return Refused("missing_required_parameter", f"Missing required parameter: '{path}'.", path)


def unsupported_value(value: object, supported: tuple[object, ...], path: str) -> Refused:
    """A value outside an enumeration."""
    *most, last = (f"'{choice}'" for choice in supported)
    choices = f"{', '.join(most)}, and {last}" if most else last
    return Refused("invalid_value", f"Invalid value: '{_cut(value)}'. Supported values are: {choices}.", path)


def wrong_type(path: str, expected: str, value: object) -> Refused:
    """A value of another JSON type; ``expected`` is a noun with its article."""
    message = f"Invalid type for '{path}': expected {expected}, but got {_json_type(value)} instead."
    return Refused("invalid_type", message, path)


def _json_type(value: object) -> str:
    names: dict[type, str] = {
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return "null" if value is None else names[type(value)]


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= 64 else f"{text[:64]}…"
