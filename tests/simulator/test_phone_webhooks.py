"""Webhooks of the simulated carrier: what they carry, how they are signed, retried and replaced."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from twilio.request_validator import RequestValidator

from simulator.phone.outputs import CancelRequest, HttpRequest
from simulator.phone.policies import Number, Policies
from simulator.phone.timeline import CallEnded, Said, WebhookAnswered, WebhookFailed
from tests.simulator.phone_doubles import BASE, HANGUP, STREAM, TOKEN, World, response, scenario, speak, world

WITH_FALLBACK = Number(voice_url=f"{BASE}/incoming-call", voice_fallback_url=f"{BASE}/fallback")

# the key set of a live inbound request
LIVE_KEYS = """AccountSid ApiVersion CallSid CallStatus CallToken Called CalledCity CalledCountry CalledState CalledZip Caller
CallerCity CallerCountry CallerState CallerZip Direction From FromCity FromCountry FromState FromZip StirVerstat To ToCity
ToCountry ToState ToZip"""


def first(made: World) -> HttpRequest:
    return next(output for _, output in made.outputs if isinstance(output, HttpRequest))


def test_the_first_request_has_the_keys_of_a_live_one_blank_values_included() -> None:
    request = first(world())
    assert set(request.params) == set(LIVE_KEYS.split())
    assert request.params["FromZip"] == ""
    assert request.params["CallStatus"] == "ringing"
    assert request.params["Direction"] == "inbound"
    assert request.params["From"] == request.params["Caller"] == "+15005550100"
    assert request.params["To"] == request.params["Called"] == "+15005550006"
    assert request.method == "POST"


def test_a_request_is_signed_over_its_form_and_names_itself() -> None:
    request = first(world())
    assert request.headers["User-Agent"] == "TwilioProxy/1.1"
    assert request.headers["I-Twilio-Idempotency-Token"]
    signature = request.headers["X-Twilio-Signature"]
    assert RequestValidator(TOKEN).validate(request.url, request.params, signature)
    assert not RequestValidator("other").validate(request.url, request.params, signature)


def test_requests_can_be_unsigned_or_forged() -> None:
    assert "X-Twilio-Signature" not in first(world(auth_token=None)).headers
    forged = first(world(policies=Policies(forge=True)))
    assert not RequestValidator(TOKEN).validate(forged.url, forged.params, forged.headers["X-Twilio-Signature"])


def test_https_is_signed_without_port_user_and_fragment() -> None:
    number = Number(voice_url="https://user:secret@h.example:8443/in?a=1#rc=2")
    request = first(world(number=number))
    signed = RequestValidator(TOKEN).compute_signature("https://h.example/in?a=1", request.params)
    assert request.headers["X-Twilio-Signature"] == signed
    assert request.url == "https://user:secret@h.example:8443/in?a=1"


def test_a_get_has_its_parameters_in_the_signed_query() -> None:
    request = first(world(number=Number(voice_url=f"{BASE}/in?x=1", voice_method="GET")))
    query = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    assert request.params == {}
    assert query["x"] == "1"
    assert query["CallStatus"] == "ringing"
    assert query["FromZip"] == ""
    assert RequestValidator(TOKEN).validate(request.url, {}, request.headers["X-Twilio-Signature"])


@pytest.mark.parametrize(
    ("caller", "dialled", "present", "absent"),
    [
        ("whatsapp:+972501234567", "whatsapp:+15005550006", {"ApplicationSid"}, {"CallToken", "StirVerstat", "FromZip"}),
        ("client:anna", "client:bobs-hvac", {"ApplicationSid"}, {"CallToken", "StirVerstat", "FromZip"}),
        ("sip:anna@pbx.example", "sip:bob@hvac.example", {"SipDomain", "SipCallId", "SipSourceIp"}, {"CallToken", "FromZip"}),
        ("anonymous", "+15005550006", {"CallToken", "FromZip"}, {"SipDomain"}),
    ],
)
def test_callers_of_other_networks_carry_what_theirs_carry(
    caller: str, dialled: str, present: set[str], absent: set[str]
) -> None:
    params = first(world(script=scenario(from_=caller, to=dialled))).params
    assert (params["From"], params["To"]) == (caller, dialled)
    assert present <= set(params)
    assert not absent & set(params)
    if "SipDomain" in params:
        assert params["SipDomain"] == "hvac.example"


def test_follow_up_requests_say_in_progress_and_the_last_says_completed() -> None:
    made = world({"/incoming-call": response("<Say>hello</Say>", "<Redirect>/more</Redirect>"), "/more": response()})
    made.run()
    assert made.requests("/more")[0].params["CallStatus"] == "in-progress"
    (status,) = made.requests("/call-status")
    assert status.params["CallStatus"] == "completed"
    assert status.params["CallbackSource"] == "call-progress-events"
    assert status.params["Timestamp"].endswith("+0000")
    assert made.seen(WebhookAnswered)[-1].status == 204


def test_relative_urls_are_those_of_the_document() -> None:
    number = Number(voice_url=f"{BASE}/a/b/in?x=1")
    made = world(
        {"/a/b/in": response("<Redirect>c</Redirect>"), "/a/b/c": response('<Redirect method="GET">../d</Redirect>')},
        number=number,
    )
    made.run()
    assert [request.method for request in made.requests("/a/d")] == ["GET"]


def test_no_answer_within_fifteen_seconds_goes_to_the_fallback() -> None:
    made = world({"/incoming-call": None, "/fallback": HANGUP}, number=WITH_FALLBACK)
    made.run()
    (fallback,) = made.requests("/fallback")
    assert fallback.params["ErrorCode"] == "11205"
    assert fallback.params["ErrorUrl"] == f"{BASE}/incoming-call"
    assert fallback.params["CallStatus"] == "ringing"
    assert [at for at, output in made.outputs if isinstance(output, CancelRequest)] == [15_000]
    assert len(made.requests("/incoming-call")) == 1


def test_an_answer_that_comes_after_its_time_is_ignored() -> None:
    made = world({"/incoming-call": None, "/fallback": HANGUP}, number=WITH_FALLBACK)
    made.run()
    assert made.call.http_answered(made.now, 1, 200, "text/xml", response("<Say>late</Say>")) == []


def test_a_connection_that_fails_is_tried_twice_with_the_same_token() -> None:
    made = world({"/incoming-call": (0, "", ""), "/fallback": HANGUP}, number=WITH_FALLBACK)
    made.run()
    one, two = made.requests("/incoming-call")
    assert one.headers["I-Twilio-Idempotency-Token"] == two.headers["I-Twilio-Idempotency-Token"]
    assert one.request_id != two.request_id
    assert [failure.retried for failure in made.seen(WebhookFailed)] == [True, False]
    assert made.requests("/fallback")[0].params["ErrorCode"] == "11205"


def test_the_fragment_of_a_url_may_ask_for_more_retries() -> None:
    number = Number(voice_url=f"{BASE}/incoming-call#rc=3&rp=5xx,ct,rt&rt=1000", voice_fallback_url=f"{BASE}/fallback")
    refused = world({"/incoming-call": (503, "", ""), "/fallback": HANGUP}, number=number)
    refused.run()
    assert [request.url for request in refused.requests("/incoming-call")] == [f"{BASE}/incoming-call"] * 4
    silent = world({"/incoming-call": None, "/fallback": HANGUP}, number=number)
    silent.run()
    assert len(silent.requests("/incoming-call")) == 4
    assert [at for at, output in silent.outputs if isinstance(output, CancelRequest)] == [1000, 2000, 3000, 4000]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, "text/xml", HANGUP), "11200"),
        ((403, "text/plain", "no"), "11200"),
        ((302, "text/plain", ""), "11200"),
        ((200, "text/xml", "<Response><Say>"), "12100"),
        ((200, "text/xml", ""), "12100"),
        ((200, "text/xml", "<Document/>"), "12100"),
        ((200, "text/xml", response("<Shout>hi</Shout>")), "12100"),
        ((200, "text/xml", response("<Enqueue>support</Enqueue>")), "12100"),
        ((200, "text/xml", '<!DOCTYPE r [<!ENTITY a "b">]><Response/>'), "12100"),
        ((200, "text/xml", response(f"<Say>{'x' * 70_000}</Say>")), "11750"),
        ((200, "application/json", "{}"), "12300"),
        ((200, "text/xml", response("<Redirect>mailto:a@b</Redirect>")), "11100"),
        (
            (
                200,
                "text/xml",
                response('<Connect><Stream url="wss://h"><Parameter name="n" value="' + "v" * 499 + '"/></Stream></Connect>'),
            ),
            "12100",
        ),
    ],
)
def test_a_document_that_cannot_be_had_or_run_goes_to_the_fallback(answer: tuple[int, str, str], code: str) -> None:
    made = world({"/incoming-call": answer, "/fallback": response("<Say>sorry</Say>")}, number=WITH_FALLBACK)
    made.run()
    assert [request.params["ErrorCode"] for request in made.requests("/fallback")] == [code]
    assert [said.text for said in made.seen(Said)] == ["sorry"]


def test_a_fallback_that_fails_too_or_none_ends_with_the_canned_message() -> None:
    failing = world({"/incoming-call": (500, "", ""), "/fallback": (500, "", "")}, number=WITH_FALLBACK)
    without = world({"/incoming-call": (500, "", "")})
    for made in (failing, without):
        made.run()
        assert [said.text for said in made.seen(Said)] == ["We are sorry, an application error has occurred. Goodbye."]
        assert made.seen(CallEnded)[0].reason == "the document hung up"
    assert len(failing.requests("/fallback")) == 1


def test_an_action_that_fails_goes_to_the_fallback_of_the_number() -> None:
    made = world({"/stream-ended": (500, "", ""), "/fallback": HANGUP}, number=WITH_FALLBACK)
    made.run(1000)
    made.do(made.call.stream_closed(made.now, 1000))
    made.run()
    (fallback,) = made.requests("/fallback")
    assert fallback.params["ErrorUrl"] == f"{BASE}/stream-ended"
    assert fallback.params["CallStatus"] == "in-progress"


def test_plain_text_is_read_aloud_and_the_call_ends() -> None:
    made = world({"/incoming-call": (200, "text/plain", "hello there")})
    made.run()
    assert [said.text for said in made.seen(Said)] == ["hello there"]
    assert made.call.ended_ms == len(speak("hello there", "")) / 8


def test_plain_text_that_is_twiml_runs() -> None:
    made = world({"/incoming-call": (200, "text/plain", response("<Pause length='2'/>"))})
    made.run()
    assert made.seen(Said) == []


def test_a_slow_answer_to_a_call_that_moved_on_is_nobodys() -> None:
    made = world({"/stream-ended": response("<Say>old</Say>")})
    made.run(1000)
    made.web_ms = 500
    made.do(made.call.stream_closed(made.now, 1000))
    made.do(made.call.rest_update(made.now, twiml=response("<Pause/>", "<Say>new</Say>")))
    made.run()
    assert [said.text for said in made.seen(Said)] == ["new"]


def test_a_caller_who_hangs_up_while_it_rings_was_not_answered() -> None:
    made = world({"/incoming-call": None}, script=scenario(gives_up_after_s=3))
    made.run(1000)
    made.do(made.call.hang_up(made.now))
    made.run(1000)
    assert made.call.status == "no-answer"
    (status,) = made.requests("/call-status")
    assert status.params["CallDuration"] == "0"


def test_a_rejected_call_is_never_answered() -> None:
    made = world({"/incoming-call": response('<Reject reason="busy"/>')})
    made.run()
    assert made.call.status == "busy"
    assert made.requests("/call-status")[0].params["CallStatus"] == "busy"


def test_a_document_over_rest_needs_absolute_urls() -> None:
    made = world()
    made.run(1000)
    made.do(made.call.rest_update(made.now, twiml=response("<Redirect>/relative</Redirect>")))
    made.run()
    assert [entry.code for entry in made.call.debugger] == [11100]


def test_webhooks_say_which_stream_document_they_were_for() -> None:
    made = world({"/incoming-call": response(STREAM)})
    made.run(1000)
    answered = made.seen(WebhookAnswered)[0]
    assert (answered.purpose, answered.status, answered.body) == ("voice", 200, response(STREAM))
