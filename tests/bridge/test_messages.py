"""Text messages over the real SDK, against the simulated carrier: to whom, from whom, how many, and what is said when it fails."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from bridge.builtin_tools import ToolAnswer, ToolRequest
from bridge.messages import MAX_MESSAGES, Messages
from bridge.settings import TwilioAccount
from bridge.tool_runner import ToolFailed
from calls.address import channel_of
from calls.business import BusinessProfile, Sms
from calls.ids import CallSid
from simulator.phone.cloud import PhoneCloud
from tests.bridge.conversation.line import PROFILE, RECORD
from tests.simulator.phone_doubles import ACCOUNT, TOKEN

CALLER, SHOP, BOB = "+15005550100", "+15005550006", "+15005550010"
ALLOWS_BOB = msgspec.structs.replace(PROFILE, sms=Sms(allow=(BOB,)))


@pytest.fixture
async def cloud() -> AsyncIterator[PhoneCloud]:
    async with PhoneCloud(ACCOUNT, TOKEN, seed=1) as cloud:
        yield cloud


@pytest.fixture
def messages(cloud: PhoneCloud) -> Iterator[Messages]:
    with Messages(TwilioAccount(account_sid=ACCOUNT, auth_token=TOKEN, api_url=cloud.rest_url)) as messages:
        yield messages


def request(
    text: Any = "Thursday at nine, 12 Oak Street.",
    *,
    profile: BusinessProfile = PROFILE,
    from_: str = CALLER,
    dialled: str = SHOP,
    call: str = "1",
    **arguments: Any,
) -> ToolRequest:
    record = msgspec.structs.replace(
        RECORD, from_=from_, to=dialled, channel=channel_of(from_), call_sid=CallSid(f"CA{call:0>32}")
    )
    return ToolRequest(profile=profile, record=record, name="send_sms", arguments={"text": text, **arguments})


async def refusal(messages: Messages, asked: ToolRequest) -> str:
    with pytest.raises(ToolFailed) as failed:
        await messages.send_sms(asked)
    return str(failed.value)


def sent(cloud: PhoneCloud) -> list[tuple[str, str, str]]:
    return [(one.from_, one.to, one.body) for one in cloud.messages]


@pytest.mark.parametrize(
    "text", ["See you on Thursday.", "שלום דנה 👋", "a" * 612, "line one\nline two", "'; DROP TABLE calls; --"]
)
async def test_a_text_goes_to_the_caller_from_the_number_they_dialled(cloud: PhoneCloud, messages: Messages, text: str) -> None:
    answer = await messages.send_sms(request(text))
    assert (json.loads(answer.output), answer.events) == ({"ok": True, "sent_to": "the caller"}, ())
    assert sent(cloud) == [(SHOP, CALLER, text)]


@pytest.mark.parametrize(
    ("sms", "dialled", "from_"),
    [
        (Sms(from_="+15005550007"), SHOP, "+15005550007"),
        (Sms(), "+15005550009", "+15005550009"),
        (Sms(), "sip:shop@corner.example", SHOP),
        (Sms(), f"whatsapp:{SHOP}", SHOP),
    ],
)
async def test_it_comes_from_the_files_number_or_the_dialled_one_or_the_businesss_first(
    cloud: PhoneCloud, messages: Messages, sms: Sms, dialled: str, from_: str
) -> None:
    await messages.send_sms(request("Hi.", profile=msgspec.structs.replace(PROFILE, sms=sms), dialled=dialled))
    assert sent(cloud) == [(from_, CALLER, "Hi.")]


async def test_a_business_without_a_telephone_number_has_nothing_to_send_from(cloud: PhoneCloud, messages: Messages) -> None:
    profile = msgspec.structs.replace(PROFILE, numbers=("client:shop",))
    assert "not set up" in await refusal(messages, request(profile=profile, dialled="client:shop"))
    assert cloud.messages == []


async def test_a_whatsapp_caller_gets_it_on_their_telephone(cloud: PhoneCloud, messages: Messages) -> None:
    await messages.send_sms(request("Hi.", from_=f"whatsapp:{CALLER}", dialled=f"whatsapp:{SHOP}"))
    assert sent(cloud) == [(SHOP, CALLER, "Hi.")]


@pytest.mark.parametrize(
    "from_", ["anonymous", "Restricted", "+266696687", "client:ann", "sip:ann@home.example", "whatsapp:ann.smith", "911"]
)
async def test_a_caller_without_a_number_cannot_be_sent_anything(cloud: PhoneCloud, messages: Messages, from_: str) -> None:
    assert "number is not known" in await refusal(messages, request(from_=from_))
    assert cloud.messages == []


async def test_a_number_the_file_allows_may_be_sent_to(cloud: PhoneCloud, messages: Messages) -> None:
    answer = await messages.send_sms(request("Call back Ann.", profile=ALLOWS_BOB, to=f" {BOB} "))
    assert json.loads(answer.output)["sent_to"] == BOB
    assert sent(cloud) == [(SHOP, BOB, "Call back Ann.")]


async def test_a_hidden_caller_can_still_leave_a_note_for_an_allowed_number(cloud: PhoneCloud, messages: Messages) -> None:
    await messages.send_sms(request("Call back Ann.", profile=ALLOWS_BOB, from_="anonymous", to=BOB))
    assert [one.to for one in cloud.messages] == [BOB]


@pytest.mark.parametrize("to", ["+15005550011", "5005550010", f"whatsapp:{BOB}", "Bob", f"{BOB},+15005550011"])
async def test_no_other_number_is_ever_sent_to(cloud: PhoneCloud, messages: Messages, to: str) -> None:
    assert "only to the number the caller is calling from" in await refusal(messages, request(profile=ALLOWS_BOB, to=to))
    assert cloud.messages == []


@pytest.mark.parametrize("to", [None, "", " ", 7, CALLER])
async def test_without_a_receiver_it_is_the_caller(cloud: PhoneCloud, messages: Messages, to: object) -> None:
    await messages.send_sms(request("Hi.", to=to))
    assert [one.to for one in cloud.messages] == [CALLER]


@pytest.mark.parametrize("text", ["", "  \n", None, 7, ["a"]])
async def test_a_message_without_words_is_not_sent(cloud: PhoneCloud, messages: Messages, text: object) -> None:
    assert "has no text" in await refusal(messages, request(text))
    assert cloud.messages == []


@pytest.mark.parametrize(("text", "segments"), [("a" * 613, 5), ("ש" * 269, 5), ("👋" * 20_000, 607)])
async def test_a_long_message_is_not_sent(cloud: PhoneCloud, messages: Messages, text: str, segments: int) -> None:
    assert f"takes {segments} segments" in await refusal(messages, request(text))
    assert cloud.messages == []


async def test_a_call_has_three_messages_and_another_call_its_own(cloud: PhoneCloud, messages: Messages) -> None:
    for number in range(MAX_MESSAGES):
        await messages.send_sms(request(f"text {number}"))
    assert "no more are allowed" in await refusal(messages, request("one more"))
    await messages.send_sms(request("one more", call="2"))
    assert len(cloud.messages) == MAX_MESSAGES + 1


async def test_messages_asked_for_at_once_are_counted_too(cloud: PhoneCloud, messages: Messages) -> None:
    answers = await asyncio.gather(
        *(messages.send_sms(request(f"text {number}")) for number in range(10)), return_exceptions=True
    )
    assert sum(isinstance(answer, ToolAnswer) for answer in answers) == len(cloud.messages) == MAX_MESSAGES


async def test_the_same_text_is_sent_once_however_often_it_is_asked_for(cloud: PhoneCloud, messages: Messages) -> None:
    for _ in range(5):
        await messages.send_sms(request("Thursday at nine."))
    assert len(cloud.messages) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (21211, "not valid"),
        (21408, "country"),
        (21610, "opted out"),
        (21612, "cannot be reached by text"),
        (21614, "landline"),
        (30007, "carrier has blocked"),
        (30034, "could not be sent"),
        (21999, "could not be sent"),
    ],
)
async def test_what_twilio_refuses_is_told_in_words(cloud: PhoneCloud, messages: Messages, code: int, words: str) -> None:
    cloud.texts_fail[CALLER] = code
    with capture_logs() as logs:
        assert words in await refusal(messages, request("Thursday at nine."))
    assert [(entry["event"], entry["code"], entry["to"]) for entry in logs] == [("sms.refused", code, "+*********00")]
    assert "Thursday" not in str(logs)


async def test_a_refused_message_does_not_count(cloud: PhoneCloud, messages: Messages) -> None:
    cloud.texts_fail[CALLER] = 21610
    for number in range(MAX_MESSAGES + 1):
        assert "opted out" in await refusal(messages, request(f"text {number}"))
    del cloud.texts_fail[CALLER]
    await messages.send_sms(request("at last"))
    assert [one.body for one in cloud.messages] == ["at last"]


async def test_without_an_account_nothing_is_sent() -> None:
    with Messages(TwilioAccount(account_sid=None, auth_token=None, api_url="http://127.0.0.1:1")) as messages:
        assert "not set up" in await refusal(messages, request())


async def test_a_wrong_token_is_told_as_a_failure(cloud: PhoneCloud) -> None:
    with Messages(TwilioAccount(account_sid=ACCOUNT, auth_token="wrong", api_url=cloud.rest_url)) as messages:
        assert "could not be sent" in await refusal(messages, request())


class Answers(BaseHTTPRequestHandler):
    """A REST API that answers 503, or, at ``/silent``, never."""

    let_go = threading.Event()
    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        if self.path.startswith("/silent"):
            self.let_go.wait()
        self.send_response(503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def troubled() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Answers.let_go.clear()
    Answers.asked = 0
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Answers.let_go.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["", "/silent"])
async def test_when_it_is_not_known_whether_it_was_sent_it_is_not_sent_again(
    troubled: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.messages.WITHIN_S", 0.2)
    with Messages(TwilioAccount(account_sid=ACCOUNT, auth_token=TOKEN, api_url=troubled + path)) as messages:
        for _ in range(2):
            assert "not known whether" in await refusal(messages, request())
    assert Answers.asked == 1


async def test_a_carrier_that_cannot_be_reached_is_told_as_a_failure() -> None:
    with Messages(TwilioAccount(account_sid=ACCOUNT, auth_token=TOKEN, api_url="http://127.0.0.1:1")) as messages:
        assert "not known whether" in await refusal(messages, request())
