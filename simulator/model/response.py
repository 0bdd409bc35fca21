"""One response: its events, in the order and with the fields of recorded ones.

It is opened part by part and says how far it got, so that it can be ended at any point. Times are not its concern.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.scenario import ToolCall

from .audio import AudioFormat
from .conversation import Conversation, Item
from .ids import Ids

Event = dict[str, Any]
"""A server event without its ``event_id``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseOptions:
    """The effective settings of one response: the session's, unless ``response.create`` had its own."""

    modality: str
    audio_format: AudioFormat
    audio_output: dict[str, Any]
    """``format`` and ``voice``, as shown in the ``response`` object."""
    max_output_tokens: int | str
    metadata: dict[str, Any] | None
    transcript: bool
    """The words of the audio are told."""
    has_phases: bool
    """Assistant messages say whether they are commentary or the final answer."""


class Response:
    """A response being given. It goes into a conversation, or into none (out of band)."""

    def __init__(self, response_id: str, options: ResponseOptions, conversation: Conversation | None, ids: Ids) -> None:
        self.id = response_id
        self.options = options
        self.conversation = conversation
        self.output: list[Item] = []
        self.over = False
        self.is_first = False
        """The session's first: its ``conversation.item.done`` has been seen without ``previous_item_id``."""
        self._ids = ids
        self._said: list[str] = []
        self._previous_id: str | None = None
        self._close_open_item: Callable[[str], list[Event]] | None = None

    def created(self) -> list[Event]:
        """The response exists."""
        return [{"type": "response.created", "response": self._body("in_progress", None, None)}]

    def finished(self, status: str, details: dict[str, Any] | None, usage: dict[str, Any] | None) -> list[Event]:
        """The response is over, and what it came to."""
        self.over = True
        return [{"type": "response.done", "response": self._body(status, details, usage)}]

    def interrupted(self) -> list[Event]:
        """What is still open ends where it is."""
        for item in self.output[-1:]:
            item.cut = True
        return self._closed("incomplete")

    def message_opened(self, line: str, phase: str) -> list[Event]:
        """An assistant message begins; ``line`` is all it is going to say."""
        body = {"id": self._ids.new("item"), "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        if self.options.has_phases:
            body["phase"] = phase
        self._said = []
        part: dict[str, Any] = {"type": "text", "text": ""} if self._is_text else {"type": "audio", "transcript": ""}
        events = self._item_opened(Item(body=body, spoken=line, format=self.options.audio_format), self._message_closed)
        return [*events, self._event("response.content_part.added", content_index=0, part=part)]

    def written(self, delta: str) -> list[Event]:
        """Some more of the message's text or transcript."""
        self._said.append(delta)
        kind = "response.output_text.delta" if self._is_text else "response.output_audio_transcript.delta"
        return [self._event(kind, content_index=0, delta=delta, obfuscation=self._obfuscation(delta))]

    def sounded(self, audio: bytes) -> list[Event]:
        """Some more of the message's audio."""
        self.output[-1].spoken_bytes += len(audio)
        return [self._event("response.output_audio.delta", content_index=0, delta=base64.b64encode(audio).decode())]

    def item_closed(self) -> list[Event]:
        """The message or call is complete."""
        return self._closed("completed")

    def call_opened(self, call: ToolCall, called: Callable[[str], None]) -> list[Event]:
        """A function call begins; ``called`` is told its ``call_id``."""
        call_id = self._ids.new("call")
        called(call_id)
        body = {"id": self._ids.new("item"), "type": "function_call", "status": "in_progress", "name": call.name}
        self._said = []
        return self._item_opened(Item(body={**body, "call_id": call_id, "arguments": ""}), self._call_closed)

    def argued(self, delta: str) -> list[Event]:
        """Some more of the call's arguments."""
        self._said.append(delta)
        kind, call_id = "response.function_call_arguments.delta", self.output[-1].body["call_id"]
        return [self._event(kind, call_id=call_id, delta=delta, obfuscation=self._obfuscation(delta))]

    def _closed(self, status: str) -> list[Event]:
        return self._close_open_item(status) if self._close_open_item is not None else []

    @property
    def _is_text(self) -> bool:
        return self.options.modality == "text"

    def _item_opened(self, item: Item, close: Callable[[str], list[Event]]) -> list[Event]:
        self.output.append(item)
        self._close_open_item = close
        events = [self._item_event("response.output_item.added", item)]
        if self.conversation is not None:
            self._previous_id = self.conversation.add(item)
            events.append(self._conversation_event("conversation.item.added", item, self._previous_id))
        return events

    def _message_closed(self, status: str) -> list[Event]:
        item, said = self.output[-1], "".join(self._said)
        item.body["content"] = [{"type": "output_text", "text": said} if self._is_text else _spoken(said)]
        part = {"type": "text", "text": said} if self._is_text else {"type": "audio", "transcript": said}
        return [
            *self._stream_ends(said),
            self._event("response.content_part.done", content_index=0, part=part),
            *self._item_ends(item, status),
        ]

    def _stream_ends(self, said: str) -> list[Event]:
        if self._is_text:
            return [self._event("response.output_text.done", content_index=0, text=said)]
        events = [self._event("response.output_audio.done", content_index=0)]
        if self.options.transcript:
            events.append(self._event("response.output_audio_transcript.done", content_index=0, transcript=said))
        return events

    def _call_closed(self, status: str) -> list[Event]:
        item = self.output[-1]
        item.body["arguments"] = "".join(self._said)
        facts = {name: item.body[name] for name in ("call_id", "name", "arguments")}
        return [self._event("response.function_call_arguments.done", **facts), *self._item_ends(item, status)]

    def _item_ends(self, item: Item, status: str) -> list[Event]:
        self._close_open_item = None
        phase = item.body.pop("phase", None)
        item.body["status"] = status
        if phase is not None:
            item.body["phase"] = phase
        done = self._item_event("response.output_item.done", item)
        if self.conversation is None:
            return [done]
        previous_id = None if self.is_first and len(self.output) == 1 else self._previous_id
        return [self._conversation_event("conversation.item.done", item, previous_id), done]

    def _event(self, kind: str, **fields: Any) -> Event:
        item_id, output_index = self.output[-1].id, len(self.output) - 1
        return {"type": kind, "response_id": self.id, "item_id": item_id, "output_index": output_index, **fields}

    def _item_event(self, kind: str, item: Item) -> Event:
        return {"type": kind, "response_id": self.id, "output_index": len(self.output) - 1, "item": dict(item.body)}

    @staticmethod
    def _conversation_event(kind: str, item: Item, previous_id: str | None) -> Event:
        return {"type": kind, "previous_item_id": previous_id, "item": dict(item.body)}

    def _body(self, status: str, details: dict[str, Any] | None, usage: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [dict(item.body) for item in self.output],
            "conversation_id": self.conversation and self.conversation.id,
            "output_modalities": [self.options.modality],
            "max_output_tokens": self.options.max_output_tokens,
            "audio": {"output": self.options.audio_output},
            "usage": usage,
            "metadata": self.options.metadata,
        }

    def _obfuscation(self, delta: str) -> str:
        """Fills a delta up to a multiple of 16 characters, as recorded."""
        return self._ids.padding(-len(delta) % 16)


def _spoken(transcript: str) -> dict[str, Any]:
    return {"type": "output_audio", "transcript": transcript}
