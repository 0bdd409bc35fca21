"""What one frame costs the bridge, counted and not timed: a fixed call is replayed through the engine, the session, the core and the
model's connection, on transports that only take notes, and every bytecode instruction of what Python runs is counted.

The same Python counts the same number every time, on any machine. Two things are counted: **instructions**, and the **steps** among
them that reach into C or copy, for behind one of these any amount of work may hide: calls, slices, strings put together.
"""

import asyncio
import dis
import gc
import json
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from math import ceil
from types import CodeType, FrameType
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from benchmarks.load import wire
from bridge.call import CallSession
from bridge.frame_engine.client import EngineConnection
from bridge.frame_engine.socket import EngineSocket
from bridge.metrics import BridgeMetrics
from bridge.model_breaker import ModelBreaker
from bridge.model_socket import MAX_EVENT_BYTES
from bridge.operator.watch import Watch
from bridge.services import Services
from bridge.settings import BridgeSettings, ModelEndpoint, TwilioAccount
from calls.ids import CallSid
from calls.stream_token import StreamToken, mint
from simulator.phone import wire as phone
from tests.bridge.conversation.line import CALL, PROFILE, RECORD, STREAM
from tests.calls.virtual_loop import VirtualLoop

FRAME_S = 0.02
SECRET = "secret"
URL = "ws://127.0.0.1:9/v1/realtime"
STEPS = frozenset(
    code
    for name, code in dis.opmap.items()
    if name.startswith(("CALL", "BUILD_SLICE", "BINARY_SLICE", "BUILD_STRING")) and not name.startswith("CALL_INTRINSIC")
)
SETTLING_FRAMES = 200
"""4 s, more than the noise floor remembers."""
COUNTED_FRAMES = 256
"""A power of two: what is done for many frames at once is done for such a number, and falls on them evenly."""
DELTA_MS = 300


class Cost(msgspec.Struct, frozen=True):
    """Of one piece of work: how many instructions, and how many of them are steps."""

    instructions: float
    steps: float


class Counted:
    """Counts what runs while its block does."""

    def __init__(self) -> None:
        self.instructions = self.steps = 0
        self._codes: dict[CodeType, bytes] = {}

    def __enter__(self) -> "Counted":
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, _event: str, _argument: object) -> Callable[..., Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self._codes.setdefault(frame.f_code, frame.f_code.co_code)
        return self._ran

    def _ran(self, frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "opcode":
            self.instructions += 1
            self.steps += self._codes[frame.f_code][frame.f_lasti] in STEPS
        return self._ran


class Wire(asyncio.Transport):
    """A transport that takes notes. ``taken`` has what was written since somebody looked."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def write(self, data: Any) -> None:
        self._written.append(bytes(data))

    def taken(self) -> list[bytes]:
        written, self._written = self._written, []
        return written

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def connection_lost(self, error: Exception | None) -> None:
        """As the protocol that was there before."""


class Nobody:
    """Store, journal and all others around a call, who have nothing to do here and do it."""

    def get(self, _business_id: object) -> object:
        return PROFILE

    async def claim_stream(self, *_: object) -> object:
        return RECORD

    def record(self, _event: object) -> None:
        pass

    async def flush(self, *_: object) -> None:
        pass

    def recording_for(self, *_: object) -> None:
        pass

    def take(self, _model: object) -> None:
        pass

    async def release(self, *_: object, **__: object) -> None:
        pass

    def stream_over(self, *_: object) -> None:
        pass


def services() -> Services:
    """A process with one business and nothing around it."""
    metrics, nobody = BridgeMetrics(), cast(Any, Nobody())
    settings = BridgeSettings(
        owner="bridge-1",
        model=ModelEndpoint(url=URL, api_key="k", default_model="m"),
        twilio=TwilioAccount(account_sid=None, auth_token=None, api_url=""),
        stream_origin="wss://bridge.example",
        stream_token_secret=SECRET,
        verify_twilio=False,
        max_calls=1,
        drain_s=0,
    )
    return Services(
        settings=settings,
        businesses=nobody,
        store=nobody,
        journal=nobody,
        call_control=nobody,
        endings=nobody,
        tools=nobody,
        metrics=metrics,
        breaker=ModelBreaker(metrics.breaker_open, metrics.breaker_barred, clock=time.monotonic),
        after_call=nobody,
        greetings=nobody,
        pool=nobody,
    )


class Replay:
    """One call, from its handshakes on. Bytes go in where the event loop would hand them over."""

    def __init__(self) -> None:
        self.to_phone, self.to_model = Wire(), Wire()
        self._engine = EngineSocket(self.to_phone, cast(Any, self.to_phone), 1 << 20)
        self._connection = EngineConnection(ClientProtocol(parse_uri(URL), max_size=MAX_EVENT_BYTES), ping_interval=None)
        self._numbered = 1
        self._sent = 0
        self.marks: list[str] = []

    async def begin(self, patch: pytest.MonkeyPatch) -> None:
        """The stream is accepted, the session configured, the greeting asked for, spoken and heard."""

        async def opened(*_: object) -> EngineConnection:
            self._connection.connection_made(self.to_model)
            shaking = asyncio.create_task(self._connection.handshake())
            await asyncio.sleep(0)
            answer = wire.acceptance(b"".join(self.to_model.taken()))
            assert answer is not None
            self._connection.data_received(answer)
            await shaking
            return self._connection

        patch.setattr("bridge.model_socket.open_connection", opened)
        self._session = CallSession(services(), self._engine, PROFILE.business_id)
        self._running = asyncio.create_task(self._session.run())
        token = StreamToken(call_sid=CALL, business_id=PROFILE.business_id, issued_at_s=int(time.time()), attempt=1)
        await asyncio.sleep(FRAME_S)
        self.phone_says(phone.CONNECTED)
        self.phone_says(phone.start(1, STREAM, "AC1", CALL, {"token": mint(token, SECRET)}))
        await asyncio.sleep(FRAME_S)
        self.model_says("session.updated", session=self._asked("session.update")["session"])
        await asyncio.sleep(FRAME_S)
        await self.answers("greeting")

    def is_watched(self) -> None:
        """An operator reads along from now on."""
        self._session.watch(Watch(self._session, CallSid(CALL), 0))

    async def end(self) -> None:
        """The caller hangs up."""
        self.phone_says(phone.stop(self._numbered, STREAM, "AC1", CALL))
        self._engine.connection_lost(None)
        self._connection.connection_lost(None)
        await self._running

    # --- the phone ---------------------------------------------------------------------------------------------------------

    def phone_says(self, text: str) -> None:
        self._engine.data_received(wire.from_client(text.encode()))

    def frame(self, *, loud: bool = False) -> Callable[[], None]:
        """The next frame of the caller, ready to arrive."""
        tails = wire.LOUD_TAILS if loud else wire.QUIET_TAILS
        payload = (wire.tag(0, self._sent) + tails[self._sent % len(tails)]).decode()
        self._numbered += 1
        self._sent += 1
        data = wire.from_client(phone.media(self._numbered, STREAM, self._sent, self._sent * 20, payload).encode())
        return lambda: self._engine.data_received(data)

    def mark(self, name: str) -> Callable[[], None]:
        """A mark that comes back."""
        self._numbered += 1
        data = wire.from_client(phone.mark(self._numbered, STREAM, name).encode())
        return lambda: self._engine.data_received(data)

    async def hears_all(self) -> None:
        """The marks that were sent come back, each when it is due."""
        for text in self.taken_by_phone():
            if text["event"] == "mark":
                self.marks.append(text["mark"]["name"])
        for name in self.marks:
            await asyncio.sleep(DELTA_MS / 2000)
            self.mark(name)()
        self.marks.clear()

    def taken_by_phone(self) -> list[dict[str, Any]]:
        """What the phone was sent since somebody looked."""
        return [json.loads(text) for text in texts_of(b"".join(self.to_phone.taken()))]

    # --- the model ---------------------------------------------------------------------------------------------------------

    def model_says(self, kind: str, **fields: object) -> None:
        self._connection.data_received(self.event(kind, **fields))

    def event(self, kind: str, **fields: object) -> bytes:
        """An event, as it arrives."""
        self._numbered += 1
        return wire.from_server(json.dumps({"type": kind, "event_id": f"event_{self._numbered}", **fields}).encode())

    def delta(self, name: str) -> Callable[[], None]:
        """Audio of a response, ready to arrive."""
        audio = b64encode(np.random.default_rng(1).integers(0, 256, DELTA_MS * 8, np.uint8).tobytes()).decode()
        data = self.event("response.output_audio.delta", response_id=f"resp_{name}", item_id=f"item_{name}", delta=audio)
        return lambda: self._connection.data_received(data)

    async def answers(self, name: str) -> None:
        """A response of two deltas, given and heard."""
        self.begins_to_answer(name)
        for _ in range(2):
            self.delta(name)()
        await self.finishes(name)

    def begins_to_answer(self, name: str) -> None:
        self.model_says("response.created", response={"id": f"resp_{name}"})
        self.model_says("conversation.item.added", item={"id": f"item_{name}", "type": "message", "role": "assistant"})

    def has_said_all(self, name: str) -> None:
        self.model_says("response.output_audio.done", response_id=f"resp_{name}", item_id=f"item_{name}")
        self.model_says("response.done", response={"id": f"resp_{name}", "status": "completed", "output": []})

    async def finishes(self, name: str) -> None:
        self.has_said_all(name)
        await self.hears_all()
        await asyncio.sleep(FRAME_S)

    async def turn(self) -> None:
        """The caller says something, and the model is asked to answer."""
        self.model_says("input_audio_buffer.speech_started", item_id="item_t", audio_start_ms=1000)
        self.model_says("input_audio_buffer.speech_stopped", item_id="item_t", audio_end_ms=3000)
        self.model_says("input_audio_buffer.committed", item_id="item_t")
        await asyncio.sleep(FRAME_S)

    def _asked(self, kind: str) -> dict[str, Any]:
        asked = [json.loads(text) for text in texts_of(b"".join(self.to_model.taken()))]
        return next(event for event in asked if event["type"] == kind)


def texts_of(data: bytes) -> list[bytes]:
    """The texts of frames that were written by either side, whole ones only."""
    texts, at = [], 0
    while at < len(data):
        length, begin = data[at + 1] & 0x7F, at + 2
        if length == 126:
            length, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif length == 127:
            length, begin = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        mask = b""
        if data[at + 1] & 0x80:
            mask, begin = data[begin : begin + 4], begin + 4
        text = data[begin : begin + length]
        texts.append(bytes(byte ^ mask[nth & 3] for nth, byte in enumerate(text)) if mask else text)
        at = begin + length
    return texts


async def _each(replay: Replay, pieces: list[Callable[[], None]], every_s: float = FRAME_S) -> Cost:
    counted = Counted()
    for piece in pieces:
        await asyncio.sleep(every_s)
        with counted:
            piece()
    return Cost(counted.instructions / len(pieces), counted.steps / len(pieces))


async def _costs(patch: pytest.MonkeyPatch) -> dict[str, Cost]:
    replay = Replay()
    await replay.begin(patch)
    for _ in range(SETTLING_FRAMES):
        await asyncio.sleep(FRAME_S)
        replay.frame()()
    costs = {}
    replay.to_model.taken()
    costs["frame, AI silent"] = await _each(replay, [replay.frame() for _ in range(COUNTED_FRAMES)])
    passed = Counter(json.loads(text)["type"] for text in texts_of(b"".join(replay.to_model.taken())))
    assert passed == {"input_audio_buffer.append": COUNTED_FRAMES}  # what was counted is what it says
    await replay.turn()
    replay.begins_to_answer("a")
    replay.delta("a")()
    replay.to_phone.taken()
    costs["delta"] = await _each(replay, [replay.delta("a") for _ in range(20)])
    sent = replay.taken_by_phone()
    assert sum(message["event"] == "media" for message in sent) >= 20
    replay.has_said_all("a")
    costs["frame, AI speaking"] = await _each(replay, [replay.frame() for _ in range(COUNTED_FRAMES)])
    names = [message["mark"]["name"] for message in sent if message["event"] == "mark"]
    costs["mark"] = await _each(replay, [replay.mark(name) for name in names[:20]], DELTA_MS / 2000)
    replay.is_watched()
    costs["frame, watched"] = await _each(replay, [replay.frame() for _ in range(COUNTED_FRAMES)])
    await replay.end()
    return costs


def costs() -> dict[str, Cost]:
    """Of each piece of work, on average over the replay. The first time that code is traced, some Pythons miss the beginning of it."""
    replayed()
    return replayed()


def replayed() -> dict[str, Cost]:
    """One replay."""
    loop = VirtualLoop()
    gc.disable()  # what it calls would be counted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.call.random.random", lambda: 0.5)
        try:
            return loop.run_until_complete(_costs(patch))
        finally:
            loop.close()
            gc.enable()


if __name__ == "__main__":
    print(f"    ({sys.version_info.major}, {sys.version_info.minor}): {{")  # noqa: T201
    for work, cost in costs().items():
        print(f'        "{work}": Cost({ceil(cost.instructions)}, {ceil(cost.steps * 10) / 10}),')  # noqa: T201
    print("    },")  # noqa: T201
