"""Keeps Amazon ECS from stopping a task that has calls.

Scaling in picks any task; a protected one is left alone (Amazon ECS, *Task scale-in protection endpoint*: ``PUT
$ECS_AGENT_URI/task-protection/v1/state``). Protection is held while there are calls and a little longer, renewed long before it runs
out, and given back then. A deployment that has to stop more tasks than are unprotected is refused it (``DEPLOYMENT_BLOCKED``), as may
be a task that asks too often: it is asked for again, later and later, and no call hears of it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any

import aiohttp
import msgspec
import structlog
from prometheus_client import Gauge

from bridge.capacity import Capacity

EXPIRES_MIN = 30
"""What is left of it if the process dies: a task that has no calls should not stay for long."""
RENEWED_AFTER_S = EXPIRES_MIN * 60 / 3
RELEASED_AFTER_S = 30.0
"""Without a call. Between two calls it is not worth giving it back."""
ANSWER_WITHIN_S = 5.0
LEAVE_WITHIN_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""After a refusal, doubled with each one more."""
_MAX_ANSWER_BYTES = 64 * 1024

log = structlog.get_logger()


class ProtectionPlan:
    """What is to be asked of the agent, and when. Times are seconds on any clock that goes forward only."""

    def __init__(self) -> None:
        self.may_be_held = False
        self._renewed_at_s = inf
        self._idle_since_s: float | None = None
        self._retry_at_s = -inf
        self._pause_s = FIRST_PAUSE_S

    def asks(self, now_s: float, live_calls: int) -> bool | None:
        """``True``: for protection; ``False``: for none; ``None``: for nothing now."""
        self._idle_since_s = None if live_calls else now_s if self._idle_since_s is None else self._idle_since_s
        wanted = bool(live_calls)
        is_due = now_s >= (self._protection_due_s if wanted else self._release_due_s)
        return wanted if is_due and now_s >= self._retry_at_s else None

    def wakes_at_s(self) -> float:
        """When to ask :meth:`asks` again if no call comes or goes before; ``inf``: never."""
        due_s = self._protection_due_s if self._idle_since_s is None else self._release_due_s
        return max(due_s, self._retry_at_s)

    def answered(self, now_s: float, asked: bool, *, ok: bool) -> None:
        """What became of it. An answer that did not come may have been a yes."""
        self.may_be_held = asked or (self.may_be_held and not ok)
        if ok:
            self._renewed_at_s = now_s + RENEWED_AFTER_S if asked else inf
            self._retry_at_s, self._pause_s = -inf, FIRST_PAUSE_S
        else:
            self._retry_at_s = now_s + self._pause_s
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    @property
    def _protection_due_s(self) -> float:
        return self._renewed_at_s if self._renewed_at_s < inf else -inf

    @property
    def _release_due_s(self) -> float:
        if not self.may_be_held or self._idle_since_s is None:
            return inf
        return self._idle_since_s + RELEASED_AFTER_S


class _Unprotected(Exception):
    """The agent did not do what it was asked; ``str()`` says why."""


class TaskProtection:
    """Asks the agent at ``agent_uri`` for what the calls of ``capacity`` need. ``protected``: shows whether there is protection."""

    def __init__(self, agent_uri: str, capacity: Capacity, protected: Gauge, session: aiohttp.ClientSession) -> None:
        self._url = f"{agent_uri.rstrip('/')}/task-protection/v1/state"
        self._capacity, self._protected, self._session = capacity, protected, session
        self._plan = ProtectionPlan()
        self._news = asyncio.Event()
        self._said = ""
        capacity.on_change(self._news.set)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            asked = self._plan.asks(time.monotonic(), self._capacity.live_calls)
            if asked is None:
                await self._rest()
            else:
                self._plan.may_be_held |= asked  # even if nobody waits for the answer
                ok = await self._ask(asked, ANSWER_WITHIN_S)
                self._plan.answered(time.monotonic(), asked, ok=ok)

    async def leave(self) -> None:
        """Gives it back, if there is any to give back."""
        if self._plan.may_be_held:
            await self._ask(False, LEAVE_WITHIN_S)

    async def _rest(self) -> None:
        pause_s = self._plan.wakes_at_s() - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if pause_s == inf else max(pause_s, 0)):
                await self._news.wait()

    async def _ask(self, wanted: bool, within_s: float) -> bool:
        try:
            await self._put(wanted, within_s)
        except _Unprotected as refused:
            self._protected.set(0)
            self._say("task_protection.refused", wanted, why=str(refused))
            return False
        self._protected.set(wanted)
        self._say("task_protection.held" if wanted else "task_protection.released", wanted)
        return True

    async def _put(self, wanted: bool, within_s: float) -> None:
        asked = {"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MIN} if wanted else {"ProtectionEnabled": False}
        try:
            async with asyncio.timeout(within_s), self._session.put(self._url, json=asked, allow_redirects=False) as response:
                body = await _whole(response.content)
        except TimeoutError:
            raise _Unprotected(f"no answer within {within_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Unprotected(f"could not be reached ({type(error).__name__})") from None
        _check(body, response.status, wanted)

    def _say(self, event: str, wanted: bool, **facts: object) -> None:
        said = f"{event} {wanted} {facts}"
        if said == self._said:
            return
        self._said = said
        log.log(30 if facts else 20, event, wanted="on" if wanted else "off", **facts)


@asynccontextmanager
async def task_protection(agent_uri: str | None, capacity: Capacity, protected: Gauge) -> AsyncIterator[None]:
    """Protects the task while it has calls and the block runs; does nothing without an agent."""
    if agent_uri is None:
        yield
        return
    async with aiohttp.ClientSession() as session:
        protection = TaskProtection(agent_uri, capacity, protected, session)
        task = asyncio.create_task(protection.run(), name="task-protection")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await protection.leave()


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """What the agent answered, in however many pieces it came. Raises ``ValueError`` if there is no end to it."""
    body = b""
    async for piece in content.iter_any():
        body += piece
        if len(body) > _MAX_ANSWER_BYTES:
            raise ValueError
    return body


def _check(body: bytes, status: int, wanted: bool) -> None:
    """Raises :class:`_Unprotected` unless the agent says that it did what was asked."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise _Unprotected(f"answered with status {status} and nothing that can be read")
    why = _failure_in(answer)
    if why is None and status == 200 and _is(answer.get("protection"), wanted):
        return
    raise _Unprotected(why or f"answered with status {status} and not with what was asked for")


def _is(protection: Any, wanted: bool) -> bool:
    return isinstance(protection, dict) and protection.get("ProtectionEnabled") is wanted


def _failure_in(answer: dict[str, Any]) -> str | None:
    """``DEPLOYMENT_BLOCKED`` and the like. The API answers with an array of failures, the agent with one failure or an error."""
    failures = answer.get("failures")
    failure = failures[0] if isinstance(failures, list) and failures else answer.get("failure") or answer.get("error")
    if not isinstance(failure, dict):
        return None
    reason = failure.get("Reason") or failure.get("reason") or failure.get("Code") or "refused"
    return str(reason)[:100]
