"""Questions from one process to another: asked again until they are answered or time is up, and carried out once."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import count

import msgspec
import structlog

from calls.bus.base import Transport, Undo

WITHIN_S = 2.0
AGAIN_AFTER_S = 0.5
REMEMBERED = 1_000
"""Questions of which it is known that they have come before."""

log = structlog.get_logger()

Handler = Callable[[bytes], Awaitable[bytes]]
"""Answers a question. It sees to its own bounds; when it raises, nobody is answered."""


class _Question(msgspec.Struct, array_like=True, frozen=True, tag="q"):
    id: str
    asker: str
    kind: str
    body: bytes


class _Answer(msgspec.Struct, array_like=True, frozen=True, tag="a"):
    id: str
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Question | _Answer).decode


class Mailbox:
    """Where the process called ``name`` is asked, and hears the answers to what it asked."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport, self._name = transport, name
        self._handlers: dict[str, Handler] = {}
        self._asked: dict[str, asyncio.Future[bytes]] = {}
        self._work: OrderedDict[str, asyncio.Task[bytes | None]] = OrderedDict()
        self._ids = (f"{secrets.token_hex(8)}-{number}" for number in count(1))
        self._undo: Undo | None = None

    def handle(self, kind: str, handler: Handler) -> None:
        """Questions of this kind are answered by ``handler`` from now on."""
        self._handlers[kind] = handler

    async def ask(self, whom: str, kind: str, body: bytes, *, within_s: float = WITHIN_S) -> bytes | None:
        """The answer of the process called ``whom``; ``None`` if none came, or the bus is down. It may have done what was asked
        all the same."""
        transport = self._transport
        if not transport.is_shared or not transport.is_up:
            return None
        question = _Question(next(self._ids), self._name, kind, body)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[question.id] = answer
        try:
            async with asyncio.timeout(within_s):
                return await self._until_answered(whom, _encode(question), answer)
        except TimeoutError:
            return None
        finally:
            del self._asked[question.id]

    async def open(self) -> None:
        """Begins to hear."""
        if self._transport.is_shared:
            self._undo = self._transport.listen(topic_of(self._name), self._take)

    async def close(self) -> None:
        """Hears and answers nothing any more."""
        if self._undo is not None:
            self._undo()
        for task in self._work.values():
            task.cancel()
        await asyncio.gather(*self._work.values(), return_exceptions=True)

    async def _until_answered(self, whom: str, question: bytes, answer: asyncio.Future[bytes]) -> bytes:
        while True:
            self._transport.publish(topic_of(whom), question)
            done, _ = await asyncio.wait([answer], timeout=AGAIN_AFTER_S)
            if done:
                return answer.result()

    def _take(self, payload: bytes) -> None:
        try:
            message = _decode(payload)
        except (msgspec.MsgspecError, UnicodeError):
            log.warning("bus.unreadable_question")
            return
        if isinstance(message, _Question):
            self._begin(message)
        else:
            answer = self._asked.get(message.id)
            if answer is not None and not answer.done():
                answer.set_result(message.body)

    def _begin(self, question: _Question) -> None:
        """A question that comes again, while it is worked on or after, gets the same answer and no further work."""
        work = self._work.get(question.id)
        if work is None:
            if not self._has_room():
                log.error("bus.too_many_questions", kind=question.kind)
                return
            work = asyncio.create_task(self._worked_on(question), name=f"asked-{question.kind}")
            self._work[question.id] = work
        work.add_done_callback(lambda done: self._reply(question, done))

    def _has_room(self) -> bool:
        """Forgets the oldest questions; not those that are still worked on."""
        while len(self._work) >= REMEMBERED and next(iter(self._work.values())).done():
            self._work.popitem(last=False)
        return len(self._work) < REMEMBERED

    async def _worked_on(self, question: _Question) -> bytes | None:
        handler = self._handlers.get(question.kind)
        if handler is None:
            log.warning("bus.unknown_question", kind=question.kind)
            return None
        try:
            return await handler(question.body)
        except Exception:
            log.exception("bus.question_failed", kind=question.kind)
            return None

    def _reply(self, question: _Question, work: asyncio.Task[bytes | None]) -> None:
        answer = None if work.cancelled() else work.result()
        if answer is not None:
            self._transport.publish(topic_of(question.asker), _encode(_Answer(question.id, answer)))


def topic_of(name: str) -> str:
    """Where the process called ``name`` is asked and answered."""
    return f"frontdesk:to:{name}"
