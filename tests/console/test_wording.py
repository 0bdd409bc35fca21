"""How figures and events are put into words."""

from datetime import timedelta, timezone
from typing import Any, get_args

import pytest

from calls import events as known_events
from console import wording
from console.protocol import Event
from tests.console import examples
from tests.console.fake_bridge import START

KINDS = {str(body.__struct_config__.tag) for body in get_args(known_events.AnyEvent)}


def test_every_kind_of_event_has_words() -> None:
    assert wording.KINDS.keys() == KINDS


@pytest.mark.parametrize(
    ("seconds", "clock", "short", "spoken"),
    [
        (-5, "0:00", "0:00", "0 s"),
        (0, "0:00", "0:00", "0 s"),
        (42.9, "0:42", "0:42", "42 s"),
        (60, "1:00", "1:00", "1 min 0 s"),
        (725, "12:05", "12:05", "12 min 5 s"),
        (3_725, "1:02:05", "1h02", "1 h 2 min"),
        (99 * 3_600 + 59, "99:00:59", "99h00", "99 h 0 min"),
        (400_000, "111:06:40", "4 d", "111 h 6 min"),
        (1e12, "277777777:46:40", "999 d", "277777777 h 46 min"),
    ],
)
def test_a_length_of_time_is_written_in_three_ways(seconds: float, clock: str, short: str, spoken: str) -> None:
    assert (wording.age(seconds), wording.short_age(seconds), wording.spoken_age(seconds)) == (clock, short, spoken)
    assert len(wording.short_age(seconds)) <= 5


@pytest.mark.parametrize(("ms", "text"), [(None, "–"), (0, "0.00 s"), (820, "0.82 s"), (12_345, "12.35 s")])
def test_a_latency_is_written_in_seconds(ms: float | None, text: str) -> None:
    assert wording.latency(ms) == text


@pytest.mark.parametrize(("ms", "text"), [(None, "–"), (180, "180 ms"), (12_345.6, "12,346 ms")])
def test_milliseconds_are_written_as_they_are(ms: float | None, text: str) -> None:
    assert wording.milliseconds(ms) == text


@pytest.mark.parametrize(("ms", "late"), [(None, False), (1_200, False), (1_201, True)])
def test_a_greeting_is_late_above_its_limit(ms: int | None, late: bool) -> None:
    assert wording.is_late(ms) is late


@pytest.mark.parametrize(("usd", "text"), [(None, "–"), (0, "$0.00"), (0.0042, "0.4¢"), (0.0512, "$0.05"), (1234.5, "$1,234.50")])
def test_money_is_written_in_dollars(usd: float | None, text: str) -> None:
    assert wording.cost(usd) == text


def test_the_time_of_day_is_local() -> None:
    assert wording.clock(START, timezone(timedelta(hours=2))) == "14:00:00"
    assert wording.clock(START) == "12:00:00"


@pytest.mark.parametrize(
    ("address", "short"),
    [
        ("", "unknown caller"),
        ("+15005550001", "+15005550001"),
        ("whatsapp:+15005550001", "+15005550001"),
        ("sip:bob@example.com", "bob@example.com"),
        ("client:", "unknown caller"),
        ("javascript:x", "javascript:x"),
    ],
)
def test_a_caller_is_named_without_the_way_they_call(address: str, short: str) -> None:
    assert wording.short_caller(address) == short


def test_what_is_not_known_is_called_by_its_own_name() -> None:
    assert wording.kind("new.kind") == "new.kind"
    assert wording.reason("new_reason") == "new reason"
    assert wording.phase("new") == "new"
    assert wording.phase("") == wording.NOTHING
    assert wording.action("new_action") == "new action"


@pytest.mark.parametrize(("number", "text"), [(0, "0 calls"), (1, "1 call"), (1_200, "1,200 calls")])
def test_things_are_counted_in_their_number(number: int, text: str) -> None:
    assert wording.count(number, "call") == text
    assert wording.count(number, "entry", "entries").split()[1] == ("entry" if number == 1 else "entries")


TOLD = {
    "call.started": "+15005550001 → +15005550006, bobs-hvac",
    "model.connected": "after 3 ms",
    "greeting.requested": "live",
    "greeting.first_audio": "after 0.42 s",
    "greeting.finished": "3,100 ms heard",
    "turn.first_audio": "after 0.69 s",
    "barge_in.triggered": "RMS 1996",
    "barge_in.cut": "307 ms after the caller began",
    "barge_in.dismissed": "",
    "tool.finished": "create_lead ok, 240 ms",
    "lead.captured": "name: Ann, phone: +15005550001, reason: furnace",
    "dtmf": "1",
    "closing.started": "said goodbye: “that s all”",
    "call.ended": "said goodbye, 0:26",
}


@pytest.mark.parametrize("kind", TOLD)
def test_an_event_is_told_in_one_line(kind: str) -> None:
    event = next(event for event in examples.events(examples.FURNACE) if event.kind == kind)
    assert wording.details(event) == TOLD[kind]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("model.lost", "socket closed"),
        ("model.resumed", "after 800 ms"),
        ("error", "twilio: odd message"),
        ("appointment.booked", "2026-01-02T09:00:00Z Boiler"),
        ("operator.command", "ann: hand to a human"),
        ("transfer.started", "to +15005550010"),
        ("call.resumed", "after 1,500 ms"),
        ("closing.reopened", ""),
    ],
)
def test_trouble_is_told_in_one_line(kind: str, told: str) -> None:
    event = next(event for event in examples.events(examples.TROUBLE) if event.kind == kind)
    assert wording.details(event) == told


def test_a_line_that_was_cut_says_so() -> None:
    line = next(event for event in examples.events(examples.FURNACE) if event.flag("interrupted"))
    assert wording.details(line).endswith("Somebody ⟂ cut off")


@pytest.mark.parametrize("kind", [*sorted(KINDS), "a.kind.of.tomorrow"])
def test_an_event_with_none_of_its_fields_or_wrong_ones_is_told_all_the_same(kind: str) -> None:
    names = ("text", "latency_ms", "ms", "fields", "phrase", "reason", "duration_ms", "name", "ok", "rms", "from", "where")
    values: list[Any] = [None, [], {"a": {"b": 1}}, -1, True, "\x1b[2J"]
    for wrong in values:
        told = wording.details(Event("CA1", 1, START, kind, dict.fromkeys(names, wrong)))
        assert "\x1b" not in told
    assert "\n" not in wording.details(Event("CA1", 1, START, kind, {}))
