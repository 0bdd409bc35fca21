"""Figures for CloudWatch, held against what *Embedded metric format* asks of a document."""

import asyncio
import io
import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from bridge.metrics import BridgeMetrics
from calls.events import AnyEvent, CallEvent, GreetingFirstAudio, TurnFirstAudio
from calls.ids import CallSid
from frontdesk.emf import FIGURES, MAX_WAITING, EmbeddedMetrics, write_for_ever
from webhooks.context import Answered
from webhooks.emf import document as webhook_document

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNITS = [
    *("Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits"),
    *("Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second", "Megabytes/Second"),
    *("Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second"),
    *("Terabits/Second", "Count/Second", "None"),
]
NAME = {"type": "string", "minLength": 1, "maxLength": 1024}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "additionalProperties": False,
    "properties": {
        "Namespace": NAME,
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "maxItems": 30, "items": {"type": "string", "minLength": 1, "maxLength": 250}},
        },
        "Metrics": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["Name"],
                "additionalProperties": False,
                "properties": {"Name": NAME, "Unit": {"enum": UNITS}, "StorageResolution": {"enum": [1, 60]}},
            },
        },
    },
}
SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {"Timestamp": {"type": "integer"}, "CloudWatchMetrics": {"type": "array", "items": DIRECTIVE}},
        }
    },
}


def checked(line: str) -> dict[str, Any]:
    """The document of a line, if CloudWatch takes figures from it."""
    assert "\n" not in line
    assert len(line.encode()) <= 256 * 1024, "a log event that is larger is cut"
    found: dict[str, Any] = json.loads(line)
    jsonschema.validate(found, SCHEMA)
    for directive in found["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            values = found[metric["Name"]]
            listed = values if isinstance(values, list) else [values]
            assert 1 <= len(listed) <= 100, "values of one figure"
            assert all(isinstance(value, int | float) and not isinstance(value, bool) for value in listed)
        for dimension in directive["Dimensions"][0]:
            assert isinstance(found[dimension], str)
            assert 1 <= len(found[dimension]) <= 1024
    return found


def event(body: AnyEvent) -> CallEvent:
    return CallEvent(CallSid("CA1"), 1, NOW, body)


def embedded(metrics: BridgeMetrics) -> EmbeddedMetrics:
    return EmbeddedMetrics(metrics.registry, service="bridge", task="bridge-1")


def test_a_document_has_the_figures_of_the_page_and_each_latency() -> None:
    metrics = BridgeMetrics()
    figures = embedded(metrics)
    metrics.live_calls.set(3)
    metrics.calls.inc(5)
    metrics.refused.labels("draining").inc()
    metrics.refused.labels("at_capacity").inc(2)
    for ms in (430, 512):
        figures.event(event(GreetingFirstAudio(latency_ms=ms)))
    figures.event(event(TurnFirstAudio(latency_ms=700)))
    [line] = figures.documents(1_767_225_600_000)
    found = checked(line)
    assert found["_aws"]["Timestamp"] == 1_767_225_600_000
    assert (found["Service"], found["Task"]) == ("bridge", "bridge-1")
    assert (found["LiveCalls"], found["CallsAccepted"], found["StreamsRefused"]) == (3, 5, 3)
    assert (found["GreetingLatency"], found["TurnLatency"]) == ([430, 512], [700])


def test_documents_are_for_the_namespace_that_is_set() -> None:
    figures = EmbeddedMetrics(BridgeMetrics().registry, service="bridge", task="bridge-1", namespace="Frontdesk/cell-07")
    figures.event(event(TurnFirstAudio(latency_ms=700)))
    lines = [*figures.documents(0), webhook_document(answered(), "Frontdesk/cell-07")]
    assert [checked(line)["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in lines] == ["Frontdesk/cell-07"] * 2
    by_default = [*embedded(BridgeMetrics()).documents(0), webhook_document(answered())]
    assert [checked(line)["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in by_default] == ["Frontdesk"] * 2


def test_the_task_is_no_dimension_since_each_would_be_billed() -> None:
    [line] = embedded(BridgeMetrics()).documents(0)
    assert checked(line)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Service"]]


def test_what_only_grows_is_told_as_its_growth() -> None:
    metrics = BridgeMetrics()
    figures = embedded(metrics)
    told = []
    for more in (5, 0, 2):
        metrics.calls.inc(more)
        metrics.live_calls.inc(more)
        [line] = figures.documents(0)
        told.append((checked(line)["CallsAccepted"], checked(line)["LiveCalls"]))
    assert told == [(5, 5), (0, 5), (2, 7)]


def test_the_loop_s_lag_is_that_of_the_interval_and_not_told_without_samples() -> None:
    metrics = BridgeMetrics()
    figures = embedded(metrics)
    told = []
    for lags_s in ([0.0005] * 96 + [0.4] * 4, [], [0.03] * 10, [7.0] * 10):
        for lag_s in lags_s:
            metrics.loop_lag_s.observe(lag_s)
        told.append(checked(figures.documents(0)[0]).get("LoopLag"))
    assert told == [1, None, 50, 1000]


def test_latencies_are_told_once() -> None:
    figures = embedded(BridgeMetrics())
    figures.event(event(TurnFirstAudio(latency_ms=700)))
    assert "TurnLatency" in checked(figures.documents(0)[0])
    assert "TurnLatency" not in checked(figures.documents(0)[0])


def test_more_latencies_than_a_document_may_hold_make_more_documents() -> None:
    figures = embedded(BridgeMetrics())
    for ms in range(250):
        figures.event(event(TurnFirstAudio(latency_ms=ms)))
    found = [checked(line) for line in figures.documents(0)]
    assert [value for one in found for value in one["TurnLatency"]] == list(range(250))
    assert ["LiveCalls" in one for one in found] == [True, False, False], "no figure is told twice"


def test_latencies_that_nobody_takes_do_not_fill_the_memory() -> None:
    figures = embedded(BridgeMetrics())
    for ms in range(MAX_WAITING + 10):
        figures.event(event(TurnFirstAudio(latency_ms=ms)))
    assert sum(len(checked(line)["TurnLatency"]) for line in figures.documents(0)) == MAX_WAITING


def test_no_two_figures_share_a_name() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


def test_every_figure_is_one_of_the_page() -> None:
    [line] = embedded(BridgeMetrics()).documents(0)
    assert [figure.name for figure in FIGURES if figure.name not in checked(line)] == []


async def test_a_document_is_written_after_each_interval_and_at_the_end() -> None:
    out, clock_s, slept = io.StringIO(), 0.0, []
    third = asyncio.Event()

    async def sleep(seconds: float) -> None:
        nonlocal clock_s
        slept.append(seconds)
        clock_s += seconds
        if len(slept) == 3:
            third.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_for_ever(embedded(BridgeMetrics()), out, 60, sleep=sleep, clock_s=lambda: clock_s))
    await third.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [checked(line)["_aws"]["Timestamp"] for line in out.getvalue().splitlines()] == [60_000, 120_000, 180_000]
    assert slept == [60, 60, 60]


async def test_a_log_that_nobody_reads_any_more_ends_nothing() -> None:
    out, rounds = io.StringIO(), 0
    out.close()
    twice = asyncio.Event()

    async def sleep(_: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            twice.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_for_ever(embedded(BridgeMetrics()), out, 60, sleep=sleep))
    await twice.wait()
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def answered(path: str = "/incoming-call", status: int = 200, **facts: str) -> Answered:
    return Answered(path=path, status=status, began_at=NOW, ms=4.5, call_sid=CallSid("CA1"), facts=facts)


@pytest.mark.parametrize(
    ("request_", "figures"),
    [
        (answered(), {"WebhooksRefused": 0, "WebhooksFailed": 0, "CallsOffered": 1, "CallsTurnedAway": 0}),
        (answered(refused="closed"), {"WebhooksRefused": 0, "WebhooksFailed": 0, "CallsOffered": 1, "CallsTurnedAway": 1}),
        (answered(failed="RuntimeError"), {"WebhooksRefused": 0, "WebhooksFailed": 1, "CallsOffered": 1, "CallsTurnedAway": 0}),
        (answered(status=403), {"WebhooksRefused": 1, "WebhooksFailed": 0}),
        (answered("/call-status", 204), {"WebhooksRefused": 0, "WebhooksFailed": 0}),
    ],
)
def test_a_function_tells_of_each_request(request_: Answered, figures: dict[str, int]) -> None:
    found = checked(webhook_document(request_))
    assert found["WebhookLatency"] == 4.5
    assert found["_aws"]["Timestamp"] == 1_767_225_600_000
    del found["_aws"], found["Service"], found["Path"], found["WebhookLatency"]
    assert found == figures
