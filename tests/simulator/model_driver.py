"""Drives a simulated model session on a virtual clock. Every server event it sees must fit OpenAI's own types."""

import base64
import json
from collections.abc import Iterable
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from simulator import voice
from simulator.ears import Ears
from simulator.model import Faults, ModelSession, ModelTiming
from simulator.scenario import Mind

_SERVER_EVENT: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)

CALLER = "en-us+m3"
FRAME_MS = 20
SECOND_OF_SILENCE = b"\xff" * 8_000
PHONE: dict[str, Any] = {
    "type": "realtime",
    "audio": {
        "input": {"format": {"type": "audio/pcmu"}, "transcription": {"model": "gpt-realtime-whisper", "language": "en"}},
        "output": {"format": {"type": "audio/pcmu"}},
    },
}
"""A telephone's session: μ-law both ways, the caller transcribed."""
MANUAL: dict[str, Any] = {
    **PHONE,
    "audio": {
        **PHONE["audio"],
        "input": {
            **PHONE["audio"]["input"],
            "turn_detection": {"type": "server_vad", "create_response": False, "interrupt_response": False},
        },
    },
}
"""The same, with every decision left to the client."""


def caller_says(line: str) -> bytes:
    """A line between half a second and a second of silence."""
    return SECOND_OF_SILENCE[:4_000] + voice.speak(line, CALLER) + SECOND_OF_SILENCE


class Driver:
    """A client and its clock."""

    def __init__(
        self,
        mind: Mind | None = None,
        *,
        lines: Iterable[str] = (),
        seed: int = 1,
        timing: ModelTiming | None = None,
        faults: Faults | None = None,
        model: str = "gpt-realtime-2.1",
    ) -> None:
        ears = Ears.for_lines(lines, CALLER)
        self.session = ModelSession(mind or Mind(), ears, seed=seed, timing=timing, faults=faults, model=model)
        self.now_ms = 0.0
        self.timed: list[tuple[float, dict[str, Any]]] = []
        self._keep(self.session.open(0))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in self.timed]

    def types(self, start: int = 0) -> list[str]:
        return [event["type"] for event in self.events[start:]]

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in types]

    def last(self, kind: str) -> dict[str, Any]:
        return self.of(kind)[-1]

    def at_ms(self, kind: str) -> float:
        return next(now_ms for now_ms, event in self.timed if event["type"] == kind)

    def send(self, kind: str, **fields: Any) -> None:
        self.frame(json.dumps({"type": kind, **fields}))

    def frame(self, frame: str | bytes) -> None:
        self._keep(self.session.receive(self.now_ms, frame))

    def run(self, duration_ms: float = 10_000) -> None:
        """Lets time pass."""
        end_ms = self.now_ms + duration_ms
        while (wake_ms := self.session.wake_at_ms) is not None and wake_ms <= end_ms:
            self.now_ms = max(self.now_ms, wake_ms)
            self._keep(self.session.poll(self.now_ms))
        self.now_ms = end_ms

    def hear(self, audio: bytes, *, bytes_per_ms: int = 8) -> None:
        """Appends audio as it would come from a line, a frame every 20 ms."""
        size = FRAME_MS * bytes_per_ms
        for start in range(0, len(audio), size):
            self.send("input_audio_buffer.append", audio=base64.b64encode(audio[start : start + size]).decode())
            self.run(FRAME_MS)

    def update(self, session: dict[str, Any], **fields: Any) -> None:
        self.send("session.update", session=session, **fields)
        self.run(100)

    def ask(self, text: str, role: str = "user", **response: Any) -> None:
        """A text item and a response to it."""
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": role, "content": content})
        self.send("response.create", **({"response": response} if response else {}))

    def audio(self) -> bytes:
        """All the model's audio so far."""
        return b"".join(base64.b64decode(event["delta"]) for event in self.of("response.output_audio.delta"))

    def error(self) -> dict[str, Any]:
        """The only error so far."""
        (event,) = self.of("error")
        error: dict[str, Any] = event["error"]
        return error

    def _keep(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            _SERVER_EVENT.validate_python(event)
            self.timed.append((self.now_ms, event))


def folded(types: Iterable[str]) -> list[str]:
    """Types with runs of the same one told once."""
    kept: list[str] = []
    for kind in types:
        if not kept or kept[-1] != kind:
            kept.append(kind)
    return kept
