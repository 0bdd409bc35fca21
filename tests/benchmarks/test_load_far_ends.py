"""Phone and model of the sweep, wired to each other by a bridge of a few lines, under a clock that does not wait."""

import asyncio
import json
import random
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.load import round as reading
from benchmarks.load import wire
from benchmarks.load.model import ModelSession
from benchmarks.load.phone import PhoneLine
from benchmarks.load.round import Window
from tests.bridge.frame_cost import texts_of
from tests.calls.virtual_loop import run_virtually

DELAY_S = 0.003
START = ("MZ1", "AC1", "CA1", {"token": "t"})
PCMU = {"format": {"type": "audio/pcmu"}}
QUIET_BRIDGE = {"turn_detection": {"type": "server_vad", "create_response": False, "silence_duration_ms": 500}, **PCMU}


class Pipe(asyncio.Transport):
    """Hands what is written to somebody, a little later."""

    def __init__(self, to: Callable[[bytes], None]) -> None:
        super().__init__()
        self._to, self._is_closing = to, False

    def write(self, data: Any) -> None:
        if not self._is_closing:
            asyncio.get_running_loop().call_later(DELAY_S, self._to, bytes(data))

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True


class TinyBridge:
    """Passes audio on both ways, marks every piece of it, asks for answers, and cuts when it is told to."""

    def __init__(self, *, line: int = 3, cuts: bool = False, loses: frozenset[int] = frozenset()) -> None:
        self.phone = PhoneLine(line, b"request", START, random.Random(1), 0.007)
        self.model = ModelSession(line + 40, seed=1)
        self._cuts, self._loses = cuts, loses
        self._passed = self._loud = self._pieces = 0
        self.echoed: list[str] = []
        self.asked: list[str] = []
        self.told: list[str] = []

    def begin(self) -> None:
        self.phone.connection_made(Pipe(self._from_phone))
        self.phone.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        self.model.connection_made(Pipe(self._from_model))
        self.model.data_received(wire.handshake("ws://127.0.0.1:1/v1", {}))
        self._ask({"type": "session.update", "session": {"type": "realtime", "audio": {"input": QUIET_BRIDGE, "output": PCMU}}})
        self._ask({"type": "response.create"})

    def _ask(self, event: dict[str, Any]) -> None:
        self.asked.append(event["type"])
        self.model.data_received(wire.from_client(json.dumps(event).encode()))

    def _tell(self, message: dict[str, Any]) -> None:
        self.told.append(message["event"])
        self.phone.data_received(wire.from_server(json.dumps(message, separators=(",", ":")).encode()))

    def _from_phone(self, data: bytes) -> None:
        for text in texts_of(data) if data[0] == 0x81 else ():
            message = json.loads(text)
            if message["event"] == "mark":
                self.echoed.append(message["mark"]["name"])
            if message["event"] == "media":
                self._caller_said(message["media"]["payload"])

    def _caller_said(self, payload: str) -> None:
        self._passed += 1
        if self._passed not in self._loses:
            event = f'{{"type":"input_audio_buffer.append","audio":"{payload}"}}'
            self.model.data_received(wire.from_client(event.encode()))
        self._loud = self._loud + 1 if ord(payload[wire.TAG_CHARS]) == wire.LOUD_CHAR else 0
        if self._cuts and self._loud == reading.GATE_FRAMES + 1:
            self._tell({"event": "clear", "streamSid": "MZ1"})
            self._ask({"type": "conversation.item.truncate", "item_id": self._item, "content_index": 0, "audio_end_ms": 1})

    def _from_model(self, data: bytes) -> None:
        for text in texts_of(data) if data[0] == 0x81 else ():
            event = json.loads(text)
            match event["type"]:
                case "response.output_audio.delta":
                    self._item = event["item_id"]
                    self._tell({"event": "media", "streamSid": "MZ1", "media": {"payload": event["delta"]}})
                    self._pieces += 1
                    self._tell({"event": "mark", "streamSid": "MZ1", "mark": {"name": f"m{self._pieces}"}})
                case "input_audio_buffer.committed":
                    self._ask({"type": "response.create"})


def after(seconds: float, monkeypatch: pytest.MonkeyPatch, **how: Any) -> TinyBridge:
    """A call that has lasted so long."""

    async def call() -> TinyBridge:
        loop = asyncio.get_running_loop()
        for module in ("phone", "model"):
            monkeypatch.setattr(f"benchmarks.load.{module}.monotonic", loop.time)
        bridge = TinyBridge(**how)
        bridge.begin()
        await asyncio.sleep(seconds)
        bridge.phone.hang_up()
        await asyncio.sleep(0.1)
        return bridge

    return run_virtually(call())


def read(bridge: TinyBridge, window: Window) -> tuple[Any, Any, int]:
    caller = reading.caller_frames([bridge.phone], [bridge.model], window)
    agent, lost = reading.agent_audio([bridge.phone], [bridge.model], window)
    return caller, agent, lost


def test_fifty_frames_a_second_are_sent_and_each_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(10, monkeypatch)
    caller, _, _ = read(bridge, Window(1.0, 9.0))
    assert len(caller.delays_ms) == 400
    assert caller.delays_ms == pytest.approx([DELAY_S * 1000] * 400)
    assert caller.lost == 0
    assert np.max(np.abs(np.array(bridge.phone.notes.late_s))) < 1e-9


def test_frames_that_the_bridge_dropped_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(10, monkeypatch, loses=frozenset({100, 101, 450, 499}))
    assert read(bridge, Window(1.0, 8.9))[0].lost == 2


def test_the_ais_audio_is_paired_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(20, monkeypatch)
    _, agent, lost = read(bridge, Window(0.0, 18.0))
    assert len(agent.delays_ms) > 15
    assert agent.delays_ms == pytest.approx([DELAY_S * 1000] * len(agent.delays_ms))
    assert (agent.lost, lost) == (0, 0)


def test_the_greetings_overhead_is_what_the_bridge_adds_to_the_models_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(5, monkeypatch)
    assert reading.greetings_ms([bridge.phone], [bridge.model]) == pytest.approx([DELAY_S * 1000], abs=0.1)


def test_each_turn_is_answered_and_its_delay_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(30, monkeypatch)
    delays = reading.turns_ms(bridge.model, Window(0.0, 30.0))
    assert len(delays) >= 3
    assert delays == pytest.approx([DELAY_S * 1000] * len(delays))


def test_marks_come_back_once_their_audio_has_been_played_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(0.5 + 2.5, monkeypatch)  # the greeting has 2 s and is half a second away
    assert bridge.echoed == [f"m{number}" for number in range(1, len(bridge.echoed) + 1)]
    assert len(bridge.echoed) == bridge.told.count("mark")
    assert len(after(0.5 + 1.0, monkeypatch).echoed) < len(bridge.echoed)


def test_every_other_answer_is_cut_and_the_reaction_is_read_from_the_frame_that_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(30, monkeypatch, cuts=True)
    cuts = reading.cuts_ms(bridge.phone, Window(0.0, 30.0))
    assert len(cuts) >= 2
    assert cuts == pytest.approx([DELAY_S * 1000] * len(cuts))
    _, agent, lost = read(bridge, Window(0.0, 28.0))
    assert (agent.lost, lost) == (0, 0)  # what was cut was not lost


def test_all_marks_of_what_was_cut_come_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = after(30, monkeypatch, cuts=True)
    assert "clear" in bridge.told
    assert len(set(bridge.echoed)) == len(bridge.echoed)


def test_without_a_turn_detector_of_the_bridges_the_model_answers_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(QUIET_BRIDGE, "turn_detection", None)
    bridge = after(30, monkeypatch)
    assert len(bridge.model.notes.first_delays_s) >= 3


def test_several_frames_in_one_event_are_heard_as_several() -> None:
    async def heard() -> ModelSession:
        model = ModelSession(0, seed=1)
        model.connection_made(Pipe(lambda _: None))
        model.data_received(wire.handshake("ws://127.0.0.1:1/v1", {}))
        audio = b"".join(b64decode(wire.tag(5, number) + wire.QUIET_TAILS[0]) for number in range(3))
        event = b'{"type":"input_audio_buffer.append","audio":"' + b64encode(audio) + b'"}'
        model.data_received(wire.from_client(event))
        return model

    model = run_virtually(heard())
    assert wire.keys_of(model.notes.frame_tags).tolist() == [5 << 24, 5 << 24 | 1, 5 << 24 | 2]


def test_frames_that_arrive_in_pieces_are_read_once_they_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def heard() -> PhoneLine:
        phone = PhoneLine(0, b"", START, random.Random(1), 0.0)
        phone.connection_made(Pipe(lambda _: None))
        audio = wire.tag(9, 2) + wire.speech_behind_tag(300, 1)
        text = b'{"event":"media","streamSid":"MZ1","media":{"payload":"' + audio + b'"}}'
        data = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + wire.from_server(text) * 2
        for at in range(0, len(data), 7):
            phone.data_received(data[at : at + 7])
        phone.abort()
        return phone

    phone = run_virtually(heard())
    assert wire.keys_of(phone.notes.heard_tags).tolist() == [9 << 24 | 2] * 2
    assert list(phone.notes.heard_bytes) == [2400, 2400]


def test_a_handshake_that_is_refused_says_with_what() -> None:
    async def refused() -> None:
        phone = PhoneLine(0, b"", START, random.Random(1), 0.0)
        phone.connection_made(Pipe(lambda _: None))
        phone.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        with pytest.raises(ConnectionRefusedError, match="503"):
            await phone.is_open

    run_virtually(refused())


def test_a_call_that_the_program_closed_says_when_and_sends_nothing_more() -> None:
    async def closed() -> PhoneLine:
        phone = PhoneLine(0, b"", START, random.Random(1), 0.0)
        phone.connection_made(Pipe(lambda _: None))
        phone.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x88\x02\x03\xf3")
        sent = len(phone.notes.frames_sent_s)
        await asyncio.sleep(1)
        assert len(phone.notes.frames_sent_s) == sent
        return phone

    assert run_virtually(closed()).notes.close_code == 1011
