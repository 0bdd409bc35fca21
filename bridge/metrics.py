"""What ``/metrics`` shows (Prometheus).

Where several processes share a port each counts into files that all of them read (``PROMETHEUS_MULTIPROC_DIR``, set by
``frontdesk serve --workers``), so that whoever is asked answers for all; a gauge says how its values make one.
"""

import os
from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from calls import events
from calls.events import AnyEvent, kind_of

_GREETING_BUCKETS_S = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 6.0)
PROTECTED = "1 while Amazon ECS may not stop this task"
_LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Backlog(Protocol):
    """What there is to be known of :class:`calls.journal.Journal`."""

    @property
    def waiting(self) -> int:
        """Events recorded and not yet stored."""

    @property
    def lost(self) -> int:
        """Events that will never be stored."""


class JournalCollector(Collector):
    """How the journal is doing, looked at when somebody asks."""

    def __init__(self) -> None:
        self.journal: Backlog | None = None
        """The process's; ``None``: it has none yet."""

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's ``Collector``."""
        waiting, lost = (self.journal.waiting, self.journal.lost) if self.journal is not None else (0, 0)
        yield GaugeMetricFamily("frontdesk_events_waiting", "Events recorded and not yet stored", value=waiting)
        yield CounterMetricFamily("frontdesk_events_lost_total", "Events that will never be stored", value=lost)


class SharedBacklog:
    """The same for the other processes, who cannot look."""

    def __init__(self, backlog: JournalCollector) -> None:
        self._backlog = backlog
        # In no registry, where the names are taken; the files are all they are for.
        self._waiting = Gauge(
            "frontdesk_events_waiting", "Events recorded and not yet stored", registry=None, multiprocess_mode="livesum"
        )
        self._lost = Counter("frontdesk_events_lost_total", "Events that will never be stored", registry=None)
        self._lost_told = 0

    def tell(self) -> None:
        """How things are now."""
        journal = self._backlog.journal
        if journal is not None:
            self._waiting.set(journal.waiting)
            self._lost.inc(journal.lost - self._lost_told)
            self._lost_told = journal.lost


class BridgeMetrics:
    """The figures of one bridge process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.backlog = JournalCollector()
        self.registry.register(self.backlog)
        self._shared_backlog = SharedBacklog(self.backlog) if "PROMETHEUS_MULTIPROC_DIR" in os.environ else None
        self.live_calls = Gauge(
            "frontdesk_live_calls", "Media streams being served", registry=self.registry, multiprocess_mode="livesum"
        )
        self.calls = Counter("frontdesk_calls_total", "Streams accepted", registry=self.registry)
        self.refused = Counter("frontdesk_streams_refused_total", "Streams refused", ["reason"], registry=self.registry)
        self.model_losses = Counter("frontdesk_model_losses_total", "Model sessions lost in a call", registry=self.registry)
        self.events = Counter("frontdesk_events_total", "Events recorded", ["kind"], registry=self.registry)
        self.operators = Gauge("frontdesk_operators", "Operators attached", registry=self.registry, multiprocess_mode="livesum")
        self.operator_commands = Counter(
            "frontdesk_operator_commands_total", "Commands of operators", ["action", "result"], registry=self.registry
        )
        self.operators_dropped = Counter(
            "frontdesk_operators_dropped_total", "Operators let go for not keeping up", registry=self.registry
        )
        self.breaker_open = Gauge(
            "frontdesk_model_breaker_open",
            "1 while nothing connects to the model and nobody tries",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.breaker_barred = Counter(
            "frontdesk_model_attempts_barred_total", "Sessions that were not even tried meanwhile", registry=self.registry
        )
        self.warm_sockets = Gauge(
            "frontdesk_warm_sockets",
            "Sockets to the model that are open and wait for a call",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.warm_sockets_taken = Counter(
            "frontdesk_warm_sockets_taken_total", "Sessions that found one, and that did not", ["result"], registry=self.registry
        )
        self.bus_up = Gauge(
            "frontdesk_bus_up",
            "1 while the processes of the deployment can tell each other anything",
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.bus_published = Counter("frontdesk_bus_published_total", "Messages given to the bus", registry=self.registry)
        self.bus_received = Counter("frontdesk_bus_received_total", "Messages taken from the bus", registry=self.registry)
        self.bus_dropped = Counter(
            "frontdesk_bus_dropped_total", "Messages that the bus was not there for", registry=self.registry
        )
        self.capacity_used = Gauge(
            "frontdesk_capacity_used",
            "Calls or loop lag, whichever is nearer to its limit; 1 is full",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.accepting = Gauge(
            "frontdesk_accepting", "1 while new calls are taken", registry=self.registry, multiprocess_mode="livemax"
        )
        self.protected = Gauge(
            "frontdesk_task_protected",
            PROTECTED,
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.loop_lag_s = Histogram(
            "frontdesk_loop_lag_seconds",
            "How late the event loop came to what was due",
            buckets=_LAG_BUCKETS_S,
            registry=self.registry,
        )
        self.greeting_s = Histogram(
            "frontdesk_greeting_latency_seconds",
            "Stream start to first greeting audio sent",
            buckets=_GREETING_BUCKETS_S,
            registry=self.registry,
        )
        self.turn_s = Histogram(
            "frontdesk_turn_latency_seconds",
            "Caller stopped to first AI audio sent",
            buckets=_GREETING_BUCKETS_S,
            registry=self.registry,
        )

    def count(self, body: AnyEvent) -> None:
        """An event was recorded."""
        self.events.labels(kind_of(body)).inc()
        match body:
            case events.GreetingFirstAudio(latency_ms=latency_ms):
                self.greeting_s.observe(latency_ms / 1000)
            case events.TurnFirstAudio(latency_ms=latency_ms):
                self.turn_s.observe(latency_ms / 1000)
            case events.ModelLost():
                self.model_losses.inc()

    def page(self) -> bytes:
        """The text Prometheus scrapes: of this process, or of all that share its port."""
        self.tell_others()
        if self._shared_backlog is None:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)

    @property
    def are_shared(self) -> bool:
        """Whether other processes on the same port show them, too."""
        return self._shared_backlog is not None

    def tell_others(self) -> None:
        """Has what is only looked at when somebody asks known to the processes that share the port. To be called now and then."""
        if self._shared_backlog is not None:
            self._shared_backlog.tell()
