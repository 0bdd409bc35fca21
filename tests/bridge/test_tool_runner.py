"""HTTP tools against a real server on this machine: arguments, secrets, time and size."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import msgspec
import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from structlog.testing import capture_logs

from bridge.tool_runner import MAX_ANSWER_BYTES, ToolFailed, ToolRunner, current_time, read_bounded
from calls.business import BusinessProfile, Hours, HttpTool, Tools
from tests.bridge.conversation.line import PROFILE

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def shop(**tool: object) -> BusinessProfile:
    weather = msgspec.convert({"name": "weather", "description": "Weather", "parameters": CITY, **tool}, HttpTool)
    return msgspec.structs.replace(PROFILE, tools=Tools(http=(weather,)))


async def echo(request: web.Request) -> web.Response:
    body = await request.text()
    seen = {"method": request.method, "query": dict(request.query), "key": request.headers.get("X-Key"), "body": body}
    return web.json_response(seen)


async def test_a_get_tool_sends_its_arguments_as_query_and_the_secret_from_the_environment(serve: Serve) -> None:
    url = await serve(echo)
    async with ToolRunner({"WEATHER_KEY": "s3cret"}) as runner:
        answer = await runner.run(shop(url=url, headers={"X-Key": "${WEATHER_KEY}"}), "weather", {"city": "תל אביב", "days": 2})
    assert json.loads(answer) == {"method": "GET", "query": {"city": "תל אביב", "days": "2"}, "key": "s3cret", "body": ""}


async def test_a_post_tool_sends_its_arguments_as_json(serve: Serve) -> None:
    url = await serve(echo)
    async with ToolRunner({}) as runner:
        answer = json.loads(await runner.run(shop(url=url, method="POST"), "weather", {"city": "Oslo 🌧"}))
    assert (answer["method"], json.loads(answer["body"])) == ("POST", {"city": "Oslo 🌧"})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [({}, "'city' is a required property"), ({"city": 7}, "in 'city'"), ({"city": "Oslo", "days": "two"}, "in 'days'")],
)
async def test_arguments_that_do_not_fit_the_schema_are_never_sent(
    serve: Serve, arguments: dict[str, object], complaint: str
) -> None:
    asked = 0

    async def count(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response()

    url = await serve(count)
    async with ToolRunner({}) as runner:
        with pytest.raises(ToolFailed, match=complaint):
            await runner.run(shop(url=url), "weather", arguments)
    assert asked == 0


async def test_a_tool_that_does_not_answer_in_time_fails_with_its_limit(serve: Serve) -> None:
    never = asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    url = await serve(wait)
    async with ToolRunner({}) as runner:
        with pytest.raises(ToolFailed, match=r"no answer within 0\.05 s"):
            await runner.run(shop(url=url, timeout_s=0.05), "weather", {"city": "Oslo"})
    never.set()


async def test_an_answer_that_is_too_large_or_an_error_is_a_failure(serve: Serve) -> None:
    async def large(_: web.Request) -> web.Response:
        return web.Response(text="x" * (MAX_ANSWER_BYTES + 1))

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=503, text="down for maintenance")

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    async with ToolRunner({}) as runner:
        for handler, complaint in ((large, "larger than 64 KiB"), (broken, "503: down for maintenance"), (elsewhere, "302")):
            with pytest.raises(ToolFailed, match=complaint):
                await runner.run(shop(url=await serve(handler)), "weather", {"city": "Oslo"})


async def test_a_service_that_is_not_there_fails_without_naming_its_address_or_secret() -> None:
    profile = shop(url="http://127.0.0.1:1/${KEY}", headers={"Authorization": "Bearer ${KEY}"})
    with capture_logs() as logs:
        async with ToolRunner({"KEY": "s3cret"}) as runner:
            with pytest.raises(ToolFailed, match="could not be reached") as failed:
                await runner.run(profile, "weather", {"city": "Oslo"})
    assert "s3cret" not in str(failed.value) + repr(logs)


async def test_a_missing_secret_is_not_sent_as_its_name(serve: Serve) -> None:
    url = await serve(echo)
    async with ToolRunner({}) as runner:
        with pytest.raises(ToolFailed, match="not set up"):
            await runner.run(shop(url=url, headers={"X-Key": "${KEY}"}), "weather", {"city": "Oslo"})


async def test_bytes_that_are_no_text_do_not_break_the_answer(serve: Serve) -> None:
    async def binary(_: web.Request) -> web.Response:
        return web.Response(body=b"\xff\xfe\x00ok", headers={"Content-Type": "text/plain; charset=klingon"})

    async with ToolRunner({}) as runner:
        assert "ok" in await runner.run(shop(url=await serve(binary)), "weather", {"city": "Oslo"})


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2026-11-20T14:30:00+00:00", {"date": "2026-11-20", "weekday": "Friday", "time": "09:30", "open_now": True}),
        ("2026-11-20T12:30:00+00:00", {"time": "07:30", "open_now": False}),
        ("2026-07-17T12:30:00+00:00", {"time": "08:30", "open_now": True}),  # daylight saving
        ("2026-11-22T14:30:00+00:00", {"weekday": "Sunday", "open_now": False}),
    ],
)
def test_the_clock_is_the_businesss_own(utc: str, expected: dict[str, object]) -> None:
    profile = msgspec.structs.replace(PROFILE, hours=Hours(timezone="America/New_York", fri=("08:00-12:00",)))
    told = current_time(profile, datetime.fromisoformat(utc))
    assert told.items() >= expected.items()


def test_a_business_without_hours_has_a_clock_in_utc() -> None:
    assert current_time(PROFILE, datetime(2026, 1, 1, tzinfo=UTC)) == {
        "date": "2026-01-01",
        "weekday": "Thursday",
        "time": "00:00",
        "timezone": "UTC",
    }


async def test_an_answer_that_comes_in_pieces_is_read_to_its_end() -> None:
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    content = StreamReader(protocol, 2**16, loop=loop)
    content.feed_data(b'{"temp": 21, ')
    reading = asyncio.create_task(read_bounded(content))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not reading.done()  # the first piece is not the whole
    content.feed_data(b'"wind": "north"}')
    content.feed_eof()
    assert await reading == b'{"temp": 21, "wind": "north"}'
