"""Peers that misbehave: one error event each kind, and the call goes on or ends with a spoken sentence."""

import json
from typing import Any

import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.outbox import MAX_ERRORS
from bridge.conversation.phases import Phase
from calls import events
from tests.bridge.conversation.line import STREAM, VOICEMAIL, Line

FROM_TWILIO: list[tuple[str, Any]] = [
    ("malformed JSON", '{"event":'),
    ("an empty frame", ""),
    ("a number", "42"),
    ("an array", "[]"),
    ("null", "null"),
    ("no event", '{"streamSid":"x"}'),
    ("an event that is no string", '{"event":7}'),
    ("an unknown event", {"event": "karaoke", "streamSid": STREAM}),
    ("a binary frame", b"\x00\x01\x02"),
    ("media without media", {"event": "media", "streamSid": STREAM}),
    ("media with a number for payload", {"event": "media", "streamSid": STREAM, "media": {"payload": 7}}),
    ("audio that is not base64", {"event": "media", "streamSid": STREAM, "media": {"payload": "!!!!", "track": "inbound"}}),
    ("audio of half a base64 group", {"event": "media", "streamSid": STREAM, "media": {"payload": "AAA", "track": "inbound"}}),
    ("media of another stream", {"event": "media", "streamSid": "MZother", "media": {"payload": "AAAA", "track": "inbound"}}),
    ("a mark of another stream", {"event": "mark", "streamSid": "MZother", "mark": {"name": "0.1"}}),
    ("a stop of another stream", {"event": "stop", "streamSid": "MZother"}),
    ("a mark without a name", {"event": "mark", "streamSid": STREAM, "mark": {}}),
    ("a second start", {"event": "start", "streamSid": "MZ2", "start": {"callSid": "CA2", "streamSid": "MZ2"}}),
    ("a start without a call", {"event": "start", "start": {}}),
    ("a key no telephone has", {"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": "\x1b[2J"}}),
    ("a lone surrogate", '{"event":"\\ud800"}'),
    ("100 kB", {"event": "media", "streamSid": STREAM, "media": {"payload": "A" * 100_000, "track": "inbound"}}),
    ("deep nesting", "[" * 10_000),
]


@pytest.mark.parametrize(("what", "frame"), FROM_TWILIO)
def test_a_bad_message_from_twilio_is_one_error_event_and_the_call_goes_on(what: str, frame: Any) -> None:
    line = Line().greeted()
    for _ in range(3):
        line.twilio(frame)
    assert len(line.events_of(events.ErrorHappened)) == 1
    assert line.phase is Phase.CONVERSING
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    assert line.creates == 2


def test_errors_hold_nothing_of_what_the_peer_sent() -> None:
    line = Line().greeted()
    line.twilio('{"event":"media","streamSid":"' + STREAM + '","media":{"payload":["hunter2"]}}')
    line.twilio("hunter2")
    line.twilio({"event": "hunter2"})
    line.model({"type": "hunter2"})
    assert "hunter2" not in repr(line.events_of(events.ErrorHappened))
    assert len(line.events_of(events.ErrorHappened)) == 4


def test_media_marks_and_keys_before_start_are_dropped() -> None:
    line = Line()
    line.connected()
    line.media()
    line.mark("0.1")
    line.twilio({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": "1"}})
    line.requested()
    assert line.sent_kinds() == ["session.update", "conversation.item.create", "response.create"]
    assert line.events_of(events.Dtmf) == []


def test_messages_without_connected_first_are_served_all_the_same() -> None:
    line = Line()
    line.start()
    line.accept()
    line.model_opens()
    assert line.phase is Phase.GREETING


def test_a_message_over_a_megabyte_leaves_the_stream_with_the_fallback_stored() -> None:
    line = Line(VOICEMAIL).greeted()
    line.twilio("x" * (1024 * 1024 + 1))
    (stored,) = line.wanted(wanted.StoreDisposition)
    assert (stored.disposition.action, stored.disposition.reason) == ("voicemail", "oversized_message")
    line.do(given.DispositionStored(ok=True))
    assert line.phase is Phase.ENDED


def test_a_message_over_a_megabyte_before_the_call_is_ours_closes_the_stream() -> None:
    line = Line()
    line.twilio("x" * (1024 * 1024 + 1))
    assert line.wanted(wanted.CloseStream) == [wanted.CloseStream(1009)]


def test_gaps_in_the_audio_are_no_error() -> None:
    line = Line().greeted()
    line.media()
    line.wait(700)
    line.media()
    line.twilio({"event": "media", "streamSid": STREAM, "media": {"payload": "", "track": "inbound", "timestamp": 99}})
    assert line.events_of(events.ErrorHappened) == []


def test_audio_of_the_outbound_track_is_not_sent_to_the_model() -> None:
    line = Line().greeted()
    sent = len(line.sent_to_model)
    line.twilio({"event": "media", "streamSid": STREAM, "media": {"payload": "AAAA", "track": "outbound"}})
    assert len(line.sent_to_model) == sent


FROM_MODEL: list[tuple[str, str]] = [
    ("malformed JSON", "{"),
    ("an array", "[]"),
    ("no type", "{}"),
    ("a number for type", '{"type":1}'),
    ("an unknown event", '{"type":"response.telepathy"}'),
    ("a delta that is a number", '{"type":"response.output_audio.delta","delta":1}'),
    ("a response that is a list", '{"type":"response.done","response":[]}'),
    ("binary", "\x00\x01"),
    ("a lone surrogate", '{"type":"\\ud800"}'),
]


@pytest.mark.parametrize(("what", "frame"), FROM_MODEL)
def test_a_bad_event_from_the_model_is_one_error_event_and_the_call_goes_on(what: str, frame: str) -> None:
    line = Line().greeted()
    for _ in range(3):
        line.do(given.ModelFrame(frame))
        line.do(given.ModelFrame(frame.encode("utf-8", "surrogatepass")))
    assert len(line.events_of(events.ErrorHappened)) == 1
    assert line.phase is Phase.CONVERSING


def test_every_event_may_come_twice() -> None:
    line = Line().requested()
    once, line.model = line.model, lambda event: (once(event), once(event))[1]  # type: ignore[method-assign]
    line.session_updated()
    line.begin_speaking()
    line.text_done("Hello.")
    line.response_done()
    line.wait(3000)
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.caller_text("c1", "hi")
    line.stop()
    assert line.phase is Phase.ENDED
    assert len(line.events_of(events.CallerTranscript)) <= 1


def test_done_without_created_and_deltas_without_items_are_survived() -> None:
    line = Line().requested()
    line.session_updated()
    line.model({"type": "response.done", "response": {"id": "resp_1", "status": "cancelled"}})
    line.model({"type": "response.output_audio.delta", "response_id": "resp_1", "delta": "AAAA"})
    line.model({"type": "response.output_audio_transcript.done"})
    line.model({"type": "conversation.item.added"})
    line.model({"type": "input_audio_buffer.committed"})
    line.stop()
    assert line.phase is Phase.ENDED


def test_audio_that_is_not_base64_or_names_no_item_is_dropped_with_one_error() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    played_ms = line.played_ms
    for delta, item in (("%%%", "a"), ("AAAA", "")):
        line.model({"type": "response.output_audio.delta", "response_id": line.current_response, "item_id": item, "delta": delta})
    assert line.played_ms == played_ms
    assert len(line.events_of(events.ErrorHappened)) == 1


@pytest.mark.parametrize("code", ["response_cancel_not_active", "input_audio_buffer_commit_empty", "unsupported_content_type"])
def test_harmless_errors_are_not_even_recorded(code: str) -> None:
    line = Line().greeted()
    line.model({"type": "error", "error": {"type": "invalid_request_error", "code": code}})
    assert line.events_of(events.ErrorHappened) == []


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "server_error", "never_seen_before", None])
def test_unknown_errors_in_mid_call_are_recorded_and_survived(code: str | None) -> None:
    line = Line().greeted()
    line.model({"type": "error", "error": {"type": None, "code": code, "message": "x" * 10_000}})
    (error,) = line.events_of(events.ErrorHappened)
    assert len(error.message) < 400
    assert line.phase is Phase.CONVERSING


def test_a_peer_gone_mad_does_not_fill_the_record() -> None:
    line = Line().greeted()
    for number in range(10_000):
        line.model({"type": "error", "error": {"code": f"code_{number}"}})
    assert len(line.events_of(events.ErrorHappened)) == MAX_ERRORS


def test_a_stream_id_with_quotes_cannot_break_out_of_the_messages_sent() -> None:
    line = Line()
    evil = 'MZ","event":"clear'
    line.twilio({"event": "start", "streamSid": evil, "start": {"callSid": "CA1", "streamSid": evil}})
    line.model_opens()
    line.accept()
    line.session_updated()
    line.begin_speaking()
    line.audio(100)
    assert {json.dumps(message["event"]) for message in line.sent_to_twilio} == {'"media"', '"mark"'}
    assert {message["streamSid"] for message in line.sent_to_twilio} == {evil}
