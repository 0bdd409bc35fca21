"""The pool of sockets: never more than its size, never a dead or an old one, refilled behind what is taken, patient in an outage."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from websockets.protocol import State

from bridge import model_pool
from bridge.model_pool import ModelPool
from bridge.model_socket import ModelSocket
from bridge.settings import ModelEndpoint
from simulator.ears import Ears
from simulator.model.faults import Faults
from simulator.model.server import ModelServer, SessionPlan
from simulator.scenario import Mind

WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_pool, "REFILL_AFTER_S", 0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110  (a test may look on)
            await asyncio.sleep(0)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Figures:
    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.taken = Counter("taken", "taken", ["result"], registry=registry)
        self.waiting = Gauge("waiting", "waiting", registry=registry)
        self.registry = registry

    def count(self, result: str) -> float:
        return self.registry.get_sample_value("taken_total", {"result": result}) or 0.0


def plan(faults: Faults = Faults()) -> Callable[[int], SessionPlan]:  # noqa: B008  (frozen)
    return lambda nth: SessionPlan(mind=Mind(), ears=Ears({}), faults=faults, seed=nth)


@asynccontextmanager
async def pool_at(
    url: str,
    *,
    size: int = 2,
    models: tuple[str | None, ...] = (None,),
    clock: Clock | None = None,
    figures: Figures | None = None,
) -> AsyncIterator[ModelPool]:
    told = figures or Figures()
    endpoint = ModelEndpoint(url=url, api_key="k", default_model="m1")
    async with ModelPool(
        endpoint,
        models,
        size=size,
        max_age_s=900,
        taken=told.taken,
        waiting=told.waiting,
        clock_s=clock or Clock(),
        chance=lambda: 0.0,
    ) as pool:
        yield pool


def live(server: ModelServer) -> int:
    return sum(not session.closed.is_set() for session in server.sessions)


async def test_it_fills_itself_to_its_size_and_gives_a_socket_without_connecting() -> None:
    clock, figures = Clock(), Figures()
    async with ModelServer(plan()) as server, pool_at(server.url, clock=clock, figures=figures) as pool:
        await until(lambda: pool.ready == 2)
        clock.now_s = 30
        spare = pool.take(None)
        assert spare is not None
        assert spare.connection.state is State.OPEN
        assert spare.age_s == 30
        assert figures.count("hit") == 1
        await until(lambda: pool.ready == 2)
        assert len(server.sessions) == 3
        assert live(server) == 3
        await spare.connection.close()


async def test_nothing_of_it_is_left_open_when_it_is_closed() -> None:
    async with ModelServer(plan()) as server:
        async with pool_at(server.url, size=3) as pool:
            await until(lambda: pool.ready == 3)
        await until(lambda: live(server) == 0)
        assert pool.ready == 0


async def test_a_pool_of_no_size_opens_nothing() -> None:
    async with ModelServer(plan()) as server, pool_at(server.url, size=0) as pool:
        assert pool.take(None) is None
        for _ in range(20):
            await asyncio.sleep(0)
    assert server.sessions == []


async def test_an_empty_pool_says_so() -> None:
    figures = Figures()
    async with ModelServer(plan()) as server, pool_at(server.url, size=1, figures=figures) as pool:
        assert pool.take(None) is None
        assert figures.count("miss") == 1


async def test_old_sockets_are_not_given_and_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_pool, "LOOK_EVERY_S", 0.0001)
    clock = Clock()
    async with ModelServer(plan()) as server, pool_at(server.url, clock=clock) as pool:
        await until(lambda: pool.ready == 2)
        first = list(server.sessions)
        clock.now_s = 900
        await until(lambda: all(session.closed.is_set() for session in first) and pool.ready == 2)
        spare = pool.take(None)
        assert spare is not None
        assert spare.age_s == 0
        await spare.connection.close()


async def test_a_socket_that_has_died_is_not_given() -> None:
    async with ModelServer(plan(Faults(drop_after_events=1))) as server, pool_at(server.url, size=1) as pool:
        await until(lambda: len(server.sessions) > 0 and server.sessions[0].closed.is_set() and pool.ready == 1)
        kept = next(iter(pool._kept.values()))[0].connection
        await until(lambda: kept.state is not State.OPEN)
        assert pool.take(None) is None


@pytest.mark.parametrize(
    ("size", "models", "expected"),
    [
        (4, ("a", "b"), {"a": 2, "b": 2}),
        (3, ("a", "b"), {"a": 2, "b": 1}),
        (1, ("a", "b", "c"), {"a": 1}),
        (2, (None, "m1"), {"m1": 2}),
    ],
)
async def test_the_sockets_are_dealt_out_among_the_models(
    size: int, models: tuple[str | None, ...], expected: dict[str, int]
) -> None:
    async with ModelServer(plan()) as server, pool_at(server.url, size=size, models=models) as pool:
        await until(lambda: pool.ready == size)
        counted = [session.model for session in server.sessions]
    assert {model: counted.count(model) for model in counted} == expected


async def test_the_model_that_is_asked_for_gets_the_socket_when_there_are_too_few() -> None:
    async with ModelServer(plan()) as server, pool_at(server.url, size=1, models=("a", "b")) as pool:
        await until(lambda: pool.ready == 1)
        assert pool.take("b") is None
        await until(lambda: pool.ready == 1 and len(server.sessions) == 2)
        assert server.sessions[1].model == "b"
        await until(lambda: live(server) == 1)  # never more than its size


async def test_in_an_outage_it_tries_one_at_a_time_and_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    tries = 0

    async def refused(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise OSError("nobody there")

    sleep = asyncio.sleep

    async def noted(delay_s: float) -> None:
        if delay_s:
            pauses.append(delay_s)
        await sleep(0)

    monkeypatch.setattr(model_pool, "open_connection", refused)
    monkeypatch.setattr(asyncio, "sleep", noted)
    async with pool_at("ws://127.0.0.1:9/v1/realtime", size=8):
        await until(lambda: len(pauses) >= 8)
    assert pauses[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]  # chance 0: half of each
    assert tries <= model_pool.AT_ONCE + len(pauses)


# --- a call takes one ---


async def talk(server: ModelServer, pool: ModelPool, *texts: str) -> tuple[ModelSocket, list[bytes], "asyncio.Task[str]"]:
    endpoint = ModelEndpoint(url=server.url, api_key="k", default_model="m1")
    socket, frames = ModelSocket(endpoint, None, spare=lambda: pool.take(None)), list[bytes]()
    for text in texts:
        socket.send(text)
    return socket, frames, asyncio.create_task(socket.run(lambda: None, frames.append))


UPDATE = '{"type":"session.update","session":{"type":"realtime","instructions":"x"}}'


async def test_a_call_is_given_the_session_with_what_it_has_said_already() -> None:
    async with ModelServer(plan()) as server, pool_at(server.url, size=1) as pool:
        await until(lambda: pool.ready == 1)
        socket, frames, run = await talk(server, pool, UPDATE)
        await until(lambda: len(frames) >= 2)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    assert [b"session.created" in frames[0], b"session.updated" in frames[1]] == [True, True]
    assert socket.warm_age_s == 0
    assert server.sessions[0].types() == ["session.update"]


async def test_a_socket_that_is_dead_after_all_is_replaced_by_a_new_one_and_nothing_sent_is_lost() -> None:
    async with ModelServer(plan()) as server, pool_at(server.url, size=1) as pool:
        await until(lambda: pool.ready == 1)
        dying = next(iter(pool._kept.values()))[0].connection
        socket, frames, run = await talk(server, pool, UPDATE)
        taken = server.sessions[0]
        dying.transport.abort()  # between the look at it and the first answer
        await until(lambda: any(b"session.updated" in frame for frame in frames))
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    assert taken.closed.is_set()
    answered = [session.types() for session in server.sessions if session.types()]
    assert answered == [["session.update"]]
    assert sum(b"session.created" in frame for frame in frames) == 1
    assert socket.warm_age_s is not None
