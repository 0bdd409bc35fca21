"""Figures for CloudWatch, written into the log as it takes them from there (Amazon CloudWatch, *Embedded metric format*).

The figures are those of ``/metrics``, one document an interval: what stands at a value as it stands, what only grows as its growth
since the last document. Latencies go there one by one, so that CloudWatch can work out percentiles.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from math import inf
from typing import Any, Literal, TextIO

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from calls import events
from calls.events import CallEvent
from calls.ids import CallSid
from webhooks.context import Answered
from webhooks.emf import NAMESPACE

MAX_VALUES = 100
"""Values of one figure in one document (*Embedded metric format*, "Target members")."""
MAX_WAITING = 10_000
"""Latencies that are kept until the next document; later ones are missing in it."""

Unit = Literal["Count", "Milliseconds", "Percent", "None"]

log = structlog.get_logger()


class Figure(msgspec.Struct, frozen=True):
    """A figure of ``/metrics`` under CloudWatch's name for it."""

    name: str
    sample: str
    """The sample at ``/metrics``; those that differ by labels are added up."""
    unit: Unit
    grows: bool = False
    """Whether it is a count since the start."""
    times: float = 1.0


FIGURES = (
    Figure("LiveCalls", "frontdesk_live_calls", "Count"),
    Figure("CapacityUsed", "frontdesk_capacity_used", "Percent", times=100),
    Figure("Accepting", "frontdesk_accepting", "Count"),
    Figure("TaskProtected", "frontdesk_task_protected", "Count"),
    Figure("Operators", "frontdesk_operators", "Count"),
    Figure("BusUp", "frontdesk_bus_up", "Count"),
    Figure("ModelBreakerOpen", "frontdesk_model_breaker_open", "Count"),
    Figure("WarmSockets", "frontdesk_warm_sockets", "Count"),
    Figure("EventsWaiting", "frontdesk_events_waiting", "Count"),
    Figure("CallsAccepted", "frontdesk_calls_total", "Count", grows=True),
    Figure("StreamsRefused", "frontdesk_streams_refused_total", "Count", grows=True),
    Figure("ModelLosses", "frontdesk_model_losses_total", "Count", grows=True),
    Figure("EventsLost", "frontdesk_events_lost_total", "Count", grows=True),
    Figure("BusDropped", "frontdesk_bus_dropped_total", "Count", grows=True),
    Figure("OperatorsDropped", "frontdesk_operators_dropped_total", "Count", grows=True),
)


LAG = "LoopLag"
"""What 95 of 100 samples since the last document stayed below, as exactly as the buckets of ``/metrics`` say."""
_LAG_SAMPLE = "frontdesk_loop_lag_seconds_bucket"


class EmbeddedMetrics:
    """Gathers figures and makes documents of them. ``task``: the process's name, a property to search by and no dimension, since
    CloudWatch bills every figure of every dimension it has ever seen in a month."""

    def __init__(self, registry: CollectorRegistry, *, service: str, task: str, namespace: str = NAMESPACE) -> None:
        self._registry, self._namespace = registry, namespace
        self._facts = {"Service": service, "Task": task}
        self._before: dict[str, float] = {}
        self._lags_before: dict[float, float] = {}
        self._latencies: dict[str, list[float]] = {"GreetingLatency": [], "TurnLatency": []}

    def event(self, event: CallEvent) -> None:
        """See :class:`frontdesk.watching.Onlooker`."""
        match event.body:
            case events.GreetingFirstAudio(latency_ms=ms):
                self._keep("GreetingLatency", ms)
            case events.TurnFirstAudio(latency_ms=ms):
                self._keep("TurnLatency", ms)

    def stream_began(self, call_sid: CallSid, owner: str, at: datetime) -> None:
        """See :class:`frontdesk.watching.Onlooker`. It is counted at ``/metrics``."""

    def stream_over(self, call_sid: CallSid, at: datetime) -> None:
        """See :class:`frontdesk.watching.Onlooker`. It is counted at ``/metrics``."""

    def answered(self, answered: Answered) -> None:
        """See :class:`frontdesk.watching.Onlooker`. The bridge's figures are about calls."""

    def documents(self, now_ms: int) -> list[str]:
        """What has come together, one JSON object each; more than one if there are more latencies than one may hold."""
        latencies, self._latencies = self._latencies, {name: [] for name in self._latencies}
        made: list[str] = []
        figures: dict[str, tuple[Unit, float | list[float]]] = {**self._figures()}
        while True:
            for name, values in latencies.items():
                if values:
                    figures[name] = ("Milliseconds", values[:MAX_VALUES])
                    del values[:MAX_VALUES]
            if not figures:
                return made
            made.append(document(figures, self._facts, now_ms, self._namespace))
            figures = {}

    def _keep(self, name: str, ms: float) -> None:
        if len(self._latencies[name]) < MAX_WAITING:
            self._latencies[name].append(ms)

    def _figures(self) -> dict[str, tuple[Unit, float]]:
        sums: dict[str, float] = {}
        lags: dict[float, float] = {}
        for family in self._registry.collect():
            if family.type == "counter":  # one with labels has no sample before it has counted
                sums[f"{family.name}_total"] = 0.0
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
                if sample.name == _LAG_SAMPLE:
                    lags[float(sample.labels["le"])] = sample.value
        found: dict[str, tuple[Unit, float]] = {
            figure.name: (figure.unit, self._value(figure, sums)) for figure in FIGURES if figure.sample in sums
        }
        lag_s = below({bound: count - self._lags_before.get(bound, 0.0) for bound, count in lags.items()}, 0.95)
        if lag_s is not None:
            found[LAG] = ("Milliseconds", round(lag_s * 1000, 3))
        self._before, self._lags_before = sums, lags
        return found

    def _value(self, figure: Figure, sums: Mapping[str, float]) -> float:
        value = sums[figure.sample] - (self._before.get(figure.sample, 0.0) if figure.grows else 0.0)
        return round(value * figure.times, 3)


def below(buckets: Mapping[float, float], share: float) -> float | None:
    """The least bound that so great a share of the samples of a cumulative histogram stays below; of those that are beyond all
    bounds the last of these. ``None``: there are no samples."""
    whole = buckets.get(inf, 0.0)
    bounds = sorted(bound for bound in buckets if bound < inf)
    if whole <= 0 or not bounds:
        return None
    return next((bound for bound in bounds if buckets[bound] >= whole * share), bounds[-1])


def document(
    figures: Mapping[str, tuple[Unit, float | list[float]]], facts: Mapping[str, str], now_ms: int, namespace: str
) -> str:
    """One document: the figures with their units, for the dimension ``Service``, and the facts beside them."""
    directive = {
        "Namespace": namespace,
        "Dimensions": [["Service"]],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in figures.items()],
    }
    told: dict[str, Any] = {name: value for name, (_, value) in figures.items()}
    return json.dumps({"_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}, **facts, **told})


async def write_for_ever(
    metrics: EmbeddedMetrics,
    out: TextIO,
    interval_s: float,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock_s: Callable[[], float] = time.time,
) -> None:
    """Writes the documents of every interval, and when it is cancelled those of the interval that was begun."""
    try:
        while True:
            await sleep(interval_s)
            _write(metrics, out, clock_s)
    finally:
        _write(metrics, out, clock_s)


def _write(metrics: EmbeddedMetrics, out: TextIO, clock_s: Callable[[], float]) -> None:
    try:
        out.write("".join(f"{line}\n" for line in metrics.documents(round(clock_s() * 1000))))
        out.flush()
    except (OSError, ValueError) as error:  # nobody reads the log any more
        log.error("metrics.not_written", why=type(error).__name__)


@asynccontextmanager
async def writing(metrics: EmbeddedMetrics, out: TextIO, interval_s: float) -> AsyncIterator[None]:
    """Writes while the block runs, and once more at its end."""
    task = asyncio.create_task(write_for_ever(metrics, out, interval_s), name="embedded-metrics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
