"""What a bridge says is made safe, or is said to be unusable; it never raises."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import protocol
from console.protocol import (
    Audio,
    BusChanged,
    Dropped,
    Event,
    Levels,
    Malformed,
    Partial,
    PhaseChanged,
    Result,
    Snapshot,
    decode,
    safe,
)
from tests.console import examples
from tests.console.examples import HOSTILE

AT = "2026-01-01T12:00:00.000Z"
EVENT = {"type": "event", "call_sid": "CA1", "seq": 3, "at": AT, "kind": "dtmf", "digit": "1"}
CALL = {
    "call_sid": "CA1",
    "business_id": "b",
    "from": "+1",
    "to": "+2",
    "channel": "pstn",
    "phase": "conversing",
    "started_at": AT,
}
PARTIAL = {
    "type": "live",
    "call_sid": "CA1",
    "kind": "partial",
    "side": "agent",
    "item_id": "a",
    "text": "Hello there",
    "heard_chars": 5,
}


def told(**message: Any) -> protocol.Message:
    return decode(json.dumps(message))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_safe_text_is_one_short_line_without_anything_a_terminal_obeys(text: str) -> None:
    made = safe(text)
    assert len(made) <= protocol.MAX_TEXT
    assert made.encode("utf-8")
    assert not set(made) & {
        chr(code) for code in [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    }


def test_safe_text_keeps_hebrew_emoji_and_markup_as_they_are() -> None:
    assert safe("שָׁלוֹם 👩‍👩‍👧 [/nope]") == "שָׁלוֹם 👩‍👩‍👧 [/nope]"


def test_an_event_is_decoded_with_its_fields() -> None:
    assert told(**EVENT) == Event("CA1", 3, datetime(2026, 1, 1, 12, tzinfo=UTC), "dtmf", {"digit": "1"})


@pytest.mark.parametrize("sid", [examples.FURNACE, examples.GARAGE, examples.PRANK, examples.TROUBLE])
def test_every_example_event_is_decoded(sid: str) -> None:
    assert len(examples.events(sid)) == len(examples.flat_events(sid))


def test_an_events_fields_are_read_by_kind_and_never_raise() -> None:
    event = told(**EVENT, text=7, heard_ms="x", ok="true", fields={"a": 1, "b\x1b": "c\x1b[31m"}, ms=1.6, big=1e300)
    assert isinstance(event, Event)
    assert (event.text("text"), event.text("none"), event.number("heard_ms"), event.flag("ok")) == ("", "", None, False)
    assert (event.whole("ms"), event.whole("big"), event.texts("fields"), event.texts("digit")) == (
        2,
        None,
        {"a": "1", "b": "c [31m"},
        {},
    )


def test_a_small_event_keeps_its_fields_and_a_huge_one_is_cut() -> None:
    nested = {"a": ["x" * 100_000] * 30}
    event = told(**EVENT, text="x" * 100_000, nested=nested, last="y" * 8_000)
    assert isinstance(event, Event)
    assert event.fields.keys() == {"digit", "text"}
    assert len(event.fields["text"]) == protocol.MAX_TEXT
    assert event.weight <= protocol.MAX_FIELDS + 300


def test_a_snapshot_leaves_out_what_is_no_call() -> None:
    snapshot = told(
        type="snapshot",
        calls=[CALL, {}, 3, None, CALL | {"call_sid": ""}, CALL | {"started_at": "never"}, CALL | {"call_sid": "x" * 101}],
    )
    assert isinstance(snapshot, Snapshot)
    assert [call.call_sid for call in snapshot.calls] == ["CA1"]


def test_a_call_with_wrong_types_shows_what_can_be_shown() -> None:
    call = protocol.summary_of(
        CALL | {"from": 3, "last_seq": "x", "barge_ins": None, "cost_usd": True, "muted": "yes", "greeting_latency_ms": 12.4}
    )
    assert call is not None
    assert (call.from_, call.last_seq, call.barge_ins, call.cost_usd, call.muted, call.greeting_latency_ms) == (
        "",
        0,
        0,
        None,
        False,
        12,
    )


def test_what_is_taken_out_of_a_partial_line_moves_the_border_of_what_was_heard() -> None:
    partial = told(**PARTIAL | {"text": "\x1b\x1bHello\x07 there", "heard_chars": 8})
    assert isinstance(partial, Partial)
    assert partial.text[: partial.heard_chars] == "Hello"


@pytest.mark.parametrize(("heard", "kept"), [(-5, 0), (10**9, 11), (None, 0), ("3", 0), (True, 0), (1e400, 0)])
def test_the_border_stays_within_the_line(heard: Any, kept: int) -> None:
    partial = decode(json.dumps(PARTIAL | {"heard_chars": heard}))
    assert partial == Malformed("not JSON") if heard == 1e400 else isinstance(partial, Partial) and partial.heard_chars == kept


def test_live_messages_results_and_audio_are_decoded() -> None:
    assert told(type="live", call_sid="CA1", kind="levels", caller_rms=-4, agent_rms=99_999) == Levels("CA1", 0, 32_767)
    assert told(type="live", call_sid="CA1", kind="phase", phase="closing", muted=True) == PhaseChanged("CA1", "closing", True)
    assert told(type="result", id="c1", ok=True) == Result("c1", True, "")
    assert told(type="result", id="c1", ok=1, error="no\x1b") == Result("c1", False, "no")
    assert told(type="dropped", reason="slow") == Dropped("slow")
    assert told(type="bus", up=True, message="It is\x1b up.") == BusChanged(True, "It is up.")
    assert told(type="bus", up="yes") == BusChanged(False, "")
    payload = b64encode(b"\xff\x00").decode()
    assert told(type="audio", call_sid="CA1", side="caller", at_ms=5, payload=payload) == Audio("CA1", "caller", 5, b"\xff\x00")


DEEP = "[" * 900 + "]" * 900


@pytest.mark.parametrize(
    "frame",
    [
        "", "nul", "null", "[]", '"x"', "3", "{}", b"\xff\xfe", b"\x00" * 50, "[" * 200_000, "9" * 5_000,
        '{"type":"snapshot"}', '{"type":"snapshot","calls":{}}', '{"type":["event"]}', '{"type":"\\ud800"}', f'{{"type":{DEEP}}}',
        json.dumps(EVENT | {"seq": 0}), json.dumps(EVENT | {"seq": "1"}), json.dumps(EVENT | {"seq": 1e20}),
        json.dumps(EVENT | {"seq": True}),
        json.dumps(EVENT | {"at": 3}), json.dumps(EVENT | {"at": "soon"}), json.dumps(EVENT | {"at": "0001-01-01T00:00:00+23:59"}),
        json.dumps(EVENT | {"at": "9999-12-31T23:59:59-23:59"}), json.dumps(EVENT | {"kind": None}),
        json.dumps(EVENT | {"call_sid": "x" * 101}),
        json.dumps(PARTIAL | {"side": "both"}), json.dumps(PARTIAL | {"item_id": 3}), json.dumps(PARTIAL | {"kind": "x"}),
        json.dumps(PARTIAL | {"text": None}), json.dumps(PARTIAL | {"call_sid": []}),
        '{"type":"audio","call_sid":"CA1","side":"caller","at_ms":1,"payload":"!"}',
        '{"type":"audio","call_sid":"CA1","side":"caller","at_ms":"x","payload":""}',
        '{"type":"audio","side":"caller","at_ms":1,"payload":""}',
        '{"type":"audio","call_sid":"CA1","side":"caller","at_ms":1,"payload":"שלום"}',
    ],
    ids=lambda frame: repr(frame[:40]),
)  # fmt: skip
def test_what_cannot_be_used_is_said_to_be_malformed(frame: str | bytes) -> None:
    message = decode(frame)
    assert isinstance(message, Malformed)
    assert 0 < len(message.why) < 200
    assert message.why.isprintable()


def test_an_event_nested_as_deep_as_json_goes_does_no_harm() -> None:
    message = decode(json.dumps(EVENT)[:-1] + f',"x":{DEEP}}}')
    assert isinstance(message, Event | Malformed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "type",
    "call_sid",
    "seq",
    "at",
    "kind",
    "calls",
    "side",
    "item_id",
    "text",
    "heard_chars",
    "payload",
    "at_ms",
    "id",
    "ok",
    "error",
]
TYPES = st.sampled_from(["event", "live", "snapshot", "audio", "result", "dropped"])


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), TYPES, st.sampled_from(["partial", "levels", "phase", "x"]))
def test_decoding_never_raises_whatever_the_fields_hold(fields: dict[str, Any], kind_of_message: str, kind: str) -> None:
    for message in (
        fields,
        fields | {"type": kind_of_message},
        {"call_sid": "CA1", "kind": kind} | fields | {"type": kind_of_message},
    ):
        assert isinstance(decode(json.dumps(message)), protocol.Message)


@given(st.binary(max_size=200))
def test_decoding_never_raises_whatever_the_bytes_are(frame: bytes) -> None:
    assert isinstance(decode(frame), protocol.Message)
