"""What a call has cost, and how it is ended when that is all it may."""

import json
from typing import Any

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.phases import Phase
from bridge.conversation.usage import add_transcription
from calls import events
from calls.business import Limits
from calls.language import ENGLISH
from calls.rate import Rate
from calls.record import CallRecord, Disposition
from tests.bridge.conversation.line import LINES, PROFILE, RECORD, Line

CENT = 0.01
BILLED = Rate({"input_text": CENT, "output_audio": CENT, "transcription_ms": CENT / 1000})
"""A cent a token, a cent a second of transcription."""


class BilledLine(Line):
    """A line whose calls cost something."""

    def __init__(self, limit_usd: float = 1.0, *, rate: Rate | None = BILLED, record: CallRecord = RECORD) -> None:
        self.rate, self.record = rate, record
        limits = Limits(max_cost_usd=limit_usd)
        super().__init__(msgspec.structs.replace(PROFILE, limits=limits))

    def accept(self) -> None:
        self.do(given.StreamAccepted(self.record, self.profile, LINES, rate=self.rate))

    def reply(self, *, tokens: int, kind: str = "text", status: str = "completed") -> None:
        """A turn of the caller and an answer that costs so many tokens."""
        name = f"c{self._responses}"
        self.turn_begins(name, 1000)
        self.turn_ends(name, 3000)
        self.begin_speaking()
        self.audio(200)
        self.text_done("Yes.")
        side = {"text": "input", "audio": "output"}[kind]
        self.response_done(status, usage={f"{side}_token_details": {f"{kind}_tokens": tokens}})

    def transcribed(self, item: str, usage: Any) -> None:
        kind = "conversation.item.input_audio_transcription.completed"
        self.do(given.ModelFrame(json.dumps({"type": kind, "item_id": item, "transcript": "yes", "usage": usage})))

    @property
    def closings(self) -> list[str]:
        return [one.reason for one in self.events_of(events.ClosingStarted)]

    def instructions(self) -> list[str]:
        items = [event["item"] for event in self.sent_to_model if event["type"] == "conversation.item.create"]
        return [content["text"] for item in items for content in item.get("content", ()) if item["role"] == "system"]


def test_a_call_that_has_cost_all_it_may_is_said_goodbye_to_in_full() -> None:
    line = BilledLine(1.0)
    line.greeted()
    line.reply(tokens=99)
    assert line.closings == []
    line.reply(tokens=1)
    assert line.closings == ["max_cost"]
    line.play(300)
    assert ENGLISH.goodbye in line.instructions()[-1]
    line.speak(ENGLISH.goodbye, 1500)
    line.play(1400)
    assert line.wanted(wanted.StoreDisposition) == [], "the goodbye is heard to its end first"
    line.play(400)
    assert line.wanted(wanted.StoreDisposition) == [wanted.StoreDisposition(Disposition(action="hang_up", reason="max_cost"))]


def test_the_reply_that_reaches_the_limit_is_heard_to_its_end() -> None:
    line = BilledLine(1.0)
    line.greeted()
    line.reply(tokens=100)
    assert line.closings == ["max_cost"]
    assert [message for message in line.sent_to_twilio if message["event"] == "clear"] == []


def test_the_limit_is_told_once() -> None:
    line = BilledLine(0.5)
    line.greeted()
    for _ in range(3):
        line.reply(tokens=100)
    assert line.closings == ["max_cost"]


def test_a_greeting_that_costs_too_much_is_heard_all_the_same() -> None:
    line = BilledLine(0.01)
    line.requested()
    line.session_updated()
    line.begin_speaking()
    line.audio(1000)
    line.text_done("Hello.")
    line.response_done(usage={"input_token_details": {"text_tokens": 500}})
    assert (line.phase, line.closings) == (Phase.GREETING, [])
    line.wait(1000)
    line.echo_marks()
    assert line.closings == ["max_cost"]
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=1000)]


def test_a_limit_reached_during_a_farewell_makes_it_final() -> None:
    line = BilledLine(1.0)
    line.greeted()
    line.turn_begins("bye", 1000)
    line.turn_ends("bye", 3000)
    line.caller_text("bye", "no thanks")
    assert line.closings == ["farewell"]
    line.begin_speaking()  # the reply to the goodbye itself, which is cancelled
    line.response_done("cancelled", usage={"input_token_details": {"text_tokens": 100}})
    line.speak("Goodbye.", 500)
    line.turn_begins("more", 5000)
    line.turn_ends("more", 6000)
    line.caller_text("more", "wait, one more question")
    line.play(3000)
    assert line.events_of(events.ClosingReopened) == []
    assert len(line.wanted(wanted.StoreDisposition)) == 1


def test_what_earlier_streams_of_the_call_cost_counts() -> None:
    line = BilledLine(1.0, record=msgspec.structs.replace(RECORD, usage={"input_text": 95}, cost_usd=0.95))
    line.greeted()
    line.reply(tokens=4)
    assert line.closings == []
    line.reply(tokens=1)
    assert line.closings == ["max_cost"]
    assert line.core.spending.cost_usd == pytest.approx(0.05)
    assert line.core.spending.call_cost_usd == pytest.approx(1.0)


def test_cancelled_responses_and_transcription_cost_too() -> None:
    line = BilledLine(100.0)
    line.greeted()
    line.reply(tokens=10, status="cancelled")
    line.reply(tokens=10, kind="audio")
    line.transcribed("c1", {"type": "duration", "seconds": 3})
    line.stop()
    (release,) = line.wanted(wanted.Release)
    assert release.usage == {"input_text": 10, "output_audio": 10, "transcription_ms": 3000}
    assert release.cost_usd == pytest.approx(0.23)


def test_what_is_reported_twice_costs_once() -> None:
    line = BilledLine(100.0)
    line.greeted()
    line.reply(tokens=10)
    line.response_done(usage={"input_token_details": {"text_tokens": 10}})
    for seconds in (2, 4):
        line.transcribed("c1", {"type": "duration", "seconds": seconds})
    assert line.core.spending.usage == {"input_text": 10, "transcription_ms": 2000}


def test_without_prices_the_cost_is_unknown_and_no_call_is_ended_for_it() -> None:
    line = BilledLine(0.01, rate=None)
    line.greeted()
    line.reply(tokens=1_000_000)
    line.stop()
    (release,) = line.wanted(wanted.Release)
    assert release.cost_usd is None
    assert line.closings == []


def test_the_part_of_the_usage_that_has_a_price_counts_towards_the_limit() -> None:
    line = BilledLine(1.0, rate=Rate({"input_text": CENT}))
    line.greeted()
    line.transcribed("c1", {"type": "duration", "seconds": 3})
    line.reply(tokens=100)
    assert line.closings == ["max_cost"]
    assert line.core.spending.cost_usd is None


def test_a_call_that_used_nothing_has_cost_nothing() -> None:
    line = BilledLine()
    line.connected()
    line.start()
    line.accept()
    line.stop()
    assert line.wanted(wanted.Release) == [wanted.Release(None, {}, 0.0)]


TRANSCRIPTION: list[tuple[Any, dict[str, int]]] = [
    ({"type": "duration", "seconds": 3}, {"transcription_ms": 3000}),
    ({"type": "duration", "seconds": 0.25}, {"transcription_ms": 250}),
    (
        {
            "type": "tokens",
            "input_tokens": 40,
            "input_token_details": {"audio_tokens": 30, "text_tokens": 10},
            "output_tokens": 12,
            "total_tokens": 52,
        },
        {"transcription_input_audio": 30, "transcription_input_text": 10, "transcription_output_text": 12},
    ),
    ({"type": "duration", "seconds": float("nan")}, {}),
    ({"type": "duration", "seconds": -1}, {}),
    ({"type": "duration", "seconds": 1e30}, {}),
    ({"type": "duration", "seconds": True}, {}),
    ({"type": "duration", "seconds": "3"}, {}),
    ({"type": "tokens", "input_token_details": [], "output_tokens": None}, {}),
    ({}, {}),
    (None, {}),
    ("3 s", {}),
    ([3], {}),
]


@pytest.mark.parametrize(("usage", "counted"), TRANSCRIPTION, ids=repr)
def test_transcription_is_counted_in_milliseconds_or_tokens_and_nonsense_not_at_all(usage: Any, counted: dict[str, int]) -> None:
    total: dict[str, int] = {}
    add_transcription(total, usage)
    assert total == counted
