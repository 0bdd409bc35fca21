"""What an ended call leaves behind in memory: nothing of ours that only a collection of garbage could find, for everybody waits for one."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from tests.bridge.frame_cost import Replay
from tests.calls.virtual_loop import run_virtually

TIMERS_ARE_OVER_S = 1000


@pytest.fixture
def garbage() -> Iterator[list[object]]:
    """What a collection finds is kept here instead of being freed."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def test_an_ended_call_is_gone_without_the_collector(garbage: list[object]) -> None:
    async def call() -> None:
        with pytest.MonkeyPatch.context() as patch:
            replay = Replay()
            await replay.begin(patch)
            await replay.turn()
            await replay.answers("a")
            await replay.end()
        await asyncio.sleep(TIMERS_ARE_OVER_S)

    run_virtually(call())
    gc.collect()
    assert [thing for thing in garbage if type(thing).__module__.startswith("bridge.")] == []
