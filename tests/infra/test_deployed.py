"""The deployed webhooks, phoned: by signed requests, then by a caller whose call goes through a bridge of this machine."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest
from twilio.request_validator import RequestValidator

from calls.events import AgentTranscript, CallEnded, CallerTranscript, CallEvent, CallResumed
from calls.ids import CallSid
from calls.record import CallRecord
from frontdesk.stage import ACCOUNT_SID, number_of
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.timeline import FirstMedia, Said
from simulator.scenario import CallerStep
from tests.calls.dynamodb import Dynamo
from tests.infra.deployed import AUTH_TOKEN, Deployed, deploy
from tests.servers import aws_emulator
from tests.whole_calls.playing import HANGS_UP, WITHIN_S, Caller, of_kind, plan_for, scenario
from tests.whole_calls.served import Balancer, Served

FILE = """
id = "corner-shop"
name = "Corner Shop"
numbers = ["+15005550006"]
language = "en"
voice = "alloy"
instructions = "You answer the phone of {name}."
[greeting]
text = "Hello."
[closing]
text = "Goodbye."
[turns]
silence_duration_ms = 200
[fallback]
mode = "hangup"
text = "Call later."
"""
TEA = CallerStep(after_ms=250, say="Do you sell tea?")
CALL = {
    "CallSid": "CA" + "1" * 32,
    "AccountSid": ACCOUNT_SID,
    "From": "+15005550100",
    "To": "+15005550006",
    "CallStatus": "ringing",
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Both stacks, with a business, for all tests here."""
    if os.environ.get("FRONTDESK_DEPLOY") != "--deploy":
        pytest.skip("scripts/check-infra --deploy runs this")
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "shop.toml").write_text(FILE, "utf-8")
    (folder / "emulator").mkdir()
    with aws_emulator(folder / "emulator") as url:
        yield deploy(url, folder, folder / "shop.toml")


@pytest.fixture
async def asked(deployed: Deployed) -> AsyncIterator[list[str]]:
    """The door is open; what is asked at it."""
    async with deployed.door() as asked:
        yield asked


async def post(url: str, form: dict[str, str], *, auth_token: str | None = AUTH_TOKEN) -> tuple[int, str]:
    """A webhook as Twilio posts it; without a token, as anybody does."""
    signature = RequestValidator(auth_token).compute_signature(url, form) if auth_token else ""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url, data=form, headers={"X-Twilio-Signature": signature}, timeout=aiohttp.ClientTimeout(WITHIN_S)
        ) as answer,
    ):
        return answer.status, await answer.text()


async def record_of(deployed: Deployed, sid: CallSid) -> tuple[CallRecord | None, list[CallEvent]]:
    """What the table has of a call."""
    dynamo = Dynamo(deployed.emulator)
    store = dynamo.store("frontdesk")
    await store.open()
    try:
        return await store.get_call(sid), await store.events(sid)
    finally:
        await store.close()
        dynamo.client.close()


async def ended(deployed: Deployed, sid: CallSid) -> tuple[CallRecord, list[CallEvent]]:
    """The record, once the call's end is on it."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            record, events = await record_of(deployed, sid)
            if record is not None and record.ended:
                return record, events


async def test_a_signed_request_opens_a_call_in_the_table_and_is_answered_with_a_stream(
    deployed: Deployed, asked: list[str]
) -> None:
    status, text = await post(f"{deployed.url}/incoming-call", CALL | {"CallerName": ""})
    assert status == 200
    (stream,) = ElementTree.fromstring(text).iter("Stream")
    assert stream.get("url") == f"ws://127.0.0.1:{deployed.bridge_port}/media-stream/corner-shop"
    record, events = await record_of(deployed, CallSid(CALL["CallSid"]))
    assert record is not None
    assert (record.business_id, [event.kind for event in events]) == ("corner-shop", ["call.started"])


async def test_a_request_that_twilio_repeats_gets_the_same_answer_and_no_second_call(
    deployed: Deployed, asked: list[str]
) -> None:
    call = CALL | {"CallSid": "CA" + "2" * 32}
    answers = [await post(f"{deployed.url}/incoming-call", call) for _ in range(2)]
    assert answers[0] == answers[1]
    _, events = await record_of(deployed, CallSid(call["CallSid"]))
    assert len(events) == 1


async def test_a_request_that_is_not_twilios_is_refused_and_opens_nothing(deployed: Deployed, asked: list[str]) -> None:
    call = CALL | {"CallSid": "CA" + "3" * 32}
    for token in (None, "somebody else's"):
        status, _ = await post(f"{deployed.url}/incoming-call", call, auth_token=token)
        assert status == 403
    assert await record_of(deployed, CallSid(call["CallSid"])) == (None, [])


async def test_the_api_itself_refuses_paths_that_are_no_webhooks(deployed: Deployed, asked: list[str]) -> None:
    for path in ("/", "/metrics", "/calls", "/operator"):
        status, _ = await post(f"{deployed.url}{path}", {})
        assert status == 404


async def test_the_fallback_answers_whoever_asks(deployed: Deployed, asked: list[str]) -> None:
    status, text = await post(f"{deployed.url}/fallback", {}, auth_token=None)
    assert status == 200
    assert [verb.tag for verb in ElementTree.fromstring(text)] == ["Say", "Hangup"]


@pytest.fixture
async def bridge(deployed: Deployed, asked: list[str], tmp_path: Path) -> AsyncIterator[Served]:
    """A bridge of this machine with the deployment's settings, as a task finds them; still to be started."""
    talk = scenario(TEA, HANGS_UP, replies={"tea": "Green and black tea."})
    async with (
        ModelServer(plan_for(talk)) as model,
        PhoneCloud(ACCOUNT_SID, AUTH_TOKEN) as cloud,
        Balancer().listening(deployed.bridge_port) as balancer,
    ):
        served = Served(tmp_path, tmp_path, model, cloud, balancer)
        served.environment = {
            **deployed.environ,
            "PUBLIC_URL": deployed.url,
            "STREAM_URL": f"ws://127.0.0.1:{deployed.bridge_port}",
            "STREAM_TOKEN_SECRET": deployed.secret("stream-token")["secret"],
            "OPERATOR_TOKENS": deployed.secret("operators")["tokens"],
            "FRONTDESK_STORE": "dynamodb:frontdesk",
            "FRONTDESK_BUSINESSES": "",
        }
        try:
            yield served
        finally:
            await served.end()


def dial(deployed: Deployed, served: Served, *steps: CallerStep) -> Caller:
    """A caller dials the deployment's number."""
    played = scenario(*steps, replies={"tea": "Green and black tea."})
    return Caller(lambda observe: served.cloud.place_call(played, number_of(deployed.url), observe=observe))


async def test_a_whole_call_goes_from_the_deployed_webhook_through_a_bridge_to_a_complete_record(
    deployed: Deployed, asked: list[str], bridge: Served
) -> None:
    await bridge.start()
    caller = dial(deployed, bridge, TEA, HANGS_UP)
    await caller.is_over()
    record, events = await ended(deployed, caller.sid)
    lines = [event.body.text for event in events if isinstance(event.body, AgentTranscript | CallerTranscript)]
    assert lines == ["Hello.", TEA.say, "Green and black tea."]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (record.owner, record.greeting_latency_ms is not None) == (None, True)
    assert {"/incoming-call 200", "/stream-status 204", "/call-status 204"} <= set(asked)


async def test_a_caller_whose_bridge_dies_is_connected_to_the_next_by_the_deployed_webhook(
    deployed: Deployed, asked: list[str], bridge: Served
) -> None:
    process = await bridge.start()
    caller = dial(deployed, bridge, CallerStep(when="agent_speaking", after_ms=100, dtmf="1"))
    first = await caller.sees(FirstMedia)
    bridge.balancer.serves_no_more()
    process.kill()
    await process.exit_code()
    await bridge.start()
    await caller.sees(FirstMedia, lambda media: media.at_ms > first.at_ms)
    caller.phone.hang_up()
    await caller.is_over()
    assert "/stream-ended 200" in asked
    assert caller.observed(Said) == []
    _, events = await ended(deployed, caller.sid)
    bodies = [event.body for event in events]
    assert len(of_kind(bodies, CallResumed)) == len(of_kind(bodies, CallEnded)) == 1


async def test_the_smoke_test_passes_and_leaves_no_call_open(deployed: Deployed, asked: list[str], bridge: Served) -> None:
    await bridge.start()
    said = await smoke(deployed, AUTH_TOKEN)
    assert said.count("\n") == 5
    assert all(line.startswith("ok ") for line in said.splitlines()), said
    assert asked[-2:] == ["/call-status 204", "/fallback 200"]


async def test_the_smoke_test_fails_with_another_token(deployed: Deployed, asked: list[str]) -> None:
    said = await smoke(deployed, "somebody else's", exit_code=1)
    assert "FAILED  a signed request is answered with a stream: answered with 403" in said


async def smoke(deployed: Deployed, auth_token: str, exit_code: int = 0) -> str:
    """What ``scripts/smoke`` says of the deployment."""
    script = Path(__file__).parents[2] / "scripts" / "smoke"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), deployed.url, "+15005550006"),
        env={**os.environ, "TWILIO_AUTH_TOKEN": auth_token},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN_S):
        out, _ = await process.communicate()
    assert process.returncode == exit_code, out.decode()
    return out.decode()
