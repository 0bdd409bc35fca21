"""A virtual clock for a simulated call: a web server that is a dictionary, a media server that is a few functions."""

import base64
import heapq
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from simulator import g711
from simulator.phone.call import PhoneCall
from simulator.phone.outputs import (
    AbortStream,
    CallOver,
    CancelRequest,
    CloseStream,
    HttpRequest,
    OpenStream,
    Output,
    SendStream,
)
from simulator.phone.policies import Number, Policies
from simulator.phone.timeline import Observation
from simulator.scenario import Caller, CallerStep, Scenario

ACCOUNT = "AC" + "0" * 32
TOKEN = "12345"
BASE = "http://bridge.example"
NUMBER = Number(voice_url=f"{BASE}/incoming-call", status_callback=f"{BASE}/call-status")
STREAM = '<Connect action="/stream-ended"><Stream url="ws://bridge.example/media-stream/bobs-hvac"/></Connect>'
HANGUP = "<Response><Hangup/></Response>"

Kind = TypeVar("Kind", bound=Observation)
Answer = tuple[int, str, str]


def response(*verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(verbs)}</Response>'


def speak(text: str, voice: str) -> bytes:
    """A voice for tests: a loud tone, 10 ms a character, so that lengths can be told."""
    t = np.arange(len(text) * 80)
    return g711.encode(6000 * np.sin(t * (0.5 + 0.01 * len(voice))))


def speech(ms: int) -> bytes:
    return g711.encode(6000 * np.sin(np.arange(ms * 8) * 0.6))


def step(**fields: Any) -> CallerStep:
    return CallerStep(**fields)


def scenario(*steps: CallerStep, to: str = "+15005550006", from_: str = "+15005550100", gives_up_after_s: int = 120) -> Scenario:
    caller = Caller(from_=from_, steps=steps, gives_up_after_s=gives_up_after_s)
    return Scenario(name="test", title="A test", business="bobs-hvac", to=to, caller=caller)


@dataclass
class World:
    """Runs one :class:`PhoneCall` and answers it. ``pages`` maps a path to what it answers; ``None`` never answers."""

    call: PhoneCall
    pages: dict[str, str | Answer | Callable[[dict[str, str]], str | Answer | None] | None]
    accepts_stream: bool | int = True
    on_message: Callable[["World", dict[str, Any]], None] = lambda world, message: None
    web_ms: float = 0
    now: float = 0
    outputs: list[tuple[float, Output]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    _agenda: list[tuple[float, int, Callable[[], list[Output]]]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)
    _streams: int = 0

    def later(self, ms: float, act: Callable[[], list[Output]]) -> None:
        heapq.heappush(self._agenda, (self.now + ms, next(self._order), act))

    def server_sends(self, **message: Any) -> None:
        """The media server's message, now."""
        self.do(self.call.stream_message(self.now, json.dumps({"streamSid": self.call.stream_sid, **message})))

    def server_plays(self, audio: bytes, mark: str | None = None) -> None:
        self.server_sends(event="media", media={"payload": base64.b64encode(audio).decode()})
        if mark is not None:
            self.server_sends(event="mark", mark={"name": mark})

    def do(self, outputs: list[Output]) -> None:
        for output in outputs:
            self.outputs.append((self.now, output))
            self._serve(output)

    def _serve(self, output: Output) -> None:
        match output:
            case HttpRequest():
                self._answer(output)
            case OpenStream():
                self._streams += 1
                self.later(0, self._handshake)
            case SendStream():
                message = json.loads(output.text)
                self.sent.append(message)
                self.on_message(self, message)
            case CancelRequest() | CloseStream() | AbortStream() | CallOver():
                pass

    def _handshake(self) -> list[Output]:
        if self.accepts_stream is True:
            return self.call.stream_opened(self.now)
        return self.call.stream_refused(self.now, int(self.accepts_stream) or None)

    def _answer(self, request: HttpRequest) -> None:
        path = request.url.removeprefix(BASE).partition("?")[0]
        page = self.pages.get(path, (404, "text/plain", "nothing here"))
        answer = page(request.params) if callable(page) else page
        if answer is None:
            return
        status, kind, body = (200, "text/xml; charset=utf-8", answer) if isinstance(answer, str) else answer
        if status == 0:
            self.later(self.web_ms, lambda: self.call.http_failed(self.now, request.request_id, "connect", "refused"))
        else:
            self.later(self.web_ms, lambda: self.call.http_answered(self.now, request.request_id, status, kind, body))

    def run(self, until_ms: float = 3_600_000) -> None:
        """Lets time pass until nothing is left to do, or until a time."""
        while True:
            wake_ms = self.call.wake_at_ms
            agenda_ms = self._agenda[0][0] if self._agenda else None
            next_ms = min((ms for ms in (wake_ms, agenda_ms) if ms is not None), default=None)
            if next_ms is None or next_ms > until_ms:
                self.now = max(self.now, until_ms) if next_ms is not None else self.now
                return
            self.now = max(self.now, next_ms)
            if agenda_ms is not None and agenda_ms <= self.now:
                self.do(heapq.heappop(self._agenda)[2]())
            else:
                self.do(self.call.poll(self.now))

    def seen(self, kind: type[Kind]) -> list[Kind]:
        return [observation for observation in self.call.timeline if isinstance(observation, kind)]

    def events(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["event"] == event]

    def requests(self, path: str) -> list[HttpRequest]:
        made = [output for _, output in self.outputs if isinstance(output, HttpRequest)]
        return [request for request in made if request.url.removeprefix(BASE).partition("?")[0] == path]


def world(
    pages: dict[str, Any] | None = None,
    *steps: CallerStep,
    policies: Policies | None = None,
    number: Number = NUMBER,
    script: Scenario | None = None,
    auth_token: str | None = TOKEN,
    seed: int = 1,
    **rest: Any,
) -> World:
    call = PhoneCall(
        script or scenario(*steps),
        number,
        account_sid=ACCOUNT,
        auth_token=auth_token,
        policies=policies or Policies(),
        seed=seed,
        speak=speak,
    )
    defaults = {"/incoming-call": response(STREAM), "/stream-ended": HANGUP, "/call-status": (204, "", "")}
    made = World(call, defaults | (pages or {}), **rest)
    made.do(call.dial(0))
    return made
