"""What operators send is read without trusting any of it."""

import json
from typing import Any

import pytest

from bridge.operator.requests import MAX_MESSAGE_BYTES, Unreadable, read_message
from calls.operator import Command
from tests.calls.examples import HOSTILE

GOOD: dict[str, Any] = {"type": "command", "id": "c1", "call_sid": "CA1", "action": "say", "text": "Hello."}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def test_a_command_is_read_with_all_it_says() -> None:
    assert read_message(json.dumps(GOOD)) == Command(id="c1", call_sid=GOOD["call_sid"], action="say", text="Hello.")
    escalate = read_message('{"type":"command","call_sid":"CA1","action":"escalate","to":"+15005550010","text":null,"more":[1]}')
    assert (escalate.id, escalate.action, escalate.to) == ("", "escalate", "+15005550010")


@pytest.mark.parametrize("text", HOSTILE[:-1])
def test_any_text_may_be_whispered(text: str) -> None:
    assert read_message(json.dumps({**GOOD, "action": "whisper", "text": text})).text == text


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b'{"type":"command"}', "binary"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("hangup", "not JSON"),
        ('{"type":"command","type":', "not JSON"),
        ("[" * 50_000, "not JSON"),
        ("\ud800", "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"hangup"', "not a JSON object"),
        ("x" * (MAX_MESSAGE_BYTES + 1), "larger than 64 KiB"),
        ("ש" * (MAX_MESSAGE_BYTES // 2 + 1), "larger than 64 KiB"),
        (json.dumps(without("type")), "type is not command"),
        (json.dumps({**GOOD, "type": "event"}), "type is not command"),
        (json.dumps({**GOOD, "id": 7}), "the id is not a text"),
        (json.dumps({**GOOD, "id": "i" * 101}), "the id is not a text of at most 100"),
        (json.dumps(without("call_sid")), "call_sid names no call"),
        (json.dumps({**GOOD, "call_sid": ""}), "call_sid names no call"),
        (json.dumps({**GOOD, "call_sid": ["CA1"]}), "call_sid names no call"),
        (json.dumps({**GOOD, "call_sid": "C" * 65}), "call_sid names no call"),
        (json.dumps(without("action")), "the action is none of hangup, force_hangup"),
        (json.dumps({**GOOD, "action": "explode"}), "the action is none of"),
        (json.dumps({**GOOD, "action": {"say": 1}}), "the action is none of"),
        (json.dumps(without("text")), "say needs a text"),
        (json.dumps({**GOOD, "action": "whisper", "text": " \n"}), "whisper needs a text"),
        (json.dumps({**GOOD, "text": 5}), "text is not a text of at most 2000"),
        (json.dumps({**GOOD, "text": "x" * 2001}), "text is not a text of at most 2000"),
        (json.dumps({**GOOD, "action": "escalate", "to": "+" * 257}), "to is not a text of at most 256"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_command_is_refused_in_one_short_sentence(message: str | bytes, why: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read_message(message)
    assert why in str(raised.value)
    assert len(str(raised.value)) < 120


@pytest.mark.parametrize("change", [{"type": "event"}, {"action": "explode"}, {"text": 5}, {"call_sid": 1}])
def test_a_refusal_bears_the_id_of_what_it_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable) as raised:
        read_message(json.dumps(GOOD | change))
    assert raised.value.command_id == "c1"
