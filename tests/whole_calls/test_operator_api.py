"""Operators over real sockets: what they see of real calls, how they step in, and how little harm they can do."""

import asyncio
import json
import re
import socket
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from calls.events import AgentTranscript, CallEnded, CallerTranscript, CallEvent, Dtmf, GreetingFinished, OperatorCommand
from calls.ids import CallSid
from simulator.scenario import CallerStep, Scenario
from tests.calls.examples import after_ms, said
from tests.whole_calls.operators import ANA, OPERATORS, VIC, Message, bearer, operator_at, refusal, requests_at
from tests.whole_calls.playing import GREETING, HANGS_UP, WITHIN_S, Playing, of_kind, playing, scenario, spoken
from tests.whole_calls.raw_phone import twilio_of

ASKS = CallerStep(after_ms=200, say="Do you have tea?")
TEA = "Green and black tea."
TALKS = scenario(ASKS, CallerStep(after_ms=1200, hang_up=True), replies={"tea": TEA})
WAITS = scenario(CallerStep(after_ms=60_000, hang_up=True))
GHOST = CallSid("CA" + "9" * 32)


@asynccontextmanager
async def watched(folder: Path, *scenarios: Scenario) -> AsyncIterator[Playing]:
    async with playing(folder, *scenarios, operators=OPERATORS) as stage:
        yield stage


def url_of(playing: Playing) -> str:
    return playing.stage.deployment.url


def is_event(message: Message) -> bool:
    return bool(message["type"] == "event")


async def figure(playing: Playing, name: str) -> float:
    async with twilio_of(playing.stage) as twilio:
        _, page = await twilio.get("/metrics")
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def nobody_is_attached(playing: Playing) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await figure(playing, "frontdesk_operators"):
            continue


# --- what is seen ----------------------------------------------------------------------------------------------------------


async def test_an_operator_sees_every_event_of_a_call_exactly_as_it_is_stored(tmp_path: Path) -> None:
    async with watched(tmp_path, TALKS) as stage, operator_at(url_of(stage)) as ana, operator_at(url_of(stage), VIC) as vic:
        assert await ana.next() == await vic.next() == {"type": "snapshot", "calls": []}
        call = stage.call()
        stored = [event.flat() for event in await call.events_when_over()]
        for reader in (ana, vic):
            await reader.event("call.ended")
            assert reader.events(call.sid) == stored


async def test_who_comes_late_is_told_where_the_call_stands_and_then_the_rest(tmp_path: Path) -> None:
    async with watched(tmp_path, TALKS) as stage:
        call = stage.call()
        await call.records(CallerTranscript)
        async with operator_at(url_of(stage)) as late:
            (shown,) = (await late.next())["calls"]
            assert (shown["call_sid"], shown["phase"], shown["last_line"]) == (call.sid, "conversing", ASKS.say)
            assert (shown["from"], shown["business_id"], shown["muted"]) == ("+15005550100", "corner-shop", False)
            assert shown["owner"].startswith("stage-")
            await late.event("call.ended")
            stored = await call.events_when_over()
            assert late.events(call.sid) == [event.flat() for event in stored if event.seq > shown["last_seq"]]


async def test_between_events_lines_levels_and_phases_are_seen(tmp_path: Path) -> None:
    async with watched(tmp_path, TALKS) as stage, operator_at(url_of(stage)) as ana:
        call = stage.call()
        await ana.event("call.ended")
        live = [message for message in ana.told if message["type"] == "live"]
        assert {message["call_sid"] for message in live} == {call.sid}
        levels = [message for message in live if message["kind"] == "levels"]
        assert max(message["agent_rms"] for message in levels) > 500
        assert max(message["caller_rms"] for message in levels) > 500
        lines = [message for message in live if message["kind"] == "partial" and message["text"] == TEA]
        assert 0 < max(line["heard_chars"] for line in lines) <= len(TEA)
        phases = [message["phase"] for message in live if message["kind"] == "phase"]
        assert list(dict.fromkeys(phases))[-2:] == ["greeting", "conversing"]
        await call.is_over()


async def test_who_listens_hears_what_the_caller_hears_and_says(tmp_path: Path) -> None:
    async with watched(tmp_path, TALKS) as stage, operator_at(url_of(stage)) as ana, operator_at(url_of(stage)) as other:
        call = stage.call()
        await ana.event("greeting.requested")
        assert (await ana.commands(call.sid, "listen"))["ok"]
        assert all(message["type"] != "audio" for message in ana.told)
        await ana.event("call.ended")
        await other.event("call.ended")
        audio = [message for message in ana.told if message["type"] == "audio"]
        agent = b"".join(b64decode(message["payload"]) for message in audio if message["side"] == "agent")
        caller = b"".join(b64decode(message["payload"]) for message in audio if message["side"] == "caller")
        assert spoken(GREETING) in agent
        assert spoken(TEA)[: 8 * 500] in agent
        assert spoken(str(ASKS.say), TALKS.caller.voice)[: 8 * 500] in caller
        for side in ("agent", "caller"):
            at_ms = [message["at_ms"] for message in audio if message["side"] == side]
            assert at_ms == sorted(at_ms)
        assert all(message["type"] != "audio" for message in other.told)
        record = of_kind(await call.over(), OperatorCommand)
        assert [(one.operator, one.action) for one in record] == [("ana", "listen")]


async def test_nobody_is_listened_to_any_more_after_unlisten(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, operator_at(url_of(stage)) as ana:
        call = stage.call()
        await ana.event("greeting.finished")
        await ana.commands(call.sid, "listen")
        await ana.sees(lambda one: one["type"] == "audio")
        await ana.commands(call.sid, "unlisten")
        heard = len(ana.told)
        await ana.sees(lambda one: one.get("kind") == "levels" and ana.told.index(one) > heard + 1)
        assert all(message["type"] != "audio" for message in ana.told[heard:])
        await ana.commands(call.sid, "force_hangup")
        await call.is_over()


# --- the door --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, bearer("wrong horse battery"), bearer(""), {"Authorization": "Basic YTpi"}])
async def test_nobody_comes_in_without_a_token(tmp_path: Path, headers: dict[str, str]) -> None:
    async with watched(tmp_path, WAITS) as stage:
        status, challenge, body = await refusal(url_of(stage), headers)
        assert (status, challenge) == (401, "Bearer")
        assert "OPERATOR_TOKENS" in body["error"]


async def test_a_token_in_the_address_is_no_token(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage:
        assert (await refusal(url_of(stage), {}, f"?token={ANA.replace(' ', '%20')}"))[0] == 401


async def test_without_tokens_the_whole_api_is_closed(tmp_path: Path) -> None:
    async with playing(tmp_path, WAITS) as stage, requests_at(url_of(stage)) as http:
        for status, body in (
            (await refusal(url_of(stage), bearer(ANA)))[::2],
            await http.get("/calls"),
            await http.command(GHOST, {"action": "hangup"}),
        ):
            assert status == 401
            assert body == {"error": "The operator API is closed; set OPERATOR_TOKENS to open it."}


async def test_a_viewer_sees_and_may_not_touch(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, operator_at(url_of(stage), VIC) as vic, requests_at(url_of(stage), VIC) as http:
        call = stage.call()
        await vic.event("greeting.finished")
        for action in ("hangup", "force_hangup", "escalate", "mute", "unmute", "listen", "unlisten"):
            answer = await vic.commands(call.sid, action)
            assert not answer["ok"]
            assert "vic may only watch" in answer["error"]
        assert not (await vic.commands(call.sid, "say", text="Hello."))["ok"]
        assert (await http.command(call.sid, {"action": "hangup"}))[0] == 403
        assert (await http.get("/calls?live=true"))[1]["calls"][0]["call_sid"] == call.sid
        async with operator_at(url_of(stage)) as ana:
            await ana.commands(call.sid, "force_hangup")
        bodies = await call.over()
        assert [one.action for one in of_kind(bodies, OperatorCommand)] == ["force_hangup"]


# --- stepping in -----------------------------------------------------------------------------------------------------------


async def test_a_call_is_ended_in_the_operators_name(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, operator_at(url_of(stage)) as ana:
        call = stage.call()
        await ana.event("greeting.finished")
        answer = await ana.commands(call.sid, "hangup")
        assert answer == {"type": "result", "id": "c1", "ok": True}
        bodies = await call.over()
        assert [(one.operator, one.action) for one in of_kind(bodies, OperatorCommand)] == [("ana", "hangup")]
        assert of_kind(bodies, CallEnded)[0].reason == "operator"
        assert spoken("Goodbye.") in call.heard
        assert (await ana.commands(call.sid, "say", text="Hello?"))["error"] == "the call has ended"
        assert (await ana.commands(GHOST, "hangup"))["error"] == "there is no such call"


async def test_a_silence_is_seen_by_everybody_at_once(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, operator_at(url_of(stage)) as ana, operator_at(url_of(stage), VIC) as vic:
        call = stage.call()
        await ana.event("greeting.finished")
        await ana.commands(call.sid, "mute")
        await vic.sees(lambda one: one.get("kind") == "phase" and one["muted"])
        async with operator_at(url_of(stage)) as late:
            assert [shown["muted"] for shown in (await late.next())["calls"]] == [True]
        await ana.commands(call.sid, "force_hangup")
        await call.is_over()


async def test_a_call_that_no_bridge_serves_is_ended_through_twilio(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, operator_at(url_of(stage)) as ana, twilio_of(stage.stage) as twilio:
        await twilio.rings(GHOST)
        assert (await ana.commands(GHOST, "hangup"))["error"] == "no bridge owns the call yet"
        assert (await ana.commands(GHOST, "force_hangup"))["ok"]
        assert (await ana.event("call.ended"))["reason"] == "operator"
        assert [one["kind"] for one in ana.events(GHOST)] == ["call.started", "operator.command", "call.ended"]
        assert "<Hangup" in await twilio.stream_ended(GHOST)


# --- without a socket ------------------------------------------------------------------------------------------------------


async def test_the_same_is_there_without_a_socket(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, requests_at(url_of(stage)) as http, operator_at(url_of(stage)) as ana:
        call = stage.call()
        told = await ana.event("greeting.finished")
        # nothing that was told is missing, however young it is
        status, body = await http.get(f"/calls/{call.sid}/events?after={told['seq'] - 1}")
        assert (status, body["events"][0]) == (200, told)
        assert [one["call_sid"] for one in (await http.get("/calls?live=true"))[1]["calls"]] == [call.sid]
        assert (await http.get("/calls?live=false"))[1] == {"calls": []}
        assert await http.command(call.sid, {"action": "whisper", "text": "Be brief."}) == (200, {"type": "result", "ok": True})
        assert await http.command(call.sid, {"action": "force_hangup"}) == (200, {"type": "result", "ok": True})
        stored = [event.flat() for event in await call.events_when_over()]
        assert (await http.get(f"/calls/{call.sid}/events"))[1] == {"events": stored}
        status, shown = await http.get(f"/calls/{call.sid}")
        assert (status, shown["phase"], shown["end_reason"]) == (200, "ended", "operator")
        assert shown["ended_at"] is not None
        for query in ("", "?live=false", "?business=corner-shop", "?limit=1&live=false&business=corner-shop"):
            assert (await http.get(f"/calls{query}"))[1] == {"calls": [shown]}
        for query in ("?live=true", "?business=other-shop"):
            assert (await http.get(f"/calls{query}"))[1] == {"calls": []}
        status, refused = await http.command(call.sid, {"action": "hangup"})
        assert (status, refused) == (409, {"type": "result", "ok": False, "error": "the call has ended"})


async def test_the_newest_calls_come_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, requests_at(url_of(stage)) as http, twilio_of(stage.stage) as twilio:
        names = [f"CA{number:032d}" for number in range(5)]
        for name in names:
            await twilio.rings(name)
        assert [one["call_sid"] for one in (await http.get("/calls?limit=3"))[1]["calls"]] == names[:-4:-1]
        for name in names[1:4]:
            await http.command(name, {"action": "force_hangup"})
        assert [one["call_sid"] for one in (await http.get("/calls?live=false&limit=2"))[1]["calls"]] == [names[3], names[2]]
        assert [one["call_sid"] for one in (await http.get("/calls?live=true"))[1]["calls"]] == [names[4], names[0]]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/calls?limit=0", 400),
        ("/calls?limit=501", 400),
        ("/calls?limit=many", 400),
        ("/calls?limit=٣", 400),
        ("/calls?live=yes", 400),
        (f"/calls/{GHOST}", 404),
        (f"/calls/{GHOST}/events", 404),
        ("/calls/%00%1b[31m", 404),
        (f"/calls/{GHOST}/events?after=-1", 400),
        (f"/calls/{GHOST}/events?after=1e3", 400),
        (f"/calls/{GHOST}/events?after={'9' * 5000}", 400),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_request_that_makes_no_sense_is_answered_in_a_sentence(tmp_path: Path, path: str, status: int) -> None:
    async with watched(tmp_path, WAITS) as stage, requests_at(url_of(stage)) as http:
        answered, body = await http.get(path)
        assert answered == status
        assert list(body) == ["error"]
        async with requests_at(url_of(stage), None) as stranger:
            assert (await stranger.get(path))[0] == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"action=hangup", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b"[" * 60_000, 400),
        (b"x" * 70_000, 400),
        ({}, 400),
        ({"action": "explode"}, 400),
        ({"action": "say"}, 400),
        ({"action": "listen"}, 400),
        ({"action": "hangup"}, 404),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_command_that_makes_no_sense_is_answered_too(tmp_path: Path, body: Any, status: int) -> None:
    async with watched(tmp_path, WAITS) as stage, requests_at(url_of(stage)) as http:
        answered, told = await http.command(GHOST, body)
        assert answered == status
        assert told["error"]


# --- hostile clients -------------------------------------------------------------------------------------------------------

GARBAGE: list[str | bytes] = [
    "",
    "hangup",
    "{",
    "[]",
    "null",
    "[" * 60_000,
    "x" * 1_000_000,
    b"\x00\xff" * 1000,
    json.dumps({"type": "command"}),
    json.dumps({"type": "command", "id": 5, "call_sid": 5, "action": 5}),
    json.dumps({"type": "command", "call_sid": "CA1", "action": "say", "text": "x" * 60_000}),
    json.dumps({"type": "command", "call_sid": "\u0000'; DROP TABLE calls; --", "action": "hangup"}),
    json.dumps({"type": "snapshot", "calls": []}),
]


async def test_garbage_is_answered_message_by_message_and_ends_nothing(tmp_path: Path) -> None:
    async with watched(tmp_path, TALKS) as stage, operator_at(url_of(stage)) as ana:
        call = stage.call()
        await ana.event("greeting.requested")
        for nth, garbage in enumerate(GARBAGE, start=1):
            await ana.says(garbage)
            await ana.sees(lambda _, nth=nth: sum(one["type"] == "result" for one in ana.told) == nth)  # type: ignore[misc]
        assert not any(message["ok"] for message in ana.told if message["type"] == "result")
        await ana.event("call.ended")
        await call.is_over()
        assert spoken(TEA) in call.heard


async def test_a_flood_of_commands_takes_its_turn_and_a_call_goes_on(tmp_path: Path) -> None:
    async with watched(tmp_path, TALKS) as stage, operator_at(url_of(stage)) as flood, operator_at(url_of(stage)) as ana:

        async def pour() -> None:
            with suppress(ConnectionClosed):
                while True:
                    await flood.says("x" * 30_000)

        pouring = asyncio.create_task(pour())
        call = stage.call()
        await ana.event("call.ended")
        await call.is_over()
        assert call.heard_ms(spoken(TEA)) == pytest.approx(len(spoken(TEA)) / 8)
        flood.connection.transport.abort()
        await pouring
        assert 0 < await figure(stage, 'frontdesk_operator_commands_total{action="unreadable",result="refused"}') < 1000


@asynccontextmanager
async def deaf_reader(stage: Playing) -> AsyncIterator[None]:
    """A reader who comes in and never reads a byte again."""
    host, port = url_of(stage).removeprefix("http://").split(":")
    with socket.socket() as connection:
        await come_in(connection, host, int(port))
        yield


async def come_in(connection: socket.socket, host: str, port: int) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, port))
    request = (
        f"GET /operator HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {ANA}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(connection, request.encode())
    assert b" 101 " in await loop.sock_recv(connection, 1024)


def connections() -> int:
    """How many connections the server of this process has tasks for."""
    return sum("_server_callback" in repr(task.get_coro()) for task in asyncio.all_tasks())


@pytest.mark.parametrize("bytes_of_news", [20_000_000, 1_500_000], ids=["its queue overflows", "it does not read"])
async def test_a_reader_who_never_reads_is_let_go_and_nobody_notices(tmp_path: Path, bytes_of_news: int) -> None:
    async with watched(tmp_path, TALKS) as stage, operator_at(url_of(stage)) as ana:
        stage.stage.deployment.bridge.operators.patience_s = 0.2
        await ana.next()
        served = connections()
        async with deaf_reader(stage):
            async with asyncio.timeout(WITHIN_S):
                while await figure(stage, "frontdesk_operators") < 2:
                    continue
            call = stage.call()
            await call.records(GreetingFinished)
            for seq in range(1, bytes_of_news // 100_000 + 1):
                stage.stage.deployment.bus.publish(CallEvent(GHOST, seq, after_ms(seq), said("x" * 100_000)))
                await ana.sees(lambda one, seq=seq: is_event(one) and one["call_sid"] == GHOST and one["seq"] == seq)  # type: ignore[misc]
            async with asyncio.timeout(WITHIN_S):
                while await figure(stage, "frontdesk_operators") > 1:
                    continue
            assert await figure(stage, "frontdesk_operators_dropped_total") == 1
            await ana.event("call.ended", call.sid)
            stored = [event.flat() for event in await call.events_when_over()]
            assert ana.events(call.sid) == stored
            assert [one.text for one in of_kind(await call.over(), AgentTranscript)] == [GREETING, TEA]
            async with asyncio.timeout(WITHIN_S):
                # the server is done with a peer that still has not read a byte
                while connections() > served:  # noqa: ASYNC110
                    await asyncio.sleep(0)


async def test_a_peer_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage:
        for _ in range(3):
            async with operator_at(url_of(stage)) as ana:
                await ana.next()
                ana.connection.transport.abort()
        await nobody_is_attached(stage)


async def test_operators_are_told_to_go_when_the_process_goes(tmp_path: Path) -> None:
    async with operator_when_stopped(tmp_path) as leaving:
        assert await leaving == 1001


@asynccontextmanager
async def operator_when_stopped(folder: Path) -> AsyncIterator["asyncio.Task[int]"]:
    """The close code an operator sees whose bridge stops."""
    connected = asyncio.Event()

    async def stays(url: str) -> int:
        async with operator_at(url) as ana:
            await ana.next()
            connected.set()
            return await ana.until_closed()

    async with watched(folder, WAITS) as stage:
        staying = asyncio.create_task(stays(url_of(stage)))
        await connected.wait()
    yield staying


async def test_what_operators_do_is_counted(tmp_path: Path) -> None:
    async with watched(tmp_path, scenario(HANGS_UP)) as stage, operator_at(url_of(stage)) as ana, operator_at(url_of(stage), VIC):
        await ana.commands(GHOST, "hangup")
        await ana.commands(GHOST, "mute")
        await ana.says("?")
        await ana.sees(lambda one: one["type"] == "result" and one["id"] == "")
        assert await figure(stage, "frontdesk_operators") == 2
        assert await figure(stage, 'frontdesk_operator_commands_total{action="hangup",result="refused"}') == 1
        assert await figure(stage, 'frontdesk_operator_commands_total{action="unreadable",result="refused"}') == 1
        assert await figure(stage, "frontdesk_operators_dropped_total") == 0


async def test_compressed_or_not_messages_are_the_same(tmp_path: Path) -> None:
    async with watched(tmp_path, WAITS) as stage, operator_at(url_of(stage), compression="deflate") as ana:
        await ana.next()
        event = CallEvent(GHOST, 1, after_ms(1), said("שלום" * 20_000))
        for one in (event, CallEvent(GHOST, 2, after_ms(2), Dtmf(digit="5"))):
            stage.stage.deployment.bus.publish(one)
        assert await ana.sees(is_event) == event.flat()
        assert (await ana.commands(GHOST, "hangup"))["error"] == "there is no such call"
