"""The engine's reading and writing, against frames as a client of another making sends them."""

import random

import pytest
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from bridge.frame_engine.frames import Frames, text_of_client, text_of_server

MAX_BYTES = 16 * 1024 * 1024
MEDIA = '{"event":"media","media":{"payload":"' + "f" * 216 + '"}}'
TEXTS = ["", "a", "x" * 125, "x" * 126, "שלום 👋\x00\x7f", "x" * 65_535, "x" * 65_536, "é" * 40_000]


def masked(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


def text(message: str) -> bytes:
    return masked(Opcode.TEXT, message.encode())


def sent_by(frames: Frames) -> list[Frame]:
    """The frames of an engine's answers, as a client reads them."""
    client = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
    for piece in frames.answers():
        if piece:
            client.receive_data(piece)
    return [event for event in client.events_received() if isinstance(event, Frame)]


def close_of(frames: Frames) -> int | None:
    closes = [Close.parse(frame.data).code for frame in sent_by(frames) if frame.opcode is Opcode.CLOSE]
    assert len(closes) <= 1
    return closes[0] if closes else None


@pytest.mark.parametrize("message", TEXTS, ids=len)
def test_a_text_of_any_length_is_read_as_it_was_sent(message: str) -> None:
    assert Frames(MAX_BYTES).feed(text(message)) == [message]


@pytest.mark.parametrize("message", TEXTS, ids=len)
def test_a_client_reads_what_a_server_writes(message: str) -> None:
    client = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
    client.receive_data(text_of_server(message))
    (frame,) = client.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, message)


@pytest.mark.parametrize("message", TEXTS, ids=len)
def test_a_server_reads_what_a_client_writes(message: str) -> None:
    server = Protocol(Side.SERVER, state=State.OPEN, max_size=None)
    server.receive_data(text_of_client(message))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, message)


def test_no_two_messages_of_a_client_are_masked_alike() -> None:
    assert len({text_of_client("the same") for _ in range(100)}) == 100


def test_a_binary_message_stays_bytes() -> None:
    assert Frames(MAX_BYTES).feed(masked(Opcode.BINARY, b"\x00\xff")) == [b"\x00\xff"]


@pytest.mark.parametrize("seed", range(20))
def test_how_the_bytes_are_cut_makes_no_difference(seed: int) -> None:
    chance = random.Random(seed)
    kinds: list[str | bytes] = [MEDIA, "é" * 300, b"\x01" * 200, "", "x" * 70_000]
    messages = [chance.choice(kinds) for _ in range(8)]
    wire = b""
    for message in messages:
        opcode, payload = (Opcode.TEXT, message.encode()) if isinstance(message, str) else (Opcode.BINARY, message)
        cut = chance.randrange(len(payload) + 1)
        if chance.random() < 0.5:
            wire += masked(opcode, payload[:cut], fin=False) + masked(Opcode.PING, b"?") + masked(Opcode.CONT, payload[cut:])
        else:
            wire += masked(opcode, payload)
    frames, read = Frames(MAX_BYTES), list[str | bytes]()
    while wire:
        size = chance.choice([1, 2, 5, 7, 100, 3_000, 100_000])
        read += frames.feed(wire[:size])
        wire = wire[size:]
    assert read == messages


def test_a_ping_between_fragments_is_answered_at_once_and_ends_no_message() -> None:
    frames = Frames(MAX_BYTES)
    assert frames.feed(masked(Opcode.TEXT, b"one ", fin=False) + masked(Opcode.PING, b"there?")) == []
    assert [(frame.opcode, bytes(frame.data)) for frame in sent_by(frames)] == [(Opcode.PONG, b"there?")]
    assert frames.feed(masked(Opcode.CONT, b"two")) == ["one two"]


def test_a_character_may_be_cut_by_a_fragment() -> None:
    wave = "👋".encode()
    assert Frames(MAX_BYTES).feed(masked(Opcode.TEXT, wave[:2], fin=False) + masked(Opcode.CONT, wave[2:])) == ["👋"]


def test_an_empty_first_fragment_begins_a_message() -> None:
    assert Frames(MAX_BYTES).feed(masked(Opcode.TEXT, b"", fin=False) + masked(Opcode.CONT, b"x")) == ["x"]


@pytest.mark.parametrize("size", [64 * 1024, 1024 * 1024, MAX_BYTES])
def test_a_message_of_the_largest_size_is_read_and_a_byte_more_is_refused_before_it_is_waited_for(size: int) -> None:
    assert Frames(size).feed(masked(Opcode.TEXT, b"x" * size)) == ["x" * size]
    frames = Frames(size)
    assert frames.feed(masked(Opcode.TEXT, b"x" * (size + 1))[:14]) == []
    assert (frames.is_over, close_of(frames)) == (True, CloseCode.MESSAGE_TOO_BIG)


@pytest.mark.parametrize("size", [100, 300])
def test_a_frame_that_comes_whole_is_held_to_the_same_bounds(size: int) -> None:
    assert Frames(size).feed(masked(Opcode.TEXT, b"x" * size)) == ["x" * size]
    for payload, code in ((b"x" * (size + 1), CloseCode.MESSAGE_TOO_BIG), (b"\xff" * size, CloseCode.INVALID_DATA)):
        frames = Frames(size)
        assert frames.feed(masked(Opcode.TEXT, payload)) == []
        assert (frames.is_over, close_of(frames)) == (True, code)


def test_fragments_count_together_against_the_largest_size() -> None:
    frames = Frames(100)
    assert frames.feed(masked(Opcode.TEXT, b"x" * 60, fin=False) + masked(Opcode.CONT, b"x" * 41)) == []
    assert (frames.is_over, close_of(frames)) == (True, CloseCode.MESSAGE_TOO_BIG)


WRONG = {
    "not masked": (Frame(Opcode.TEXT, b"hello").serialize(mask=False), CloseCode.PROTOCOL_ERROR),
    "not masked, its payload to come": (b"\x81\x7e\x01\x00", CloseCode.PROTOCOL_ERROR),
    "unknown opcode": (b"\x83\x80\x00\x00\x00\x00", CloseCode.PROTOCOL_ERROR),
    "reserved bit": (b"\xc1\x80\x00\x00\x00\x00", CloseCode.PROTOCOL_ERROR),
    "continuation of nothing": (masked(Opcode.CONT, b"x"), CloseCode.PROTOCOL_ERROR),
    "text within a message": (masked(Opcode.TEXT, b"x", fin=False) + text("y"), CloseCode.PROTOCOL_ERROR),
    "fragmented ping": (b"\x09\x80\x00\x00\x00\x00", CloseCode.PROTOCOL_ERROR),
    "long ping": (b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126, CloseCode.PROTOCOL_ERROR),
    "close without a code": (b"\x88\x81\x00\x00\x00\x00x", CloseCode.PROTOCOL_ERROR),
    "text that is none": (masked(Opcode.TEXT, b"\xff"), CloseCode.INVALID_DATA),
    "fragments that are no text": (masked(Opcode.TEXT, b"\xff", fin=False) + masked(Opcode.CONT, b""), CloseCode.INVALID_DATA),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_peer_that_does_it_wrong_is_told_so_and_not_listened_to_any_more(name: str) -> None:
    wire, code = WRONG[name]
    frames = Frames(MAX_BYTES)
    assert frames.feed(text("before") + wire) == ["before"]
    assert frames.is_over
    answers = frames.answers()
    assert answers[-1] == b""
    assert Close.parse(answers[0][2:]).code == code
    assert frames.feed(text("after")) == []
    assert frames.answers() == []


def test_a_close_is_echoed_and_nothing_is_read_behind_it() -> None:
    frames = Frames(MAX_BYTES)
    goodbye = Close(1001, "bye").serialize()
    assert frames.feed(text("last") + masked(Opcode.CLOSE, goodbye) + text("after")) == ["last"]
    answers = frames.answers()
    assert answers == [Frame(Opcode.CLOSE, goodbye).serialize(mask=False), b""]
    assert (frames.is_over, frames.is_closing) == (True, True)


def test_after_a_close_of_ours_the_socket_is_over_once_the_peer_has_closed_too() -> None:
    frames = Frames(MAX_BYTES)
    frames.close(1008)
    assert close_of(frames) == 1008
    assert (frames.is_over, frames.is_closing) == (False, True)
    frames.feed(masked(Opcode.CLOSE, Close(1008, "").serialize()))
    assert (frames.is_over, frames.answers()) == (True, [b""])


def test_closing_twice_sends_one_close() -> None:
    frames = Frames(MAX_BYTES)
    frames.close(1000)
    frames.close(1011)
    assert close_of(frames) == 1000


@pytest.mark.parametrize("seed", range(30))
def test_noise_never_raises(seed: int) -> None:
    chance = random.Random(seed)
    frames = Frames(1000)
    for _ in range(50):
        frames.feed(chance.randbytes(chance.randrange(1, 40)))
    frames.peer_is_gone()
    assert frames.is_over
