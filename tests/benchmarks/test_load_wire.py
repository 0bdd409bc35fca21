"""Frames that the far ends write are frames, and audio says which it is."""

from base64 import b64decode

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Protocol, Side, State
from websockets.uri import parse_uri

from benchmarks.load import wire
from bridge.conversation.g711 import rms

LENGTHS = (0, 125, 126, 400, 65_535, 65_536)


@pytest.mark.parametrize("length", LENGTHS[:-1])
def test_a_frame_of_a_client_is_read_as_it_was_meant(length: int) -> None:
    server = Protocol(Side.SERVER, state=State.OPEN, max_size=None)
    server.receive_data(wire.from_client(b"a" * length))
    assert server.events_received() == [Frame(Opcode.TEXT, b"a" * length)]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_of_a_server_is_read_as_it_was_meant(length: int) -> None:
    client = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
    client.receive_data(wire.from_server(b"a" * length))
    assert client.events_received() == [Frame(Opcode.TEXT, b"a" * length)]


def test_a_close_and_a_pong_of_a_client_are_what_they_say() -> None:
    server = Protocol(Side.SERVER, state=State.OPEN)
    server.receive_data(wire.pong_of_client(b"ab") + wire.close_of_client(1000))
    pong, close = server.events_received()
    assert isinstance(pong, Frame)
    assert isinstance(close, Frame)
    assert (pong.opcode, bytes(pong.data)) == (Opcode.PONG, b"ab")
    assert close.opcode is Opcode.CLOSE
    assert server.close_rcvd is not None
    assert server.close_rcvd.code == 1000


def test_a_client_takes_the_answer_to_its_handshake() -> None:
    client = ClientProtocol(parse_uri("ws://127.0.0.1:1/a?model=b"))
    client.send_request(client.connect())
    answer = wire.acceptance(b"".join(client.data_to_send()))
    assert answer is not None
    client.receive_data(answer)
    assert client.state is State.OPEN
    assert isinstance(client.events_received()[0], Response)


def test_a_request_that_asks_for_no_websocket_is_not_accepted() -> None:
    assert wire.acceptance(b"GET / HTTP/1.1\r\nHost: a") is None


def test_a_handshake_asks_for_path_and_query_and_carries_its_headers() -> None:
    request = wire.handshake("ws://127.0.0.1:8/media-stream/a?b=c", {"X-Twilio-Signature": "s="}).decode()
    assert request.startswith("GET /media-stream/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8\r\n")
    assert "\r\nX-Twilio-Signature: s=\r\n" in request
    assert request.endswith("\r\n\r\n")


@pytest.mark.parametrize(("line", "number"), [(0, 0), (1, 2), (4095, 0), (17, 4095), (17, 4096), (4095, 2**24 - 1)])
def test_a_tag_is_read_back(line: int, number: int) -> None:
    assert wire.keys_of(wire.tag(line, number)).tolist() == [line << 24 | number]


def test_tags_are_read_back_in_the_order_in_which_they_were_noted() -> None:
    noted = b"".join(wire.tag(line, 7 - line) for line in range(4))
    assert wire.keys_of(noted).tolist() == [line << 24 | 7 - line for line in range(4)]
    assert wire.keys_of(b"").tolist() == []


@pytest.mark.parametrize("tail", [*wire.QUIET_TAILS, *wire.LOUD_TAILS])
def test_a_frame_is_twenty_milliseconds_and_its_tag_can_be_read_with_and_without_decoding(tail: bytes) -> None:
    payload = wire.tag(3, 70_000) + tail
    assert len(payload) == wire.FRAME_CHARS
    audio = b64decode(payload, validate=True)
    assert len(audio) == wire.FRAME_BYTES
    assert wire.tag_of_audio(audio) == payload[: wire.TAG_CHARS]


def test_a_silent_line_stays_far_below_what_counts_as_loud_and_speech_far_above() -> None:
    tags = (wire.tag(0, 0), wire.tag(4095, 2**24 - 1))
    assert max(rms(b64decode(tag + tail)) for tag in tags for tail in wire.QUIET_TAILS) < 50
    assert min(rms(b64decode(tag + tail)) for tag in tags for tail in wire.LOUD_TAILS) > 1000


def test_speech_is_known_by_its_first_character_behind_the_tag() -> None:
    assert {tail[0] for tail in wire.LOUD_TAILS} == {wire.LOUD_CHAR}
    assert wire.LOUD_CHAR not in {tail[0] for tail in wire.QUIET_TAILS}
    assert {b64decode(tail)[0] for tail in wire.LOUD_TAILS} == {wire.LOUD_BYTE}


@pytest.mark.parametrize("duration_ms", [260, 300, 400])
def test_no_piece_of_the_ais_audio_but_the_first_begins_like_a_tag(duration_ms: int) -> None:
    audio = b64decode(wire.tag(1, 1) + wire.speech_behind_tag(duration_ms, 5), validate=True)
    assert len(audio) == duration_ms * 8
    assert wire.tag(0, 0)[0] in wire.TAGGED
    beginnings = {wire.tag_of_audio(audio[at:])[0] for at in range(wire.TAG_BYTES, len(audio) - wire.TAG_BYTES)}
    assert not beginnings & wire.TAGGED
