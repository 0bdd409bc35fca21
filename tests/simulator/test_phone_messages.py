"""Text messages at the simulated carrier, asked for with the real ``twilio`` SDK."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from simulator.phone.cloud import PhoneCloud
from tests.simulator.phone_doubles import ACCOUNT, TOKEN

TO, FROM = "+15005550010", "+15005550006"
Create = Callable[..., Any]


@pytest.fixture
async def cloud() -> AsyncIterator[PhoneCloud]:
    async with PhoneCloud(ACCOUNT, TOKEN, seed=1) as cloud:
        yield cloud


@pytest.fixture
async def create(cloud: PhoneCloud) -> AsyncIterator[Create]:
    http = TwilioHttpClient(timeout=5)
    client = Client(ACCOUNT, TOKEN, http_client=http, environment={"": ""})
    client.api.base_url = cloud.rest_url

    async def created(**arguments: Any) -> Any:
        return await asyncio.to_thread(lambda: client.messages.create(**{"to": TO, "from_": FROM, "body": "Hi."} | arguments))

    yield created
    assert http.session is not None
    http.session.close()


@pytest.mark.parametrize(("body", "segments"), [("Hi.", "1"), ("a" * 161, "2"), ("שלום " * 20, "2")])
async def test_a_message_is_queued_and_kept(cloud: PhoneCloud, create: Create, body: str, segments: str) -> None:
    message = await create(body=body)
    assert (message.status, message.error_code, message.num_segments) == ("queued", None, segments)
    assert [(one.sid, one.to, one.from_, one.body) for one in cloud.messages] == [(message.sid, TO, FROM, body)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"to": "5005550010"}, 21211),
        ({"to": "Bob"}, 21211),
        ({"from_": "shop"}, 21212),
        ({"to": FROM}, 21266),
        ({"body": ""}, 21602),
        ({"from_": ""}, 21603),
        ({"to": ""}, 21604),
        ({"body": "a" * 1601}, 21617),
    ],
)
async def test_a_wrong_message_is_refused_with_twilios_code(
    cloud: PhoneCloud, create: Create, arguments: dict[str, str], code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        await create(**arguments)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert cloud.messages == []


@pytest.mark.parametrize("code", [21408, 21610, 21612, 21614, 21999])
async def test_a_number_may_be_set_up_to_refuse(cloud: PhoneCloud, create: Create, code: int) -> None:
    cloud.texts_fail[TO] = code
    with pytest.raises(TwilioRestException) as refused:
        await create()
    assert (refused.value.status, refused.value.code) == (400, code)
    await create(to="+15005550011")
    assert [one.to for one in cloud.messages] == ["+15005550011"]


async def test_what_fails_on_its_way_is_a_message_that_failed(cloud: PhoneCloud, create: Create) -> None:
    cloud.texts_fail[TO] = 30007
    message = await create()
    assert (message.status, message.error_code) == ("failed", 30007)
    assert [one.error_code for one in cloud.messages] == [30007]
