"""``/stream-ended``: the disposition becomes TwiML."""

import msgspec
import pytest

from calls.business import Escalation, Fallback
from calls.events import CallEnded
from calls.language import phrases_of
from tests.webhooks.doubles import BOB, DANA, NOW, SID, BrokenLedger, Desk, call, disposed, said, tree, verbs
from webhooks.handlers import stream_ended


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


@pytest.mark.parametrize("status", ["in-progress", "", "ringing", "something-new"])
@pytest.mark.parametrize("owner", ["bridge-1", None])
def test_a_bridge_that_vanished_leads_to_the_business_s_fallback(status: str, owner: str | None) -> None:
    desk = Desk()
    desk.opened(owner=owner)
    answer = stream_ended.handler(desk.context, call(CallStatus=status))

    assert verbs(answer) == ["Say", "Dial"]
    assert said(answer) == BOB.fallback_text


def test_a_fallback_that_dials_nobody_becomes_a_message_and_promises_no_one() -> None:
    nobody = msgspec.structs.replace(BOB, escalation=None)
    desk = Desk(profiles=[nobody])
    desk.opened()
    answer = stream_ended.handler(desk.context, call())

    assert verbs(answer) == ["Say", "Record", "Hangup"]
    assert said(answer) == phrases_of("en").leave_message


def test_a_whatsapp_caller_s_fallback_dials_a_client() -> None:
    office = msgspec.structs.replace(BOB, escalation=Escalation(to="client:office"))
    desk = Desk(profiles=[office])
    desk.opened(from_="whatsapp:+15005550001")
    assert tree(stream_ended.handler(desk.context, call()))[1][0].tag == "Client"


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
