"""Questions between processes: answered, asked again when lost, carried out once, and given up in time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from calls.bus.mailbox import REMEMBERED, WITHIN_S, Mailbox, topic_of
from calls.bus.memory import Alone, MemoryHub, MemoryTransport
from tests.calls.virtual_loop import run_virtually


class Office:
    """Two mailboxes on a hub, the second of which answers."""

    def __init__(self) -> None:
        self.hub = MemoryHub()
        self.transports = [MemoryTransport(self.hub), MemoryTransport(self.hub)]
        self.ana, self.ben = Mailbox(self.transports[0], "ana"), Mailbox(self.transports[1], "ben")
        self.asked: list[bytes] = []
        self.takes_s = 0.0
        self.ben.handle("echo", self._echo)

    async def _echo(self, body: bytes) -> bytes:
        self.asked.append(body)
        await asyncio.sleep(self.takes_s)
        return b"heard " + body

    async def open(self) -> None:
        for transport, mailbox in zip(self.transports, (self.ana, self.ben), strict=True):
            await mailbox.open()
            await transport.open()

    async def close(self) -> None:
        await self.ana.close()
        await self.ben.close()


def played(story: Callable[[Office], Awaitable[None]]) -> None:
    async def play() -> None:
        office = Office()
        await office.open()
        await story(office)
        await office.close()

    run_virtually(play())


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_question_is_answered() -> None:
    async def story(office: Office) -> None:
        assert await office.ana.ask("ben", "echo", "שלום".encode()) == "heard שלום".encode()
        assert now_s() == 0

    played(story)


def test_answers_find_their_questions() -> None:
    async def story(office: Office) -> None:
        answers = await asyncio.gather(*(office.ana.ask("ben", "echo", str(number).encode()) for number in range(50)))
        assert answers == [f"heard {number}".encode() for number in range(50)]

    played(story)


def test_nobody_there_is_told_in_time() -> None:
    async def story(office: Office) -> None:
        assert await office.ana.ask("eve", "echo", b"") is None
        assert now_s() == pytest.approx(WITHIN_S)

    played(story)


def test_a_question_that_got_lost_is_asked_again() -> None:
    async def story(office: Office) -> None:
        office.transports[1].went(up=False)
        asking = asyncio.create_task(office.ana.ask("ben", "echo", b"1"))
        await asyncio.sleep(0.3)
        office.transports[1].went(up=True)
        assert await asking == b"heard 1"

    played(story)


def test_a_question_that_is_asked_again_is_worked_on_once() -> None:
    async def story(office: Office) -> None:
        office.takes_s = 1.2
        assert await office.ana.ask("ben", "echo", b"1") == b"heard 1"
        assert office.asked == [b"1"]

    played(story)


def test_a_repeated_question_gets_its_answer_again() -> None:
    async def story(office: Office) -> None:
        """The first answer is lost."""
        questions: list[bytes] = []
        office.transports[1].listen(topic_of("ben"), questions.append)
        answers: list[bytes] = []
        office.transports[0].listen(topic_of("ana"), answers.append)
        await office.ana.ask("ben", "echo", b"1")
        office.transports[0].publish(topic_of("ben"), questions[0])
        await asyncio.sleep(0.1)
        assert len(answers) == 2
        assert answers[0] == answers[1]
        assert office.asked == [b"1"]

    played(story)


def test_a_bus_that_is_down_is_not_waited_for() -> None:
    async def story(office: Office) -> None:
        office.hub.go(up=False)
        assert await office.ana.ask("ben", "echo", b"") is None
        assert now_s() == 0

    played(story)


async def test_a_process_without_others_asks_nobody() -> None:
    mailbox = Mailbox(Alone(), "ana")
    await mailbox.open()
    assert await mailbox.ask("ben", "echo", b"") is None
    await mailbox.close()


def test_a_handler_that_fails_or_does_not_exist_answers_nothing() -> None:
    async def story(office: Office) -> None:
        async def fails(_: bytes) -> bytes:
            raise RuntimeError("a defect")

        office.ben.handle("fails", fails)
        for kind in ("fails", "unheard of"):
            assert await office.ana.ask("ben", kind, b"") is None
        assert await office.ana.ask("ben", "echo", b"") == b"heard "

    played(story)


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 100, b"\x91\xa1q", b"\x95\xa1q\x01\x02\x03\x04", b"\xc1"])
def test_garbage_in_the_mailbox_does_no_harm(garbage: bytes) -> None:
    async def story(office: Office) -> None:
        office.transports[0].publish(topic_of("ben"), garbage)
        assert await office.ana.ask("ben", "echo", b"1") == b"heard 1"

    played(story)


def test_what_is_worked_on_at_a_time_is_bounded() -> None:
    async def story(office: Office) -> None:
        office.takes_s = WITHIN_S
        answers = await asyncio.gather(*(office.ana.ask("ben", "echo", b"") for _ in range(REMEMBERED + 10)))
        assert len(office.asked) == REMEMBERED
        assert answers.count(None) >= 10
        await asyncio.sleep(0.1)
        office.takes_s = 0.0
        assert await office.ana.ask("ben", "echo", b"later") == b"heard later"

    played(story)
