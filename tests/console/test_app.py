"""The app on a real connection to a bridge on loopback, and what it does with more than it can take."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from calls.exit_codes import ExitCode
from console import app as apps
from console.app import ConsoleApp
from console.catching_up import Missing
from console.connection import Item, OperatorConnection, Refused
from console.protocol import BusChanged, Levels, decode
from tests.console import examples
from tests.console.fake_bridge import GUARD_S, FakeBridge
from tests.console.scripted import SIZE, Clock, ScriptedConnection, call, connected, console, lost, on_screen, press, settled

GARBAGE: tuple[str | bytes, ...] = (
    "",
    "{",
    "null",
    "[[[[[]]]]]",
    '{"type":7}',
    '{"type":"event"}',
    '{"type":"event","call_sid":"CA1","seq":"many","at":"now","kind":[]}',
    '{"type":"event","call_sid":"CA1","seq":1,"at":"2026-01-01T00:00:00Z","kind":"call.started","from":{"a":1},"to":[],"business_id":7}',
    '{"type":"live","call_sid":"CA1","kind":"levels","caller_rms":"loud","agent_rms":-1e308}',
    '{"type":"live","call_sid":"CA1","kind":"partial","side":"nobody","item_id":1,"text":null}',
    '{"type":"live","call_sid":"CA1","kind":"phase","phase":9,"muted":"yes"}',
    '{"type":"snapshot","calls":[null,1,{"call_sid":"x"}]}',
    '{"type":"result","id":{},"ok":"true"}',
    '{"type":"event","call_sid":"CA1","seq":2,"at":"2026-01-01T00:00:00Z","kind":"caller.transcript","text":"'
    + "x" * 1_000_000
    + '"}',
    b"\xff\xfe\x00",
    "[" * 100_000,
)


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Paints until it holds."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    async with asyncio.timeout(GUARD_S):
        while not holds():
            await pilot.pause()
            app.flush()


def shows(app: ConsoleApp, words: str) -> Callable[[], bool]:
    return lambda: words in on_screen(app)


async def no_waiting(_seconds: float) -> None:
    await asyncio.sleep(0)


async def test_a_bridge_that_goes_and_comes_back_is_seen_to_do_so() -> None:
    async with FakeBridge() as bridge, OperatorConnection(bridge.endpoint, sleep=no_waiting) as connection:
        sid = bridge.add_call(from_="+15005550001")
        app = ConsoleApp(connection, now=Clock())
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, shows(app, "+15005550001"))
            assert app.connected
            await bridge.down()
            await until(pilot, shows(app, "▲ connection lost"))
            bridge.event(sid, "caller.transcript", item_id="c1", text="said meanwhile")
            await bridge.up()
            await until(pilot, shows(app, "● live"))
            await until(pilot, shows(app, "said meanwhile"))
            await until(pilot, lambda: app.stories[sid].last_seq == 2)


async def test_a_command_reaches_the_bridge_and_its_answer_the_operator() -> None:
    async with FakeBridge() as bridge, OperatorConnection(bridge.endpoint) as connection:
        sid = bridge.add_call()
        app = ConsoleApp(connection, now=Clock())
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await until(pilot, shows(app, "● live  1 call"))
            bridge.answer("The call is closing.")
            await pilot.press("m")
            await until(pilot, shows(app, "The call is closing."))
            assert [(command["call_sid"], command["action"]) for command in bridge.commands] == [(sid, "mute")]


async def test_garbage_and_floods_neither_stop_nor_stall_the_console() -> None:
    async with FakeBridge() as bridge, OperatorConnection(bridge.endpoint, sleep=no_waiting) as connection:
        sid = bridge.add_call(from_="+15005550001")
        app = ConsoleApp(connection, now=Clock())
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, shows(app, "+15005550001"))
            for frame in GARBAGE:
                bridge.raw(frame)
            for number in range(3_000):
                bridge.live(sid, "levels", caller_rms=number, agent_rms=0)
            await pilot.press("p", "p", "slash")
            bridge.event(sid, "caller.transcript", item_id="c1", text="still here")
            await until(pilot, shows(app, "still here"))
            assert app.unusable == 0


@pytest.mark.parametrize("frame", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_taken_directly_does_no_harm(frame: str | bytes) -> None:
    connection = ScriptedConnection([connected(call(1)), decode(frame)])
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert call(1).call_sid in app.board.rows


async def test_a_token_that_is_refused_at_once_ends_the_console_with_a_sentence() -> None:
    app = console(ScriptedConnection([Refused("the token is not known there")]))
    async with app.run_test(size=SIZE):
        pass
    assert app.return_value is ExitCode.FAILED
    assert app.refused == "the token is not known there"


async def test_a_token_that_is_refused_later_leaves_what_is_known_on_the_screen() -> None:
    app = console(ScriptedConnection([connected(call(1)), Refused("the token is not known there")]))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert "▲ refused: the token is not known there" in on_screen(app)
        assert "+15005550001" in on_screen(app)
        assert app.refused == ""
        assert not app.connected


async def test_gaps_in_what_is_known_are_told() -> None:
    app = console(ScriptedConnection([connected(call(1)), Missing(call(1).call_sid, "the bridge has none")]))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert "1 with gaps" in on_screen(app)


async def test_one_message_the_console_fails_on_costs_only_that_message(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = ScriptedConnection([connected(call(1))])
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        with monkeypatch.context() as broken:
            broken.setattr(app.board, "take", lambda *_: 1 / 0)
            connection.tell(examples.event(call(1).call_sid, 6, "error", where="a", message="b"))
            await connection.taken()
        assert app.unusable == 1
        app.unusable = 0
        connection.tell(examples.event(call(1).call_sid, 7, "caller.transcript", text="and on"))
        await settled(pilot)
        assert "and on" in on_screen(app)


class Flood(ScriptedConnection):
    """Has always something to say, and never waits."""

    async def items(self) -> AsyncIterator[Item]:
        for number in range(2_000):
            yield Levels(call(1).call_sid, number % 100, 0)


async def test_a_flood_leaves_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = iter(range(1_000_000))
    monkeypatch.setattr(apps, "perf_counter", lambda: next(reading) * apps.READ_AT_ONCE_S / 4)
    app = console(Flood())
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await app._read()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    assert turns >= 300


async def test_stories_stay_in_bounds_and_the_one_on_the_screen_stays() -> None:
    connection = ScriptedConnection([connected(call(1), call(2), call(3))])
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        looked_at = app.story(call(1).call_sid)
        ended = app.story(call(3).call_sid)
        connection.tell(examples.event(ended.call_sid, 6, "call.ended", reason="x"))
        await settled(pilot)
        for number in range(apps.STORIES_KEPT - 2):
            app.story(f"CAother{number}")
        assert len(app.stories) == apps.STORIES_KEPT
        app.story("CAone more")
        assert len(app.stories) == apps.STORIES_KEPT
        assert app.stories[looked_at.call_sid] is looked_at
        assert "CAone more" in app.stories


async def test_the_console_paints_on_its_own_clock() -> None:
    clock = Clock()
    connection = ScriptedConnection([connected(call(1))])
    app = console(connection, clock=clock)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, shows(app, " 1:59 "))
        clock.add(60)
        async with asyncio.timeout(GUARD_S):
            while not shows(app, " 2:59 ")():
                await pilot.pause()


async def test_a_bus_that_is_down_is_shown_until_it_is_back() -> None:
    down, up = BusChanged(False, "No [bold]bus[/]."), BusChanged(True, "It is back.")
    connection = ScriptedConnection([connected(call(1)), down])
    app = console(connection)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await settled(pilot)
        assert "bus down" in on_screen(app)
        await until(pilot, shows(app, "No [bold]bus[/]."))
        connection.tell(up)
        await until(pilot, shows(app, "It is back."))
        assert "bus down" not in on_screen(app)


async def test_a_new_connection_knows_nothing_of_a_bus_that_was_down() -> None:
    app = console(ScriptedConnection([connected(call(1)), BusChanged(False, "down"), lost(), connected(call(1))]))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert "bus down" not in on_screen(app)
