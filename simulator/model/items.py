"""Requests about conversation items: create, retrieve, truncate, delete."""

import base64
import binascii
from typing import Any

from simulator.ears import Ears

from .audio import AudioFormat
from .conversation import Item
from .refusals import Refused
from .response import Event
from .state import SessionState


def decoded(audio: str, param: str) -> bytes:
    """Base64 audio. Raises :class:`~simulator.model.refusals.Refused`."""
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        message = f"Invalid '{param}'. Expected base64-encoded audio bytes, but got invalid base64."
        raise Refused("invalid_value", message, param) from None


def announced(item: Item, previous_id: str | None) -> list[Event]:
    """The two events by which a finished item enters the conversation."""
    kinds = ("conversation.item.added", "conversation.item.done")
    return [{"type": kind, "previous_item_id": previous_id, "item": dict(item.body)} for kind in kinds]


class Items:
    """Works off the requests about items. Every method raises :class:`~simulator.model.refusals.Refused`."""

    def __init__(self, state: SessionState, ears: Ears) -> None:
        self._state = state
        self._ears = ears

    def create(self, event: dict[str, Any]) -> list[Event]:
        """``conversation.item.create``."""
        item = self.made(event["item"])
        if item.body["type"] == "function_call_output" and not self._state.conversation.knows_call(item.body["call_id"]):
            message = f"Tool call ID '{item.body['call_id'][:64]}' not found in conversation."
            raise Refused("invalid_tool_call_id", message, "item.call_id")
        return announced(item, self._state.conversation.add(item, event.get("previous_item_id")))

    def made(self, given: dict[str, Any]) -> Item:
        """An item as the client describes it, with an id and a status."""
        body: dict[str, Any] = {"id": given.get("id") or self._state.ids.new("item"), "type": given["type"]}
        if given["type"] in ("message", "function_call"):
            body["status"] = "completed"
        if given["type"] == "function_call":
            body["call_id"] = self._state.ids.new("call")
        rest = {name: value for name, value in given.items() if name not in ("id", "type", "status", "object")}
        item = Item(body={**body, **rest})
        for part in item.body.get("content", ()):
            if part["type"] == "input_audio":
                self._listen(item, part)
        return item

    def _listen(self, item: Item, part: dict[str, Any]) -> None:
        """Audio in an item of the client's own is heard as a turn."""
        audio = decoded(part.pop("audio"), "item.content")
        part.setdefault("transcript", None)
        spoken_in = AudioFormat(self._state.configuration.input["format"])
        item.heard = self._ears.hear(spoken_in.to_ulaw(audio))
        item.audio_ms = len(audio) // spoken_in.bytes_per_ms

    def retrieve(self, event: dict[str, Any]) -> list[Event]:
        """``conversation.item.retrieve``."""
        item = self._state.conversation.find(event["item_id"], "retrieve")
        return [{"type": "conversation.item.retrieved", "item": dict(item.body)}]

    def truncate(self, event: dict[str, Any]) -> list[Event]:
        """``conversation.item.truncate``."""
        cut = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        self._state.conversation.truncate(**cut)
        return [{"type": "conversation.item.truncated", **cut}]

    def delete(self, event: dict[str, Any]) -> list[Event]:
        """``conversation.item.delete``."""
        self._state.conversation.delete(event["item_id"])
        return [{"type": "conversation.item.deleted", "item_id": event["item_id"]}]
