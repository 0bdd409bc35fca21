"""``/incoming-call`` for calls the business has placed."""

from typing import Any

import msgspec
import pytest

from calls.business import Limits, Outbound
from calls.events import CallStarted
from calls.language import phrases_of
from calls.outbound import Errand
from calls.record import Disposition
from tests.webhooks.doubles import BOB, DANA, SID, BrokenLedger, Desk, call, said, tree, verbs
from webhooks.handlers import call_status, fallback, incoming_call

TALKATIVE = msgspec.structs.replace(BOB, outbound=Outbound(machine_message="{name} here. Call us."))
LEAVES = Errand(on_machine="leave-message")


def placed(errand: Errand | None = None, **params: str) -> dict[str, Any]:
    """Somebody has answered a call of Bob's."""
    query = {} if errand is None else {"outbound": errand.query().partition("=")[2]}
    return call(From="+15005550006", To="+15005550001", Direction="outbound-api", **query, **params)


def test_the_business_is_found_by_who_calls_and_the_person_is_who_is_called() -> None:
    desk = Desk()
    root = tree(incoming_call.handler(desk.context, placed(AnsweredBy="human")))

    assert root[0][0].attrib["url"].endswith("/media-stream/bobs-hvac")
    assert [event.body for event in desk.ledger.written] == [
        CallStarted(business_id="bobs-hvac", from_="+15005550001", to="+15005550006", channel="pstn", direction="outbound")
    ]
    assert desk.ledger.records[SID].direction == "outbound"


def test_a_call_from_one_business_to_another_is_the_callers() -> None:
    root = tree(incoming_call.handler(Desk().context, placed() | {"To": DANA.numbers[0]}))
    assert root[0][0].attrib["url"].endswith("/media-stream/bobs-hvac")


@pytest.mark.parametrize("direction", ["inbound", "outbound-dial", "", "OUTBOUND"])
def test_every_other_direction_is_a_call_that_comes_in(direction: str) -> None:
    desk = Desk()
    incoming_call.handler(desk.context, call(Direction=direction))
    assert (desk.ledger.records[SID].from_, desk.ledger.records[SID].direction) == ("+15005550001", "inbound")


@pytest.mark.parametrize(
    ("answered_by", "errand", "expected"),
    [
        ("", None, ["Connect"]),
        ("human", Errand(), ["Connect"]),
        ("unknown", Errand(), ["Connect"]),
        ("something_new", Errand(), ["Connect"]),
        ("machine_start", None, ["Hangup"]),
        ("machine_start", Errand(), ["Hangup"]),
        ("Machine_Start", Errand(), ["Hangup"]),
        ("machine_start", Errand(on_machine="talk"), ["Connect"]),
        ("machine_end_beep", LEAVES, ["Say", "Hangup"]),
        ("machine_end_silence", LEAVES, ["Say", "Hangup"]),
        ("fax", LEAVES, ["Hangup"]),
        ("fax", Errand(), ["Hangup"]),
    ],
)
def test_who_answers_decides(answered_by: str, errand: Errand | None, expected: list[str]) -> None:
    desk = Desk(profiles=(TALKATIVE,))
    assert verbs(incoming_call.handler(desk.context, placed(errand, AnsweredBy=answered_by))) == expected


@pytest.mark.parametrize(
    ("message", "words"), [(None, "Bob's HVAC here. Call us."), ("חזרו אלינו & <b> 👋\x00", "חזרו אלינו & <b> 👋")]
)
def test_a_machine_hears_the_message_of_the_call_or_of_the_business(message: str | None, words: str) -> None:
    desk = Desk(profiles=(TALKATIVE,))
    event = placed(Errand(on_machine="leave-message", message=message), AnsweredBy="machine_end_beep")
    assert said(incoming_call.handler(desk.context, event)) == words


def test_a_call_that_a_machine_answered_is_on_record_and_ends_as_such() -> None:
    desk = Desk()
    event = placed(Errand(), AnsweredBy="machine_start")
    first = str(incoming_call.handler(desk.context, event))
    assert str(incoming_call.handler(desk.context, event)) == first
    call_status.handler(desk.context, placed(CallStatus="completed"))

    record = desk.ledger.records[SID]
    assert desk.ledger.kinds() == ["call.started", "call.ended"]
    assert record.disposition == Disposition(action="hang_up", reason="answering_machine")
    assert record.end_reason == "answering_machine"


@pytest.mark.parametrize("answered_by", ["human", "machine_start"])
def test_somebody_the_business_has_blocked_is_hung_up_on(answered_by: str) -> None:
    desk = Desk(profiles=(msgspec.structs.replace(BOB, blocked=("+15005550001",)),))
    assert verbs(incoming_call.handler(desk.context, placed(AnsweredBy=answered_by))) == ["Hangup"]
    assert desk.ledger.records[SID].end_reason == "blocked"


def test_beyond_its_lines_the_business_says_so_and_takes_no_message() -> None:
    desk = Desk(profiles=(msgspec.structs.replace(BOB, limits=Limits(max_concurrent=1)),))
    desk.ledger.live = 1
    answer = incoming_call.handler(desk.context, placed(AnsweredBy="human"))
    assert (verbs(answer), said(answer)) == (["Say", "Hangup"], phrases_of("en").cannot_answer)
    assert desk.ledger.records[SID].disposition == Disposition(action="hang_up", reason="all_lines_busy")


@pytest.mark.parametrize(("answered_by", "expected"), [("human", ["Say", "Hangup"]), ("machine_start", ["Hangup"])])
def test_without_a_store_a_person_hears_a_sentence_and_a_machine_nothing(answered_by: str, expected: list[str]) -> None:
    desk = Desk(ledger=BrokenLedger())
    assert verbs(incoming_call.handler(desk.context, placed(AnsweredBy=answered_by))) == expected


def test_the_fallback_speaks_the_language_of_the_business_that_calls() -> None:
    event = placed() | {"From": DANA.numbers[0], "To": BOB.numbers[0], "ErrorCode": "11200"}
    assert said(fallback.handler(Desk().context, event)) == phrases_of("he").cannot_answer
