"""The simulated carrier over loopback sockets, against a small server and the real ``twilio`` SDK."""

import asyncio
import base64
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from simulator.phone.cloud import PhoneCloud
from simulator.phone.policies import Number, Policies
from simulator.phone.timeline import CallEnded, FirstMedia, MarkEchoed, StepBegan, StreamOver, WebhookFailed
from simulator.scenario import CallerStep, Scenario
from tests.simulator.phone_doubles import ACCOUNT, HANGUP, TOKEN, response, scenario, speak, speech

Media = Callable[[web.WebSocketResponse], Awaitable[None]]


async def until_stopped(stream: web.WebSocketResponse) -> list[dict[str, Any]]:
    """Everything the carrier sends, up to its close."""
    return [json.loads(message.data) async for message in stream]


def left_over(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Tasks that were not there before and are still running, the asking one aside."""
    return {task for task in asyncio.all_tasks() - before if not task.done() and task is not asyncio.current_task()}


class Bridge:
    """A server with a voice webhook, an action, a status callback and a media stream."""

    def __init__(self, media: Media) -> None:
        self.posts: list[tuple[str, dict[str, str], str]] = []
        self.handshakes: list[dict[str, str]] = []
        self.streams: list[web.WebSocketResponse] = []
        self.refuses: int | None = None
        self.released = asyncio.Event()
        self.url = ""
        self._media = media

    async def post(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.posts.append((request.path, form, request.headers.get("X-Twilio-Signature", "")))
        if request.path == "/never":
            await self.released.wait()
        if request.path == "/incoming-call":
            stream = f'<Stream url="{self.url.replace("http", "ws")}/media"><Parameter name="token" value="t"/></Stream>'
            return web.Response(text=response(f'<Connect action="/stream-ended">{stream}</Connect>'), content_type="text/xml")
        return web.Response(text=HANGUP, content_type="text/xml")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.handshakes.append({key.lower(): value for key, value in request.headers.items()})
        if self.refuses:
            return web.Response(status=self.refuses, headers={"Location": "/elsewhere"})
        stream = web.WebSocketResponse(compress=False)
        self.streams.append(stream)
        await stream.prepare(request)
        await self._media(stream)
        return stream

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.posts]


@asynccontextmanager
async def serving(media: Media) -> AsyncIterator[Bridge]:
    bridge = Bridge(media)
    app = web.Application()
    app.add_routes([web.post("/{path:.*}", bridge.post), web.get("/media", bridge.stream)])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bridge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield bridge
    await runner.cleanup()


@pytest.fixture
async def cloud() -> AsyncIterator[PhoneCloud]:
    before = asyncio.all_tasks()
    async with PhoneCloud(ACCOUNT, TOKEN, seed=1) as cloud:
        yield cloud
    assert left_over(before) == set()


def number(bridge: Bridge) -> Number:
    return Number(voice_url=f"{bridge.url}/incoming-call", status_callback=f"{bridge.url}/call-status")


def call_of(*steps: CallerStep) -> Scenario:
    return scenario(*steps, gives_up_after_s=10)


HANGS_UP = CallerStep(when="agent_quiet", after_ms=40, say="bye", hang_up=True)


async def greet(stream: web.WebSocketResponse) -> None:
    """Plays 100 ms of speech and a mark as soon as ``start`` is there, and listens to the end."""
    async for message in stream:
        read = json.loads(message.data)
        if read["event"] == "start":
            sid = read["streamSid"]
            payload = base64.b64encode(speech(100)).decode()
            await stream.send_json({"event": "media", "streamSid": sid, "media": {"payload": payload}})
            await stream.send_json({"event": "mark", "streamSid": sid, "mark": {"name": "greeted"}})


async def test_a_call_goes_from_ring_to_rest(cloud: PhoneCloud) -> None:
    seen: list[dict[str, Any]] = []

    async def media(stream: web.WebSocketResponse) -> None:
        async for message in stream:
            read = json.loads(message.data)
            seen.append(read)
            if read["event"] == "start":
                payload = base64.b64encode(speech(100)).decode()
                await stream.send_json({"event": "media", "streamSid": read["streamSid"], "media": {"payload": payload}})
                await stream.send_json({"event": "mark", "streamSid": read["streamSid"], "mark": {"name": "greeted"}})

    async with serving(media) as bridge:
        call = cloud.place_call(call_of(HANGS_UP), number(bridge), speak=speak)
        await call.finished()
        assert [message["event"] for message in seen[:2]] == ["connected", "start"]
        assert seen[1]["start"]["customParameters"] == {"token": "t"}
        assert {"media", "mark"} <= {message["event"] for message in seen}
        assert seen[-1]["event"] == "stop"
        assert bridge.paths() == ["/incoming-call", "/call-status"]
        for path, form, signature in bridge.posts:
            assert RequestValidator(TOKEN).validate(bridge.url + path, form, signature)
        timeline = call.machine.timeline
        assert [type(one) for one in timeline if isinstance(one, FirstMedia | MarkEchoed | StepBegan | CallEnded)] == [
            FirstMedia,
            MarkEchoed,
            StepBegan,
            CallEnded,
        ]
        assert speech(100) in call.machine.recording.heard
        assert speak("bye", "en-us+m3") in call.machine.recording.caller
        assert bridge.streams[0].close_code == 1000


async def test_the_handshake_is_the_captured_one(cloud: PhoneCloud) -> None:
    async with serving(greet) as bridge:
        await cloud.place_call(call_of(HANGS_UP), number(bridge), speak=speak).finished()
        (headers,) = bridge.handshakes
        assert headers["user-agent"] == "Twilio.TmeWs/1.0"
        assert set(headers) == {
            "host",
            "upgrade",
            "connection",
            "sec-websocket-key",
            "sec-websocket-version",
            "user-agent",
            "accept-encoding",
            "x-twilio-signature",
        }
        url = bridge.url.replace("http", "ws") + "/media"
        assert headers["x-twilio-signature"] == RequestValidator(TOKEN).compute_signature(url, {})


async def test_a_server_that_closes_is_asked_for_the_action(cloud: PhoneCloud) -> None:
    async def media(stream: web.WebSocketResponse) -> None:
        await stream.receive()
        await stream.close()

    async with serving(media) as bridge:
        call = cloud.place_call(call_of(), number(bridge), speak=speak)
        await call.finished()
        assert bridge.paths() == ["/incoming-call", "/stream-ended", "/call-status"]
        assert [one.by for one in call.machine.timeline if isinstance(one, StreamOver)] == ["server"]


async def test_a_server_whose_connection_breaks_is_asked_for_the_action(cloud: PhoneCloud) -> None:
    async def media(stream: web.WebSocketResponse) -> None:
        await stream.receive()
        transport = stream._req.transport if stream._req is not None else None
        assert transport is not None
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    async with serving(media) as bridge:
        call = cloud.place_call(call_of(), number(bridge), speak=speak)
        await call.finished()
        assert "/stream-ended" in bridge.paths()
        assert [entry.code for entry in call.machine.debugger] == [31903]


@pytest.mark.parametrize("status", [200, 302, 403])
async def test_a_refused_handshake_is_asked_for_the_action(cloud: PhoneCloud, status: int) -> None:
    async with serving(greet) as bridge:
        bridge.refuses = status
        call = cloud.place_call(call_of(), number(bridge), speak=speak)
        await call.finished()
        assert [entry.code for entry in call.machine.debugger] == [31920]
        assert len(bridge.handshakes) == 1
        assert bridge.paths() == ["/incoming-call", "/stream-ended", "/call-status"]


async def test_a_phone_that_dies_resets_the_connection(cloud: PhoneCloud) -> None:
    seen: list[dict[str, Any]] = []

    async def media(stream: web.WebSocketResponse) -> None:
        seen.extend(await until_stopped(stream))

    async with serving(media) as bridge:
        call = cloud.place_call(call_of(), number(bridge), speak=speak, policies=Policies(dies_after_ms=250))
        await call.finished()
        assert "stop" not in [message["event"] for message in seen]
        assert bridge.streams[0].close_code in (None, 1006)
        assert bridge.paths() == ["/incoming-call", "/stream-ended", "/call-status"]


async def test_nobody_there_is_tried_twice_and_ends_with_the_canned_message(cloud: PhoneCloud) -> None:
    call = cloud.place_call(call_of(), Number(voice_url="http://127.0.0.1:9/incoming-call"), speak=lambda text, voice: b"\xff")
    await call.finished()
    assert [one.retried for one in call.machine.timeline if isinstance(one, WebhookFailed)] == [True, False]
    assert call.machine.is_over


async def test_a_webhook_that_is_not_answered_in_time_is_given_up(cloud: PhoneCloud) -> None:
    async with serving(greet) as bridge:
        slow = Number(voice_url=f"{bridge.url}/never#rt=100", voice_fallback_url=f"{bridge.url}/fallback")
        call = cloud.place_call(call_of(), slow, speak=speak)
        async with asyncio.timeout(10):
            await call.finished()
        assert bridge.paths() == ["/never", "/fallback"]
        assert bridge.posts[1][1]["ErrorCode"] == "11205"
        bridge.released.set()


def client_of(cloud: PhoneCloud, token: str = TOKEN) -> Client:
    client = Client(ACCOUNT, token, http_client=TwilioHttpClient(timeout=5, pool_connections=False))
    client.api.base_url = cloud.rest_url
    return client


async def test_the_twilio_sdk_completes_a_call(cloud: PhoneCloud) -> None:
    client = client_of(cloud)

    async def media(stream: web.WebSocketResponse) -> None:
        await stream.receive()
        sid = next(iter(cloud.calls))
        await asyncio.to_thread(lambda: client.calls(sid).update(status="completed"))
        await until_stopped(stream)

    async with serving(media) as bridge:
        call = cloud.place_call(call_of(), number(bridge), speak=speak)
        await call.finished()
        fetched = await asyncio.to_thread(lambda: client.calls(call.call_sid).fetch())
        assert fetched.status == "completed"
        assert fetched.end_time is not None
        assert abs((datetime.now(UTC) - fetched.end_time).total_seconds()) < 60
        assert (fetched.direction, fetched.to, fetched._from) == ("inbound", "+15005550006", "+15005550100")
        with pytest.raises(TwilioRestException) as again:
            await asyncio.to_thread(lambda: client.calls(call.call_sid).update(status="completed"))
        assert (again.value.status, again.value.code) == (400, 21220)


async def test_the_twilio_sdk_gives_a_call_another_document(cloud: PhoneCloud) -> None:
    client = client_of(cloud)

    async def media(stream: web.WebSocketResponse) -> None:
        await stream.receive()
        sid = next(iter(cloud.calls))
        await asyncio.to_thread(lambda: client.calls(sid).update(twiml=response("<Say>hi</Say>")))
        assert (await until_stopped(stream))[-1]["event"] == "stop"

    async with serving(media) as bridge:
        call = cloud.place_call(call_of(), number(bridge), speak=speak)
        await call.finished()
        assert speak("hi", "en-us+f2") in call.machine.recording.heard
        assert bridge.paths() == ["/incoming-call", "/call-status"]


@pytest.mark.parametrize(
    ("token", "sid", "update", "answer"),
    [
        ("wrong", "CA1", {"status": "completed"}, (401, 20003)),
        (TOKEN, "CA1", {"status": "completed"}, (404, 20404)),
        (TOKEN, "live", {"status": "canceled"}, (400, 21220)),
        (TOKEN, "live", {"twiml": "<Response/>", "url": "http://x"}, (400, 20001)),
        (TOKEN, "live", {"twiml": "x" * 4001}, (400, 32018)),
        (TOKEN, "live", {"status": "paused"}, (400, 20001)),
    ],
)
async def test_the_rest_api_refuses_as_the_real_one_does(
    cloud: PhoneCloud, token: str, sid: str, update: dict[str, str], answer: tuple[int, int]
) -> None:
    refused: list[TwilioRestException] = []

    async def media(stream: web.WebSocketResponse) -> None:
        await stream.receive()
        client = client_of(cloud, token)
        target = next(iter(cloud.calls)) if sid == "live" else sid
        with pytest.raises(TwilioRestException) as error:
            await asyncio.to_thread(lambda: client.calls(target).update(**update))
        refused.append(error.value)
        await stream.close()

    async with serving(media) as bridge:
        await cloud.place_call(call_of(), number(bridge), speak=speak).finished()
    assert [(error.status, error.code) for error in refused] == [answer]


async def test_messages_and_outbound_calls_are_kept(cloud: PhoneCloud) -> None:
    client = client_of(cloud)
    message = await asyncio.to_thread(lambda: client.messages.create(to="+15005550010", from_="+15005550006", body="שלום 👋"))
    call = await asyncio.to_thread(lambda: client.calls.create(to="+15005550010", from_="+15005550006", twiml="<Response/>"))
    assert message.sid is not None
    assert message.sid.startswith("SM")
    assert [(one.sid, one.to, one.from_, one.body) for one in cloud.messages] == [
        (message.sid, "+15005550010", "+15005550006", "שלום 👋")
    ]
    assert call.status == "queued"
    assert [(one.sid, one.params["Twiml"]) for one in cloud.created] == [(call.sid, "<Response/>")]
    with pytest.raises(TwilioRestException) as error:
        await asyncio.to_thread(lambda: client.messages.create(to="", body="x"))
    assert error.value.code == 21604


async def test_many_calls_at_once_are_each_their_own(cloud: PhoneCloud) -> None:
    async with serving(greet) as bridge:
        calls = [cloud.place_call(call_of(HANGS_UP), number(bridge), speak=speak) for _ in range(20)]
        await asyncio.gather(*(call.finished() for call in calls))
        assert len({call.call_sid for call in calls}) == 20
        assert all(speech(100) in call.machine.recording.heard for call in calls)
        assert bridge.paths().count("/call-status") == 20


async def test_a_cloud_that_closes_in_the_middle_of_a_call_leaves_nothing_behind() -> None:
    started = asyncio.Event()

    async def media(stream: web.WebSocketResponse) -> None:
        await stream.receive()
        started.set()
        await until_stopped(stream)

    before = asyncio.all_tasks()
    async with serving(media) as bridge:
        async with PhoneCloud(ACCOUNT, TOKEN) as cloud:
            call = cloud.place_call(call_of(), number(bridge), speak=speak)
            await started.wait()
        with pytest.raises(asyncio.CancelledError):
            await call.finished()
    assert left_over(before) == set()


async def test_a_defect_of_the_machine_reaches_whoever_waits(cloud: PhoneCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(greet) as bridge:
        call = cloud.place_call(call_of(), number(bridge), speak=speak)

        def broken(now: float) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(call.machine, "poll", broken)
        with pytest.raises(ZeroDivisionError):
            await call.finished()
