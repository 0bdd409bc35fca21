"""Calls the simulated carrier makes itself: ringing, who answers, what is asked and told; and numbers, over REST."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from simulator.phone.call import PhoneCall
from simulator.phone.cloud import PhoneCloud
from simulator.phone.outgoing import Outgoing, outgoing_of
from simulator.phone.policies import Callee
from simulator.phone.timeline import CallEnded, Said, WebhookPosted
from simulator.scenario import Caller
from tests.simulator.phone_doubles import ACCOUNT, BASE, HANGUP, TOKEN, World, response, scenario, speak, step

FORM = {"To": "+15005550100", "From": "+15005550006", "Url": f"{BASE}/incoming-call", "StatusCallback": f"{BASE}/call-status"}
ALL_EVENTS = ["initiated ringing", "answered", "completed"]


def asked_for(form: Mapping[str, str] = FORM, events: list[str] | None = None) -> Outgoing:
    return outgoing_of(form, events or [], owned=frozenset(), fails={})


def called(
    callee: Callee, pages: dict[str, Any] | None = None, events: list[str] | None = None, run: bool = True, **form: str
) -> World:
    """The carrier calls somebody."""
    outgoing = asked_for({name: value for name, value in (FORM | form).items() if value}, events)
    call = PhoneCall(
        scenario(*callee.person.steps),
        outgoing.number,
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        speak=speak,
        outgoing=outgoing,
        callee=callee,
    )
    played = World(call, pages or {"/incoming-call": HANGUP, "/call-status": "", "/amd": ""})
    played.do(call.dial(0))
    if run:
        played.run()
    return played


def posts(played: World, purpose: str) -> list[tuple[float, dict[str, str]]]:
    return [(post.at_ms, post.params) for post in played.seen(WebhookPosted) if post.purpose == purpose]


def test_the_document_is_asked_for_as_soon_as_somebody_answers() -> None:
    played = called(Callee(after_ms=3000))
    ((at_ms, params),) = posts(played, "voice")
    assert at_ms == 3000
    assert (params["Direction"], params["CallStatus"]) == ("outbound-api", "in-progress")
    assert (params["From"], params["To"]) == ("+15005550006", "+15005550100")
    assert {"AnsweredBy", "CallToken", "StirVerstat"} & params.keys() == set()


@pytest.mark.parametrize(
    ("answered_by", "detection", "found", "at_ms"),
    [
        ("human", "Enable", "human", 1600),
        ("machine", "Enable", "machine_start", 1600),
        ("machine", "DetectMessageEnd", "machine_end_beep", 5000),
        ("human", "DetectMessageEnd", "human", 1600),
        ("fax", "DetectMessageEnd", "fax", 1600),
        ("unknown", "Enable", "unknown", 1600),
    ],
)
def test_with_detection_it_is_asked_for_once_it_is_known_who_answered(
    answered_by: Any, detection: str, found: str, at_ms: float
) -> None:
    played = called(Callee(after_ms=1000, answered_by=answered_by, announcement_ms=4000), MachineDetection=detection)
    ((asked_at_ms, params),) = posts(played, "voice")
    assert (asked_at_ms, params["AnsweredBy"], played.call.answered_by) == (at_ms, found, found)
    assert posts(played, "status")[0][1]["AnsweredBy"] == found


def test_asynchronous_detection_asks_at_once_and_tells_a_callback() -> None:
    played = called(
        Callee(after_ms=1000, answered_by="machine"),
        {"/incoming-call": response("<Pause length='5'/>"), "/call-status": "", "/amd": ""},
        MachineDetection="Enable",
        AsyncAmd="true",
        AsyncAmdStatusCallback=f"{BASE}/amd",
    )
    assert [at_ms for at_ms, _ in posts(played, "voice")] == [1000]
    ((at_ms, params),) = posts(played, "amd")
    assert (at_ms, params["AnsweredBy"]) == (1600, "machine_start")


def test_somebody_who_hangs_up_while_the_carrier_still_listens_is_asked_nothing() -> None:
    callee = Callee(detection_ms=4000, person=Caller(steps=(step(when="answered", after_ms=100, hang_up=True),)))
    played = called(callee, MachineDetection="Enable")
    assert posts(played, "voice") == []
    assert [ended.status for ended in played.seen(CallEnded)] == ["completed"]


@pytest.mark.parametrize(
    ("callee", "status", "ended_ms"),
    [
        (Callee(outcome="busy", after_ms=700), "busy", 700),
        (Callee(outcome="failed", after_ms=300), "failed", 300),
        (Callee(outcome="no-answer"), "no-answer", 20_000),
        (Callee(after_ms=30_000), "no-answer", 20_000),
    ],
)
def test_a_call_that_nobody_takes_asks_for_no_document(callee: Callee, status: str, ended_ms: float) -> None:
    played = called(callee, Timeout="20")
    assert posts(played, "voice") == []
    ((at_ms, params),) = posts(played, "status")
    assert (at_ms, params["CallStatus"], params["CallDuration"]) == (ended_ms, status, "0")


def test_the_status_callback_is_told_of_what_it_asked_for_in_order() -> None:
    played = called(Callee(), events=ALL_EVENTS)
    told = [(params["CallStatus"], params["SequenceNumber"]) for _, params in posts(played, "status")]
    assert told == [("initiated", "0"), ("ringing", "1"), ("in-progress", "2"), ("completed", "3")]


def test_a_document_given_with_the_call_needs_no_address() -> None:
    played = called(Callee(), Url="", Twiml=response("<Say>Hello</Say>"))
    assert posts(played, "voice") == []
    assert [said.text for said in played.seen(Said)] == ["Hello"]


def test_a_ringing_call_can_be_cancelled() -> None:
    played = called(Callee(after_ms=60_000), run=False)
    played.run(until_ms=1000)
    assert played.call.status == "ringing"
    played.do(played.call.rest_update(1000, status="canceled"))
    played.run()
    assert [ended.status for ended in played.seen(CallEnded)] == ["canceled"]


# --- over REST -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def cloud() -> AsyncIterator[PhoneCloud]:
    async with PhoneCloud(ACCOUNT, TOKEN, seed=1) as cloud:
        yield cloud


async def rest(cloud: PhoneCloud, ask: Callable[[Client], Any]) -> Any:
    http = TwilioHttpClient(timeout=10)
    client = Client(ACCOUNT, TOKEN, http_client=http, environment={"": ""})
    client.api.base_url = cloud.rest_url
    try:
        return await asyncio.to_thread(ask, client)
    finally:
        if http.session is not None:
            http.session.close()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"to": "12", "url": "https://a.example"}, 21211),
        ({"from_": "12", "url": "https://a.example"}, 21212),
        ({"from_": "+15005550001", "url": "https://a.example"}, 21210),
        ({"to": "+15005550009", "url": "https://a.example"}, 21215),
        ({"url": "gopher://a"}, 21205),
        ({"twiml": "x" * 4001}, 32018),
        ({}, 20001),
        ({"url": "https://a.example", "twiml": "<Response/>"}, 20001),
    ],
)
async def test_a_call_that_twilio_would_not_make_is_refused(cloud: PhoneCloud, params: dict[str, str], code: int) -> None:
    cloud.own("+15005550006")
    cloud.calls_fail["+15005550009"] = 21215
    given = {"to": "+15005550100", "from_": "+15005550006"} | params
    with pytest.raises(TwilioRestException) as refused:
        await rest(cloud, lambda client: client.calls.create(**given))
    assert refused.value.code == code
    assert cloud.calls == {}


async def test_a_call_that_was_made_can_be_looked_up_and_ended(cloud: PhoneCloud) -> None:
    made = await rest(cloud, lambda client: client.calls.create(to="+15005550100", from_="+15005550006", twiml="<Response/>"))
    ended = await rest(cloud, lambda client: client.calls(made.sid).update(status="canceled"))
    assert (made.status, made.direction) == ("queued", "outbound-api")
    assert (ended.status, ended.direction, ended.to) == ("canceled", "outbound-api", "+15005550100")
    await cloud.calls[made.sid].finished()


async def test_numbers_are_listed_page_by_page_and_found(cloud: PhoneCloud) -> None:
    for number in range(7):
        cloud.own(f"+1500555000{number}")
    listed = await rest(cloud, lambda client: client.incoming_phone_numbers.list(page_size=3))
    found = await rest(cloud, lambda client: client.incoming_phone_numbers.list(phone_number="+15005550004"))
    page = await rest(cloud, lambda client: client.incoming_phone_numbers.page(page_size=3))
    assert [one.phone_number for one in listed] == [f"+1500555000{number}" for number in range(7)]
    assert [one.phone_number for one in found] == ["+15005550004"]
    assert len(list(page)) == 3


async def test_a_number_is_changed_where_the_form_says_so_and_nowhere_else(cloud: PhoneCloud) -> None:
    own = cloud.own("+15005550006", friendly_name="Shop", voice_url="https://a.example/v", trunk_sid="TK1")
    changed = await rest(cloud, lambda client: client.incoming_phone_numbers(own.sid).update(voice_application_sid="AP1"))
    assert (changed.voice_application_sid, changed.trunk_sid) == ("AP1", None)
    cleared = await rest(
        cloud, lambda client: client.incoming_phone_numbers(own.sid).update(voice_application_sid="", voice_method="GET")
    )
    assert (cleared.voice_application_sid, cleared.voice_method) == (None, "GET")
    assert (cleared.voice_url, cleared.friendly_name) == ("https://a.example/v", "Shop")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"voice_fallback_url": "https://a.example"}, 21405),
        ({"voice_url": "nonsense"}, 21402),
        ({"voice_method": "PUT"}, 21403),
        ({"status_callback": "ftp://a"}, 21609),
    ],
)
async def test_a_number_is_not_set_up_in_a_way_that_cannot_work(cloud: PhoneCloud, changes: dict[str, str], code: int) -> None:
    own = cloud.own("+15005550006")
    with pytest.raises(TwilioRestException) as refused:
        await rest(cloud, lambda client: client.incoming_phone_numbers(own.sid).update(**changes))
    assert refused.value.code == code
    assert cloud.numbers[own.sid] == own


async def test_a_number_the_account_does_not_have_is_not_found(cloud: PhoneCloud) -> None:
    with pytest.raises(TwilioRestException) as refused:
        await rest(cloud, lambda client: client.incoming_phone_numbers("PN0").fetch())
    assert (refused.value.status, refused.value.code) == (404, 20404)
