"""The caller's side of a session: the input buffer, turns, and what is made of them."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from simulator.ears import Ears

from .audio import AudioFormat
from .conversation import Item
from .detector import Detector, SpeechStarted, SpeechStopped
from .input_buffer import InputBuffer
from .items import announced, decoded
from .pacing import tokens
from .refusals import Refused
from .response import Event
from .state import SessionState

_SHORTEST_COMMIT_MS: Final = 100
_KEPT_MS: Final = 500
"""What a detector that hears nothing leaves in the buffer, besides the padding: speech is recognised late."""
_AFTER_RESPONSE_MS: Final = 20


class Hearing:
    """Works off the requests about input audio, and tells when a turn begins and ends.

    ``interrupt`` and ``answer`` are called then, if the configuration says so; they return the events that follow from it.
    """

    def __init__(
        self, state: SessionState, ears: Ears, interrupt: Callable[[], list[Event]], answer: Callable[[], list[Event]]
    ) -> None:
        self._state = state
        self._ears = ears
        self._interrupt = interrupt
        self._answer = answer
        self._buffer = InputBuffer(AudioFormat(state.configuration.input["format"]))
        self._begin_listening()

    def reconfigured(self, before: dict[str, Any]) -> None:
        """``session.audio.input`` was this before: begins again with buffer and detector, as far as the update touched them."""
        now = self._state.configuration.input
        if now["format"] != before["format"]:
            self._buffer = InputBuffer(AudioFormat(now["format"]), self._buffer.now_ms)
        if (now["format"], now["turn_detection"]) != (before["format"], before["turn_detection"]):
            self._begin_listening()

    def append(self, event: dict[str, Any]) -> list[Event]:
        """``input_audio_buffer.append``; has no answer of its own. Raises ``Refused``."""
        audio = decoded(event["audio"], "audio")
        self._buffer.append(audio)
        if self._detector is None:
            return []
        events: list[Event] = []
        for boundary in self._detector.hear(self._buffer.format.samples(audio)):
            events += self._started(boundary) if isinstance(boundary, SpeechStarted) else self._stopped(boundary)
        if self._detector is not None and not self._detector.speaking:
            self._buffer.forget_before(self._buffer.now_ms - self._detector.padding_ms - _KEPT_MS)
        return events

    def commit(self, _event: dict[str, Any]) -> list[Event]:
        """``input_audio_buffer.commit``. Raises ``Refused``."""
        if (duration_ms := self._buffer.duration_ms) < _SHORTEST_COMMIT_MS:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{_SHORTEST_COMMIT_MS}ms of audio, but buffer only has {duration_ms:.2f}ms of audio."
            )
            raise Refused("input_audio_buffer_commit_empty", message)
        item_id, audio = self._turn_id or self._state.ids.new("item"), self._buffer.take_all()
        self._begin_listening()
        return self._committed(item_id, audio)

    def clear(self, _event: dict[str, Any]) -> list[Event]:
        """``input_audio_buffer.clear``."""
        self._buffer.take_all()
        self._begin_listening()
        return [{"type": "input_audio_buffer.cleared"}]

    def _begin_listening(self) -> None:
        self._turn_id: str | None = None
        self._turn_start_ms = 0
        settings = self._state.configuration.input["turn_detection"]
        self._detector = settings and Detector(settings, self._buffer.format.rate_hz, round(self._buffer.now_ms))

    def _started(self, boundary: SpeechStarted) -> list[Event]:
        self._turn_id = self._state.ids.new("item")
        self._turn_start_ms = boundary.audio_start_ms
        kind = "input_audio_buffer.speech_started"
        started: Event = {"type": kind, "audio_start_ms": boundary.audio_start_ms, "item_id": self._turn_id}
        return [started, *(self._interrupt() if self._does("interrupt_response") else ())]

    def _stopped(self, boundary: SpeechStopped) -> list[Event]:
        item_id, self._turn_id = self._turn_id or self._state.ids.new("item"), None
        kind = "input_audio_buffer.speech_stopped"
        stopped: Event = {"type": kind, "audio_end_ms": boundary.audio_end_ms, "item_id": item_id}
        audio = self._buffer.take(self._turn_start_ms, boundary.audio_end_ms)
        return [stopped, *self._committed(item_id, audio), *(self._answer() if self._does("create_response") else ())]

    def _does(self, flag: str) -> bool:
        return bool((self._state.configuration.input["turn_detection"] or {}).get(flag))

    def _committed(self, item_id: str, audio: bytes) -> list[Event]:
        content = [{"type": "input_audio", "transcript": None}]
        body = {"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content}
        heard = self._ears.hear(self._buffer.format.to_ulaw(audio))
        item = Item(body=body, heard=heard, audio_ms=len(audio) // self._buffer.format.bytes_per_ms)
        previous_id = self._state.conversation.add(item)
        self._transcribe_later(item)
        committed = {"type": "input_audio_buffer.committed", "previous_item_id": previous_id, "item_id": item_id}
        return [committed, *announced(item, previous_id)]

    def _transcribe_later(self, item: Item) -> None:
        delay_ms = self._state.timing.transcription_delay_ms
        if self._state.configuration.input["transcription"] is None or delay_ms is None:
            return
        if self._state.timing.transcription_after_response:
            self._state.after_response.append(lambda: self._transcribe(item, _AFTER_RESPONSE_MS))
        else:
            self._transcribe(item, delay_ms)

    def _transcribe(self, item: Item, delay_ms: float) -> None:
        deltas = tokens(f" {item.heard}" if item.heard else "")
        for index, delta in enumerate(deltas):
            share = 0.5 + 0.5 * index / len(deltas)
            self._state.agenda.later(delay_ms * share, partial(self._transcribed_in_part, item, delta))
        self._state.agenda.later(delay_ms, lambda: [_transcribed(item)])

    def _transcribed_in_part(self, item: Item, delta: str) -> list[Event]:
        kind = "conversation.item.input_audio_transcription.delta"
        obfuscation = self._state.ids.padding(-len(delta) % 16)
        return [{"type": kind, "item_id": item.id, "content_index": 0, "delta": delta, "obfuscation": obfuscation}]


def _transcribed(item: Item) -> Event:
    item.body["content"] = [{"type": "input_audio", "transcript": item.heard}]
    kind = "conversation.item.input_audio_transcription.completed"
    usage = {"type": "duration", "seconds": -(-item.audio_ms // 1000)}
    return {"type": kind, "item_id": item.id, "content_index": 0, "transcript": item.heard, "usage": usage}
