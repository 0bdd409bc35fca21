"""One reader: never waited for, never fed beyond a bound, never left half closed."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from bridge.operator.reader import GOING_AWAY, SEND_WITHIN_S, SENT_AT_ONCE_BYTES, SENT_EVERY_S, TRY_AGAIN_LATER, Reader, rest
from bridge.operator.tokens import parse_tokens
from calls.ids import CallSid
from tests.calls.virtual_loop import run_virtually

(ANA,) = parse_tokens("ana:operator:correct horse")
ONE, OTHER = CallSid("CA1"), CallSid("CA2")


class Paper:
    """A socket that takes everything down, or nothing."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reads = reads
        self.batches: list[list[bytes]] = []
        self.closed_with: int | None = None

    async def send(self, texts: Sequence[bytes]) -> None:
        if not self.reads:
            await asyncio.Event().wait()
        self.batches.append(list(texts))

    async def close(self, code: int) -> None:
        if not self.reads:
            await asyncio.Event().wait()
        self.closed_with = code

    @property
    def messages(self) -> list[bytes]:
        return [text for batch in self.batches for text in batch]


class Drops:
    count = 0

    def __call__(self) -> None:
        self.count += 1


def reader(drops: Drops | None = None, **bounds: Any) -> Reader:
    return Reader(ANA, drops or Drops(), **{"rest": no_rest, **bounds})


async def no_rest() -> None:
    """Sends whatever comes at once."""


async def written(one: Reader, code: int = GOING_AWAY) -> Paper:
    """What a quick peer gets."""
    paper = Paper()
    one.leave(code)
    await one.write_to(paper)
    return paper


async def test_messages_arrive_in_order_and_many_at_once() -> None:
    one = reader()
    sent = [b"%d" % nth for nth in range(1000)]
    for message in sent:
        one.offer(message)
    paper = await written(one)
    assert paper.messages == sent
    assert len(paper.batches) == 1
    assert paper.closed_with == GOING_AWAY


async def test_no_batch_is_larger_than_its_bound_unless_a_message_is() -> None:
    one = reader()
    for size in (40_000, 40_000, 20_000, 200_000, 10, 10):
        one.offer(b"x" * size)
    paper = await written(one)
    assert [[len(text) for text in batch] for batch in paper.batches] == [[40_000], [40_000, 20_000], [200_000], [10, 10]]
    assert SENT_AT_ONCE_BYTES < 80_000


async def test_a_full_queue_ends_in_a_word_and_a_close_and_is_counted_once() -> None:
    drops = Drops()
    for bounds in ({"max_messages": 3}, {"max_bytes": 40}):
        one = reader(drops, **bounds)
        for _ in range(10):
            one.offer(b"x" * 12)
        paper = Paper()
        await one.write_to(paper)
        (word,) = paper.messages
        assert json.loads(word)["type"] == "dropped"
        assert "keep up" in json.loads(word)["reason"]
        assert paper.closed_with == TRY_AGAIN_LATER
    assert drops.count == 2


async def test_room_that_was_made_is_room() -> None:
    one, paper = reader(max_messages=3, max_bytes=30), Paper()
    writing = asyncio.create_task(one.write_to(paper))
    for _ in range(10):
        for _ in range(3):
            one.offer(b"x" * 10)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    one.leave(GOING_AWAY)
    await writing
    assert len(paper.messages) == 30


def test_a_peer_that_does_not_read_is_given_up_after_seconds() -> None:
    async def given_up() -> tuple[int, float]:
        drops = Drops()
        one = reader(drops)
        one.offer(b"anybody there?")
        await one.write_to(Paper(reads=False))
        return drops.count, asyncio.get_running_loop().time()

    assert run_virtually(given_up()) == (1, SEND_WITHIN_S)


def test_a_peer_that_does_not_take_note_of_the_close_is_given_up_too() -> None:
    async def given_up() -> float:
        one = reader()
        one.leave(GOING_AWAY)
        await one.write_to(Paper(reads=False))
        return asyncio.get_running_loop().time()

    assert run_virtually(given_up()) == SEND_WITHIN_S


async def test_nothing_is_queued_for_who_is_leaving() -> None:
    one = reader()
    one.offer(b"1")
    one.leave(GOING_AWAY)
    one.offer(b"2")
    paper = Paper()
    await one.write_to(paper)
    assert paper.messages == [b"1"]


# --- the snapshot and what comes around it ------------------------------------------------------------------------------------


async def test_events_that_come_while_the_snapshot_is_made_follow_it_unless_they_are_in_it() -> None:
    one = reader()
    for call, seq in ((ONE, 4), (ONE, 5), (OTHER, 1), (ONE, 6)):
        one.tell(call, seq, f"{call}:{seq}".encode())
    one.begin(b"snapshot", {ONE: 5})
    one.tell(ONE, 5, b"told twice")
    one.tell(ONE, 7, b"CA1:7")
    one.tell(OTHER, 2, b"CA2:2")
    assert (await written(one)).messages == [b"snapshot", b"CA2:1", b"CA1:6", b"CA1:7", b"CA2:2"]


async def test_an_event_that_comes_late_is_told_all_the_same() -> None:
    one = reader()
    one.begin(b"snapshot", {ONE: 5})
    one.tell(ONE, 8, b"8")
    one.tell(ONE, 7, b"7")
    assert (await written(one)).messages == [b"snapshot", b"8", b"7"]


async def test_what_is_of_the_moment_is_not_shown_before_the_snapshot() -> None:
    one = reader()
    one.show(b"levels before")
    one.begin(b"snapshot", {})
    one.show(b"levels")
    assert (await written(one)).messages == [b"snapshot", b"levels"]


async def test_too_much_before_the_snapshot_is_too_much() -> None:
    drops = Drops()
    one = reader(drops, max_messages=5)
    for seq in range(1, 20):
        one.tell(ONE, seq, b"x")
    one.begin(b"snapshot", {})
    assert [json.loads(text)["type"] for text in (await written(one)).messages] == ["dropped"]
    assert drops.count == 1


def test_the_first_message_goes_at_once_and_what_comes_soon_after_goes_together() -> None:
    async def a_while() -> list[tuple[float, list[bytes]]]:
        loop = asyncio.get_running_loop()
        began_s, sent = loop.time(), list[tuple[float, list[bytes]]]()

        class Dated(Paper):
            async def send(self, texts: Sequence[bytes]) -> None:
                sent.append((round(loop.time() - began_s, 3), list(texts)))

        one = reader(rest=rest)
        writing = asyncio.create_task(one.write_to(Dated()))
        for number in range(5):
            one.offer(b"%d" % number)
            await asyncio.sleep(SENT_EVERY_S / 3)
        await asyncio.sleep(1)
        one.offer(b"late")
        one.leave(GOING_AWAY)
        await writing
        return sent

    first, second, third, late = run_virtually(a_while())
    assert first == (0, [b"0"])
    assert (second, third) == ((SENT_EVERY_S, [b"1", b"2"]), (2 * SENT_EVERY_S, [b"3", b"4"]))
    assert late[1] == [b"late"]
