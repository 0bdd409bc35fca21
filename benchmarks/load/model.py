"""The model: a listener that speaks as much of the GA Realtime protocol as a telephone call needs, at the pace of the real one.

It hears where the caller speaks by how the audio is marked, takes half a second of silence for the end of a turn, answers after half a
second and sends audio twelve times faster than it plays. Times are seconds of :func:`time.monotonic`.
"""

import asyncio
import json
import random
from array import array
from base64 import b64decode
from math import inf
from time import monotonic
from typing import Any

from websockets.speedups import apply_mask

from benchmarks.load import wire

FIRST_AUDIO_S = 0.5
CREATED_S = 0.09
REALTIME_FACTOR = 12
DELTA_MS = (260, 280, 300, 320, 340, 360, 380, 400)
GREETING_MS, ANSWER_MS = 2000, 4000
ONSET_FRAMES = 3
PADDING_MS = 300
SILENCE_MS = 500
TRANSCRIBED_S = 0.35
LINE = "We can send somebody tomorrow at nine, who will look at it and tell you what has to be done."

_APPEND = b'{"type":"input_audio_buffer.append"'
_DELTA = (
    b'{"type":"response.output_audio.delta","event_id":"event_%d","response_id":"%b","item_id":"%b","output_index":0,'
    b'"content_index":0,"delta":"%b%b"}'
)
_SPEECH = {duration_ms: wire.speech_behind_tag(duration_ms, duration_ms) for duration_ms in DELTA_MS}


class ModelNotes:
    """What a session has noted; nothing of it is looked at while calls are running."""

    def __init__(self) -> None:
        self.frames_s = array("d")
        """When each frame of the caller came."""
        self.frame_tags = bytearray()
        self.deltas_sent_s = array("d")
        """When each delta was sent; its place is its number."""
        self.delta_bytes = array("l")
        self.cut_from: set[int] = set()
        """Deltas of responses that were cancelled or shortened: not all of them need to reach the phone."""
        self.first_delays_s: list[float] = []
        """Of each response: ``response.create`` → its first audio."""
        self.committed_s = array("d")
        self.asked_s = array("d")
        """When each ``response.create`` came."""


class _Response:
    """One that is being given, and the timers of what is still to come."""

    def __init__(self, number: int, line: int) -> None:
        self.response_id, self.item_id = f"resp_{line}x{number}", f"item_{line}r{number}"
        self.timers: list[asyncio.TimerHandle] = []
        self.deltas: list[int] = []


class ModelSession(asyncio.Protocol):
    """One session, on a connection of its own."""

    def __init__(self, line: int, seed: int) -> None:
        self.line = line
        self.is_over = False
        self.notes = ModelNotes()
        self._chance = random.Random(f"model {seed} {line}")
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._is_open = False
        self._config: dict[str, Any] = {}
        self._silence_frames = SILENCE_MS // wire.FRAME_MS
        self._answers_itself = True
        self._audio_ms = 0
        self._loud, self._quiet = 0, 0
        self._turn: str | None = None
        self._turns = self._responses = self._events = self._items = 0
        self._active: _Response | None = None
        self._by_item: dict[str, _Response] = {}

    # --- for the event loop ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, _exc: Exception | None) -> None:
        """They are gone."""
        self.is_over = True
        self._silence()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        now_s = monotonic()
        data = self._rest + data if self._rest else data
        at = 0 if self._is_open else self._accepted(data)
        while self._is_open and (end := self._frame(data, at, now_s)) > at:
            at = end
        self._rest = data[at:]

    def _accepted(self, data: bytes) -> int:
        head, end, _ = data.partition(b"\r\n\r\n")
        answer = wire.acceptance(head) if end else None
        if answer is None:
            if end:
                self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                self._transport.close()
            return 0
        self._is_open = True
        self._transport.write(answer)
        self._send({"type": "session.created", "session": {"type": "realtime", "id": f"sess_{self.line}"}})
        return len(head) + len(end)

    def _frame(self, data: bytes, at: int, now_s: float) -> int:
        there = len(data) - at
        if there < 6:
            return at
        length, head = data[at + 1] & 0x7F, 6
        if length == 126:
            head = 8
            length = int.from_bytes(data[at + 2 : at + 4], "big")
        elif length == 127:
            head = 14
            length = int.from_bytes(data[at + 2 : at + 10], "big") if there >= 14 else there
        begin, end = at + head, at + head + length
        if end > len(data):
            return at
        payload = apply_mask(data[begin:end], data[begin - 4 : begin])
        match data[at]:
            case 0x81:
                if payload.startswith(_APPEND):
                    self._hear(payload, now_s)
                else:
                    self._asked(json.loads(payload), now_s)
            case 0x88:
                self._silence()
                self._transport.write(b"\x88" + bytes((len(payload),)) + payload)
                self._transport.close()
            case 0x89:
                self._transport.write(b"\x8a" + bytes((len(payload),)) + payload)
        return end

    # --- the caller --------------------------------------------------------------------------------------------------------

    def _hear(self, payload: bytes, now_s: float) -> None:
        begin = payload.find(b'"audio":"', len(_APPEND)) + 9
        if len(payload) - begin - 2 == wire.FRAME_CHARS:
            self._one_frame(
                payload[begin : begin + wire.TAG_CHARS], now_s, loud=payload[begin + wire.TAG_CHARS] == wire.LOUD_CHAR
            )
            return
        audio = b64decode(payload[begin:-2])  # several frames in one event
        for at in range(0, len(audio), wire.FRAME_BYTES):
            loud = audio[at + wire.TAG_BYTES] == wire.LOUD_BYTE
            self._one_frame(wire.tag_of_audio(audio[at : at + wire.FRAME_BYTES]), now_s, loud=loud)

    def _one_frame(self, tag: bytes, now_s: float, *, loud: bool) -> None:
        self.notes.frames_s.append(now_s)
        self.notes.frame_tags += tag
        self._audio_ms += wire.FRAME_MS
        if self._turn is None:
            self._loud = self._loud + 1 if loud else 0
            if self._loud == ONSET_FRAMES:
                self._turn_begins()
        else:
            self._quiet = 0 if loud else self._quiet + 1
            if self._quiet == self._silence_frames:
                self._turn_ends(self._turn, now_s)

    def _turn_begins(self) -> None:
        self._turns += 1
        self._turn, self._quiet = f"item_{self.line}t{self._turns}", 0
        start_ms = max(0, self._audio_ms - ONSET_FRAMES * wire.FRAME_MS - PADDING_MS)
        self._send({"type": "input_audio_buffer.speech_started", "audio_start_ms": start_ms, "item_id": self._turn})
        if self._answers_itself and self._active is not None:
            self._cancel(self._active, "turn_detected")

    def _turn_ends(self, item_id: str, now_s: float) -> None:
        self._turn, self._loud = None, 0
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": content}
        self.notes.committed_s.append(now_s)
        self._send(
            {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": self._audio_ms, "item_id": item_id},
            {"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": item_id},
            {"type": "conversation.item.added", "previous_item_id": None, "item": item},
            {"type": "conversation.item.done", "previous_item_id": None, "item": item},
        )
        if self._config.get("audio", {}).get("input", {}).get("transcription"):
            self._loop.call_later(TRANSCRIBED_S, self._transcribed, item_id)
        if self._answers_itself and self._active is None:
            self._answer(now_s)

    def _transcribed(self, item_id: str) -> None:
        text = "Could you tell me more about it, please?"
        kind = "conversation.item.input_audio_transcription"
        self._send(
            {"type": f"{kind}.delta", "item_id": item_id, "content_index": 0, "delta": text},
            {"type": f"{kind}.completed", "item_id": item_id, "content_index": 0, "transcript": text},
        )

    # --- what is asked -----------------------------------------------------------------------------------------------------

    def _asked(self, event: dict[str, Any], now_s: float) -> None:
        match event.get("type"):
            case "session.update":
                self._configure(event["session"])
            case "conversation.item.create":
                self._items += 1
                item = {"id": f"item_{self.line}c{self._items}", "status": "completed", **event["item"]}
                self._send(
                    *({"type": f"conversation.item.{kind}", "previous_item_id": None, "item": item} for kind in ("added", "done"))
                )
            case "response.create":
                self.notes.asked_s.append(now_s)
                if self._active is None:
                    self._answer(now_s)
            case "response.cancel":
                if self._active is not None:
                    self._cancel(self._active, "client_cancelled")
            case "conversation.item.truncate":
                self._truncate(event)

    def _configure(self, session: dict[str, Any]) -> None:
        self._config = session
        detection = session.get("audio", {}).get("input", {}).get("turn_detection") or {}
        self._answers_itself = detection.get("create_response", True)
        self._silence_frames = detection.get("silence_duration_ms", SILENCE_MS) // wire.FRAME_MS
        self._send({"type": "session.updated", "session": {"id": f"sess_{self.line}", **session}})

    def _truncate(self, event: dict[str, Any]) -> None:
        response = self._by_item.get(event["item_id"])
        if response is not None:
            self.notes.cut_from.update(response.deltas)
        kept = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        self._send({"type": "conversation.item.truncated", **kept})

    # --- what is answered --------------------------------------------------------------------------------------------------

    def _answer(self, asked_s: float) -> None:
        self._responses += 1
        response = self._active = _Response(self._responses, self.line)
        self._by_item[response.item_id] = response
        response.timers.append(self._loop.call_later(CREATED_S, self._created, response))
        rest_ms, at_s = GREETING_MS if self._responses == 1 else ANSWER_MS, FIRST_AUDIO_S
        first = True
        while rest_ms > 0:
            duration_ms = self._chance.choice(DELTA_MS)
            response.timers.append(self._loop.call_later(at_s, self._delta, response, duration_ms, asked_s if first else inf))
            at_s += duration_ms / 1000 / REALTIME_FACTOR
            rest_ms -= duration_ms
            first = False
        response.timers.append(self._loop.call_later(at_s, self._done, response))

    def _created(self, response: _Response) -> None:
        item = {"id": response.item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        self._send(
            {"type": "response.created", "response": {"id": response.response_id, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "response_id": response.response_id, "output_index": 0, "item": item},
            {"type": "conversation.item.added", "previous_item_id": None, "item": item},
            self._of(response, "response.content_part.added", part={"type": "audio", "transcript": ""}),
            *(self._of(response, "response.output_audio_transcript.delta", delta=f"{word} ") for word in LINE.split()),
        )

    def _delta(self, response: _Response, duration_ms: int, asked_s: float) -> None:
        notes = self.notes
        number = len(notes.deltas_sent_s)
        tag = wire.tag(self.line, number)
        self._events += 1
        ids = response.response_id.encode(), response.item_id.encode()
        data = wire.from_server(_DELTA % (self._events, *ids, tag, _SPEECH[duration_ms]))
        now_s = monotonic()
        self._transport.write(data)
        notes.deltas_sent_s.append(now_s)
        notes.delta_bytes.append(duration_ms * 8)
        response.deltas.append(number)
        if asked_s != inf:
            notes.first_delays_s.append(now_s - asked_s)

    def _done(self, response: _Response) -> None:
        content = [{"type": "output_audio", "transcript": LINE}]
        item = {"id": response.item_id, "type": "message", "role": "assistant", "status": "completed", "content": content}
        self._active = None
        self._send(
            self._of(response, "response.output_audio.done"),
            self._of(response, "response.output_audio_transcript.done", transcript=LINE),
            self._of(response, "response.content_part.done", part=content[0]),
            {"type": "conversation.item.done", "previous_item_id": None, "item": item},
            {"type": "response.output_item.done", "response_id": response.response_id, "output_index": 0, "item": item},
            {"type": "response.done", "response": _over(response, "completed", item)},
            {"type": "rate_limits.updated", "rate_limits": []},
        )

    def _cancel(self, response: _Response, reason: str) -> None:
        for timer in response.timers:
            timer.cancel()
        self._active = None
        self.notes.cut_from.update(response.deltas)
        item = {"id": response.item_id, "type": "message", "role": "assistant", "status": "incomplete", "content": []}
        over = _over(response, "cancelled", item) | {"status_details": {"type": "cancelled", "reason": reason}}
        self._send({"type": "response.done", "response": over})

    def _of(self, response: _Response, kind: str, **fields: object) -> dict[str, Any]:
        ids = {"response_id": response.response_id, "item_id": response.item_id, "output_index": 0, "content_index": 0}
        return {"type": kind, **ids, **fields}

    def _send(self, *events: dict[str, Any]) -> None:
        if self._transport.is_closing():
            return
        data = b""
        for event in events:
            self._events += 1
            data += wire.from_server(json.dumps({"event_id": f"event_{self._events}", **event}).encode())
        self._transport.write(data)

    def _silence(self) -> None:
        if self._active is not None:
            for timer in self._active.timers:
                timer.cancel()
            self._active = None


def _over(response: _Response, status: str, item: dict[str, Any]) -> dict[str, Any]:
    details = {"text_tokens": 30, "audio_tokens": 80, "cached_tokens": 0}
    usage = {"total_tokens": 220, "input_tokens": 110, "output_tokens": 110}
    usage_of = {**usage, "input_token_details": details, "output_token_details": details}
    return {"id": response.response_id, "status": status, "output": [item], "usage": usage_of}
