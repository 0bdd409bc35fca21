"""The connection to a bridge: it tells everything once and in order, comes back by itself, and takes no harm from what a bridge sends."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import TypeVar

import pytest

from console import connection as connection_module
from console import operator_http
from console.catching_up import Missing
from console.connection import Connected, Item, Lost, OperatorConnection, Refused
from console.endpoint import Endpoint
from console.protocol import Audio, Event, Levels, Partial, PhaseChanged, Result
from tests.console.fake_bridge import GUARD_S, START, FakeBridge, stamp

Kind = TypeVar("Kind")


@pytest.fixture
async def bridge() -> AsyncIterator[FakeBridge]:
    async with FakeBridge() as bridge:
        yield bridge


async def at_once(_: float) -> None:
    """A sleep that takes no time."""
    await asyncio.sleep(0)


class Reading:
    """A connection that is being read."""

    def __init__(self, connection: OperatorConnection) -> None:
        self.connection = connection
        self._items = connection.items()

    async def next(self) -> Item:
        return await anext(self._items)

    async def until(self, kind: type[Kind]) -> Kind:
        """The next item of this kind; what comes before it is left out."""
        async for item in self._items:
            if isinstance(item, kind):
                return item
        raise AssertionError(f"it ended before any {kind}")

    async def seqs(self, events: int) -> list[tuple[str, int]]:
        """The calls and numbers of the next events."""
        found = [await self.until(Event) for _ in range(events)]
        return [(event.call_sid, event.seq) for event in found]

    async def rest(self) -> list[Item]:
        return [item async for item in self._items]


@asynccontextmanager
async def reading(
    endpoint: Endpoint,
    *,
    sleep: Callable[[float], Awaitable[None]] = at_once,
    jitter: float = 1.0,
    max_waiting: int = connection_module.MAX_WAITING,
    ping_s: float = connection_module.PING_S,
    open_s: float = connection_module.OPEN_S,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Reading]:
    """A connection under a test's own clock; what hangs fails."""
    made = OperatorConnection(
        endpoint,
        sleep=sleep,
        jitter=lambda: jitter,
        max_waiting=max_waiting,
        ping_s=ping_s,
        pong_s=ping_s,
        open_s=open_s,
        clock=clock,
    )
    async with asyncio.timeout(GUARD_S), made as connection:
        yield Reading(connection)


@asynccontextmanager
async def connected(bridge: FakeBridge, *, max_waiting: int = connection_module.MAX_WAITING) -> AsyncIterator[Reading]:
    """A connection whose snapshot has been read, and whose commands go through."""
    async with reading(bridge.endpoint, max_waiting=max_waiting) as read:
        await read.until(Connected)
        yield read


# what it tells


async def test_it_begins_with_the_calls_that_go_on(bridge: FakeBridge) -> None:
    live, ended = bridge.add_call(), bridge.add_call()
    bridge.event(ended, "call.ended", reason="farewell")
    async with reading(bridge.endpoint) as read:
        first = await read.next()
    assert isinstance(first, Connected)
    assert [call.call_sid for call in first.snapshot.calls] == [live]


async def test_events_and_live_news_come_in_order(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.event(sid, "dtmf", digit="1")
        bridge.live(sid, "levels", caller_rms=5, agent_rms=7)
        bridge.live(sid, "partial", side="caller", item_id="c1", text="Hel", heard_chars=3)
        bridge.live(sid, "phase", phase="closing", muted=False)
        bridge.audio(sid, "agent", 12.5, b"\xff")
        bridge.event(sid, "dtmf", digit="2")
        items = [await read.next() for _ in range(6)]
    assert [type(item) for item in items] == [Event, Levels, Partial, PhaseChanged, Audio, Event]


async def test_a_new_call_is_told_from_its_first_event(bridge: FakeBridge) -> None:
    async with connected(bridge) as read:
        sid = bridge.add_call()
        assert await read.seqs(1) == [(sid, 1)]


async def test_an_event_that_is_sent_twice_comes_once(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.raw(json.dumps(bridge.event(sid, "dtmf", digit="1")))
        bridge.raw(json.dumps(bridge.events[sid][0]))
        bridge.event(sid, "dtmf", digit="2")
        assert await read.seqs(2) == [(sid, 2), (sid, 3)]


async def test_skipped_events_are_asked_for_and_come_first(bridge: FakeBridge) -> None:
    sid, other = bridge.add_call(), bridge.add_call()
    async with connected(bridge) as read:
        bridge.event(sid, "dtmf", announce=False, digit="1")
        bridge.event(sid, "dtmf", announce=False, digit="2")
        bridge.event(sid, "dtmf", digit="3")
        assert await read.seqs(3) == [(sid, 2), (sid, 3), (sid, 4)]
        bridge.event(other, "dtmf", digit="4")
        assert await read.seqs(1) == [(other, 2)]
    assert bridge.requests == [f"GET /calls/{sid}/events?after=1"]


async def test_a_call_first_heard_of_in_the_middle_is_told_from_its_beginning(bridge: FakeBridge) -> None:
    async with connected(bridge) as read:
        sid = bridge.add_call(announce=False)
        bridge.event(sid, "dtmf", digit="1")
        assert await read.seqs(2) == [(sid, 1), (sid, 2)]


async def test_events_that_cannot_be_had_are_said_to_be_missing_and_it_goes_on(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    bridge.events_status = 503
    async with connected(bridge) as read:
        bridge.event(sid, "dtmf", announce=False, digit="1")
        bridge.event(sid, "dtmf", digit="2")
        missing = await read.next()
        assert isinstance(missing, Missing)
        assert missing.call_sid == sid
        assert missing.why.endswith("answers HTTP 503: the store is away")
        bridge.event(sid, "dtmf", digit="3")
        assert await read.seqs(2) == [(sid, 3), (sid, 4)]
    assert len(bridge.requests) == 3


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"{}", b'{"events": 3}', b'{"events": [1, null, {}, {"call_sid": "x"}]}',
     b"\xff" * 1000, b"[" * 100_000, b" " * 70_000],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_counts_as_missing(
    bridge: FakeBridge, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_http, "MAX_BODY", 65_536)
    sid = bridge.add_call()
    bridge.events_body = body
    async with connected(bridge) as read:
        bridge.event(sid, "dtmf", announce=False, digit="1")
        bridge.event(sid, "dtmf", digit="2")
        assert isinstance(await read.next(), Missing)
        assert await read.seqs(1) == [(sid, 3)]


# coming back


async def test_what_happened_while_the_connection_was_lost_comes_once_and_in_order(bridge: FakeBridge) -> None:
    sid, other, still = bridge.add_call(), bridge.add_call(), bridge.add_call()
    async with connected(bridge) as read:
        bridge.event(sid, "dtmf", digit="1")
        assert await read.seqs(1) == [(sid, 2)]
        bridge.drop_connections()
        bridge.event(sid, "dtmf", digit="2")
        bridge.event(sid, "dtmf", digit="3")
        bridge.event(other, "call.ended", reason="farewell")
        lost = await read.next()
        assert lost == Lost("the connection was cut", 0.25)
        assert isinstance(await read.next(), Connected)
        missed = await read.seqs(3)
        assert [one for one in missed if one[0] == sid] == [(sid, 3), (sid, 4)]
        assert [one for one in missed if one[0] == other] == [(other, 2)]
        bridge.event(still, "dtmf", digit="4")
        assert await read.seqs(1) == [(still, 2)]
    of_calls = [request for request in bridge.requests if "/events" in request]
    assert sorted(of_calls) == sorted([f"GET /calls/{sid}/events?after=2", f"GET /calls/{other}/events?after=1"])


async def test_calls_that_began_while_away_come_whole_even_if_they_are_over(bridge: FakeBridge) -> None:
    bridge.event(bridge.add_call(), "dtmf", digit="1")
    async with connected(bridge) as read:
        bridge.drop_connections()
        begun, over = bridge.add_call(), bridge.add_call()
        for sid in (begun, over):
            bridge.calls[sid]["started_at"] = stamp(START + timedelta(hours=1))
        bridge.event(begun, "error", where="model", message="odd")
        bridge.event(over, "lead.captured", fields={"name": "Ann"})
        bridge.event(over, "call.ended", reason="farewell")
        await read.until(Connected)
        missed = await read.seqs(5)
    assert [one for one in missed if one[0] == begun] == [(begun, 1), (begun, 2)]
    assert [one for one in missed if one[0] == over] == [(over, 1), (over, 2), (over, 3)]


async def test_a_call_that_ended_meanwhile_without_an_event_is_told_to_have_ended(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.drop_connections()
        bridge.calls[sid] |= {"phase": "ended", "ended_at": stamp(START), "end_reason": "no-answer", "duration_ms": 7}
        await read.until(Connected)
        ended = await read.until(Event)
    assert (ended.call_sid, ended.kind, ended.text("reason"), ended.whole("duration_ms")) == (sid, "call.ended", "no-answer", 7)


async def test_a_call_that_is_not_on_record_any_more_is_told_to_have_ended(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.drop_connections()
        del bridge.calls[sid]
        await read.until(Connected)
        assert await read.until(PhaseChanged) == PhaseChanged(sid, "ended", False)


async def test_it_comes_back_when_the_bridge_was_down_for_a_while(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        await bridge.down()
        assert isinstance(await read.next(), Lost)
        while (lost := await read.until(Lost)).why == "the connection was cut":
            pass
        assert lost.why == f"nobody listens at {bridge.url.removeprefix('http://')}"
        bridge.event(sid, "dtmf", digit="1")
        await bridge.up()
        await read.until(Connected)
        assert await read.seqs(1) == [(sid, 2)]


class Delays:
    """A sleep that notes how long it was to be, and never returns after so many."""

    def __init__(self, wanted: int) -> None:
        self.seconds: list[float] = []
        self.all_noted = asyncio.Event()
        self._wanted = wanted

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._wanted:
            self.all_noted.set()
            await asyncio.Event().wait()


@pytest.mark.parametrize(("jitter", "share"), [(1.0, 1.0), (0.0, 0.5), (0.5, 0.75)])
async def test_the_delay_doubles_up_to_five_seconds_and_is_spread(bridge: FakeBridge, jitter: float, share: float) -> None:
    await bridge.down()
    delays = Delays(7)
    async with reading(bridge.endpoint, sleep=delays, jitter=jitter):
        await delays.all_noted.wait()
    assert delays.seconds == [delay * share for delay in (0.25, 0.5, 1, 2, 4, 5, 5)]


@pytest.mark.parametrize(("lasted_s", "delays"), [(4.9, [0.25, 0.5, 1.0]), (5.0, [0.25, 0.25, 0.25])])
async def test_only_a_connection_that_lasted_makes_the_next_delay_short(
    bridge: FakeBridge, lasted_s: float, delays: list[float]
) -> None:
    now_s = 0.0
    async with reading(bridge.endpoint, clock=lambda: now_s) as read:
        told = []
        for _ in delays:
            await read.until(Connected)
            now_s += lasted_s
            bridge.drop_connections()
            told.append((await read.until(Lost)).retry_in_s)
    assert told == delays


async def test_a_bridge_that_does_not_answer_pings_is_gone(bridge: FakeBridge) -> None:
    bridge.deaf = True
    async with reading(bridge.endpoint, ping_s=0.01) as read:
        assert (await read.until(Lost)).why == "the bridge does not answer any more"


async def test_a_bridge_that_never_says_which_calls_there_are_is_tried_again(bridge: FakeBridge) -> None:
    bridge.greets = False
    async with reading(bridge.endpoint, open_s=0.05) as read:
        while (await read.until(Lost)).why != "the bridge did not say which calls there are":
            pass  # the handshake has the same little time, and a busy machine may not make it
        bridge.greets = True
        await read.until(Connected)


async def test_a_token_the_bridge_does_not_know_ends_it_with_the_bridges_sentence(bridge: FakeBridge) -> None:
    async with reading(Endpoint(bridge.url, "another token")) as read:
        assert await read.rest() == [Refused("This token is not known here.")]
    assert bridge.handshakes == 1


async def test_a_token_that_was_good_once_is_tried_again(bridge: FakeBridge) -> None:
    async with connected(bridge) as read:
        bridge.refuse(401, "The operator API is closed.")
        bridge.drop_connections()
        await read.until(Lost)
        refused = await read.until(Lost)
        assert "operator API is closed" in refused.why
        bridge.refuse(None)
        await read.until(Connected)


@pytest.mark.parametrize("status", [404, 429, 500, 502, 503])
async def test_any_other_refusal_is_tried_again(bridge: FakeBridge, status: int) -> None:
    bridge.refuse(status, "")
    async with reading(bridge.endpoint) as read:
        lost = await read.until(Lost)
        assert f"HTTP {status}" in lost.why
        bridge.refuse(None)
        await read.until(Connected)


async def test_being_let_go_by_the_bridge_says_why_and_heals(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.drop_slow("1013 \x1b[31mslow")
        bridge.event(sid, "dtmf", announce=False, digit="1")
        assert (await read.until(Lost)).why == "the bridge let this console go: 1013 [31mslow"
        await read.until(Connected)
        assert await read.seqs(1) == [(sid, 2)]


# commands


async def test_a_command_is_sent_and_its_answer_returned(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        result = await read.connection.command(sid, "whisper", text="Offer שלום \x1b", to=None)
    assert result == Result("c1", True, "")
    assert bridge.commands == [{"type": "command", "id": "c1", "call_sid": sid, "action": "whisper", "text": "Offer שלום \x1b"}]


async def test_a_refused_command_brings_the_bridges_sentence(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    bridge.answer("A viewer may only watch.")
    async with connected(bridge) as read:
        assert await read.connection.command(sid, "mute") == Result("c1", False, "A viewer may only watch.")


async def test_answers_find_their_commands_in_whatever_order(bridge: FakeBridge) -> None:
    bridge.answer(silent=True)
    async with connected(bridge) as read:
        first = asyncio.create_task(read.connection.command("CA1", "mute"))
        second = asyncio.create_task(read.connection.command("CA1", "unmute"))
        await bridge.commanded(2)
        bridge.raw('{"type":"result","id":"c2","ok":true}')
        bridge.raw('{"type":"result","id":"c1","ok":false,"error":"no"}')
        assert (await first, await second) == (Result("c1", False, "no"), Result("c2", True, ""))


async def test_a_bridge_that_never_answers_a_command_is_said_so(bridge: FakeBridge) -> None:
    bridge.answer(silent=True)
    async with connected(bridge) as read:
        result = await read.connection.command("CA1", "hangup", timeout_s=0.01)
    assert result.error == "The bridge did not answer within 0.01 s; it may have done it all the same."


async def test_an_answer_that_comes_too_late_or_to_nothing_does_no_harm(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.raw('{"type":"result","id":"c99","ok":true}')
        bridge.event(sid, "dtmf", digit="1")
        assert await read.seqs(1) == [(sid, 2)]
        assert read.connection.malformed == 1


async def test_without_a_connection_nothing_is_sent_and_that_is_said(bridge: FakeBridge) -> None:
    connection = OperatorConnection(bridge.endpoint)
    assert (await connection.command("CA1", "hangup")).error == "There is no connection to the bridge: nothing was sent."
    assert not connection.connected


async def test_a_command_whose_answer_is_lost_with_the_connection_says_so(bridge: FakeBridge) -> None:
    bridge.answer(silent=True)
    async with connected(bridge) as read:
        sent = asyncio.create_task(read.connection.command("CA1", "hangup"))
        await bridge.commanded()
        bridge.drop_connections()
        result = await sent
    assert (result.ok, result.error) == (
        False,
        "The connection was lost before the bridge answered; it may have done it all the same.",
    )


async def test_commands_without_an_answer_are_bounded(bridge: FakeBridge) -> None:
    bridge.answer(silent=True)
    async with connected(bridge) as read:
        waiting = [asyncio.create_task(read.connection.command("CA1", "mute")) for _ in range(connection_module.MAX_COMMANDS)]
        await bridge.commanded(connection_module.MAX_COMMANDS)
        assert (await read.connection.command("CA1", "mute")).error.startswith("Too many commands")
        bridge.drop_connections()
        assert not any(result.ok for result in await asyncio.gather(*waiting))


# a reader who lags behind, a bridge that means harm


async def arrived(read: Reading) -> None:
    """Everything sent before has come in: the answer to a command comes after it."""
    assert (await read.connection.command("CA1", "mute")).ok


async def test_for_a_reader_who_lags_behind_only_the_newest_of_what_passes_is_kept(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        for level in range(1_000):
            bridge.live(sid, "levels", caller_rms=level, agent_rms=0)
            bridge.live(sid, "partial", side="agent", item_id=f"a{level % 2}", text="x" * level, heard_chars=0)
        bridge.event(sid, "dtmf", digit="1")
        await arrived(read)
        items = [await read.next() for _ in range(4)]
    assert sorted(type(item).__name__ for item in items) == ["Event", "Levels", "Partial", "Partial"]
    assert [item.caller_rms for item in items if isinstance(item, Levels)] == [999]
    assert sorted(len(item.text) for item in items if isinstance(item, Partial)) == [998, 999]


async def test_for_a_reader_who_lags_behind_no_event_is_left_out(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        for digit in range(1_000):
            bridge.event(sid, "dtmf", digit=str(digit))
        await arrived(read)
        assert await read.seqs(1_000) == [(sid, seq) for seq in range(2, 1_002)]


async def test_a_reader_too_far_behind_is_started_anew_and_still_gets_every_event_once(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge, max_waiting=50) as read:
        for digit in range(200):
            bridge.event(sid, "dtmf", digit=str(digit))
        await bridge.until(lambda: not bridge.readers)
        found: list[int] = []
        lost: list[str] = []
        while len(found) < 200:
            item = await read.next()
            if isinstance(item, Event):
                found.append(item.seq)
            elif isinstance(item, Lost):
                lost.append(item.why)
    assert found == list(range(2, 202))
    assert lost[0] == "this console did not keep up"


HARMLESS: dict[str, str | bytes] = {
    "no JSON": "nonsense",
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "a number without end": "9" * 5_000,
    "deep": "[" * 100_000,
    "bytes": b"\xff\xfe\x00",
    "no UTF-8 in JSON": b'{"type":"\xff"}',
    "a line of 1 MB": "x" * 1_000_000,
    "a second snapshot": '{"type":"snapshot","calls":[]}',
    "an unknown type": '{"type":"hello"}',
    "an unknown live kind": '{"type":"live","call_sid":"CA1","kind":"mood"}',
    "an event without number": '{"type":"event","call_sid":"CA1","kind":"dtmf","at":"2026-01-01T00:00:00Z"}',
    "an event out of time": '{"type":"event","call_sid":"CA1","seq":1,"kind":"dtmf","at":"0001-01-01T00:00:00Z"}',
    "audio that is none": '{"type":"audio","call_sid":"CA1","side":"caller","at_ms":1,"payload":"!"}',
}


@pytest.mark.parametrize("frame", HARMLESS.values(), ids=HARMLESS)
async def test_a_message_that_cannot_be_used_is_counted_and_nothing_else(bridge: FakeBridge, frame: str | bytes) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.raw(frame)
        bridge.event(sid, "dtmf", digit="1")
        assert await read.next() == Event(sid, 2, START.replace(microsecond=100_000), "dtmf", {"digit": "1"})
        assert read.connection.malformed == 1


async def test_a_flood_of_rubbish_leaves_others_their_turn(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        for _ in range(20_000):
            bridge.raw("rubbish")
        bridge.event(sid, "dtmf", digit="1")
        turns = count()
        reading = asyncio.create_task(read.seqs(1))
        while not reading.done():
            next(turns)
            await asyncio.sleep(0)
        assert next(turns) > 20_000 / connection_module.TAKEN_AT_ONCE / 2
        assert read.connection.malformed == 20_000


async def test_rubbish_before_the_snapshot_is_skipped(bridge: FakeBridge) -> None:
    bridge.greets = False
    async with reading(bridge.endpoint) as read:
        await bridge.connected()
        for frame in HARMLESS.values():
            if isinstance(frame, bytes) or "snapshot" not in frame:
                bridge.raw(frame)
        bridge.raw(bridge.snapshot())
        assert isinstance(await read.next(), Connected)


async def test_a_message_of_more_than_4_mib_ends_the_connection_which_heals(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        bridge.raw("x" * (4 * 2**20 + 1))
        assert (await read.until(Lost)).why == "the bridge sent a message of more than 4 MiB"
        await read.until(Connected)
        bridge.event(sid, "dtmf", digit="1")
        assert await read.seqs(1) == [(sid, 2)]


async def test_events_of_calls_that_never_were_are_told_without_end_and_without_harm(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    async with connected(bridge) as read:
        for number in range(300):
            bridge.raw(json.dumps({"type": "event", "call_sid": f"CAx{number}", "seq": 7, "at": stamp(START), "kind": "dtmf"}))
        found = {(await read.until(Event)).call_sid for _ in range(300)}
        bridge.event(sid, "dtmf", digit="1")
        assert await read.seqs(1) == [(sid, 2)]
    assert found == {f"CAx{number}" for number in range(300)}


def no_bridges() -> Iterator[tuple[str, bytes]]:
    yield "it hangs up", b""
    yield "another protocol", b"SSH-2.0-OpenSSH_9.2\r\n"
    yield "a web page", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    yield "a wrong key", b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
    yield "a redirect to itself", b"HTTP/1.1 302 Found\r\nLocation: /operator\r\nContent-Length: 0\r\n\r\n"
    yield "an endless header", b"HTTP/1.1 101 Switching\r\n" + b"X: y\r\n" * 10_000
    yield "control characters", b"HTTP/1.1 500 \x1b[31m\r\nContent-Length: 6\r\n\r\n\x1b]52;c\x07"


@pytest.mark.parametrize("answer", [answer for _, answer in no_bridges()], ids=[name for name, _ in no_bridges()])
async def test_what_is_no_bridge_is_lost_with_a_reason_and_tried_again(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with reading(Endpoint(f"http://127.0.0.1:{port}", "token")) as read:
            first, second = await read.until(Lost), await read.until(Lost)
    assert first.why.isprintable()
    assert 10 < len(first.why) < 300
    assert second.retry_in_s > first.retry_in_s


async def test_it_can_be_left_at_any_moment(bridge: FakeBridge) -> None:
    sid = bridge.add_call()
    bridge.answer(silent=True)
    async with connected(bridge) as read:
        bridge.event(sid, "dtmf", announce=False, digit="1")
        bridge.event(sid, "dtmf", digit="2")
        sent = asyncio.create_task(read.connection.command(sid, "mute"))
        await bridge.commanded()
    assert not (await sent).ok
    assert isinstance((await read.rest())[-1:], list)
