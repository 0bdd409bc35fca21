import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator import voice
from simulator.ears import Ears
from simulator.model import Faults, ModelServer, ModelTiming, SessionPlan
from simulator.scenario import Mind

from .model_driver import CALLER, PHONE, caller_says

LINE = "Thank you for calling, goodbye."
AT_ONCE = ModelTiming(
    session_update_ms=0, acknowledge_ms=0, time_to_first_audio_ms=0, realtime_factor=10_000, transcription_delay_ms=0
)
KEY = {"Authorization": "Bearer sk-test"}


def plan(mind: Mind | None = None, **fields: Any) -> Callable[[int], SessionPlan]:
    ears = Ears.for_lines([LINE], CALLER)
    return lambda number: SessionPlan(mind=mind or Mind(), ears=ears, seed=number, **{"timing": AT_ONCE, **fields})


def dial(server: ModelServer, query: str = "?model=gpt-realtime-2.1", **headers: str) -> connect:
    # Without a limit on its queue: a client that stopped reading could not read the close frame either.
    return connect(server.url + query, additional_headers={**KEY, **headers}, compression=None, max_size=None, max_queue=None)


async def say(client: ClientConnection, kind: str, **fields: Any) -> None:
    await client.send(json.dumps({"type": kind, **fields}))


async def until(client: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """All events up to the first of a kind, or to the end of the connection."""
    events = []
    async with asyncio.timeout(10):
        async for frame in client:
            events.append(json.loads(frame))
            if events[-1]["type"] == kind:
                break
    return events


async def read_to_the_end(client: ClientConnection) -> None:
    """Asks for something and reads until the connection fails."""
    await say(client, "response.create")
    while True:
        await client.recv()


async def ask(client: ClientConnection, line: str) -> list[dict[str, Any]]:
    await say(client, "session.update", session=PHONE)
    content = [{"type": "input_text", "text": f'Say "{line}"'}]
    await say(client, "conversation.item.create", item={"type": "message", "role": "user", "content": content})
    await say(client, "response.create")
    return await until(client, "response.done")


async def test_a_session_over_a_socket_speaks() -> None:
    async with ModelServer(plan()) as server, dial(server) as client:
        events = await ask(client, LINE)
    assert [events[0]["type"], events[-1]["type"]] == ["session.created", "response.done"]
    audio = b"".join(base64.b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta")
    assert audio == voice.speak(LINE, Mind().voice)
    assert server.sessions[0].types() == ["session.update", "conversation.item.create", "response.create"]
    assert server.sessions[0].sent_audio_deltas > 1


async def test_a_session_over_a_socket_listens() -> None:
    async with ModelServer(plan()) as server, dial(server) as client:
        await say(client, "session.update", session=PHONE)
        await say(client, "input_audio_buffer.append", audio=base64.b64encode(caller_says(LINE)).decode())
        events = await until(client, "conversation.item.input_audio_transcription.completed")
    assert events[-1]["transcript"] == LINE


async def test_sessions_do_not_mix() -> None:
    lines = [f"This is call number {number}." for number in range(5)]
    async with ModelServer(plan()) as server:
        clients = [await dial(server) for _ in lines]
        stories = await asyncio.gather(*(ask(client, line) for client, line in zip(clients, lines, strict=True)))
        for client in clients:
            await client.close()
    for line, events in zip(lines, stories, strict=True):
        audio = b"".join(base64.b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta")
        assert audio == voice.speak(line, Mind().voice)
    assert len({events[0]["session"]["id"] for events in stories}) == len(lines)


async def test_each_connection_has_its_own_plan_in_the_order_they_came() -> None:
    numbers: list[int] = []

    def numbered(number: int) -> SessionPlan:
        numbers.append(number)
        return plan()(number)

    async with ModelServer(numbered) as server:
        for _ in range(3):
            async with dial(server) as client:
                await until(client, "session.created")
    assert numbers == [0, 1, 2]
    assert len(server.sessions) == 3


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?model=gpt-realtime-2.1", {}, 401),
        ("?model=gpt-realtime-2.1", {"Authorization": "Basic abc"}, 401),
        ("", KEY, 400),
        ("?model=", KEY, 400),
        ("/other?model=gpt-realtime-2.1", KEY, 404),
    ],
)
async def test_a_handshake_without_what_the_api_asks_for_is_refused(query: str, headers: dict[str, str], status: int) -> None:
    async with ModelServer(plan()) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.url + query, additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == status
        assert "error" in json.loads(refused.value.response.body)
        assert server.sessions == []


async def test_the_beta_interface_is_switched_off() -> None:
    async with ModelServer(plan()) as server, dial(server, **{"OpenAI-Beta": "realtime=v1"}) as client:
        assert json.loads(await client.recv())["error"]["code"] == "beta_api_shape_disabled"
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 4000


async def test_the_log_keeps_every_client_event_and_the_end() -> None:
    async with ModelServer(plan()) as server, dial(server) as client:
        await until(client, "session.created")
        await say(client, "input_audio_buffer.append", audio="////")
        await client.send("not json")
        await until(client, "error")
        log = server.sessions[0]
        assert (log.model, log.headers["authorization"]) == ("gpt-realtime-2.1", "Bearer sk-test")
        assert [event for _, event in log.received] == [
            {"type": "input_audio_buffer.append", "audio": "////"},
            {"type": None, "frame": b"not json"},
        ]
        assert not log.closed.is_set()
        await client.close(1000)
        await log.closed.wait()
        assert log.close_code == 1000


async def test_audio_can_be_left_out_of_the_log() -> None:
    async with ModelServer(plan(), log_audio=False) as server, dial(server) as client:
        await say(client, "input_audio_buffer.append", audio="////")
        await say(client, "input_audio_buffer.clear")
        await until(client, "input_audio_buffer.cleared")
        assert [event["type"] for _, event in server.sessions[0].received] == ["input_audio_buffer.clear"]


async def test_a_client_that_vanishes_is_noticed() -> None:
    async with ModelServer(plan()) as server:
        client = await dial(server)
        await until(client, "session.created")
        client.transport.abort()
        await server.sessions[0].closed.wait()
        assert server.sessions[0].close_code == 1006


@pytest.mark.parametrize("faults", [Faults(drop_after_events=3), Faults(drop_at_ms=1)], ids=["after events", "after ms"])
async def test_a_dropped_connection_has_no_close_frame(faults: Faults) -> None:
    async with ModelServer(plan(faults=faults)) as server:
        client = await dial(server)
        with pytest.raises(ConnectionClosed):
            await read_to_the_end(client)
        assert client.close_code == 1006
        await server.sessions[0].closed.wait()


async def test_an_expired_session_is_closed_with_its_code() -> None:
    async with ModelServer(plan(faults=Faults(expire_at_ms=1))) as server, dial(server) as client:
        events = await until(client, "nothing")
        assert events[-1]["error"]["code"] == "session_expired"
        assert client.close_code == 1001


async def test_closing_the_server_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    server = ModelServer(plan(timing=ModelTiming(time_to_first_audio_ms=60_000)))
    async with server:
        client = await dial(server)
        await until(client, "session.created")
        await say(client, "response.create")
    assert server.sessions[0].closed.is_set()
    await client.close()
    await client.wait_closed()
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before


async def test_a_slow_handshake_is_given_its_time() -> None:
    async with ModelServer(plan(timing=ModelTiming(connect_ms=20))) as server, dial(server) as client:
        assert (await until(client, "session.created"))[0]["type"] == "session.created"
