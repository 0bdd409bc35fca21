"""The console without a screen: lines on stdout, narration on stderr."""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import pytest

from calls.exit_codes import ExitCode
from console.catching_up import Missing
from console.connection import Connected, Item, Lost, OperatorConnection, Refused
from console.endpoint import Endpoint
from console.plain import PlainLines, flat, follow, print_line
from console.protocol import BusChanged, Event, Levels, Snapshot
from tests.console import examples
from tests.console.examples import ESCAPES, FURNACE, GARAGE, HOSTILE, PRANK, TROUBLE
from tests.console.fake_bridge import GUARD_S, FakeBridge

FRONTDESK = Path(sys.executable).with_name("frontdesk")


@pytest.fixture
async def bridge() -> AsyncIterator[FakeBridge]:
    async with FakeBridge() as bridge:
        yield bridge


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


def told(sid: str) -> list[str]:
    lines = PlainLines(zone=UTC)
    return [line for event in examples.events(sid) if (line := lines.data(event)) is not None]


def test_an_event_is_a_line_with_time_call_caller_kind_and_text() -> None:
    lines = told(FURNACE)
    assert lines[0] == "12:00:00  000001  +15005550001      call                +15005550001 → +15005550006, bobs-hvac"
    assert (
        lines[7]
        == "12:00:07  000001  +15005550001      caller              My furnace stopped working and it's freezing in here."
    )
    assert lines[-1] == "12:00:26  000001  +15005550001      ended               said goodbye, 0:26"


def test_hebrew_stands_in_the_order_it_is_read_in() -> None:
    assert any(line.endswith("  caller              אין צורך, תודה 🙏") for line in told(GARAGE))


@pytest.mark.parametrize("sid", [FURNACE, GARAGE, PRANK, TROUBLE])
def test_every_event_is_one_line_that_no_terminal_obeys(sid: str) -> None:
    lines = told(sid)
    assert len(lines) == len(examples.events(sid))
    assert not {char for line in lines for char in line} & set("\x1b\x07\x9b\x00\x7f\n\r\u202e\u2066")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1255"])
def test_any_text_is_one_line_in_any_encoding(text: str, encoding: str) -> None:
    out = io.BytesIO()
    line = PlainLines(zone=UTC).data(examples.event(FURNACE, 1, text, text=text))
    assert line is not None
    with io.TextIOWrapper(out, encoding=encoding) as stream:
        print_line(line, stream)
        assert out.getvalue().count(b"\n") == 1
        assert b"\x1b" not in out.getvalue()


@pytest.mark.parametrize("sid", [FURNACE, GARAGE, TROUBLE])
def test_jsonl_has_the_events_as_they_travel(sid: str) -> None:
    lines = PlainLines(jsonl=True)
    written = [json.loads(lines.data(event) or "null") for event in examples.events(sid)]
    assert written == json.loads(json.dumps(examples.flat_events(sid)))


def test_jsonl_escapes_what_a_terminal_would_obey() -> None:
    line = PlainLines(jsonl=True).data(examples.event(PRANK, 1, "caller.transcript", text=ESCAPES))
    assert line is not None
    assert line.isprintable()
    assert json.loads(line)["text"] == ESCAPES


def test_flat_and_back_is_the_same_event() -> None:
    event = examples.events(FURNACE)[3]
    assert flat(event) == examples.flat_events(FURNACE)[3]


def test_live_news_is_no_line() -> None:
    assert PlainLines().narration(Levels(FURNACE, 1, 2)) == []


def test_one_call_is_told_alone_and_no_event_of_it_twice() -> None:
    lines = PlainLines(jsonl=True, call_sid=GARAGE)
    events = [*examples.events(FURNACE), *examples.events(GARAGE), *examples.events(GARAGE)]
    assert sum(lines.data(event) is not None for event in events) == len(examples.events(GARAGE))


def test_the_narration_says_what_becomes_of_the_connection_and_does_not_repeat_itself() -> None:
    lines = PlainLines()
    connected = Connected(Snapshot(examples.calls(live=True)[:1]))
    items: list[Item] = [
        Lost("nobody listens at a", 0.25), Lost("nobody listens at a", 0.5), connected, Lost("the connection was cut", 0.25), connected,
        Missing(GARAGE, "the bridge does not have them"), BusChanged(False, "The bus is down."),
        BusChanged(True, "The bus is up."), Refused("This token is not known here."),
    ]  # fmt: skip
    assert [sentence for item in items for sentence in lines.narration(item)] == [
        "No connection: nobody listens at a; trying again in 0.2 s, and on.",
        "Connected: 1 live call.",
        f"  {GARAGE}  dana-garage  +97235550001  talking",
        "No connection: the connection was cut; trying again in 0.2 s, and on.",
        "Connected again: 1 live call.",
        f"Events of {GARAGE} are missing: the bridge does not have them.",
        "The bus is down.",
        "The bus is up.",
        "Error: This token is not known here.",
    ]


async def followed(bridge: FakeBridge, lines: PlainLines, token: str = "") -> tuple[ExitCode, list[str], list[str]]:
    written: list[str] = []
    said: list[str] = []
    endpoint = Endpoint(bridge.url, token or bridge.token)
    async with asyncio.timeout(GUARD_S), OperatorConnection(endpoint, sleep=at_once) as connection:
        return await follow(connection, lines, written.append, said.append), written, said


async def test_a_refused_token_ends_it_with_failure(bridge: FakeBridge) -> None:
    assert await followed(bridge, PlainLines(), token="x" * 20) == (ExitCode.FAILED, [], ["Error: This token is not known here."])


async def test_one_call_is_told_from_its_beginning_to_its_end(bridge: FakeBridge) -> None:
    examples.fill(bridge)
    following = asyncio.create_task(followed(bridge, PlainLines(jsonl=True, call_sid=GARAGE)))
    await bridge.until(lambda: bridge.requests)
    bridge.event(PRANK, "dtmf", digit="9")
    bridge.drop_connections()
    bridge.event(GARAGE, "call.ended", reason="farewell", duration_ms=3)
    code, written, said = await following
    assert code == ExitCode.OK
    assert [json.loads(line)["seq"] for line in written] == [event["seq"] for event in bridge.events[GARAGE]]
    assert said[0] == "Connected: 4 live calls."


async def test_a_call_that_has_ended_is_told_and_that_is_all(bridge: FakeBridge) -> None:
    examples.fill(bridge)
    code, written, _ = await followed(bridge, PlainLines(jsonl=True, call_sid=FURNACE))
    assert (code, len(written)) == (ExitCode.OK, len(bridge.events[FURNACE]))


async def test_a_call_that_vanishes_ends_it(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    following = asyncio.create_task(followed(bridge, PlainLines(call_sid=sid)))
    await bridge.until(lambda: bridge.requests)
    del bridge.calls[sid]
    bridge.drop_connections()
    code, _, said = await following
    assert code == ExitCode.OK
    assert any("There is no such call" in sentence or "there is no such call" in sentence for sentence in said)


async def running(bridge: FakeBridge, *arguments: str) -> asyncio.subprocess.Process:
    environment = os.environ | {"FRONTDESK_URL": bridge.url, "FRONTDESK_TOKEN": bridge.token, "PYTHONUTF8": "1"}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        FRONTDESK, "console", *arguments, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )


async def test_where_there_is_no_terminal_the_command_writes_lines_until_ctrl_c(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    command = await running(bridge)
    await bridge.connected()
    bridge.event(sid, "caller.transcript", item_id="c1", text="אין צורך [/nope]")
    assert command.stdout is not None
    async with asyncio.timeout(GUARD_S):
        line = (await command.stdout.readline()).decode()
        command.send_signal(signal.SIGINT)
        rest, narration = await command.communicate()
    assert line.endswith("  caller              אין צורך [/nope]\n")
    assert (command.returncode, rest) == (130, b"")
    assert narration.decode().splitlines()[0] == "Connected: 1 live call."
    assert b"Traceback" not in narration


async def test_when_nobody_reads_any_more_it_ends_without_a_word(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    reading, writing = os.pipe()
    environment = os.environ | {"FRONTDESK_URL": bridge.url, "FRONTDESK_TOKEN": bridge.token}
    command = await asyncio.create_subprocess_exec(
        FRONTDESK, "console", "--jsonl", env=environment, stdout=writing, stderr=asyncio.subprocess.PIPE
    )
    os.close(writing)
    os.close(reading)
    await bridge.connected()
    bridge.event(sid, "dtmf", digit="1")
    async with asyncio.timeout(GUARD_S):
        _, narration = await command.communicate()
    assert (command.returncode, narration.decode().splitlines()[0]) == (0, "Connected: 1 live call.")
    assert b"rror" not in narration


def test_an_event_of_a_call_nobody_told_about_has_an_unknown_caller() -> None:
    event = examples.event(FURNACE, 9, "dtmf", digit="1")
    assert isinstance(event, Event)
    assert PlainLines(zone=UTC).data(event) == "12:00:00  000001  unknown caller    key pressed         1"
