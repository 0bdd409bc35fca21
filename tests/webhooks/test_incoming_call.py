"""``/incoming-call``: from ring to stream."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from calls.business import Fallback
from calls.events import CallStarted
from calls.language import phrases_of
from calls.store.base import StoreUnavailable
from calls.stream_token import verify
from tests.webhooks.doubles import BOB, DANA, NOW, SECRET, SID, BrokenLedger, Desk, call, said, tree, verbs
from webhooks.handlers import incoming_call


def test_a_known_number_is_connected_to_the_stream_of_its_business() -> None:
    root = tree(incoming_call.handler(Desk().context, call(CallStatus="ringing")))

    connect = root[0]
    assert [element.tag for element in root] == ["Connect"]
    assert connect.attrib == {"action": "https://phone.example/stream-ended", "method": "POST"}
    assert [element.tag for element in connect] == ["Stream"]
    assert connect[0].attrib == {
        "url": "wss://bridge.example/media-stream/bobs-hvac",
        "statusCallback": "https://phone.example/stream-status",
    }
    assert [parameter.get("name") for parameter in connect[0]] == ["token"]


def test_the_token_binds_the_stream_to_this_call_and_this_business() -> None:
    root = tree(incoming_call.handler(Desk().context, call()))

    text = root[0][0][0].attrib["value"]
    token = verify(text, SECRET, call_sid=SID, business_id=BOB.business_id, now_s=NOW.timestamp())
    assert (token.call_sid, token.business_id, token.attempt) == (SID, "bobs-hvac", 1)
    assert len("token") + len(text) < 500


def test_the_call_is_on_record_before_twilio_is_answered() -> None:
    desk = Desk()
    incoming_call.handler(desk.context, call())

    assert [event.body for event in desk.ledger.written] == [
        CallStarted(business_id="bobs-hvac", from_="+15005550001", to="+15005550006", channel="pstn")
    ]


def test_a_repeated_webhook_gets_the_same_answer_and_opens_nothing() -> None:
    desk = Desk()
    first = str(incoming_call.handler(desk.context, call()))
    desk.later(7)

    assert str(incoming_call.handler(desk.context, call())) == first
    assert desk.ledger.kinds() == ["call.started"]


def test_a_call_that_has_already_ended_is_hung_up() -> None:
    desk = Desk()
    desk.opened()
    desk.ledger.end_call(SID, "caller_hung_up", NOW)

    assert verbs(incoming_call.handler(desk.context, call())) == ["Hangup"]


def test_an_unknown_number_hears_a_sentence_and_opens_no_call() -> None:
    desk = Desk()
    answer = incoming_call.handler(desk.context, call(To="+15005559999"))

    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == phrases_of("en").unknown_number
    assert desk.ledger.written == []
    assert "+15005559999" not in desk.log_text
    assert desk.lines[0][0] == "warning"


def test_the_address_may_come_as_called_only() -> None:
    event = call(Called="+97235550006")
    del event["To"]

    root = tree(incoming_call.handler(Desk().context, event))
    assert root[0][0].attrib["url"].endswith("/media-stream/dana-garage")


@pytest.mark.parametrize(
    "sid", [None, "", " ", "garbage", "CA", "CA" + "0" * 100, "CA.1.2", "CA\n1", "CA\x00", "CAהי", ["CA1"], 7], ids=repr
)
def test_a_call_without_a_usable_sid_hears_a_sentence(sid: object) -> None:
    desk = Desk()
    answer = incoming_call.handler(desk.context, {**call(), "CallSid": sid})

    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == phrases_of("en").cannot_answer
    assert desk.ledger.written == []


@pytest.mark.parametrize(
    ("from_", "to", "channel"),
    [
        ("+15005550001", "+15005550006", "pstn"),
        ("anonymous", "+15005550006", "pstn"),
        ("whatsapp:+15005550001", "whatsapp:+15005550006", "whatsapp"),
        ("+15005550001", "whatsapp:+15005550006", "whatsapp"),
        ("sip:alice@home.example", "sip:bob@hvac.example:5060;transport=udp", "sip"),
        ("sip:alice@home.example", "sip:bob@hvac.example;user=phone", "sip"),
        ("client:alice", "client:bobs-hvac", "client"),
    ],
)
def test_callers_of_every_network_reach_the_business(from_: str, to: str, channel: str) -> None:
    desk = Desk()
    answer = incoming_call.handler(desk.context, call(From=from_, To=to))

    record = desk.ledger.records[SID]
    assert verbs(answer) == ["Connect"]
    assert (record.from_, record.to, record.channel) == (from_, to, channel)


def test_a_whatsapp_address_without_its_prefix_reaches_the_business_that_lists_it_with_one() -> None:
    only_whatsapp = msgspec.structs.replace(BOB, numbers=("whatsapp:+15005550006",))
    assert verbs(incoming_call.handler(Desk(profiles=[only_whatsapp]).context, call())) == ["Connect"]


def test_a_whatsapp_address_reaches_the_business_that_lists_the_bare_number() -> None:
    assert verbs(incoming_call.handler(Desk().context, call(To="whatsapp:+97235550006"))) == ["Connect"]


@pytest.mark.parametrize("from_", ["", "   ", "\x00\x1b[2J"])
def test_a_caller_without_an_address_is_anonymous_or_what_can_be_printed(from_: str) -> None:
    desk = Desk()
    incoming_call.handler(desk.context, call(From=from_))
    assert desk.ledger.records[SID].from_ in ("anonymous", "[2J")


@pytest.mark.parametrize("error", [StoreUnavailable("down"), RuntimeError("+15005550001"), TimeoutError()])
def test_a_store_that_is_down_leads_to_the_business_s_fallback(error: Exception) -> None:
    desk = Desk(ledger=BrokenLedger(error))
    answer = incoming_call.handler(desk.context, call())

    assert verbs(answer) == ["Say", "Dial"]
    assert said(answer) == BOB.fallback_text
    assert desk.lines[0][0] == "error"
    assert "+15005550001" not in desk.log_text


def test_a_store_that_is_down_leads_a_hebrew_caller_to_a_message_in_hebrew() -> None:
    answer = incoming_call.handler(Desk(ledger=BrokenLedger()).context, call(To="+97235550006"))

    assert verbs(answer) == ["Say", "Record", "Hangup"]
    assert tree(answer)[0].attrib == {"language": "he-IL", "voice": "Google.he-IL-Standard-A"}
    assert said(answer) == phrases_of("he").leave_message


def test_the_fallback_that_hangs_up_says_so_first() -> None:
    polite = msgspec.structs.replace(DANA, fallback=Fallback(mode="hangup"))
    answer = incoming_call.handler(Desk(ledger=BrokenLedger(), profiles=[polite]).context, call(To="+97235550006"))

    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == phrases_of("he").cannot_answer


def test_a_public_url_with_a_path_and_a_slash_at_its_end_gives_clean_urls() -> None:
    context = replace(Desk(public_url="https://h.example/phone/").context, stream_url="wss://h.example/phone/")
    connect = tree(incoming_call.handler(context, call()))[0]

    assert connect.attrib["action"] == "https://h.example/phone/stream-ended"
    assert connect[0].attrib["url"] == "wss://h.example/phone/media-stream/bobs-hvac"


@pytest.mark.parametrize("event", [{}, {"To": ["+15005550006"]}, {"To": None, "From": 7, "CallSid": {}}, {"request": "gone"}])
def test_a_request_of_any_shape_hears_a_sentence(event: dict[str, Any]) -> None:
    assert verbs(incoming_call.handler(Desk().context, event)) == ["Say", "Hangup"]


def test_a_token_that_ran_out_unused_is_replaced() -> None:
    desk = Desk()
    first = str(incoming_call.handler(desk.context, call()))
    desk.now += timedelta(minutes=2)

    assert str(incoming_call.handler(desk.context, call())) != first
