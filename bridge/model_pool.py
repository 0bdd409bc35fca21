"""Sockets to the model that are open before a call needs one, so that a call does not wait for a connection.

What is in the pool is connected and nothing more: no session has been configured, nothing has been asked of it. OpenAI bills tokens, not
sessions, and no idle limit is known below the sixty minutes at which every session ends, so a socket that waits costs nothing but
itself; it is renewed long before that. The library's own pings find the dead ones meanwhile, and whoever takes a socket tries it with
another (``bridge.model_socket``).

One task does all the opening and closing. It opens few at a time and, after a failure, one, later and later, so that the end of an outage
is not met by every pool at once.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec
import structlog
from prometheus_client import Counter, Gauge
from websockets.exceptions import WebSocketException
from websockets.protocol import State

from bridge.frame_engine.client import EngineConnection
from bridge.model_socket import Spare, open_connection
from bridge.settings import ModelEndpoint

AT_ONCE = 4
"""Sockets opened at the same time while all is well."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""After a failure, doubled for each one more; each between half of it and all of it, by chance."""
LOOK_EVERY_S = 5.0
"""How often the sockets are looked through for dead ones and old ones."""
REFILL_AFTER_S = 0.25
"""After one was taken: a call that begins has better use for the processor than the pool."""
AGE_SPREAD = 0.2
"""Sockets are renewed at their full age less up to this share of it, so that they do not all go at the same moment."""

log = structlog.get_logger()


class _Kept(msgspec.Struct, eq=False):
    connection: EngineConnection
    opened_s: float
    goes_at_s: float


class ModelPool:
    """See the module; used with ``async with``. ``models`` are those of the businesses, the likelier first; ``size`` sockets are kept
    among them, 0: none. ``clock_s`` goes forward only; ``chance`` is between 0 and 1."""

    def __init__(
        self,
        endpoint: ModelEndpoint,
        models: Iterable[str | None],
        *,
        size: int,
        max_age_s: float,
        taken: Counter,
        waiting: Gauge,
        clock_s: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._endpoint = endpoint
        self._size, self._max_age_s = size, max_age_s
        self._taken, self._waiting = taken, waiting
        self._clock_s, self._chance = clock_s, chance
        self._wanted = list(dict.fromkeys(self._name_of(model) for model in models))
        self._kept: dict[str, list[_Kept]] = {}
        self._failures = 0
        self._news = asyncio.Event()
        self._upkeep: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._size > 0:
            self._upkeep = asyncio.create_task(self._keep_up(), name="model-pool")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        await self._close([one for kept in self._kept.values() for one in kept])
        self._kept.clear()
        self._waiting.set(0)

    @property
    def ready(self) -> int:
        """How many sockets are there to be taken."""
        return sum(len(kept) for kept in self._kept.values())

    def take(self, model: str | None) -> Spare | None:
        """A socket for that model, the freshest there is; it belongs to the caller from here on. ``None``: there is none."""
        if self._size == 0:
            return None
        name = self._name_of(model)
        self._ask_for(name)
        kept = self._kept.get(name, [])
        while kept:
            one = kept.pop()
            if self._is_good(one):
                self._counted("hit")
                return Spare(one.connection, self._clock_s() - one.opened_s)
            # a dead one closes by itself
        self._counted("miss")
        return None

    def _counted(self, result: str) -> None:
        self._taken.labels(result).inc()
        self._waiting.set(self.ready)
        self._news.set()

    def _name_of(self, model: str | None) -> str:
        return model or self._endpoint.default_model

    def _ask_for(self, name: str) -> None:
        """Models that calls are for come first when there are fewer sockets than models."""
        if self._wanted[:1] != [name]:
            self._wanted = [name, *(other for other in self._wanted if other != name)]

    def _target_of(self, name: str) -> int:
        """How many of the sockets are this model's: they are dealt out one by one, in the order of the models."""
        place, models = self._wanted.index(name), len(self._wanted)
        return self._size // models + (place < self._size % models)

    def _is_good(self, one: _Kept) -> bool:
        return one.connection.state is State.OPEN and self._clock_s() < one.goes_at_s

    # --- upkeep ------------------------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        while True:
            self._news.clear()
            await self._let_go()
            missing = self._missing()
            if missing:
                await self._open(missing[: 1 if self._failures else AT_ONCE])
            pause_s = self._pause_s() if self._failures else 0.0 if self._missing() else LOOK_EVERY_S
            if self._failures:
                await asyncio.sleep(pause_s)
            elif pause_s:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._news.wait()
                        await asyncio.sleep(REFILL_AFTER_S)

    async def _let_go(self) -> None:
        """Of the dead, of the old, and of those that are too many for their model."""
        gone = []
        for name, kept in self._kept.items():
            target = self._target_of(name)
            good = [one for one in kept if self._is_good(one)]
            stay = good[max(0, len(good) - target) :]
            gone += [one for one in kept if one not in stay]
            kept[:] = stay
        self._waiting.set(self.ready)
        await self._close(gone)

    def _missing(self) -> list[str]:
        """A model's name for each socket to be opened, each model's first before any model's second."""
        lacking = {name: self._target_of(name) - len(self._kept.get(name, [])) for name in self._wanted}
        rounds = range(max(lacking.values(), default=0))
        return [name for nth in rounds for name, count in lacking.items() if count > nth]

    async def _open(self, names: list[str]) -> None:
        opened = await asyncio.gather(*(self._open_one(name) for name in names))
        if all(opened):
            if self._failures:
                log.info("model_pool.works_again")
            self._failures = 0
        else:
            self._failures += 1

    async def _open_one(self, name: str) -> bool:
        try:
            connection = await open_connection(self._endpoint, name)
        except (OSError, WebSocketException) as failed:
            if not self._failures:
                log.warning("model_pool.not_connected", why=type(failed).__name__)
            return False
        now_s = self._clock_s()
        age_s = self._max_age_s * (1 - AGE_SPREAD * self._chance())
        self._kept.setdefault(name, []).append(_Kept(connection, now_s, now_s + age_s))
        self._waiting.set(self.ready)
        return True

    def _pause_s(self) -> float:
        pause_s = min(FIRST_PAUSE_S * 2.0 ** (self._failures - 1), LONGEST_PAUSE_S)
        return pause_s * (0.5 + self._chance() / 2)

    async def _close(self, gone: list[_Kept]) -> None:
        await asyncio.gather(*(one.connection.close() for one in gone), return_exceptions=True)
