"""Endpoints that speak the Realtime protocol and differ in names: how they are addressed, and what they call things.

A dialect is a table row and two pure mappings, so that nothing else of the bridge knows of them. ``azure`` is Azure OpenAI's present
interface (Microsoft Learn, *GPT Realtime API via WebSockets*): the same events, the key in a header of its own. ``preview`` is the
protocol as it was before its general availability, when a session was one flat object (OpenAI, *Realtime: beta to GA migration*);
servers that were written then speak it still. ``azure-preview`` is that at Azure's older address. The older names of what *arrives*
are understood from anybody (``bridge.conversation.model_events``); here is what remains.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

_FORMATS = {"audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw", "audio/pcm": "pcm16"}
_SINCE = {older: name for name, older in _FORMATS.items()}
_TEXTS = {"output_text": "text", "output_audio": "audio"}
_RENAMED = ("session.update", "conversation.item.create", "response.create")
_SESSION_EVENTS = (b'"session.updated"', b'"session.created"')


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """What is peculiar about an endpoint."""

    model_parameter: str = "model"
    """What the model is called in the URL's query."""
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    has_older_names: bool = False

    def address(self, url: str, model: str) -> str:
        """The URL of a session with ``model``."""
        joint = "&" if "?" in url else "?"
        return f"{url}{joint}{self.model_parameter}={quote(model, safe='')}"

    def headers(self, api_key: str, extra: Mapping[str, str]) -> dict[str, str]:
        """Of the handshake. ``extra`` takes the place of what has the same name."""
        own = {self.key_header: self.key_prefix + api_key} if api_key else {}
        named = {name.lower() for name in extra}
        return {name: value for name, value in own.items() if name.lower() not in named} | dict(extra)

    def outgoing(self, text: str) -> str:
        """An event as the endpoint wants it; audio, and all that is called the same everywhere, is passed on untouched."""
        if not self.has_older_names or text.startswith('{"type":"input_audio_buffer.append"'):
            return text
        event = msgspec.json.decode(text)
        if event.get("type") not in _RENAMED:
            return text
        return msgspec.json.encode(_older(event)).decode()

    def incoming(self, frame: bytes) -> bytes:
        """An event as the bridge knows it. What cannot be read is left to those who say so."""
        if not self.has_older_names or not any(name in frame for name in _SESSION_EVENTS):
            return frame
        try:
            event = msgspec.json.decode(frame)
        except msgspec.DecodeError:
            return frame
        session = event.get("session") if isinstance(event, dict) else None
        if not isinstance(session, dict) or "audio" in session:
            return frame
        return msgspec.json.encode(event | {"session": session | {"audio": _formats_of(session)}})


def _older(event: dict[str, Any]) -> dict[str, Any]:
    match event["type"]:
        case "session.update":
            return event | {"session": _flat(event["session"])}
        case "conversation.item.create":
            return event | {"item": _item(event["item"])}
        case _ if "response" in event:
            return event | {"response": _modalities(event["response"])}
    return event


def _flat(session: dict[str, Any]) -> dict[str, Any]:
    """``type`` did not exist, ``audio`` was spread out, and a setting left alone is one an old server need not know."""
    hears, speaks = session.get("audio", {}).get("input", {}), session.get("audio", {}).get("output", {})
    flat = _modalities({name: value for name, value in session.items() if name not in ("type", "audio")})
    spread = {
        "input_audio_format": _format(hears),
        "output_audio_format": _format(speaks),
        "input_audio_transcription": hears.get("transcription"),
        "input_audio_noise_reduction": hears.get("noise_reduction"),
        "voice": speaks.get("voice"),
        "speed": speaks.get("speed") if speaks.get("speed") != 1.0 else None,
        "max_response_output_tokens": flat.pop("max_output_tokens", None),
    }
    flat |= {name: value for name, value in spread.items() if value is not None}
    return flat | ({"turn_detection": hears["turn_detection"]} if "turn_detection" in hears else {})


def _format(side: dict[str, Any]) -> str | None:
    name: str | None = side.get("format", {}).get("type")
    return _FORMATS.get(name, name) if name is not None else None


def _modalities(asked: dict[str, Any]) -> dict[str, Any]:
    """``output_modalities`` was ``modalities``, and audio never came without its text."""
    renamed = {name: value for name, value in asked.items() if name != "output_modalities"}
    if "output_modalities" in asked:
        renamed["modalities"] = ["text", "audio"] if "audio" in asked["output_modalities"] else ["text"]
    return renamed


def _item(item: dict[str, Any]) -> dict[str, Any]:
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return item | {"content": [part | {"type": _TEXTS.get(part.get("type"), part.get("type"))} for part in content]}


def _formats_of(session: dict[str, Any]) -> dict[str, Any]:
    """The audio formats of a flat session, in today's places."""
    named = {side: session.get(f"{side}_audio_format") for side in ("input", "output")}
    return {side: {"format": {"type": _SINCE.get(str(name), name)}} for side, name in named.items()}


OPENAI = Dialect()
DIALECTS: dict[str, Dialect] = {
    "openai": OPENAI,
    "azure": Dialect(key_header="api-key", key_prefix=""),
    "preview": Dialect(has_older_names=True),
    "azure-preview": Dialect(model_parameter="deployment", key_header="api-key", key_prefix="", has_older_names=True),
}
"""What ``OPENAI_REALTIME_DIALECT`` may be."""
