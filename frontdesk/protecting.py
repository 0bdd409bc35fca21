"""Amazon ECS's protection of a task with several workers: the supervisor asks for it, for the calls of all of them.

A worker that has no calls would give back what the others need.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

from prometheus_client import Gauge

from bridge.capacity import Capacity
from bridge.metrics import PROTECTED
from bridge.task_protection import task_protection
from frontdesk.supervisor import Supervisor


@asynccontextmanager
async def workers_protected(agent_uri: str, supervisor: Supervisor) -> AsyncIterator[None]:
    """Holds the protection while the block runs and any worker has calls."""
    calls = Capacity(lambda: supervisor.live_calls, max_calls=1, max_lag_ms=inf)
    supervisor.on_change(calls.changed)
    # In no registry: nobody asks this process for its figures, but the workers show what it counts.
    shown = Gauge("frontdesk_task_protected", PROTECTED, registry=None, multiprocess_mode="livemax")
    async with task_protection(agent_uri, calls, shown):
        yield
