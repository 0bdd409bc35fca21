"""``frontdesk calls hangup`` and its like, and what ``frontdesk console`` refuses, against a bridge on loopback."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from frontdesk.cli import frontdesk
from tests.console import examples
from tests.console.examples import FURNACE, GARAGE, PRANK
from tests.console.fake_bridge import GUARD_S, FakeBridge

FRONTDESK = Path(sys.executable).with_name("frontdesk")
ALONE = "CAaaaa" + "0" * 24 + "beef"


@pytest.fixture
async def bridge() -> AsyncIterator[FakeBridge]:
    async with FakeBridge() as bridge:
        examples.fill(bridge)
        bridge.add_call(ALONE, from_="+15005550009")
        yield bridge


async def run(bridge: FakeBridge, *arguments: str, token: str | None = None) -> Result:
    environment = {"FRONTDESK_URL": bridge.url, "FRONTDESK_TOKEN": bridge.token if token is None else token}
    async with asyncio.timeout(GUARD_S):
        result = await asyncio.to_thread(CliRunner().invoke, frontdesk, list(arguments), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


async def refused(bridge: FakeBridge, code: int, *arguments: str, token: str | None = None) -> str:
    result = await run(bridge, *arguments, token=token)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (("hangup", "--yes"), {"action": "hangup"}),
        (("force-hangup", "-y"), {"action": "force_hangup"}),
        (("escalate", "--yes"), {"action": "escalate"}),
        (("escalate", "--yes", "--to", "+15005550010"), {"action": "escalate", "to": "+15005550010"}),
        (("whisper", "Offer Thursday. שלום [/b]"), {"action": "whisper", "text": "Offer Thursday. שלום [/b]"}),
        (("say", "x" * 2_000), {"action": "say", "text": "x" * 2_000}),
        (("mute",), {"action": "mute"}),
        (("unmute",), {"action": "unmute"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)  # fmt: skip
async def test_a_command_reaches_the_bridge(bridge: FakeBridge, arguments: tuple[str, ...], sent: dict[str, str]) -> None:
    result = await run(bridge, "calls", arguments[0], ALONE, *arguments[1:])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("Accepted: ")
    assert "+15005550009 (bobs-hvac, " in result.stderr
    assert bridge.commands == [{"call_sid": ALONE, **sent}]


async def test_json_says_what_was_accepted(bridge: FakeBridge) -> None:
    result = await run(bridge, "calls", "mute", ALONE, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {"call_sid": ALONE, "action": "mute", "ok": True}


@pytest.mark.parametrize("named", ["beef", "BEEF", "CAaaaa", "caaa", ALONE])
async def test_a_call_may_be_named_by_its_beginning_or_its_end(bridge: FakeBridge, named: str) -> None:
    assert (await run(bridge, "calls", "mute", named)).exit_code == 0
    assert bridge.commands[0]["call_sid"] == ALONE


async def test_what_fits_several_calls_is_refused(bridge: FakeBridge) -> None:
    said = await refused(bridge, 2, "calls", "mute", "CA000")
    assert said.startswith("Error: CA000 names 4 live calls (")
    assert bridge.commands == []


async def test_what_is_too_short_is_refused(bridge: FakeBridge) -> None:
    assert "too short to name a call" in await refused(bridge, 2, "calls", "mute", "eef")


@pytest.mark.parametrize("named", ["none", FURNACE[-4:-1] + "x", "CA" + "f" * 32, "../..", "\x1b[31m", "%2e%2e"])
async def test_a_call_that_is_not_there_is_said_so(bridge: FakeBridge, named: str) -> None:
    said = await refused(bridge, 4, "calls", "mute", "--", named)
    assert "there is no" in said
    assert "\x1b" not in said
    assert bridge.commands == []


async def test_a_call_whose_caller_chose_an_evil_name_is_named_safely(bridge: FakeBridge) -> None:
    said = (await run(bridge, "calls", "mute", PRANK)).stderr
    assert "[/nope]" in said
    assert not set(said) & set("\x1b\x07\x9b")


async def test_the_bridges_refusal_is_passed_on(bridge: FakeBridge) -> None:
    bridge.answer("The call is being closed already.")
    assert await refused(bridge, 1, "calls", "mute", ALONE) == "Error: The call is being closed already.\n"


async def test_a_token_that_is_not_known_is_a_failure(bridge: FakeBridge) -> None:
    assert await refused(bridge, 1, "calls", "mute", ALONE, token="another-token") == "Error: This token is not known here.\n"


async def test_a_bridge_that_is_not_there_is_unavailable(bridge: FakeBridge) -> None:
    await bridge.down()
    assert "nobody listens at 127.0.0.1:" in await refused(bridge, 3, "calls", "mute", ALONE)


async def test_a_bridge_that_is_draining_is_unavailable(bridge: FakeBridge) -> None:
    bridge.refuse(503, "draining")
    assert "HTTP 503" in await refused(bridge, 3, "calls", "mute", ALONE)


@pytest.mark.parametrize("action", ["hangup", "force-hangup", "escalate"])
async def test_where_nobody_can_be_asked_it_takes_yes(bridge: FakeBridge, action: str) -> None:
    said = await refused(bridge, 2, "calls", action, GARAGE)
    assert "+97235550001 (dana-garage, " in said
    assert said.endswith("Nobody is there to be asked; give --yes to do it without asking.\n")
    assert bridge.commands == []


@pytest.mark.parametrize(("typed", "code", "commands"), [(b"y\n", 0, 1), (b"n\n", 1, 0), (b"\n", 1, 0), (b"\x04", 130, 0)])
async def test_on_a_terminal_it_asks_and_the_answer_is_no_unless_yes(
    bridge: FakeBridge, typed: bytes, code: int, commands: int
) -> None:
    master, slave = os.openpty()
    environment = os.environ | {"FRONTDESK_URL": bridge.url, "FRONTDESK_TOKEN": bridge.token}
    pipe = asyncio.subprocess.PIPE
    try:
        command = await asyncio.create_subprocess_exec(
            FRONTDESK, "calls", "hangup", "beef", env=environment, stdin=slave, stdout=pipe, stderr=pipe
        )
        os.write(master, typed)
        async with asyncio.timeout(GUARD_S):
            stdout, stderr = await command.communicate()
    finally:
        os.close(master)
        os.close(slave)
    assert (command.returncode, stdout, len(bridge.commands)) == (code, b"", commands)
    assert b"Say goodbye to +15005550009 (bobs-hvac, " in stderr
    assert b"[y/N]" in stderr


@pytest.mark.parametrize("text", ["", "  ", "x" * 2_001])
async def test_a_text_no_bridge_takes_is_refused_before_it_is_sent(bridge: FakeBridge, text: str) -> None:
    assert "TEXT" in await refused(bridge, 2, "calls", "say", ALONE, text)
    assert bridge.requests == []


@pytest.mark.parametrize("command", [("console",), ("listen", "beef"), ("calls", "mute", "beef")])
async def test_without_a_token_nothing_is_asked(bridge: FakeBridge, command: tuple[str, ...]) -> None:
    assert "no operator token is given; set FRONTDESK_TOKEN" in await refused(bridge, 2, *command, token="")
    assert (bridge.requests, bridge.handshakes) == ([], 0)


@pytest.mark.parametrize("command", [("console",), ("listen", "beef"), ("calls", "mute", "beef")])
async def test_an_address_that_is_none_is_a_usage_error(bridge: FakeBridge, command: tuple[str, ...]) -> None:
    assert "is no address of a bridge" in await refused(bridge, 2, *command, "--url", "ftp://x")


async def test_one_call_can_be_watched_by_a_short_name(bridge: FakeBridge) -> None:
    bridge.event(ALONE, "dtmf", digit="1")
    watching = asyncio.create_task(run(bridge, "console", "--jsonl", "--call", "beef"))
    await bridge.until(lambda: any("/events" in request for request in bridge.requests))
    bridge.event(ALONE, "call.ended", reason="farewell")
    result = await watching
    assert result.exit_code == 0
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [1, 2, 3]


async def test_a_call_to_watch_that_is_not_there_is_said_so(bridge: FakeBridge) -> None:
    assert "there is no live call" in await refused(bridge, 4, "console", "--call", "none")


async def test_a_token_that_crosses_a_network_in_clear_gets_a_warning(bridge: FakeBridge) -> None:
    said = await refused(bridge, 3, "calls", "mute", ALONE, "--url", "http://frontdesk.invalid:1")
    assert said.startswith("Warning: http://frontdesk.invalid:1 is not https: the token and what callers say cross the network")


async def test_a_secret_does_not_get_into_help_or_errors(bridge: FakeBridge) -> None:
    await bridge.down()
    result = await run(bridge, "calls", "mute", ALONE)
    help_text = await run(bridge, "calls", "mute", "--help")
    assert bridge.token not in result.output + help_text.output
