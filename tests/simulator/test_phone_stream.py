"""The media WebSocket as the simulated carrier speaks it."""

import base64
import json
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from simulator import g711
from simulator.phone.outputs import AbortStream, CloseStream, OpenStream
from simulator.phone.playout import is_speech
from simulator.phone.policies import Jitter, Policies
from simulator.phone.timeline import CallEnded, ClearReceived, FirstMedia, Heard, MarkEchoed, MessageRefused, StartSent
from tests.simulator.phone_doubles import ACCOUNT, NUMBER, STREAM, TOKEN, World, response, speech, step, world

LIVE_MS = 1000


def live(**rest: Any) -> World:
    made = world(**rest)
    made.run(LIVE_MS)
    return made


def opening(made: World) -> OpenStream:
    return next(output for _, output in made.outputs if isinstance(output, OpenStream))


def marks(made: World) -> list[tuple[float, str]]:
    return [(echo.at_ms, echo.name) for echo in made.seen(MarkEchoed)]


def test_a_stream_begins_with_connected_and_start_as_captures_show_them() -> None:
    made = live(
        pages={
            "/incoming-call": response(
                '<Connect><Stream url="wss://h/p"><Parameter name="token" value="שלום &amp; &quot;hi&quot;"/></Stream></Connect>'
            )
        }
    )
    connected, start = made.sent[:2]
    stream_sid = made.call.stream_sid
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream_sid,
        "start": {
            "accountSid": ACCOUNT,
            "streamSid": stream_sid,
            "callSid": made.call.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": 'שלום & "hi"'},
        },
    }
    assert stream_sid is not None
    assert stream_sid.startswith("MZ")
    assert len(stream_sid) == len(made.call.call_sid) == 34
    assert made.call.call_sid.startswith("CA")


def test_frames_of_twenty_milliseconds_are_numbered_in_strings() -> None:
    frames = live().events("media")
    first = int(frames[0]["media"]["timestamp"])
    assert 100 <= first <= 190
    for index, frame in enumerate(frames):
        assert frame["sequenceNumber"] == str(index + 2)
        assert frame["media"]["chunk"] == str(index + 1)
        assert frame["media"]["timestamp"] == str(first + 20 * index)
        assert frame["media"]["track"] == "inbound"
        assert len(base64.b64decode(frame["media"]["payload"])) == 160
    assert len(frames) == (LIVE_MS - first) // 20 + 1


def test_a_silent_caller_sends_the_noise_of_a_live_line_and_not_speech() -> None:
    payloads = [base64.b64decode(frame["media"]["payload"]) for frame in live().events("media")]
    assert {0x7F, 0xFF} <= set(payloads[0])
    assert len(set(payloads)) > 10
    assert not any(is_speech(payload) for payload in payloads)


def test_the_handshake_is_signed_as_wss_without_query_and_has_the_captured_headers() -> None:
    made = live(pages={"/incoming-call": response('<Connect><Stream url="wss://h:8443/a/b?x=1"/></Connect>')})
    opened = opening(made)
    assert opened.url == "wss://h:8443/a/b"
    assert opened.headers["User-Agent"] == "Twilio.TmeWs/1.0"
    assert opened.headers["X-Twilio-Signature"] == RequestValidator(TOKEN).compute_signature("wss://h:8443/a/b", {})


def test_the_handshake_can_be_signed_with_a_slash_forged_or_not_at_all() -> None:
    slash = opening(live(policies=Policies(sign_with_slash=True)))
    assert slash.headers["X-Twilio-Signature"] == RequestValidator(TOKEN).compute_signature(slash.url + "/", {})
    forged = opening(live(policies=Policies(forge=True)))
    assert forged.headers["X-Twilio-Signature"] != RequestValidator(TOKEN).compute_signature(forged.url, {})
    assert "X-Twilio-Signature" not in opening(live(auth_token=None)).headers


def test_a_relative_stream_url_becomes_a_websocket_url_of_the_document() -> None:
    assert (
        opening(live(pages={"/incoming-call": response('<Connect><Stream url="/ms"/></Connect>')})).url
        == "ws://bridge.example/ms"
    )


def test_a_mark_comes_back_when_the_audio_before_it_has_been_played_to_the_millisecond() -> None:
    made = live()
    made.server_plays(speech(100), "a")
    made.server_plays(speech(33), "b")
    made.run(1099.9)
    assert marks(made) == []
    made.run(3000)
    assert marks(made) == [(1100, "a"), (1133, "b")]
    assert [echo["mark"]["name"] for echo in made.events("mark")] == ["a", "b"]
    assert [echo["streamSid"] for echo in made.events("mark")] == [made.call.stream_sid] * 2


def test_a_mark_with_nothing_buffered_comes_back_at_once() -> None:
    made = live()
    made.server_sends(event="mark", mark={"name": "early"})
    assert marks(made) == [(LIVE_MS, "early")]
    assert made.seen(MarkEchoed)[0].why == "empty"


def test_the_numbering_counts_marks_and_keys_and_the_chunks_do_not() -> None:
    made = world(None, step(when="answered", after_ms=500, dtmf="12"))
    made.run(700)
    made.server_sends(event="mark", mark={"name": "m"})
    made.run(900)
    numbers = [int(message["sequenceNumber"]) for message in made.sent[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    chunks = [int(frame["media"]["chunk"]) for frame in made.events("media")]
    assert chunks == list(range(1, len(chunks) + 1))
    assert [key["dtmf"] for key in made.events("dtmf")] == [
        {"track": "inbound_track", "digit": "1"},
        {"track": "inbound_track", "digit": "2"},
    ]


def test_audio_plays_from_its_arrival_and_the_recording_holds_it_there() -> None:
    made = live()
    audio = speech(100)
    made.server_plays(audio)
    made.run(1150)
    made.server_plays(audio)
    made.run(1300)
    heard = made.call.recording.heard
    assert heard[8000:8800] == audio
    assert heard[8800:9200] == b"\xff" * 400
    assert heard[9200:10000] == audio
    assert len(made.call.recording.caller) == len(heard)


@pytest.mark.parametrize("size", [1, 159, 161, 8000, 480_000])
def test_messages_of_any_size_are_played_in_order(size: int) -> None:
    made = live()
    audio = bytes(n % 251 for n in range(size))
    made.server_plays(audio, "end")
    made.run(LIVE_MS + size / 8)
    assert made.call.recording.heard[8000 : 8000 + size] == audio[: len(made.call.recording.heard) - 8000]
    assert marks(made) == [(LIVE_MS + size / 8, "end")]


def test_clear_drops_what_was_not_heard_and_echoes_the_outstanding_marks_at_once() -> None:
    made = live()
    made.server_plays(speech(100), "heard")
    made.server_plays(speech(1000), "cleared")
    made.run(1300)
    made.server_sends(event="clear")
    made.run(3000)
    assert marks(made) == [(1100, "heard"), (1300, "cleared")]
    assert made.seen(ClearReceived)[0].dropped_ms == 800
    assert made.seen(ClearReceived)[0].marks == ("cleared",)
    assert set(made.call.recording.heard[10400:]) == {0xFF}


def test_cleared_marks_can_be_dropped_or_come_late() -> None:
    dropped = live(policies=Policies(cleared_marks="drop"))
    late = live(policies=Policies(cleared_marks="late", late_ms=250))
    for made in (dropped, late):
        made.server_plays(speech(500), "x")
        made.run(1100)
        made.server_sends(event="clear")
        made.server_plays(speech(100), "next")
        made.run(3000)
    assert marks(dropped) == [(1200, "next")]
    assert marks(late) == [(1200, "next"), (1350, "x")]


GOOD_SID = "the stream's own"


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[]",
        "{}",
        '{"event":"media"',
        '{"event":"shout","streamSid":"SID"}',
        '{"event":"clear"}',
        '{"event":"clear","streamSid":"MZother"}',
        '{"event":"clear","streamSid":"SID","extra":1}',
        '{"event":"media","streamSid":"SID","media":{}}',
        '{"event":"media","streamSid":"SID","media":{"payload":"%%%"}}',
        '{"event":"media","streamSid":"SID","media":{"payload":"fw==","track":"outbound"}}',
        '{"event":"mark","streamSid":"SID","mark":{"name":7}}',
        '{"event":"mark","streamSid":"SID"}',
        '{"event":"\ud83d',
        "[" * 100_000,
    ],
)
def test_what_the_protocol_does_not_have_is_refused_without_effect(message: str) -> None:
    made = live()
    text = message.replace("SID", made.call.stream_sid or "") if "MZother" not in message else message
    made.do(made.call.stream_message(made.now, text))
    assert [entry.code for entry in made.call.warnings] == [31951]
    assert made.seen(FirstMedia) == []
    assert marks(made) == []


def test_warnings_come_once_per_stream_and_every_refusal_is_on_the_timeline() -> None:
    made = live()
    for message in ("junk", "junk", b"\x00", b"\x01"):
        made.do(made.call.stream_message(made.now, message))
    assert [entry.code for entry in made.call.warnings] == [31951, 31950]
    assert len(made.seen(MessageRefused)) == 4


def test_the_greeting_latency_counts_from_start_to_the_first_media() -> None:
    made = live()
    made.server_plays(speech(20))
    made.server_plays(speech(20))
    started = made.seen(StartSent)[0].at_ms
    assert [first.after_start_ms for first in made.seen(FirstMedia)] == [LIVE_MS - started]


def test_a_server_that_closes_is_asked_what_now() -> None:
    made = live()
    made.do(made.call.stream_closed(made.now, 1000))
    made.run()
    assert made.events("stop") == []
    assert [request.params["CallStatus"] for request in made.requests("/stream-ended")] == ["in-progress"]
    assert [entry.code for entry in made.call.debugger] == [31921]
    assert made.call.status == "completed"


def test_without_an_action_the_next_verb_runs_after_the_stream() -> None:
    made = live(pages={"/incoming-call": response('<Connect><Stream url="wss://h/p"/></Connect>', "<Say>bye now</Say>")})
    made.do(made.call.stream_closed(made.now, 1000))
    made.run()
    assert is_speech(made.call.recording.heard[8000:8560])
    assert made.call.ended_ms == LIVE_MS + 70


def test_verbs_after_a_connect_with_an_action_never_run() -> None:
    made = live(pages={"/incoming-call": response(STREAM, "<Say>never</Say>"), "/stream-ended": response()})
    made.do(made.call.stream_closed(made.now, 1000))
    made.run()
    assert made.call.ended_ms == LIVE_MS


@pytest.mark.parametrize("status", [403, 404, 200, 0])
def test_anything_but_101_is_an_error_and_the_action_is_asked(status: int) -> None:
    stream = '<Stream url="wss://h/p" name="n" statusCallback="http://bridge.example/stream-status"/>'
    made = live(
        pages={
            "/incoming-call": response(f'<Connect action="/stream-ended">{stream}</Connect>'),
            "/stream-status": (204, "", ""),
        },
        accepts_stream=status,
    )
    made.run()
    assert made.call.debugger[0].code == (31920 if status else 31902)
    (told,) = made.requests("/stream-status")
    assert told.params["StreamEvent"] == "stream-error"
    assert told.params["StreamName"] == "n"
    assert told.params["StreamError"].startswith("319")
    assert len(made.requests("/stream-ended")) == 1


@pytest.mark.parametrize(("attributes", "code"), [('url="https://h/p"', 31922), ('url="wss://h" track="both_tracks"', 31941)])
def test_a_stream_that_cannot_be_is_refused_before_any_handshake(attributes: str, code: int) -> None:
    made = live(pages={"/incoming-call": response(f"<Connect><Stream {attributes}/></Connect>")})
    made.run()
    assert [entry.code for entry in made.call.debugger] == [code]
    assert not any(isinstance(output, OpenStream) for _, output in made.outputs)


def test_stream_callbacks_carry_nanoseconds() -> None:
    stream = '<Stream url="wss://h/p" statusCallback="http://bridge.example/stream-status"/>'
    made = live(pages={"/incoming-call": response(f"<Connect>{stream}</Connect>"), "/stream-status": (204, "", "")})
    made.do(made.call.stream_closed(made.now, 1001))
    made.run()
    assert [request.params["StreamEvent"] for request in made.requests("/stream-status")] == ["stream-started", "stream-stopped"]
    assert made.requests("/stream-status")[1].params["Timestamp"] == "1970-01-01T00:00:01.000000000Z"


def test_a_rest_completion_stops_the_stream_and_tells_the_status_callback() -> None:
    made = live()
    made.do(made.call.rest_update(made.now, status="completed"))
    made.run()
    stop = made.sent[-1]
    assert list(stop) == ["event", "sequenceNumber", "streamSid", "stop"]
    assert stop["stop"] == {"accountSid": ACCOUNT, "callSid": made.call.call_sid}
    assert any(isinstance(output, CloseStream) for _, output in made.outputs)
    assert made.requests("/stream-ended") == []
    (status,) = made.requests("/call-status")
    assert (status.params["CallStatus"], status.params["CallDuration"]) == ("completed", "1")


def test_a_rest_redirect_stops_the_stream_and_runs_the_new_document_without_the_action() -> None:
    made = live()
    made.do(made.call.rest_update(made.now, twiml=response("<Say>another</Say>")))
    made.run()
    assert made.sent[-1]["event"] == "stop"
    assert made.requests("/stream-ended") == []
    assert made.call.ended_ms == LIVE_MS + 70


def test_a_second_stream_of_the_call_has_a_sid_and_numbers_of_its_own() -> None:
    made = live(pages={"/stream-ended": response(STREAM)})
    first = made.call.stream_sid
    made.do(made.call.stream_closed(made.now, 1000))
    made.run(2000)
    starts = made.events("start")
    assert [start["streamSid"] for start in starts] == [first, made.call.stream_sid]
    assert starts[1]["streamSid"] != first
    assert starts[1]["sequenceNumber"] == "1"


def test_the_caller_hanging_up_stops_the_stream_and_by_default_asks_no_action() -> None:
    made = live()
    made.do(made.call.hang_up(made.now))
    made.run()
    assert made.sent[-1]["event"] == "stop"
    assert made.requests("/stream-ended") == []
    assert made.seen(CallEnded)[0].reason == "the caller hung up"
    asked = live(policies=Policies(action_after_hangup=True))
    asked.do(asked.call.hang_up(asked.now))
    asked.run()
    assert [request.params["CallStatus"] for request in asked.requests("/stream-ended")] == ["completed"]


def test_a_stream_that_dies_sends_no_stop_and_the_action_is_asked() -> None:
    made = world(policies=Policies(dies_after_ms=400))
    made.run()
    assert made.events("stop") == []
    assert [at for at, output in made.outputs if isinstance(output, AbortStream)] == [400]
    assert len(made.requests("/stream-ended")) == 1
    assert [entry.code for entry in made.call.debugger] == [31903]


def test_a_call_that_goes_dead_tells_nobody() -> None:
    made = world(policies=Policies(dies_after_ms=400, after_death="silence"))
    made.run()
    assert made.call.is_over
    assert made.requests("/stream-ended") == made.requests("/call-status") == []


def test_jitter_delays_frames_in_order_and_loss_leaves_gaps() -> None:
    jitter = Jitter(delay_ms=60, burst_chance=0.05, burst_ms=300, loss_chance=0.1)
    made = live(policies=Policies(jitter=jitter))
    made.run(10_000)
    again = live(policies=Policies(jitter=jitter))
    again.run(10_000)
    assert made.sent == again.sent
    chunks = [int(frame["media"]["chunk"]) for frame in made.events("media")]
    assert chunks == sorted(chunks)
    assert 0.02 < 1 - len(chunks) / chunks[-1] < 0.2
    numbers = [int(message["sequenceNumber"]) for message in made.sent[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    first = made.events("media")[0]["media"]
    origin = int(first["timestamp"]) - 20 * (int(first["chunk"]) - 1)
    for frame in made.events("media"):
        assert int(frame["media"]["timestamp"]) == origin + 20 * (int(frame["media"]["chunk"]) - 1)


def test_frames_that_are_late_still_come_before_stop() -> None:
    made = live(policies=Policies(jitter=Jitter(delay_ms=0, burst_chance=1, burst_ms=10_000)))
    assert made.events("media") == []
    made.do(made.call.hang_up(made.now))
    assert len(made.events("media")) > 30
    assert made.sent[-1]["event"] == "stop"


def test_what_the_caller_heard_is_told_as_utterances() -> None:
    made = live()
    made.server_plays(speech(400))
    made.run(1700)
    made.server_plays(speech(400))
    made.run(5000)
    made.server_plays(speech(200))
    made.run(5100)
    made.do(made.call.hang_up(made.now))
    assert [(heard.from_ms, heard.at_ms) for heard in made.seen(Heard)] == [(1000, 2100), (5000, 5100)]


def test_the_same_seed_is_the_same_call_and_another_seed_is_not() -> None:
    one, same, other = live(seed=5), live(seed=5), live(seed=6)
    assert json.dumps(one.sent) == json.dumps(same.sent)
    assert one.call.call_sid != other.call.call_sid
    assert one.call.stream_sid != other.call.stream_sid


def test_messages_after_the_stream_are_nobodys() -> None:
    made = live()
    sid = made.call.stream_sid
    made.do(made.call.hang_up(made.now))
    before = list(made.call.timeline)
    text = json.dumps({"event": "mark", "streamSid": sid, "mark": {"name": "x"}})
    assert made.call.stream_message(made.now, text) == []
    assert made.call.stream_closed(made.now, 1000) == []
    assert list(made.call.timeline) == before
    assert NUMBER.status_callback is not None
    assert len(g711.decode(made.call.recording.caller)) == LIVE_MS * 8
