"""The supervisor of several workers. The workers here are programs of a few lines, so that much can happen in little time."""

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM

import pytest

from frontdesk.listening import listen
from frontdesk.silence import beat
from frontdesk.supervisor import STARTS, NoWorker, Supervisor
from frontdesk.worker_channel import ChannelClosed, SupervisorEnd, WorkerEnd, channel
from frontdesk.worker_process import WorkerProcess, start_worker

WITHIN_S = 20.0

_PROGRAM = """
import os, select, signal, socket, sys
from frontdesk.worker_channel import ChannelClosed, WorkerEnd
told, tell = os.pipe()
signal.signal(signal.SIGTERM, {at_sigterm})
end = WorkerEnd(socket.socket(fileno=int(sys.argv[-1])))
end.ready()
open_connections = []
try:
    while True:
        readable, _, _ = select.select([end, told, *open_connections], [], [])
        if told in readable and end not in readable:
            break
        for one in readable:
            if one is end:
                connection = end.take()
                connection.sendall(b"%d\\n" % os.getpid())
                open_connections.append(connection)
            elif one is not told:
                open_connections.remove(one)
                one.close()
                end.connection_closed()
except ChannelClosed:
    pass
"""
WORKER = _PROGRAM.format(at_sigterm='lambda *_: os.write(tell, b"!")')
"""Tells every caller its process id and keeps the connection until they hang up, or until it is told to go and has taken all it was
given."""
STUBBORN = _PROGRAM.format(at_sigterm="signal.SIG_IGN")
BUSY = STUBBORN.replace("end.ready()", "end.calls(1)\nend.ready()")
"""Has a call, and does not go."""
SAYS_ONCE = STUBBORN.replace("end.ready()", "end.alive()\nend.ready()")
"""That it lives."""
DIES = "import sys; sys.exit({})"


class Crew:
    """A running supervisor."""

    def __init__(self, programs: Callable[[int, int], str], count: int) -> None:
        self._programs = programs
        self._starts: Counter[int] = Counter()
        self.slept: list[float] = []
        self.ended: list[int] = []
        self.callers: list[Caller] = []
        self.ready = asyncio.Event()
        listener = listen("127.0.0.1", 0)
        self.port = int(listener.getsockname()[1])
        self.supervisor = Supervisor(listener, count, self._start, sleep=self._sleep)
        self.running = asyncio.create_task(self.supervisor.run(self.ready.set))

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self.supervisor.workers]

    async def is_ready(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self.ready.wait()

    async def are(self, wanted: Callable[[list[int]], bool]) -> list[int]:
        """The process ids of the workers, once they are as wanted."""
        async with asyncio.timeout(WITHIN_S):
            while not wanted(self.pids):
                await asyncio.to_thread(lambda: None)
        return self.pids

    async def calls(self) -> "Caller":
        """Somebody connects, and is told who has taken the connection."""
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            caller = Caller(int(await reader.readline()), writer)
        self.callers.append(caller)
        return caller

    async def over(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self.running

    async def _start(self, place: int, changed: Callable[[], None]) -> WorkerProcess:
        nth, self._starts[place] = self._starts[place], self._starts[place] + 1
        command = (sys.executable, "-c", self._programs(place, nth))
        return await start_worker(command, {"FRONTDESK_TEST": "1"}, changed, self.ended.append)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Caller:
    def __init__(self, answered_by: int, writer: asyncio.StreamWriter) -> None:
        self.answered_by, self._writer = answered_by, writer

    async def hangs_up(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


@asynccontextmanager
async def crew(programs: Callable[[int, int], str] = lambda place, nth: WORKER, count: int = 2) -> AsyncIterator[Crew]:
    running = Crew(programs, count)
    try:
        yield running
    finally:
        for _ in range(3):
            running.supervisor.on_signal(SIGTERM)
        await asyncio.wait([running.running], timeout=WITHIN_S)
        for caller in running.callers:
            await caller.hangs_up()


async def test_connections_are_spread_evenly_over_the_workers() -> None:
    async with crew(count=3) as three:
        await three.is_ready()
        callers = [await three.calls() for _ in range(12)]
        assert Counter(caller.answered_by for caller in callers) == dict.fromkeys(three.pids, 4)


async def test_connections_that_all_come_at_once_are_spread_evenly_too() -> None:
    async with crew() as two:
        await two.is_ready()
        callers = await asyncio.gather(*(two.calls() for _ in range(20)))
        assert sorted(Counter(caller.answered_by for caller in callers).values()) == [10, 10]


async def test_a_call_and_the_short_request_before_it_do_not_always_fall_to_the_same_two_workers() -> None:
    async with crew() as two:
        await two.is_ready()
        calls = []
        for _ in range(10):
            await (await two.calls()).hangs_up()  # the webhook
            calls.append(await two.calls())  # the stream
        by_worker = Counter(call.answered_by for call in calls)
        assert max(by_worker.values()) - min(by_worker.values()) <= 2
        assert len(by_worker) == 2


async def test_a_worker_that_is_killed_is_replaced_and_meanwhile_the_others_answer() -> None:
    async with crew() as two:
        await two.is_ready()
        killed, other = two.supervisor.workers
        killed.kill()
        await killed.gone()
        assert (await two.calls()).answered_by == other.pid
        pids = await two.are(lambda pids: len(pids) == 2)
        assert killed.pid not in pids
        assert two.ended == [killed.pid]
        assert {(await two.calls()).answered_by for _ in range(3)} == set(pids)


async def test_who_calls_while_no_worker_is_there_waits_and_is_answered() -> None:
    async with crew(count=1) as alone:
        await alone.is_ready()
        (killed,) = alone.supervisor.workers
        killed.kill()
        await killed.gone()
        answered_by = (await alone.calls()).answered_by
        assert answered_by != killed.pid
        assert alone.pids == [answered_by]


async def test_a_worker_that_ends_soon_and_again_is_started_later_and_later() -> None:
    async with crew(count=1) as alone:
        await alone.is_ready()
        for _ in range(4):
            (worker,) = await alone.are(lambda pids: len(pids) == 1)
            alone.supervisor.workers[0].kill()
            await alone.are(lambda pids, worker=worker: len(pids) == 1 and pids != [worker])  # type: ignore[misc]
        assert alone.slept == [0.2, 0.4, 0.8]


async def test_a_worker_that_never_comes_up_ends_the_others_and_everything() -> None:
    async with crew(lambda place, nth: WORKER if place == 0 else DIES.format(7)) as two:
        with pytest.raises(NoWorker) as failed:
            await two.over()
        assert failed.value.code == 7
        assert len(two.slept) == STARTS - 1
        assert not two.ready.is_set()
        assert len(two.ended) == STARTS + 1
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncio.open_connection("127.0.0.1", two.port)


async def test_a_worker_that_comes_up_at_the_last_attempt_is_taken() -> None:
    async with crew(lambda place, nth: WORKER if nth == STARTS - 1 else DIES.format(7)) as two:
        await two.is_ready()
        assert len(two.pids) == 2


@pytest.mark.parametrize("code", [2, 3])
async def test_a_first_worker_that_says_that_it_cannot_run_is_not_tried_again(code: int) -> None:
    async with crew(lambda place, nth: DIES.format(code)) as two:
        with pytest.raises(NoWorker) as failed:
            await two.over()
        assert failed.value.code == code
        assert len(two.ended) == 1


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
async def test_told_to_go_all_workers_are_told_and_it_ends_with_the_last(number: int) -> None:
    async with crew(lambda place, nth: WORKER, count=2) as two:
        await two.is_ready()
        pids = two.pids
        two.supervisor.on_signal(number)
        await two.over()
        assert sorted(two.ended) == sorted(pids)


async def test_while_all_are_going_who_connects_gets_to_a_worker_that_has_calls_still() -> None:
    async with crew(lambda place, nth: BUSY if place == 1 else STUBBORN, count=3) as three:
        await three.is_ready()
        busy = three.pids[1]
        three.supervisor.on_signal(SIGTERM)
        assert {(await three.calls()).answered_by for _ in range(6)} == {busy}


async def test_told_a_third_time_workers_that_do_not_go_are_killed() -> None:
    async with crew(lambda place, nth: STUBBORN, count=1) as alone:
        await alone.is_ready()
        worker = alone.supervisor.workers[0]
        alone.supervisor.on_signal(SIGTERM)
        alone.supervisor.on_signal(SIGTERM)
        assert (await alone.calls()).answered_by == worker.pid  # whoever is still there still answers
        alone.supervisor.on_signal(SIGTERM)
        assert await worker.gone() == -SIGKILL
        await alone.over()


async def test_a_worker_that_hangs_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frontdesk.silence.HUNG_AFTER_S", 0.5)
    monkeypatch.setattr("frontdesk.supervisor.LOOK_EVERY_S", 0.01)
    async with crew(lambda place, nth: SAYS_ONCE if nth == 0 else STUBBORN) as two:
        await two.is_ready()
        hung = await two.are(lambda pids: len(pids) == 2)
        later = await two.are(lambda pids: len(pids) == 2 and not set(pids) & set(hung))
        assert sorted(two.ended[:2]) == sorted(hung)
        assert (await two.calls()).answered_by in later


async def test_told_to_go_while_workers_are_being_started_it_goes() -> None:
    async with crew(lambda place, nth: WORKER if place == 0 else "import time; time.sleep(100)") as two:
        await two.are(lambda pids: len(pids) == 1)
        two.supervisor.on_signal(SIGTERM)
        await two.over()
        assert not two.ready.is_set()


async def test_a_rolling_restart_replaces_one_after_the_other_and_somebody_always_answers() -> None:
    async with crew() as two:
        await two.is_ready()
        before = two.pids
        two.supervisor.on_signal(SIGHUP)
        answered: list[int] = []
        while set(two.pids) & set(before):
            caller = await two.calls()
            answered.append(caller.answered_by)
            await caller.hangs_up()
        assert len(two.pids) == 2
        async with asyncio.timeout(WITHIN_S):
            while len(two.ended) < 2:
                await asyncio.to_thread(lambda: None)
        assert two.ended == before
        assert answered


async def test_a_rolling_restart_whose_first_worker_does_not_come_up_leaves_the_old_ones() -> None:
    async with crew(lambda place, nth: WORKER if nth == 0 else DIES.format(2)) as two:
        await two.is_ready()
        before = two.pids
        two.supervisor.on_signal(SIGHUP)
        async with asyncio.timeout(WITHIN_S):
            while not two.ended:
                await asyncio.to_thread(lambda: None)
        assert two.pids == before
        assert len({(await two.calls()).answered_by for _ in range(4)}) == 2
        assert two.slept == []


async def test_an_old_worker_that_still_has_calls_is_given_no_new_ones() -> None:
    async with crew(lambda place, nth: STUBBORN if nth == 0 else WORKER, count=1) as alone:
        await alone.is_ready()
        (old,) = alone.pids
        keeps_talking = await alone.calls()
        alone.supervisor.on_signal(SIGHUP)
        (new,) = await alone.are(lambda pids: pids != [old])
        assert {(await alone.calls()).answered_by for _ in range(5)} == {new}
        assert alone.ended == []
        await keeps_talking.hangs_up()


# --- the channel -----------------------------------------------------------------------------------------------------------


def ends() -> tuple[SupervisorEnd, WorkerEnd]:
    ours, theirs = channel()
    return ours, WorkerEnd(theirs)


def test_connections_arrive_one_by_one_as_they_were() -> None:
    ours, theirs = ends()
    for word in (b"one", b"two"):
        near, far = socket.socketpair()
        with near:
            assert ours.hand_over(near)
        far.sendall(word)
        taken = theirs.take()
        assert taken is not None
        with taken, far:
            assert taken.recv(10) == word
    assert theirs.take() is None
    assert ours.open_connections == 2
    theirs.connection_closed()
    ours.read()
    assert ours.open_connections == 1
    theirs.close()
    with pytest.raises(ChannelClosed):
        ours.read()
    ours.close()


async def test_a_worker_says_that_it_lives_from_when_on_it_is_up() -> None:
    supervisor, worker = ends()
    up = asyncio.Event()
    beating = asyncio.create_task(beat(worker, up))
    for beats in (0, 1):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        supervisor.read()
        assert supervisor.beats == beats
        up.set()
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    supervisor.close()
    worker.close()


def test_a_worker_whose_supervisor_has_gone_learns_it() -> None:
    ours, theirs = ends()
    ours.close()
    with pytest.raises(ChannelClosed):
        theirs.take()
    theirs.ready()  # nobody hears it
    theirs.close()


def test_a_worker_that_takes_nothing_is_offered_no_more_than_fits() -> None:
    ours, theirs = ends()
    near, far = socket.socketpair()
    with near, far:
        taken = 0
        while ours.hand_over(near) and taken < 100_000:
            taken += 1
        assert 0 < taken < 100_000
        assert ours.open_connections == taken
    ours.close()
    theirs.close()


def test_lines_that_make_no_sense_are_passed_over() -> None:
    ours, sock = channel()
    sock.sendall(b"hello\nclosed x\nclosed \nrea")
    ours.read()
    assert (ours.is_ready, ours.open_connections) == (False, 0)
    sock.sendall(b"dy\n")
    ours.read()
    assert ours.is_ready
    sock.close()
    ours.close()
