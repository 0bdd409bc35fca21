"""What one step of the core asks for: outputs in order, events numbered, errors told once."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from bridge.conversation import model_messages
from bridge.conversation.outputs import AnyOutput, CallerSounded, Log, RecordEvent, SendModel, SendTwilio
from calls.events import AnyEvent, ErrorHappened

MAX_ERRORS = 50
"""Errors recorded per stream; a peer gone mad must not fill the record."""

LONGEST_APPEND_BYTES = 48_000
"""Of audio in one event: 6 s of μ-law, 1 s of PCM."""


class Outbox:
    """Collects the outputs of a step. Owns the call's event numbers: there are no gaps because nobody else counts."""

    __slots__ = (
        "_caller_audio",
        "_caller_audio_at",
        "_last_seq",
        "_more_audio",
        "_more_bytes",
        "_outputs",
        "_told",
        "has_model",
        "is_watched",
        "now_ms",
    )

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._outputs: list[AnyOutput] = []
        self._caller_audio: bytes | None = None
        """Of the event at ``_caller_audio_at``, which what follows at once is added to."""
        self._caller_audio_at = 0
        self._more_audio: list[bytes] = []
        self._more_bytes = 0
        self._last_seq: int | None = None
        self._told: set[tuple[str, str]] = set()
        self.is_watched = False
        self.has_model = True
        """Whether there is a session to hear what the model is sent; without one it is dropped."""

    def number_from(self, last_seq: int) -> None:
        """The call is ours from here on; its record stands at ``last_seq``."""
        self._last_seq = last_seq

    def add(self, output: AnyOutput) -> None:
        """Any output."""
        if self._caller_audio is not None:
            self._end_of_audio(self._caller_audio)
        self._outputs.append(output)

    def caller_audio(self, payload: str, audio: bytes) -> None:
        """Audio for the model, as base64 and as it is. What one step has of it goes in one event, as long as nothing else that the
        model is told comes between."""
        if self._caller_audio is None:
            self._caller_audio, self._caller_audio_at = audio, len(self._outputs)
            self._outputs.append(SendModel(model_messages.append_audio(payload)))
            return
        self._more_audio.append(audio)
        self._more_bytes += len(audio)
        if len(self._caller_audio) + self._more_bytes >= LONGEST_APPEND_BYTES:
            self._end_of_audio(self._caller_audio)

    def _end_of_audio(self, first: bytes) -> None:
        self._caller_audio = None
        if self._more_audio:
            payload = b64encode(b"".join((first, *self._more_audio))).decode("ascii")
            self._outputs[self._caller_audio_at] = SendModel(model_messages.append_audio(payload))
            self._more_audio.clear()
            self._more_bytes = 0

    def twilio(self, text: str) -> None:
        """A message for the phone."""
        self._outputs.append(SendTwilio(text))

    def model(self, event: dict[str, Any]) -> None:
        """An event for the model."""
        if self.has_model:
            self.add(SendModel(model_messages.encode(event)))

    def sounded(self, audios: Sequence[bytes], at_ms: Sequence[float]) -> None:
        """The caller's audio, for somebody who watches, if there is one."""
        if self.is_watched:
            self._outputs.append(CallerSounded(audios, at_ms))

    def observe(self, output: AnyOutput) -> None:
        """An output that only somebody who watches has a use for."""
        if self.is_watched:
            self._outputs.append(output)

    def record(self, body: AnyEvent) -> None:
        """An event for the call's record. Before the call is ours there is no record, and the log is told instead."""
        if self._last_seq is None:
            self._outputs.append(Log("event_without_call", str(body.__struct_config__.tag)))
            return
        self._last_seq += 1
        self._outputs.append(RecordEvent(self._last_seq, self.now_ms, body))

    def error(self, where: str, kind: str, message: str) -> None:
        """Something a person may want to know, once per kind: a flood of the same is one event."""
        if (where, kind) in self._told or len(self._told) >= MAX_ERRORS:
            return
        self._told.add((where, kind))
        if self._last_seq is None:
            self._outputs.append(Log(f"{where}_error", message))
        else:
            self.record(ErrorHappened(where=where, message=message))

    def drain(self) -> list[AnyOutput]:
        """The outputs so far; the next step starts empty."""
        if self._more_audio and self._caller_audio is not None:
            self._end_of_audio(self._caller_audio)
        self._caller_audio = None
        outputs, self._outputs = self._outputs, []
        return outputs
