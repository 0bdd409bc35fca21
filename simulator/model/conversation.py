"""The conversation: items in order, each with the one before it."""

from dataclasses import dataclass
from typing import Any

from .audio import AudioFormat
from .refusals import Refused


@dataclass(slots=True, kw_only=True)
class Item:
    """One item, as the wire shows it, and what the wire does not show."""

    body: dict[str, Any]
    """The ``item`` object of events."""
    heard: str | None = None
    """A caller's turn: what the ears made of it. ``None`` for items that are not turns."""
    audio_ms: int = 0
    """A caller's turn: how long it is."""
    spoken: str = ""
    """An assistant's message: all it says or was about to say, whatever was cut off."""
    spoken_bytes: int = 0
    """Audio of it sent so far."""
    format: AudioFormat | None = None
    """What that audio is in."""
    cut: bool = False
    """Truncated, or its response cancelled."""

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.body["id"])

    @property
    def role(self) -> str | None:
        """``user``, ``system``, ``assistant``; ``None`` for functions."""
        return self.body.get("role")

    @property
    def text(self) -> str:
        """The text parts of a message."""
        return " ".join(part.get("text") or "" for part in self.body.get("content", ())).strip()

    @property
    def spoken_ms(self) -> int:
        """Milliseconds of audio sent so far."""
        return self.spoken_bytes // self.format.bytes_per_ms if self.format else 0


class Conversation:
    """Items in order. Ids are unique."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self.items: list[Item] = []

    @property
    def last_id(self) -> str | None:
        """What the next item will have as ``previous_item_id``."""
        return self.items[-1].id if self.items else None

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Puts an item at the end, or after another (``root``: first), and returns the id of the one before it.

        Raises :class:`~simulator.model.refusals.Refused` when the id is taken or the other item unknown.
        """
        if any(other.id == item.id for other in self.items):
            message = f"Error adding item: an item with id '{item.id}' already exists."
            raise Refused("item_create_duplicate_item_id", message, "item.id")
        index = (
            len(self.items) if after is None else 0 if after == "root" else self._index(after, "create", "previous_item_id") + 1
        )
        self.items.insert(index, item)
        return self.items[index - 1].id if index else None

    def find(self, item_id: str, purpose: str) -> Item:
        """The item of that id; ``purpose`` (``retrieve``, ``truncate``, …) names the refusal. Raises ``Refused``."""
        return self.items[self._index(item_id, purpose, "item_id")]

    def delete(self, item_id: str) -> None:
        """Removes an item. Raises ``Refused``."""
        del self.items[self._index(item_id, "delete", "item_id")]

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cuts an assistant's audio to what was heard and forgets its transcript. Raises ``Refused``."""
        item = self.find(item_id, "truncate")
        if item.spoken_bytes == 0:
            raise Refused("unsupported_content_type", "Only model output audio messages can be truncated", "item_id")
        if content_index != 0:
            raise Refused("invalid_value", f"Content part at index {content_index} does not exist", "content_index")
        if audio_end_ms > item.spoken_ms:
            message = f"Audio content of {item.spoken_ms}ms is already shorter than {audio_end_ms}ms"
            raise Refused("invalid_value", message, "audio_end_ms")
        item.cut = True
        item.body["content"] = [{"type": "output_audio"}]

    def knows_call(self, call_id: str) -> bool:
        """A function call with that id was made."""
        return any(item.body["type"] == "function_call" and item.body["call_id"] == call_id for item in self.items)

    def _index(self, item_id: str, purpose: str, param: str) -> int:
        for index, item in enumerate(self.items):
            if item.id == item_id:
                return index
        message = f"Error with item {purpose}: the item with id '{item_id[:64]}' does not exist."
        code = "item_create_invalid_previous_item_id" if purpose == "create" else f"item_{purpose}_invalid_item_id"
        raise Refused(code, message, param)
