"""What a call must not leave behind: tasks, open descriptors, timers.

Descriptors are compared exactly, and nothing is tolerated: an event loop opens its own before the first look, modules that open
files when they are imported are imported before it, and the stores, servers and clients of these tests are closed inside. Closing a
connection takes a few rounds of the loop, so a look is repeated, a bounded number of rounds and no time at all.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

ROUNDS = 200
"""A transport is closed by callbacks of callbacks; this is by far more than any needs."""
_DESCRIPTORS = "/proc/self/fd"


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Fails if anything of the block is still there after it."""
    tasks_before, descriptors_before = asyncio.all_tasks(), _descriptors()
    yield
    for _ in range(ROUNDS):
        if not (_tasks() - tasks_before or _timers() or _descriptors() > descriptors_before):
            break
        await asyncio.sleep(0)
    assert _tasks() - tasks_before == set()
    assert _timers() == []
    assert _descriptors() <= descriptors_before, sorted(_open_files())


def _tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()}


def _timers() -> list[asyncio.TimerHandle]:
    """Timers of the loop that are neither run nor cancelled; the loop has no public list of them."""
    scheduled: list[asyncio.TimerHandle] = getattr(asyncio.get_running_loop(), "_scheduled", [])
    return [timer for timer in scheduled if not timer.cancelled()]


def _descriptors() -> int:
    return len(os.listdir(_DESCRIPTORS)) if os.path.isdir(_DESCRIPTORS) else 0


def _open_files() -> list[str]:
    names = []
    for descriptor in os.listdir(_DESCRIPTORS):
        try:
            names.append(os.readlink(f"{_DESCRIPTORS}/{descriptor}"))
        except OSError:  # the one that listed the folder
            continue
    return names
