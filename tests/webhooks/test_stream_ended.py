"""``/stream-ended``: the disposition becomes TwiML."""

from typing import Any

import msgspec
import pytest

from calls.business import BusinessProfile, Escalation, Fallback
from calls.events import CallEnded
from calls.language import phrases_of
from calls.store.base import StoreUnavailable
from calls.stream_token import mint
from tests.webhooks.doubles import (
    BOB,
    DANA,
    NOW,
    SECRET,
    SID,
    BrokenLedger,
    Desk,
    MemoryLedger,
    call,
    disposed,
    said,
    tree,
    verbs,
)
from webhooks.handlers import call_status, stream_ended
from webhooks.parties import caller_of
from webhooks.twiml import fallback_response

HANGS_UP = msgspec.structs.replace(BOB, fallback=Fallback(mode="hangup", text="Call later."))


def test_hang_up_hangs_up() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("hang_up"))
    assert verbs(stream_ended.handler(desk.context, call())) == ["Hangup"]


def test_hang_up_says_first_what_there_is_to_say() -> None:
    desk = Desk()
    desk.opened(profile=DANA, disposition=disposed("hang_up", say="להתראות"))
    answer = stream_ended.handler(desk.context, call())

    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == "להתראות"
    assert tree(answer)[0].get("language") == "he-IL"


def test_the_request_is_noted_on_the_record() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("hang_up"))
    stream_ended.handler(desk.context, call())
    assert desk.ledger.records[SID].action_requested_at == "2026-01-01T12:00:00.000Z"


def test_a_repeated_request_gets_the_same_answer() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial", say="One moment.", to="+15005550010", timeout_s=30))
    first = str(stream_ended.handler(desk.context, call()))
    desk.later(20)
    assert str(stream_ended.handler(desk.context, call())) == first


@pytest.mark.parametrize(
    ("to", "noun", "text"),
    [
        ("+15005550010", "Number", "+15005550010"),
        ("client:dana & bob", "Client", "dana & bob"),
        ("sip:desk@office.example;transport=tls", "Sip", "sip:desk@office.example;transport=tls"),
    ],
)
def test_dial_puts_through_to_every_kind_of_address(to: str, noun: str, text: str) -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial", say="One moment.", to=to, timeout_s=30))
    root = tree(stream_ended.handler(desk.context, call()))

    assert [element.tag for element in root] == ["Say", "Dial"]
    assert root[1].attrib == {"action": "https://phone.example/dial-ended", "method": "POST", "timeout": "30"}
    assert [(element.tag, element.text) for element in root[1]] == [(noun, text)]


def test_dial_without_a_target_or_a_time_takes_those_of_the_business() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial"))
    dial = tree(stream_ended.handler(desk.context, call()))[0]

    assert dial.attrib["timeout"] == "20"
    assert dial[0].text == "+15005550010"


@pytest.mark.parametrize(("given", "asked"), [(1, "5"), (5, "5"), (6000, "600")])
def test_the_ring_time_stays_in_what_twilio_takes(given: int, asked: str) -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial", timeout_s=given))
    assert tree(stream_ended.handler(desk.context, call()))[0].get("timeout") == asked


@pytest.mark.parametrize(
    ("caller", "caller_id"), [("+15005550001", None), ("anonymous", "+15005550006"), ("client:alice", "+15005550006")]
)
def test_a_telephone_is_shown_a_number_it_can_show(caller: str, caller_id: str | None) -> None:
    desk = Desk()
    desk.opened(from_=caller, disposition=disposed("dial"))
    assert tree(stream_ended.handler(desk.context, call(From=caller)))[0].get("callerId") == caller_id


def test_a_whatsapp_caller_is_never_dialled_to_a_telephone_number() -> None:
    desk = Desk()
    desk.opened(from_="whatsapp:+15005550001", disposition=disposed("dial", say="I am connecting you.", to="+15005550010"))
    answer = stream_ended.handler(desk.context, call(From="whatsapp:+15005550001"))

    assert verbs(answer) == ["Say", "Record", "Hangup"]
    assert said(answer) == phrases_of("en").leave_message


def test_a_whatsapp_caller_is_dialled_to_a_client() -> None:
    desk = Desk()
    desk.opened(from_="whatsapp:+15005550001", disposition=disposed("dial", to="client:dana"))
    assert verbs(stream_ended.handler(desk.context, call())) == ["Dial"]


@pytest.mark.parametrize("to", ["911", "whatsapp:+15005550001", "sip:", "", "<Number>"])
def test_a_target_that_cannot_be_dialled_becomes_a_message(to: str) -> None:
    desk = Desk(profiles=[msgspec.structs.replace(BOB, escalation=None)])
    desk.opened(disposition=disposed("dial", to=to, say="I am connecting you."))
    assert verbs(stream_ended.handler(desk.context, call())) == ["Say", "Record", "Hangup"]


def test_voicemail_asks_for_a_message_and_records_it() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("voicemail", say="Please leave a message."))
    root = tree(stream_ended.handler(desk.context, call()))

    assert [element.tag for element in root] == ["Say", "Record", "Hangup"]
    assert root[0].text == "Please leave a message."
    assert root[1].attrib == {
        "action": "https://phone.example/voicemail",
        "method": "POST",
        "maxLength": "120",
        "playBeep": "true",
        "recordingStatusCallback": "https://phone.example/recording-status",
        "recordingStatusCallbackEvent": "completed absent",
    }


def test_voicemail_without_words_uses_those_of_the_business() -> None:
    own = msgspec.structs.replace(DANA, fallback=Fallback(mode="voicemail", text="השאירו הודעה ל{name}"))
    desk = Desk(profiles=[own])
    desk.opened(profile=own, disposition=disposed("voicemail"))
    assert said(stream_ended.handler(desk.context, call())) == "השאירו הודעה להמוסך של דנה"


@pytest.mark.parametrize("status", ["", "ringing", "something-new"])
@pytest.mark.parametrize("owner", ["bridge-1", None])
def test_a_call_in_an_odd_state_leads_to_the_business_s_fallback(status: str, owner: str | None) -> None:
    desk = Desk()
    desk.opened(owner=owner)
    answer = stream_ended.handler(desk.context, call(CallStatus=status))

    assert verbs(answer) == ["Say", "Dial"]
    assert said(answer) == BOB.fallback_text


def test_the_call_of_a_bridge_that_vanished_is_connected_again_with_a_token_of_its_own() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    first = desk.ledger.tokens[SID]
    answer = stream_ended.handler(desk.context, call())

    assert verbs(answer) == ["Connect"]
    assert desk.ledger.tokens[SID].attempt == first.attempt + 1
    assert mint(desk.ledger.tokens[SID], SECRET) in str(answer)
    assert desk.ledger.records[SID].resumed == "lost"
    assert tree(answer)[0].get("action") == "https://phone.example/stream-ended?attempt=2"


def test_a_question_repeated_after_a_bridge_took_the_further_stream_takes_nothing_from_it() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    stream_ended.handler(desk.context, call())
    desk.ledger.change(SID, owner="bridge-2")
    stream_ended.handler(desk.context, call(attempt="2"))
    desk.ledger.change(SID, owner="bridge-3")
    again = stream_ended.handler(desk.context, call(attempt="2"))

    assert mint(desk.ledger.tokens[SID], SECRET) in str(again)
    assert desk.ledger.tokens[SID].attempt == 3
    assert desk.ledger.records[SID].owner == "bridge-3"


@pytest.mark.parametrize("attempt", ["1", "-2", "x", "٣", "99999999999999999999", "5"])
def test_a_number_of_a_stream_that_is_none_of_ours_counts_as_none(attempt: str) -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    assert verbs(stream_ended.handler(desk.context, call(attempt=attempt))) == ["Connect"]
    assert desk.ledger.tokens[SID].attempt == 2


def test_a_repeated_request_about_a_bridge_that_vanished_gets_the_same_token() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    stream_ended.handler(desk.context, call())
    token = mint(desk.ledger.tokens[SID], SECRET)
    assert token in str(stream_ended.handler(desk.context, call()))


def test_a_call_that_the_store_resumes_no_more_gets_the_business_s_fallback() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    desk.ledger.resumes_left = 0
    answer = stream_ended.handler(desk.context, call())
    assert verbs(answer) == ["Say", "Dial"]
    assert said(answer) == BOB.fallback_text


@pytest.mark.parametrize(
    ("changes", "nobody_accepts", "tries", "reason"),
    [
        ({}, True, "", "at_capacity"),
        ({}, False, "2", "no_bridge"),
        ({"accepted_at": "2026-01-01T12:00:00.000Z", "owner": "bridge-1"}, True, "", "at_capacity"),
        ({"accepted_at": "2026-01-01T12:00:00.000Z", "owner": "bridge-1"}, False, "", "lost"),
        ({"accepted_at": "2026-01-01T12:00:00.000Z"}, False, "2", "lost"),
    ],
)
@pytest.mark.parametrize("profile", [BOB, DANA, HANGS_UP])
def test_the_record_says_why_a_caller_got_the_business_s_fallback(
    profile: BusinessProfile, changes: dict[str, Any], nobody_accepts: bool, tries: str, reason: str
) -> None:
    desk = Desk(profiles=[profile], nobody_accepts=nobody_accepts)
    desk.opened(profile=profile, **changes)
    desk.ledger.resumes_left = 0
    first = stream_ended.handler(desk.context, call(tries=tries, To=profile.numbers[0]))

    assert desk.ledger.records[SID].disposition.reason == reason
    assert str(first) == str(fallback_response(desk.context, profile, caller_of(call(), desk.ledger.records[SID])))
    assert str(stream_ended.handler(desk.context, call(To=profile.numbers[0]))) == str(first)
    call_status.handler(desk.context, call(CallStatus="completed"))
    assert desk.ledger.records[SID].end_reason == reason


def test_a_caller_gets_the_fallback_even_if_nobody_can_note_why() -> None:
    class Forgetful(MemoryLedger):
        def set_disposition(self, *_: object) -> None:
            raise StoreUnavailable("the call store is gone")

    desk = Desk(ledger=Forgetful(), nobody_accepts=True)
    desk.opened()
    assert verbs(stream_ended.handler(desk.context, call())) == ["Say", "Dial"]


def test_a_stream_that_no_bridge_took_is_offered_twice_more_with_the_token_nobody_used() -> None:
    desk = Desk()
    desk.opened()
    token = mint(desk.ledger.tokens[SID], SECRET)
    answers = [stream_ended.handler(desk.context, call(**tries)) for tries in ({}, {"tries": "1"}, {"tries": "2"})]

    assert [verbs(answer) for answer in answers] == [["Connect"], ["Connect"], ["Say", "Dial"]]
    actions = [tree(answer)[0].get("action") for answer in answers[:2]]
    assert actions == [f"https://phone.example/stream-ended?tries={number}" for number in (1, 2)]
    assert all(token in str(answer) for answer in answers[:2])


@pytest.mark.parametrize("tries", ["-1", "x", "٣", "1e9", "99999999999999999999"])
def test_a_count_that_is_none_of_ours_counts_as_none(tries: str) -> None:
    desk = Desk()
    desk.opened()
    answer = stream_ended.handler(desk.context, call(tries=tries))
    assert tree(answer)[0].get("action") == "https://phone.example/stream-ended?tries=1"


def test_a_store_that_cannot_resume_leads_to_the_business_s_fallback() -> None:
    class Forgetful(MemoryLedger):
        def resume_call(self, *_: object) -> None:
            raise StoreUnavailable("the call store is gone")

    desk = Desk(ledger=Forgetful())
    desk.opened(owner="bridge-1")
    assert verbs(stream_ended.handler(desk.context, call())) == ["Say", "Dial"]


def test_a_fallback_that_dials_nobody_becomes_a_message_and_promises_no_one() -> None:
    nobody = msgspec.structs.replace(BOB, escalation=None)
    desk = Desk(profiles=[nobody])
    desk.opened()
    answer = stream_ended.handler(desk.context, call(tries="2"))

    assert verbs(answer) == ["Say", "Record", "Hangup"]
    assert said(answer) == phrases_of("en").leave_message


def test_a_whatsapp_caller_s_fallback_dials_a_client() -> None:
    office = msgspec.structs.replace(BOB, escalation=Escalation(to="client:office"))
    desk = Desk(profiles=[office])
    desk.opened(from_="whatsapp:+15005550001")
    assert tree(stream_ended.handler(desk.context, call(tries="2")))[1][0].tag == "Client"


@pytest.mark.parametrize("disposition", [None, disposed("dial"), disposed("voicemail")])
def test_nothing_is_said_to_a_caller_who_has_left(disposition: object) -> None:
    desk = Desk()
    desk.opened(disposition=disposition)
    assert verbs(stream_ended.handler(desk.context, call(CallStatus="completed"))) == ["Hangup"]
    assert desk.ledger.kinds() == ["call.started", "call.ended"]


def test_a_caller_who_left_while_a_bridge_writes_is_left_to_the_bridge() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    stream_ended.handler(desk.context, call(CallStatus="completed"))

    assert desk.over == [(SID, "completed", None)]
    assert desk.ledger.kinds() == ["call.started"]
    assert desk.ledger.records[SID].action_requested_at is None


def test_an_unknown_call_hears_a_sentence_in_the_language_of_the_number() -> None:
    answer = stream_ended.handler(Desk().context, call(To="+97235550006"))
    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == phrases_of("he").cannot_answer


def test_a_call_that_has_ended_is_hung_up() -> None:
    desk = Desk()
    desk.opened()
    desk.ledger.append_next(SID, CallEnded(reason="operator", duration_ms=1), NOW)
    assert verbs(stream_ended.handler(desk.context, call())) == ["Hangup"]


def test_a_store_that_is_down_leads_to_the_business_s_fallback() -> None:
    answer = stream_ended.handler(Desk(ledger=BrokenLedger()).context, call())
    assert verbs(answer) == ["Say", "Dial"]


def test_a_store_that_is_down_keeps_nobody_who_has_left() -> None:
    answer = stream_ended.handler(Desk(ledger=BrokenLedger()).context, call(CallStatus="completed"))
    assert verbs(answer) == ["Hangup"]


def test_a_business_whose_file_is_gone_is_answered_for_in_english() -> None:
    desk = Desk()
    desk.opened(profile=DANA)
    desk.profiles = ()
    assert said(stream_ended.handler(desk.context, call())) == phrases_of("en").cannot_answer
