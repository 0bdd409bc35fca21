"""``frontdesk listen`` against a bridge on loopback."""

import asyncio
import io
import os
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console import wav
from console.connection import OperatorConnection
from console.listening import Listener, ListeningError, Unreachable, WavFile, listen
from tests.console.fake_bridge import GUARD_S, FakeBridge

MS = wav.SAMPLES_PER_MS
FRONTDESK = Path(sys.executable).with_name("frontdesk")


@pytest.fixture
async def bridge() -> AsyncIterator[FakeBridge]:
    async with FakeBridge() as bridge:
        yield bridge


async def end(bridge: FakeBridge, sid: str) -> None:
    bridge.event(sid, "call.ended", reason="farewell")


def frames(file: io.BytesIO) -> int:
    with wave.open(io.BytesIO(file.getvalue())) as read:
        assert read.getparams()[:3] == (2, 2, 8_000)
        return int(read.getnframes())


async def test_a_call_is_written_until_it_ends(bridge: FakeBridge) -> None:
    sid, other, file = bridge.add_call(), bridge.add_call(), io.BytesIO()
    listening = asyncio.create_task(listen(bridge.endpoint, sid, file))
    await bridge.commanded()
    for number in range(10):
        bridge.audio(sid, "caller", 5_000 + number * 100, b"\x80" * 800)
        bridge.audio(other, "agent", number * 100, b"\x80" * 800)
        bridge.audio(sid, "agent", 5_050 + number * 100, b"\xc0" * 800)
    bridge.event(other, "call.ended", reason="farewell")
    await end(bridge, sid)
    async with asyncio.timeout(GUARD_S):
        assert await listening == 1_050
    assert bridge.commands == [{"type": "command", "id": "c1", "call_sid": sid, "action": "listen"}]
    assert frames(file) == 1_050 * MS


async def test_it_stops_after_so_many_seconds_of_audio(bridge: FakeBridge) -> None:
    sid, file = bridge.add_call(), io.BytesIO()
    listening = asyncio.create_task(listen(bridge.endpoint, sid, file, seconds=0.5))
    await bridge.commanded()
    for number in range(20):
        bridge.audio(sid, "caller", number * 100, b"\x80" * 800)
    async with asyncio.timeout(GUARD_S):
        assert await listening == 500
    assert frames(file) == 500 * MS


async def test_after_a_lost_connection_it_listens_again_and_the_gap_is_silent(bridge: FakeBridge) -> None:
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    sid, file = bridge.add_call(), io.BytesIO()
    async with OperatorConnection(bridge.endpoint, sleep=at_once) as connection, asyncio.timeout(GUARD_S):
        listening = asyncio.create_task(Listener(connection, sid, file).run())
        await bridge.commanded()
        bridge.audio(sid, "caller", 0, b"\x80" * 800)
        assert (await connection.command(sid, "mute")).ok  # what was sent before it has arrived
        bridge.drop_connections()
        await bridge.commanded(3)
        bridge.audio(sid, "caller", 900, b"\x80" * 800)
        await end(bridge, sid)
        assert await listening == 1_000
    assert [command["action"] for command in bridge.commands] == ["listen", "mute", "listen"]


async def test_a_call_that_ended_while_the_connection_was_lost_ends_it(bridge: FakeBridge) -> None:
    sid, file = bridge.add_call(), io.BytesIO()
    listening = asyncio.create_task(listen(bridge.endpoint, sid, file))
    await bridge.commanded()
    bridge.drop_connections()
    await end(bridge, sid)
    async with asyncio.timeout(GUARD_S):
        assert await listening == 0
    assert frames(file) == 0


async def test_a_call_that_is_over_cannot_be_listened_to(bridge: FakeBridge) -> None:
    sid, file = bridge.add_call(), io.BytesIO()
    await end(bridge, sid)
    with pytest.raises(ListeningError, match="is not going on any more"):
        await listen(bridge.endpoint, sid, file)
    assert file.getvalue() == b""


async def test_a_viewer_is_told_the_bridges_sentence_and_nothing_is_written(bridge: FakeBridge) -> None:
    sid, file = bridge.add_call(), io.BytesIO()
    bridge.answer("A viewer may only watch.")
    with pytest.raises(ListeningError, match=r"^A viewer may only watch\.$"):
        await listen(bridge.endpoint, sid, file)
    assert file.getvalue() == b""


async def test_a_refused_token_and_a_bridge_that_is_not_there_are_told_apart(bridge: FakeBridge) -> None:
    bridge.refuse(401, "no such token")
    with pytest.raises(ListeningError, match="no such token"):
        await listen(bridge.endpoint, "CA1", io.BytesIO())
    await bridge.down()
    with pytest.raises(Unreachable, match="nobody listens at"):
        await listen(bridge.endpoint, "CA1", io.BytesIO())


def test_a_file_gets_its_length_where_it_stands(tmp_path: Path) -> None:
    with (tmp_path / "call.wav").open("wb") as file:
        file.write(b"before")
        written = WavFile(file)
        written.write(b"\x00" * 400)
        written.close()
    content = (tmp_path / "call.wav").read_bytes()
    assert content == b"before" + wav.header(400) + b"\x00" * 400


def test_a_file_opened_for_appending_is_not_rewritten(tmp_path: Path) -> None:
    with (tmp_path / "call.wav").open("ab") as file:
        written = WavFile(file)
        written.write(b"\x00" * 400)
        written.close()
    assert (tmp_path / "call.wav").read_bytes() == wav.header() + b"\x00" * 400


def test_a_pipe_keeps_the_header_of_a_stream() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as read, os.fdopen(writing, "wb") as write:
        written = WavFile(write)
        written.write(b"\x00" * 400)
        written.close()
        write.close()
        assert read.read() == wav.header() + b"\x00" * 400


async def command(bridge: FakeBridge, *arguments: str, stdout: int) -> asyncio.subprocess.Process:
    environment = os.environ | {"FRONTDESK_URL": bridge.url, "FRONTDESK_TOKEN": bridge.token}
    return await asyncio.create_subprocess_exec(
        FRONTDESK, "listen", *arguments, env=environment, stdout=stdout, stderr=asyncio.subprocess.PIPE
    )


async def test_the_command_writes_a_file_and_says_how_much(bridge: FakeBridge, tmp_path: Path) -> None:
    sid = bridge.add_call("CA" + "0" * 28 + "4f2a")
    with (tmp_path / "call.wav").open("wb") as file:
        running = await command(bridge, "4F2A", stdout=file.fileno())
        await bridge.commanded()
        bridge.audio(sid, "caller", 0, b"\x80" * 8_000)
        await end(bridge, sid)
        async with asyncio.timeout(GUARD_S):
            _, narration = await running.communicate()
    assert (running.returncode, narration.decode()) == (0, f"1.0 s of {sid} written.\n")
    with wave.open(str(tmp_path / "call.wav")) as read:
        assert read.getnframes() == 8_000


async def test_when_nobody_reads_any_more_the_command_ends_without_a_word(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    reading, writing = os.pipe()
    running = await command(bridge, sid, stdout=writing)
    os.close(writing)
    await bridge.commanded()
    os.close(reading)
    for number in range(50):
        bridge.audio(sid, "caller", number * 1_000, b"\x80" * 8_000)
    async with asyncio.timeout(GUARD_S):
        _, narration = await running.communicate()
    assert (running.returncode, narration) == (0, b"")


async def test_a_terminal_is_not_written_to(bridge: FakeBridge) -> None:
    master, slave = os.openpty()
    try:
        running = await command(bridge, "4f2a", stdout=slave)
        async with asyncio.timeout(GUARD_S):
            _, narration = await running.communicate()
    finally:
        os.close(master)
        os.close(slave)
    assert running.returncode == 2
    assert narration.decode() == "Error: this writes audio, which a terminal cannot show; add `> call.wav` or `| ffplay -`\n"
