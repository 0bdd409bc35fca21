"""The server events of the OpenAI Realtime API that the bridge acts on.

Every field has a default: events are read for what they hold, unknown fields and kinds are passed over, and the older names of
the same events are understood (``response.audio.delta`` for ``response.output_audio.delta`` and so on), because endpoints that
speak the protocol differ in age.
"""

from typing import Any

import msgspec


class ModelEvent(msgspec.Struct, frozen=True):
    """An event from the model."""


class SessionUpdated(ModelEvent, frozen=True):
    """``session.updated``: the whole configuration now in force."""

    session: dict[str, Any] = {}

    def format_of(self, side: str) -> dict[str, Any]:
        """The audio format in force, ``side`` being ``input`` or ``output``; empty where the event does not say."""
        node: object = self.session
        for key in ("audio", side, "format"):
            node = node.get(key) if isinstance(node, dict) else None
        return node if isinstance(node, dict) else {}


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong, in the API's words."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None


class ModelError(ModelEvent, frozen=True):
    """``error``: a request was refused, or the session is in trouble."""

    error: ErrorDetail = ErrorDetail()


class SpeechStarted(ModelEvent, frozen=True):
    """``input_audio_buffer.speech_started``: a turn of the caller begins; the id is the coming item's."""

    item_id: str = ""
    audio_start_ms: float = 0


class SpeechStopped(ModelEvent, frozen=True):
    """``input_audio_buffer.speech_stopped``: the detector believes the caller has finished."""

    item_id: str = ""
    audio_end_ms: float = 0


class Committed(ModelEvent, frozen=True):
    """``input_audio_buffer.committed``: the turn is an item of the conversation."""

    item_id: str = ""
    previous_item_id: str | None = None


class Item(msgspec.Struct, frozen=True):
    """The part of a conversation item that matters: its place, and, for a tool call, the call."""

    id: str = ""
    type: str = ""
    role: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    error: Any = None


class ItemAdded(ModelEvent, frozen=True):
    """``conversation.item.added`` (older: ``.created``): where an item stands in the conversation."""

    item: Item = Item()
    previous_item_id: str | None = None


class OutputItemDone(ModelEvent, frozen=True):
    """``response.output_item.done``: an item is complete; a tool call is acted on here."""

    item: Item = Item()
    response_id: str = ""


class CallerTextDelta(ModelEvent, frozen=True):
    """``…input_audio_transcription.delta``."""

    item_id: str = ""
    delta: str = ""


class CallerTextDone(ModelEvent, frozen=True):
    """``…input_audio_transcription.completed``."""

    item_id: str = ""
    transcript: str = ""
    usage: dict[str, Any] | None = None


class CallerTextFailed(ModelEvent, frozen=True):
    """``…input_audio_transcription.failed``."""

    item_id: str = ""
    error: ErrorDetail = ErrorDetail()


class ResponseRef(msgspec.Struct, frozen=True):
    """A response as ``response.created`` and ``response.done`` show it."""

    id: str = ""
    status: str | None = None
    status_details: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    output: list[Item] | None = None

    @property
    def failure(self) -> str:
        """Why it failed or stopped, as short as the API says it."""
        details = self.status_details or {}
        error = details.get("error")
        code = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
        return str(code or details.get("reason") or self.status or "unknown")


class ResponseCreated(ModelEvent, frozen=True):
    """``response.created``."""

    response: ResponseRef = ResponseRef()


class ResponseDone(ModelEvent, frozen=True):
    """``response.done``: completed, cancelled, incomplete or failed."""

    response: ResponseRef = ResponseRef()


class AudioDelta(ModelEvent, frozen=True, gc=False):
    """``response.output_audio.delta``: base64 audio."""

    response_id: str = ""
    item_id: str = ""
    delta: str = ""


class AudioDone(ModelEvent, frozen=True):
    """``response.output_audio.done``: an item's audio is complete."""

    response_id: str = ""
    item_id: str = ""


class AgentTextDelta(ModelEvent, frozen=True, gc=False):
    """``response.output_audio_transcript.delta``."""

    response_id: str = ""
    item_id: str = ""
    delta: str = ""


class AgentTextDone(ModelEvent, frozen=True):
    """``response.output_audio_transcript.done``."""

    response_id: str = ""
    item_id: str = ""
    transcript: str | None = None


class Passed(ModelEvent, frozen=True):
    """An event of the API that asks nothing of the bridge."""


class UnknownEvent(ModelEvent, frozen=True):
    """An event name nobody has told us of."""


class UnreadableEvent(ModelEvent, frozen=True):
    """Not JSON, not an object, or a known event whose fields have the wrong types."""

    why: str = ""


_READ: dict[str, type[ModelEvent]] = {
    "session.updated": SessionUpdated,
    "error": ModelError,
    "input_audio_buffer.speech_started": SpeechStarted,
    "input_audio_buffer.speech_stopped": SpeechStopped,
    "input_audio_buffer.committed": Committed,
    "conversation.item.added": ItemAdded,
    "conversation.item.created": ItemAdded,
    "conversation.item.input_audio_transcription.delta": CallerTextDelta,
    "conversation.item.input_audio_transcription.completed": CallerTextDone,
    "conversation.item.input_audio_transcription.failed": CallerTextFailed,
    "response.output_item.done": OutputItemDone,
    "response.created": ResponseCreated,
    "response.done": ResponseDone,
    "response.output_audio.delta": AudioDelta,
    "response.audio.delta": AudioDelta,
    "response.output_audio.done": AudioDone,
    "response.audio.done": AudioDone,
    "response.output_audio_transcript.delta": AgentTextDelta,
    "response.audio_transcript.delta": AgentTextDelta,
    "response.output_audio_transcript.done": AgentTextDone,
    "response.audio_transcript.done": AgentTextDone,
}

_PASSED = frozenset(
    {
        "session.created",
        "conversation.created",
        "conversation.item.done",
        "conversation.item.deleted",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.dtmf_event_received",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
        "rate_limits.updated",
        "response.output_item.added",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.text.delta",
        "response.text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "transcription_session.updated",
    }
)


class _Envelope(msgspec.Struct, frozen=True):
    type: str


_envelope = msgspec.json.Decoder(_Envelope)
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in _READ.items()}
_passed = Passed()
_unknown = UnknownEvent()


def read(frame: str | bytes) -> ModelEvent:
    """One frame as an event; never raises."""
    try:
        name = _envelope.decode(frame).type
        decoder = _decoders.get(name)
        if decoder is not None:
            event: ModelEvent = decoder.decode(frame)
            return event
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return UnreadableEvent(str(error))
    return _passed if name in _PASSED else _unknown
