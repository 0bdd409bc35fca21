"""What ``/metrics`` shows (Prometheus)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from calls import events
from calls.events import AnyEvent, kind_of

_GREETING_BUCKETS_S = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 6.0)


class BridgeMetrics:
    """The figures of one bridge process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.live_calls = Gauge("frontdesk_live_calls", "Media streams being served", registry=self.registry)
        self.calls = Counter("frontdesk_calls_total", "Streams accepted", registry=self.registry)
        self.refused = Counter("frontdesk_streams_refused_total", "Streams refused", ["reason"], registry=self.registry)
        self.model_losses = Counter("frontdesk_model_losses_total", "Model sessions lost in a call", registry=self.registry)
        self.events = Counter("frontdesk_events_total", "Events recorded", ["kind"], registry=self.registry)
        self.operators = Gauge("frontdesk_operators", "Operators attached", registry=self.registry)
        self.operator_commands = Counter(
            "frontdesk_operator_commands_total", "Commands of operators", ["action", "result"], registry=self.registry
        )
        self.operators_dropped = Counter(
            "frontdesk_operators_dropped_total", "Operators let go for not keeping up", registry=self.registry
        )
        self.breaker_open = Gauge(
            "frontdesk_model_breaker_open", "1 while nothing connects to the model and nobody tries", registry=self.registry
        )
        self.breaker_barred = Counter(
            "frontdesk_model_attempts_barred_total", "Sessions that were not even tried meanwhile", registry=self.registry
        )
        self.warm_sockets = Gauge(
            "frontdesk_warm_sockets", "Sockets to the model that are open and wait for a call", registry=self.registry
        )
        self.warm_sockets_taken = Counter(
            "frontdesk_warm_sockets_taken_total", "Sessions that found one, and that did not", ["result"], registry=self.registry
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
        """The text Prometheus scrapes."""
        return generate_latest(self.registry)
