"""Commands for calls that another bridge owns: asked of it, checked by it, answered in its words."""

import asyncio
from collections.abc import Awaitable, Callable

from bridge.operator.far_orders import KIND, Answer, FarOrders
from bridge.operator.tokens import OperatorKey, parse_tokens
from calls.bus.base import Transport
from calls.bus.mailbox import Mailbox
from calls.bus.memory import Alone, MemoryHub, MemoryTransport
from calls.operator import Command
from tests.bridge.operator.doubles import ANA, VIC
from tests.calls.examples import HOSTILE, sid
from tests.calls.virtual_loop import run_virtually

(EVE,) = parse_tokens("eve:operator:a stranger here")
DEMOTED = parse_tokens("ana:viewer:correct horse")


class Owner:
    """The bridge that owns the call; it does everything it is asked."""

    def __init__(self, hub: MemoryHub, keys: tuple[OperatorKey, ...]) -> None:
        self.transport = MemoryTransport(hub)
        self.mailbox = Mailbox(self.transport, "owner")
        self.done: list[tuple[str, str, Command]] = []
        self.answer = Answer()
        FarOrders(self.mailbox, self.transport, keys).take(self._carry_out)

    async def _carry_out(self, key: OperatorKey, command: Command) -> Answer:
        self.done.append((key.name, key.role, command))
        return self.answer


def played(story: Callable[[FarOrders, Owner, MemoryHub], Awaitable[None]], keys: tuple[OperatorKey, ...] = (ANA, VIC)) -> None:
    async def play() -> None:
        hub = MemoryHub()
        owner, transport = Owner(hub, keys), MemoryTransport(hub)
        mailbox = Mailbox(transport, "asker")
        for opened in (owner.mailbox, owner.transport, mailbox, transport):
            await opened.open()
        await story(FarOrders(mailbox, transport, (ANA, VIC)), owner, hub)
        await mailbox.close()
        await owner.mailbox.close()

    run_virtually(play())


def test_a_command_arrives_whole_and_the_owners_answer_comes_back() -> None:
    async def story(orders: FarOrders, owner: Owner, _: MemoryHub) -> None:
        for text in HOSTILE[:-1]:
            say = Command(id="c1", call_sid=sid(), action="say", text=text, to="client:ann")
            owner.answer = Answer(409, f"no: {text}")
            assert await orders.ask("owner", ANA, say) == owner.answer
            assert owner.done[-1] == ("ana", "operator", say)

    played(story)


def test_the_role_is_what_the_owner_says_it_is() -> None:
    async def story(orders: FarOrders, owner: Owner, _: MemoryHub) -> None:
        await orders.ask("owner", ANA, Command(call_sid=sid(), action="mute"))
        assert [role for _, role, _ in owner.done] == ["viewer"]

    played(story, DEMOTED)


def test_whom_the_owner_does_not_know_it_refuses() -> None:
    async def story(orders: FarOrders, owner: Owner, _: MemoryHub) -> None:
        answer = await orders.ask("owner", EVE, Command(call_sid=sid(), action="mute"))
        assert answer is not None
        assert (answer.status, owner.done) == (403, [])
        assert "does not know eve" in (answer.error or "")

    played(story)


def test_silence_is_told_apart() -> None:
    async def story(orders: FarOrders, _: Owner, hub: MemoryHub) -> None:
        mute = Command(call_sid=sid(), action="mute")
        assert await orders.ask("nobody", ANA, mute) is None
        assert orders.why_silent("nobody").startswith("the bridge that owned the call (nobody) does not answer")
        hub.go(up=False)
        assert await orders.ask("owner", ANA, mute) is None
        assert orders.why_silent("owner").startswith("the bus is down")
        hub.go(up=True)

    played(story)


async def test_without_a_bus_the_owner_is_named() -> None:
    alone: Transport = Alone()
    orders = FarOrders(Mailbox(alone, "asker"), alone, (ANA,))
    assert await orders.ask("owner", ANA, Command(call_sid=sid(), action="mute")) is None
    assert orders.why_silent("owner").startswith("another bridge (owner) owns the call, and FRONTDESK_BUS is memory:")


def test_what_is_no_command_does_nothing() -> None:
    async def story(orders: FarOrders, owner: Owner, _: MemoryHub) -> None:
        stranger = Mailbox(owner.transport, "stranger")
        await stranger.open()
        for garbage in (b"", b"\xc1", b"\x80", b'{"operator":"ana"}'):
            assert await stranger.ask("owner", KIND, garbage) is None
        assert owner.done == []
        assert await orders.ask("owner", ANA, Command(call_sid=sid(), action="mute")) == Answer()
        await stranger.close()
        await asyncio.sleep(0)

    played(story)
