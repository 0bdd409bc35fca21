"""A line under test: the core between a Twilio and a model made of literal messages, and a clock that the test moves.

Every method hands one input to the core and keeps what came back; ``sent_to_twilio``, ``sent_to_model`` and ``events`` are the
whole story so far, in order.
"""

import json
from base64 import b64decode, b64encode
from typing import Any

import msgspec

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.agent_voice import SpokenLine
from bridge.conversation.g711 import rms as loudness
from bridge.conversation.machine import Conversation
from bridge.conversation.model_audio import format_of
from bridge.conversation.phases import Phase
from bridge.conversation.responses import Purpose, Wish
from bridge.resampling import SoxrResampler
from calls import events
from calls.business import BusinessProfile, Fallback
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord


def loudest_below(rms: int) -> int:
    """The μ-law code whose magnitude is nearest to ``rms``, above it for 201 and below it for 199."""
    candidates = [code for code in range(128, 256) if (rms > 200) == (loudness(bytes([code])) > 200)]
    return min(candidates, key=lambda code: abs(loudness(bytes([code])) - rms))


CALL = CallSid("CA" + "0" * 32)
STREAM = "MZ" + "0" * 32
SILENCE_20_MS = b64encode(b"\xff" * 160).decode()
PROFILE = BusinessProfile(
    id="acme", name="Acme", numbers=("+15005550006",), language="en", voice="alloy", instructions="You answer for {name}."
)
VOICEMAIL = msgspec.structs.replace(PROFILE, fallback=Fallback(mode="voicemail", text="Leave a message."))
RECORD = CallRecord(
    call_sid=CALL,
    business_id=BusinessId("acme"),
    from_="+15005550100",
    to="+15005550006",
    channel="pstn",
    started_at="2026-01-01T00:00:00.000Z",
    last_seq=1,
)
LOUDNESS_CODES = {
    0: 0xFF,
    **{rms: loudest_below(rms) for rms in (100, 150, 199, 201, 250, 300, 400, 500, 600, 700, 801, 3000, 8000)},
}
"""A μ-law byte for each loudness the tests use: a frame of it has nearly that RMS, and is on the same side of 200."""
LINES = {
    "apology": SpokenLine(text="Sorry, one moment.", audio=b"\x00" * 8000),
    "goodbye": SpokenLine(text="Goodbye.", audio=b"\x00" * 4000),
    "one_moment": SpokenLine(text="One moment, please.", audio=b"\x00" * 6400),
}


def mulaw(ms: float) -> str:
    """That much audio, as base64."""
    return b64encode(b"\x00" * round(ms * 8)).decode()


def pcm(ms: float) -> str:
    """That much audio of 24 kHz, as base64."""
    return b64encode(b"\x00\x10" * round(ms * 24)).decode()


class Line:
    """See the module."""

    def __init__(self, profile: BusinessProfile = PROFILE, core: type[Conversation] = Conversation) -> None:
        self.profile = profile
        self.core = core(SoxrResampler)
        self.now_ms = 0.0
        self.outputs: list[tuple[float, wanted.AnyOutput]] = []
        self.story: list[tuple[float, given.AnyInput | wanted.AnyOutput]] = []
        self.greeting: SpokenLine | None = None
        """The recording this call is greeted with."""
        self.echoed: set[str] = set()
        self.called: list[dict[str, Any]] = []
        self._responses = 0
        self._items: str | None = "fd_greeting_request"
        self.session = 0
        self.chance = 0.0
        self.do(given.Tick())

    # --- the clock and the door ---

    def do(self, happened: given.AnyInput) -> list[wanted.AnyOutput]:
        self.story.append((self.now_ms, happened))
        wakes_at_ms = self.core.wake_at_ms
        outputs = self.core.receive(self.now_ms, happened)
        # A shell that asks for the next waking only when the rules were looked at is never woken too late.
        assert self.core.is_settled_anew or self.core.wake_at_ms >= wakes_at_ms
        self.story += [(self.now_ms, output) for output in outputs]
        self.outputs += [(self.now_ms, output) for output in outputs]
        return outputs

    def wait(self, ms: float, *, dead_line: bool = False) -> None:
        """Lets time pass, waking the core whenever it asked for it. Once a second a silent frame of the caller arrives, unless the
        line is dead."""
        until_ms = self.now_ms + ms
        while not dead_line and self.now_ms + 1000 <= until_ms:
            self._wait_until(self.now_ms + 1000)
            if self.core.start_received_ms is not None and self.phase is not Phase.ENDED:
                self.media()
        self._wait_until(until_ms)

    def _wait_until(self, until_ms: float) -> None:
        for _ in range(10_000):
            if self.core.wake_at_ms > until_ms:
                break
            self.now_ms = max(self.now_ms, self.core.wake_at_ms)
            self.do(given.Tick())
        else:
            raise AssertionError("the core wants to be woken for ever")
        self.now_ms = until_ms

    # --- Twilio ---

    def twilio(self, message: dict[str, Any] | str | bytes) -> list[wanted.AnyOutput]:
        return self.do(given.TwilioFrame(json.dumps(message) if isinstance(message, dict) else message))

    def connected(self) -> None:
        self.twilio({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self, token: str = "t0ken") -> None:
        self.twilio(
            {
                "event": "start",
                "sequenceNumber": "1",
                "start": {
                    "accountSid": "AC" + "0" * 32,
                    "streamSid": STREAM,
                    "callSid": CALL,
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                    "customParameters": {"token": token},
                },
                "streamSid": STREAM,
            }
        )

    def media(self, payload: str = SILENCE_20_MS) -> None:
        media = {"track": "inbound", "chunk": "1", "timestamp": "155", "payload": payload}
        self.twilio({"event": "media", "sequenceNumber": "2", "media": media, "streamSid": STREAM})

    def loud(self, ms: float, *, rms: int = 3000) -> None:
        """The caller is that loud for so long, frame by frame as time passes."""
        self.frames([rms] * round(ms / 20))

    def quiet(self, ms: float) -> None:
        """The caller is silent, frame by frame as time passes."""
        self.frames([0] * round(ms / 20))

    def frames(self, loudness: list[int]) -> None:
        """Frames of 20 ms of the given RMS, each arriving when it is over."""
        for rms in loudness:
            self._wait_until(self.now_ms + 20)
            self.media(b64encode(bytes([LOUDNESS_CODES[rms]]) * 160).decode())

    def mark(self, name: str) -> None:
        self.twilio({"event": "mark", "sequenceNumber": "4", "mark": {"name": name}, "streamSid": STREAM})

    def stop(self) -> None:
        self.twilio({"event": "stop", "sequenceNumber": "9", "streamSid": STREAM, "stop": {"callSid": CALL}})

    def accept(self) -> None:
        self.do(given.StreamAccepted(RECORD, self.profile, LINES, greeting=self.greeting, chance=self.chance))

    def echo_marks(self) -> None:
        """All marks sent and not echoed yet come back now."""
        for name in [name for name in self.marks_sent if name not in self.echoed]:
            self.echoed.add(name)
            self.mark(name)

    def play(self, ms: float) -> None:
        """Time passes in steps of 20 ms, and marks come back once their audio has been played."""
        for _ in range(round(ms / 20)):
            self.quiet(20)
            for name, position_ms in self.core.voice.playback.outstanding():
                if name not in self.echoed and position_ms <= self.core.voice.playback.position_ms(self.now_ms):
                    self.echoed.add(name)
                    self.mark(name)

    def reply_wish(self) -> Wish:
        """One more reply, whoever wants it."""
        return Wish(Purpose.REPLY)

    def tick(self) -> given.Tick:
        return given.Tick()

    # --- the model ---

    def model(self, event: dict[str, Any]) -> list[wanted.AnyOutput]:
        return self.do(given.ModelFrame(json.dumps(event), self.session))

    def model_opens(self, *, age_ms: float = 0) -> None:
        self.do(given.ModelOpened(40, age_ms=age_ms, session=self.session))
        self.model({"type": "session.created", "session": {"type": "realtime"}})

    def model_closes(self, reason: str = "closed by the model (1006)", *, hopeless: bool = False) -> None:
        """The session's socket is gone, or could not be opened."""
        self.do(given.ModelClosed(reason, self.session, hopeless=hopeless))

    def model_is_replaced(self, *, after_ms: float = 400) -> None:
        """The session that was asked for last opens after that long, and confirms its settings."""
        self.wait(after_ms)
        self.session = self.wanted(wanted.OpenModel)[-1].session
        self.model_opens()
        self.session_updated()

    def session_updated(self, output: str | None = None) -> None:
        """The session has the formats the business asks for, or another one for output."""
        wanted_formats = {"input": format_of(self.profile.audio.input), "output": format_of(self.profile.audio.output)}
        audio = {side: {"format": wanted_format} for side, wanted_format in wanted_formats.items()}
        if output is not None:
            audio["output"] = {"format": {"type": output}}
        self.model({"type": "session.updated", "session": {"type": "realtime", "audio": audio}})

    def speak(self, text: str, ms: float, *, response: str | None = None, item: str | None = None, deltas: int = 1) -> str:
        """A whole response, as the API sends it; returns its item's id."""
        response = self.begin_speaking(response=response, item=item)
        item = self.current_item
        self.audio(ms, deltas=deltas)
        self.text_done(text)
        self.response_done()
        return item

    def begin_speaking(self, *, response: str | None = None, item: str | None = None) -> str:
        self._responses += 1
        self.current_response = response or f"resp_{self._responses}"
        self.current_item = item or f"item_a{self._responses}"
        self.model({"type": "response.created", "response": {"id": self.current_response, "status": "in_progress"}})
        added = {"id": self.current_item, "type": "message", "role": "assistant", "status": "in_progress"}
        self.model({"type": "response.output_item.added", "response_id": self.current_response, "item": added})
        self.model({"type": "conversation.item.added", "previous_item_id": self._items, "item": added})
        self._items = self.current_item
        return self.current_response

    def audio(self, ms: float, *, deltas: int = 1) -> None:
        for _ in range(deltas):
            self.delta(pcm(ms / deltas) if self.profile.audio.output == "pcm" else mulaw(ms / deltas))

    def delta(self, audio: str) -> None:
        """A piece of audio of the current item, in base64."""
        self.model({**self._of_item("response.output_audio.delta"), "delta": audio})

    def audio_done(self) -> None:
        self.model(self._of_item("response.output_audio.done"))

    def call_tool(self, name: str, arguments: Any, *, call: str = "call_1") -> None:
        """The response being spoken calls a function, in the three events that say so."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        item = {
            "id": f"item_{call}",
            "type": "function_call",
            "status": "completed",
            "name": name,
            "call_id": call,
            "arguments": text,
        }
        self.model({"type": "response.function_call_arguments.done", "call_id": call, "name": name, "arguments": text})
        self.model({"type": "conversation.item.done", "item": item})
        self.model({"type": "response.output_item.done", "response_id": self.current_response, "item": item})
        self.called.append(item)

    def text_done(self, text: str, kind: str = "response.output_audio_transcript.done") -> None:
        self.model({**self._of_item(kind), "transcript": text})

    def response_done(self, status: str = "completed", **extra: Any) -> None:
        output, self.called = self.called, []
        response = {"id": self.current_response, "status": status, "output": output, **extra}
        self.model({"type": "response.done", "response": response})

    def _of_item(self, kind: str) -> dict[str, Any]:
        return {"type": kind, "response_id": self.current_response, "item_id": self.current_item, "content_index": 0}

    def turn_begins(self, item: str, start_ms: float = 0) -> None:
        self.model({"type": "input_audio_buffer.speech_started", "item_id": item, "audio_start_ms": start_ms})

    def turn_ends(self, item: str, end_ms: float) -> None:
        """Stopped and committed; placed behind the newest item."""
        self.model({"type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": end_ms})
        self.model({"type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": self._items})
        added = {"id": item, "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
        self.model({"type": "conversation.item.added", "previous_item_id": self._items, "item": added})
        self._items = item

    def caller_text(self, item: str, text: str) -> None:
        kind = "conversation.item.input_audio_transcription.completed"
        self.model({"type": kind, "item_id": item, "content_index": 0, "transcript": text})

    # --- whole beginnings ---

    def greeted(self, text: str = "Hello.", ms: float = 1000) -> "Line":
        """Up to the end of the greeting, everything in the usual order."""
        self.requested()
        self.session_updated()
        self.speak(text, ms)
        self.wait(ms)
        self.echo_marks()
        assert self.phase is Phase.CONVERSING
        return self

    def requested(self) -> "Line":
        """Up to the greeting's request."""
        self.connected()
        self.start()
        self.model_opens()
        self.accept()
        assert self.phase is Phase.GREETING
        return self

    # --- the story so far ---

    @property
    def phase(self) -> Phase:
        return self.core.phase

    @property
    def sent_to_twilio(self) -> list[dict[str, Any]]:
        return [json.loads(output.text) for _, output in self.outputs if isinstance(output, wanted.SendTwilio)]

    @property
    def sent_to_model(self) -> list[dict[str, Any]]:
        return [json.loads(output.text) for _, output in self.outputs if isinstance(output, wanted.SendModel)]

    def sent_kinds(self) -> list[str]:
        """What the model was sent, runs of audio shown once."""
        kinds = [event["type"] for event in self.sent_to_model]
        return [kind for at, kind in enumerate(kinds) if at == 0 or kind != kinds[at - 1]]

    @property
    def creates(self) -> int:
        return sum(event["type"] == "response.create" for event in self.sent_to_model)

    @property
    def marks_sent(self) -> list[str]:
        return [message["mark"]["name"] for message in self.sent_to_twilio if message["event"] == "mark"]

    @property
    def played_ms(self) -> float:
        return sum(len(b64decode(m["media"]["payload"])) / 8 for m in self.sent_to_twilio if m["event"] == "media")

    @property
    def events(self) -> list[events.AnyEvent]:
        return [output.body for _, output in self.outputs if isinstance(output, wanted.RecordEvent)]

    def events_of(self, kind: type[Any]) -> list[Any]:
        return [body for body in self.events if isinstance(body, kind)]

    @property
    def kinds(self) -> list[str]:
        return [events.kind_of(body) for body in self.events]

    def wanted(self, kind: type[Any]) -> list[Any]:
        return [output for _, output in self.outputs if isinstance(output, kind)]
