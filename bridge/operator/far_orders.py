"""Commands for calls that another process owns: asked of it over the bus, and checked by it as if the operator stood there."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from bridge.operator.tokens import OperatorKey
from calls.bus.base import Transport
from calls.bus.mailbox import Mailbox
from calls.operator import Command

KIND = "command"


class Answer(msgspec.Struct, frozen=True):
    """What became of a command: an HTTP status, and why it was refused."""

    status: int = 200
    error: str | None = None


NOT_MINE = Answer(409, "the bridge that owned the call does not serve it any more")


class _Order(msgspec.Struct, frozen=True):
    operator: str
    command: Command


_decode = msgspec.msgpack.Decoder(_Order).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode

CarryOut = Callable[[OperatorKey, Command], Awaitable[Answer]]


class FarOrders:
    """Passes commands on, and takes those that are passed on to us. ``keys``: who is known here, and in what role."""

    def __init__(self, mailbox: Mailbox, transport: Transport, keys: Sequence[OperatorKey]) -> None:
        self._mailbox, self._transport = mailbox, transport
        self._keys = {key.name: key for key in keys}

    async def ask(self, owner: str, key: OperatorKey, command: Command) -> Answer | None:
        """The owner's answer; ``None`` if it gave none."""
        answer = await self._mailbox.ask(owner, KIND, msgspec.msgpack.encode(_Order(key.name, command)))
        return None if answer is None else _decode_answer(answer)

    def why_silent(self, owner: str) -> str:
        """Why there was no answer, and what to do about it."""
        if not self._transport.is_shared:
            why = f"another bridge ({owner}) owns the call, and FRONTDESK_BUS is memory:, which reaches none"
        elif not self._transport.is_up:
            why = f"the bus is down, so the bridge that owns the call ({owner}) cannot be asked"
        else:
            why = f"the bridge that owned the call ({owner}) does not answer"
        return f"{why}; force_hangup ends the call all the same"

    def take(self, carry_out: CarryOut) -> None:
        """Commands from elsewhere are carried out by ``carry_out`` from now on, for operators who are known here."""

        async def answered(body: bytes) -> bytes:
            return msgspec.msgpack.encode(await self._answer(_decode(body), carry_out))

        self._mailbox.handle(KIND, answered)

    async def _answer(self, order: _Order, carry_out: CarryOut) -> Answer:
        key = self._keys.get(order.operator)
        if key is None:
            return Answer(403, f"the bridge that owns the call does not know {order.operator}; see its OPERATOR_TOKENS")
        return await carry_out(key, order.command)
