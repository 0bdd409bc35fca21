"""Callers whom no bridge would take: what they hear, what is on the record."""

from typing import Any

import msgspec
import pytest

from calls.business import BusinessProfile, Fallback
from calls.events import CallEnded
from calls.language import PHRASES, phrases_of
from tests.webhooks.doubles import BOB, DANA, NOW, SID, BrokenLedger, Desk, call, disposed, said, verbs
from webhooks.after_stream import what_next
from webhooks.handlers import call_status, incoming_call, stream_ended

TAKES_MESSAGES = msgspec.structs.replace(BOB, fallback=Fallback(mode="voicemail"))


def full(profile: BusinessProfile = BOB, **settings: Any) -> Desk:
    return Desk(profiles=[profile], nobody_accepts=True, **settings)


def rings(desk: Desk, profile: BusinessProfile = BOB, **params: str) -> Any:
    return incoming_call.handler(desk.context, call(To=profile.numbers[0], CallStatus="ringing", **params))


@pytest.mark.parametrize(
    ("profile", "expected"), [(BOB, ["Say", "Say", "Dial"]), (DANA, ["Say", "Say", "Record", "Hangup"])], ids=["en", "he"]
)
def test_a_caller_hears_that_all_lines_are_busy_and_gets_the_fallback(profile: BusinessProfile, expected: list[str]) -> None:
    answer = rings(full(profile), profile)
    assert verbs(answer) == expected
    assert said(answer).startswith(phrases_of(profile.language).busy)


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_it_is_said_in_every_language_there_is(language: str) -> None:
    profile = msgspec.structs.replace(BOB, language=language, fallback=Fallback(mode="hangup", text=""))
    answer = rings(full(profile), profile)
    assert said(answer) == f"{PHRASES[language].busy} {PHRASES[language].cannot_answer}"
    assert verbs(answer) == ["Say", "Say", "Hangup"]


def test_the_record_says_why_and_is_ended_with_the_call() -> None:
    desk = full()
    rings(desk)
    disposition = desk.ledger.records[SID].disposition
    assert (disposition.action, disposition.reason) == ("dial", "at_capacity")
    call_status.handler(desk.context, call(CallStatus="completed", CallDuration="7"))
    assert desk.ledger.written[-1].body == CallEnded(reason="at_capacity", duration_ms=7000)


def test_a_repeated_webhook_gets_the_same_answer_when_there_is_room_again() -> None:
    desk = full()
    first = str(rings(desk))
    desk.nobody_accepts = False
    assert str(rings(desk)) == first


def test_a_call_that_was_let_through_is_not_turned_away_when_twilio_asks_again() -> None:
    desk = Desk()
    first = str(rings(desk))
    desk.nobody_accepts = True
    assert str(rings(desk)) == first
    assert verbs(rings(desk)) == ["Connect"]


def test_without_a_store_the_caller_gets_the_fallback_all_the_same() -> None:
    assert verbs(rings(full(TAKES_MESSAGES, ledger=BrokenLedger()), TAKES_MESSAGES)) == ["Say", "Record", "Hangup"]


def test_a_blocked_caller_is_rejected_and_told_nothing_of_it() -> None:
    profile = msgspec.structs.replace(BOB, blocked=("+15005550001",))
    assert verbs(rings(full(profile), profile)) == ["Reject"]


def test_somebody_whom_the_business_calls_hears_a_sentence() -> None:
    answer = incoming_call.handler(full().context, call(Direction="outbound-api", From=BOB.numbers[0], To="+15005550001"))
    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == phrases_of("en").cannot_answer


# --- /stream-ended ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "tries", "nobody_accepts", "expected"),
    [
        ({}, 0, False, "offer_again"),
        ({}, 1, False, "offer_again"),
        ({}, 2, False, "fall_back"),
        ({}, 0, True, "fall_back"),
        ({"owner": "bridge-1"}, 0, False, "resume"),
        ({"owner": "bridge-1"}, 0, True, "fall_back"),
        ({"disposition": disposed("hang_up")}, 0, True, "as_decided"),
        ({"ended_at": "2026-01-01T12:00:00.000Z"}, 0, True, "hang_up"),
    ],
)
def test_what_becomes_of_a_caller_whose_stream_nobody_took(
    changes: dict[str, Any], tries: int, nobody_accepts: bool, expected: str
) -> None:
    record = Desk().opened(**changes)
    assert what_next(record, "in-progress", tries, nobody_accepts=nobody_accepts) == expected


def test_a_caller_refused_by_one_bridge_is_offered_to_the_others_twice_and_then_gets_the_fallback() -> None:
    desk = Desk(profiles=[TAKES_MESSAGES])
    rings(desk, TAKES_MESSAGES)
    answers = [verbs(stream_ended.handler(desk.context, call(tries=str(tries)) if tries else call())) for tries in (0, 1, 2)]
    assert answers == [["Connect"], ["Connect"], ["Say", "Record", "Hangup"]]
    assert desk.ledger.tokens[SID].attempt == 1


def test_a_caller_refused_by_the_only_bridge_gets_the_fallback_at_once() -> None:
    desk = Desk(profiles=[TAKES_MESSAGES])
    rings(desk, TAKES_MESSAGES)
    desk.nobody_accepts = True
    assert verbs(stream_ended.handler(desk.context, call())) == ["Say", "Record", "Hangup"]
    assert NOW.isoformat()[:19] in str(desk.ledger.records[SID].action_requested_at)
