"""The TwiML pieces, and the fallback that needs nothing."""

from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from twilio.twiml.voice_response import VoiceResponse

from calls.business import BusinessProfile, Escalation, Fallback
from calls.language import PHRASES, phrases_of
from tests.webhooks.doubles import BOB, BrokenLedger, Desk, call, said, tree, verbs
from webhooks.handlers import fallback
from webhooks.parties import Caller
from webhooks.twiml import MAX_SAID, fallback_response, hang_up_after, say

HOSTILE = [
    "</Say><Dial>+1900</Dial>",
    'Bob & "Sons" <\'>',
    "]]><!-- & -->&amp;",
    "דנה 🔧 \u202eevil\u202c",
    "a\x00b\x08c\x1bd\ufffee\ud800f",
    "x" * 200_000,
    "&" * 200_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_hostile_text_stays_text(text: str) -> None:
    answer = hang_up_after(text, "en")
    assert verbs(answer) == ["Say", "Hangup"]
    assert not list(tree(answer)[0])
    assert len(str(answer).encode()) < 64 * 1024


def test_only_what_xml_cannot_hold_is_left_out() -> None:
    assert said(hang_up_after("a\x00b\x08c\x1bd\ufffee\ud800f שלום 🔧", "en")) == "abcdef שלום 🔧"


@pytest.mark.parametrize("name", HOSTILE[:4])
@pytest.mark.parametrize("mode", ["dial", "voicemail", "hangup"])
def test_a_hostile_business_name_stays_text_in_every_fallback(name: str, mode: Any) -> None:
    profile = msgspec.structs.replace(BOB, name=name, fallback=Fallback(mode=mode, text="This is {name}."))
    answer = fallback_response(Desk().context, profile, Caller("+15005550001", "pstn"))
    assert said(answer) == f"This is {name}."


@pytest.mark.parametrize("to", ["client:<Number>&", "sip:a&b@h.example;x=<1>"])
def test_a_hostile_target_stays_text(to: str) -> None:
    profile = msgspec.structs.replace(BOB, escalation=Escalation(to=to))
    dial = tree(fallback_response(Desk().context, profile, Caller("+15005550001", "pstn")))[1]
    assert len(dial) == 1
    assert not list(dial[0])
    assert dial[0].text == to.replace("\x00", "").removeprefix("client:")


@pytest.mark.parametrize("language", [*PHRASES, "xx"])
def test_every_language_is_spoken_with_its_own_locale_and_voice(language: str) -> None:
    phrases = phrases_of(language)
    attributes = tree(hang_up_after("…", language))[0].attrib
    assert attributes.get("language") == phrases.twilio_locale
    assert attributes.get("voice") == phrases.twilio_voice


@pytest.mark.parametrize("blank", ["", "  \n", "\x00"])
def test_a_blank_text_is_no_say(blank: str) -> None:
    assert verbs(hang_up_after(blank, "en")) == ["Hangup"]


def test_a_long_text_is_cut_to_what_twilio_speaks() -> None:
    response = VoiceResponse()
    say(response, "x" * (MAX_SAID + 1), "en")
    assert len(said(response)) == MAX_SAID


@pytest.mark.parametrize("mode", ["dial", "voicemail", "hangup"])
def test_every_fallback_ends_in_a_hangup_or_an_action(mode: Any) -> None:
    profile = msgspec.structs.replace(BOB, fallback=Fallback(mode=mode))
    last = tree(fallback_response(Desk().context, profile, Caller("+15005550001", "pstn")))[-1]
    assert last.tag == "Hangup" or last.get("action")


class Explosive:
    """A context of which nothing can be had."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize("context", [None, Explosive(), object()], ids=["none", "explosive", "empty"])
@pytest.mark.parametrize("event", [{}, call(ErrorCode="11200"), {"To": 7, "ErrorCode": []}], ids=str)
def test_the_fallback_speaks_without_anything(context: Any, event: dict[str, Any]) -> None:
    answer = fallback.handler(context, event)
    assert verbs(answer) == ["Say", "Hangup"]
    assert said(answer) == phrases_of("en").cannot_answer


def test_the_fallback_speaks_the_business_s_language_when_it_can_tell() -> None:
    desk = Desk(ledger=BrokenLedger())
    answer = fallback.handler(desk.context, call(To="+97235550006", ErrorCode="11205"))
    assert said(answer) == phrases_of("he").cannot_answer
    assert desk.lines[0][2]["code"] == "11205"


def test_the_fallback_never_leads_back_to_another_webhook() -> None:
    document = str(fallback.handler(Desk().context, call()))
    assert "phone.example" not in document
    assert not [element for element in ElementTree.fromstring(document.encode()).iter() if element.tag in ("Redirect", "Connect")]


def test_a_business_in_a_language_without_a_voice_still_answers() -> None:
    german: BusinessProfile = msgspec.structs.replace(BOB, language="de", fallback=Fallback(mode="hangup"))
    answer = fallback_response(Desk().context, german, Caller("anonymous", "pstn"))
    assert said(answer) == phrases_of("en").cannot_answer
