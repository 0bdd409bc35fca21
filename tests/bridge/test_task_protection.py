"""A task that has calls is not stopped: what is asked of the agent and when, and what its answers do."""

import asyncio
from math import inf
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs

from bridge.capacity import Capacity
from bridge.task_protection import (
    EXPIRES_MIN,
    LONGEST_PAUSE_S,
    RELEASED_AFTER_S,
    RENEWED_AFTER_S,
    ProtectionPlan,
    task_protection,
)
from tests.bridge.ecs_agent import WITHIN_S, EcsAgent

HELD = {"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MIN}
RELEASED = {"ProtectionEnabled": False}
BLOCKED = (200, {"failure": {"Arn": "arn:task", "Reason": "DEPLOYMENT_BLOCKED"}, "requestID": "1"})


def followed(*moments: tuple[float, int, bool]) -> list[bool | None]:
    """What is asked at each (time, calls, whether the agent does it)."""
    plan, asked = ProtectionPlan(), []
    for now_s, calls, ok in moments:
        wanted = plan.asks(now_s, calls)
        asked.append(wanted)
        if wanted is not None:
            plan.answered(now_s, wanted, ok=ok)
    return asked


@pytest.mark.parametrize(
    ("moments", "asked"),
    [
        ([(0, 0, True), (9999, 0, True)], [None, None]),
        ([(0, 1, True), (1, 2, True), (RENEWED_AFTER_S - 1, 1, True)], [True, None, None]),
        ([(0, 1, True), (RENEWED_AFTER_S, 1, True), (RENEWED_AFTER_S + 1, 1, True)], [True, True, None]),
        ([(0, 1, True), (10, 0, True), (10 + RELEASED_AFTER_S - 1, 0, True)], [True, None, None]),
        ([(0, 1, True), (10, 0, True), (10 + RELEASED_AFTER_S, 0, True), (99, 0, True)], [True, None, False, None]),
        ([(0, 1, True), (10, 0, True), (20, 1, True), (30, 0, True), (59, 0, True), (60, 0, True)], [True, *[None] * 4, False]),
        ([(0, 1, False), (1, 1, True), (2, 1, False), (5, 1, True), (6, 1, True)], [True, None, True, None, True]),
        ([(0, 1, True), (10, 0, True), (40, 0, False), (41, 0, True), (42, 0, True)], [True, None, False, None, False]),
        ([(0, 1, True), (10, 0, True), (40, 0, True), (41, 1, True)], [True, None, False, True]),
        # an answer that did not come may have been a yes: it is given back
        ([(0, 1, False), (1, 0, True), (31, 0, True)], [True, None, False]),
    ],
)
def test_what_is_asked_of_the_agent(moments: list[tuple[float, int, bool]], asked: list[bool | None]) -> None:
    assert followed(*moments) == asked


def test_protection_is_renewed_long_before_it_runs_out() -> None:
    assert RENEWED_AFTER_S + 5 * LONGEST_PAUSE_S < EXPIRES_MIN * 60


def test_a_refusal_is_met_with_longer_and_longer_pauses() -> None:
    plan, now_s, pauses = ProtectionPlan(), 0.0, []
    for _ in range(8):
        assert plan.asks(now_s, 1) is True
        plan.answered(now_s, True, ok=False)
        pauses.append(plan.wakes_at_s() - now_s)
        now_s = plan.wakes_at_s()
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_plan_that_has_nothing_to_do_sleeps_until_a_call_comes() -> None:
    plan = ProtectionPlan()
    assert plan.asks(0, 0) is None
    assert plan.wakes_at_s() == inf


class House:
    """A bridge's calls, and the figure that says whether it is protected."""

    def __init__(self) -> None:
        self.calls = 0
        self.capacity = Capacity(lambda: self.calls, max_calls=10, max_lag_ms=100)
        self.protected = Gauge("protected", "", registry=CollectorRegistry())

    def has(self, calls: int) -> None:
        self.calls = calls
        self.capacity.changed()

    @property
    def is_protected(self) -> bool:
        (metric,) = self.protected.collect()
        return metric.samples[0].value == 1

    async def becomes(self, *, protected: bool) -> None:
        async with asyncio.timeout(WITHIN_S):
            while self.is_protected is not protected:  # noqa: ASYNC110  (nobody tells a test)
                await asyncio.sleep(0)


async def test_it_is_held_from_the_first_call_on_and_given_back_when_the_process_ends() -> None:
    house = House()
    async with EcsAgent().listening() as agent:
        async with task_protection(agent.url, house.capacity, house.protected):
            house.has(1)
            assert await agent.was_asked(1) == [HELD]
            await house.becomes(protected=True)
            house.has(2)
            house.has(0)
        assert agent.asked == [HELD, RELEASED]
        assert not house.is_protected


async def test_a_process_without_calls_asks_nothing() -> None:
    house = House()
    async with EcsAgent().listening() as agent:
        async with task_protection(agent.url, house.capacity, house.protected):
            house.has(0)
            await asyncio.sleep(0)
        assert agent.asked == []


async def test_without_an_agent_nothing_is_done() -> None:
    house = House()
    async with task_protection(None, house.capacity, house.protected):
        house.has(1)
        assert not house.is_protected


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (BLOCKED, "DEPLOYMENT_BLOCKED"),
        ((400, {"failures": [{"arn": "arn:task", "reason": "DEPLOYMENT_BLOCKED"}]}), "DEPLOYMENT_BLOCKED"),
        ((400, {"error": {"Code": "AccessDeniedException", "Message": "no"}}), "AccessDeniedException"),
        ((500, "<html>"), "answered with status 500 and nothing that can be read"),
        ((302, {}), "answered with status 302 and not with what was asked for"),
        ((200, {}), "answered with status 200 and not with what was asked for"),
        ((200, {"protection": {"ProtectionEnabled": False}}), "answered with status 200 and not with what was asked for"),
        ((200, ["גשר"]), "answered with status 200 and nothing that can be read"),
    ],
)
async def test_a_refusal_is_logged_once_and_asked_again(
    answer: tuple[int, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.task_protection.FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("bridge.task_protection.LONGEST_PAUSE_S", 0.0)
    house = House()
    with capture_logs() as lines:
        agent = EcsAgent(answer, answer, answer, None)
        async with agent.listening(), task_protection(agent.url, house.capacity, house.protected):
            house.has(1)
            await agent.was_asked(4)
            await house.becomes(protected=True)
    assert [(line["event"], line.get("why")) for line in lines] == [
        ("task_protection.refused", why),
        ("task_protection.held", None),
        ("task_protection.released", None),
    ]
    assert [line["log_level"] for line in lines] == ["warning", "info", "info"]


async def test_an_agent_that_does_not_answer_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.task_protection.ANSWER_WITHIN_S", 0.01)
    monkeypatch.setattr("bridge.task_protection.LEAVE_WITHIN_S", 0.01)
    house = House()
    with capture_logs() as lines:
        async with EcsAgent().listening() as agent:
            agent.hangs = True
            async with task_protection(agent.url, house.capacity, house.protected):
                house.has(1)
                await agent.was_asked(1)
    assert {line["event"] for line in lines} == {"task_protection.refused"}
    assert all(line["why"].startswith("no answer within") for line in lines)


async def test_an_agent_that_is_not_there_is_said_so() -> None:
    house = House()
    house.has(1)
    with capture_logs() as lines:
        async with task_protection("http://127.0.0.1:1", house.capacity, house.protected), asyncio.timeout(WITHIN_S):
            while not lines:  # noqa: ASYNC110  (nobody tells a test)
                await asyncio.sleep(0)
    assert lines[0]["event"] == "task_protection.refused"
    assert lines[0]["why"] == "could not be reached (ClientConnectorError)"
