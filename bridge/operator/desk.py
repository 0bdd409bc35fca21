"""The operator API of one process: who may come in, who is there, and what they ask for."""

import asyncio
from contextlib import ExitStack

import structlog

from bridge.operator import messages
from bridge.operator.audience import Audience
from bridge.operator.far_orders import Answer, FarOrders
from bridge.operator.hypercorn_socket import OperatorSocket
from bridge.operator.live_call import LiveSessions
from bridge.operator.orders import Orders
from bridge.operator.reader import SEND_WITHIN_S, Reader
from bridge.operator.requests import Unreadable, read_message
from bridge.operator.tokens import OperatorKey, holder_of
from bridge.services import Services
from calls.bus.shared import SharedBus
from calls.journal import Journal
from calls.operator import Command
from calls.store.base import CallStore

MAX_READERS = 256
BACKLOG = 50_000
"""Events that may wait while the loop is busy elsewhere."""
COMMANDS_A_SECOND = 50
"""More are read later; a peer that sends more waits."""
LEFT_WITHIN_S = 6.0

CLOSED = "The operator API is closed; set OPERATOR_TOKENS to open it."
WHO_ARE_YOU = "A token of OPERATOR_TOKENS is needed, as Authorization: Bearer TOKEN."
NOBODYS = "The token is none of those in this bridge's OPERATOR_TOKENS."

NOT_LISTENING = "you do not listen to this call"

log = structlog.get_logger()


class OperatorDesk:
    """Between :meth:`open` and :meth:`close` operators may come in. Without keys nobody ever may, and nothing is done."""

    def __init__(self, services: Services, sessions: LiveSessions, bus: SharedBus) -> None:
        self._services = services
        self._sessions = sessions
        self._bus = bus
        self.patience_s = SEND_WITHIN_S
        """How long a reader who does not read is waited for."""
        self._visits: set[asyncio.Task[None]] = set()
        self._stack = ExitStack()
        self._audience: Audience | None = None
        self._far_orders = FarOrders(bus.mailbox, bus.transport, services.settings.operators)
        self._orders = Orders(
            sessions,
            services.store,
            services.call_control,
            services.endings,
            bus,
            elsewhere=self._far_orders,
            has_rest=services.settings.twilio.account_sid is not None,
        )

    @property
    def store(self) -> CallStore:
        """Where calls are kept."""
        return self._services.store

    @property
    def journal(self) -> Journal:
        """What is on its way there."""
        return self._services.journal

    async def open(self) -> None:
        """Follows the calls from now on."""
        if self._services.settings.operators:
            events = self._stack.enter_context(self._bus.subscribe(BACKLOG))
            settings, transport = self._services.settings, self._bus.transport
            self._audience = Audience(self._services.store, self._sessions, events, transport, settings.owner)
            await self._audience.open()
            self._far_orders.take(self._carry_out_here)

    async def close(self) -> None:
        """Has everybody leave."""
        audience, self._audience = self._audience, None
        if audience is not None:
            await audience.close()
        if self._visits:
            await asyncio.wait(self._visits, timeout=LEFT_WITHIN_S)
        await self._orders.close()
        self._stack.close()

    def admitted(self, authorization: bytes | None) -> OperatorKey | str:
        """Who shows this ``Authorization`` header, or why they may not come in."""
        keys = self._services.settings.operators
        if not keys:
            return CLOSED
        return holder_of(keys, authorization) or (NOBODYS if authorization else WHO_ARE_YOU)

    @property
    def is_full(self) -> bool:
        """Whether no further reader is taken: there are too many, or the process is stopping."""
        return self._audience is None or len(self._audience) >= MAX_READERS

    @property
    def is_watching(self) -> bool:
        """Whether sessions are watched, because somebody looks, here or elsewhere."""
        return self._audience is not None and self._audience.view.is_on

    async def command(self, key: OperatorKey, command: Command) -> Answer:
        """Carries a command out; counts it."""
        answer = await self._orders.carry_out(key, command)
        result = "ok" if answer.error is None else "refused"
        self._services.metrics.operator_commands.labels(command.action, result).inc()
        if self._audience is not None:
            self._audience.view.look(command.call_sid)
        return answer

    async def _carry_out_here(self, key: OperatorKey, command: Command) -> Answer:
        """What another bridge's operator asks for."""
        answer = await self._orders.carry_out_here(key, command)
        log.info("operator.far_command", operator=key.name, action=command.action, call_sid=command.call_sid)
        if self._audience is not None:
            self._audience.view.look(command.call_sid)
        return answer

    # --- a visit -------------------------------------------------------------------------------------------------------------

    async def serve(self, key: OperatorKey, socket: OperatorSocket) -> None:
        """One operator, until either side leaves."""
        audience, visit = self._audience, asyncio.current_task()
        if audience is None or visit is None:
            await socket.close(1001)
            return
        self._visits.add(visit)
        reader = Reader(key, self._services.metrics.operators_dropped.inc, send_within_s=self.patience_s)
        audience.attach(reader)
        self._services.metrics.operators.set(len(audience))
        log.info("operator.came", operator=key.name, role=key.role)
        writer = asyncio.create_task(reader.write_to(socket), name="operator-writer")
        listener = asyncio.create_task(self._obey(audience, reader, socket), name="operator-reader")
        try:
            await asyncio.wait({writer, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            audience.detach(reader)
            self._services.metrics.operators.set(len(audience))
            await _end(writer, listener)
            await socket.finish()
            self._visits.discard(visit)
            log.info("operator.left", operator=key.name)

    async def _obey(self, audience: Audience, reader: Reader, socket: OperatorSocket) -> None:
        """Reads commands, no faster than ``COMMANDS_A_SECOND``, until the peer is gone."""
        await audience.welcome(reader)
        loop = asyncio.get_running_loop()
        free_at_s = loop.time()
        while (message := await socket.receive()) is not None:
            await self._answer(audience, reader, message)
            free_at_s = max(free_at_s, loop.time() - 1) + 1 / COMMANDS_A_SECOND
            await asyncio.sleep(max(0.0, free_at_s - loop.time()))

    async def _answer(self, audience: Audience, reader: Reader, message: str | bytes) -> None:
        try:
            command = read_message(message)
        except Unreadable as unreadable:
            self._services.metrics.operator_commands.labels("unreadable", "refused").inc()
            reader.offer(messages.result(unreadable.command_id, str(unreadable)))
            return
        may = reader.key.role == "operator"
        if command.action == "unlisten" and may and not audience.hears(command.call_sid, reader):
            reader.offer(messages.result(command.id, NOT_LISTENING))
            return
        answer = await self.command(reader.key, command)
        reader.offer(messages.result(command.id, answer.error))
        if answer.error is None and command.action == "listen":
            audience.hear(command.call_sid, reader)
        elif answer.error is None and command.action == "unlisten":
            audience.unhear(command.call_sid, reader)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("operator.failed", exc_info=result)
