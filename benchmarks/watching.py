"""What telling costs: CPU time of the log's milestones, of figures for CloudWatch and of traces, a call of three minutes each.

Run as ``python -m benchmarks.watching``. Nothing is written and nothing is sent: it is the process's own share.
"""

import asyncio
import io
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bridge.metrics import BridgeMetrics
from calls import events
from calls.events import AnyEvent, CallEvent
from calls.ids import CallSid
from frontdesk.emf import EmbeddedMetrics
from frontdesk.logs import set_up_logs
from frontdesk.otlp import SpanSender
from frontdesk.tracing import CallTracing
from frontdesk.watching import Onlooker, Story, Watched

CALLS = 100
TURNS = 20
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Nowhere(io.StringIO):
    """A log that nobody reads."""

    def write(self, text: str) -> int:
        return len(text)


class NoBus:
    """Nobody to tell."""

    def publish(self, event: CallEvent) -> None:
        """Forgets it."""


class Encoded(SpanExporter):
    """Does all but the sending."""

    cpu_s = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        before_s = time.thread_time()
        encode_spans(spans).SerializeToString()
        self.cpu_s += time.thread_time() - before_s
        return SpanExportResult.SUCCESS


def talk() -> list[AnyEvent]:
    """What happens in a call of three minutes."""
    happened: list[AnyEvent] = [
        events.CallStarted(business_id="bobs-hvac", from_="+15005550001", to="+15005550006", channel="pstn"),
        events.ModelConnected(ms=40, warm=True),
        events.GreetingRequested(mode="live"),
        events.GreetingFirstAudio(latency_ms=400),
        events.GreetingFinished(heard_ms=2000),
    ]
    for turn in range(TURNS):
        happened.append(events.CallerTranscript(item_id=f"c{turn}", text="x" * 60))
        happened.append(events.TurnFirstAudio(latency_ms=600))
        happened.append(events.AgentTranscript(item_id=f"a{turn}", text="y" * 90, heard_ms=4000, interrupted=False))
        if turn % 4 == 0:
            happened += [events.BargeInTriggered(rms=500), events.BargeInDismissed()]
        if turn % 5 == 0:
            happened += [events.ToolCalled(name="weather", arguments="{}"), events.ToolFinished(name="weather", ms=300, ok=True)]
    return [*happened, events.ClosingStarted(reason="farewell"), events.CallEnded(reason="farewell", duration_ms=180_000)]


def cost_ms(onlooker: Onlooker) -> float:
    """CPU milliseconds a call, on the loop."""
    watched, bodies = Watched(NoBus(), [onlooker]), talk()
    before_s = time.thread_time()
    for n in range(CALLS):
        sid = CallSid(f"CA{n:032x}")
        watched.stream_began(sid, "bridge-1", BEGAN)
        for seq, body in enumerate(bodies[:-1], 1):
            watched.publish(CallEvent(sid, seq, BEGAN + timedelta(seconds=2 * seq), body))
        watched.stream_over(sid, BEGAN + timedelta(seconds=180))
        watched.publish(CallEvent(sid, len(bodies), BEGAN + timedelta(seconds=181), bodies[-1]))
    return (time.thread_time() - before_s) / CALLS * 1000


def main() -> None:
    """Prints a table."""
    set_up_logs(stream=Nowhere())
    figures = EmbeddedMetrics(BridgeMetrics().registry, service="bridge", task="bridge-1")
    encoded = Encoded()
    sender = SpanSender("bridge-1", exporter=encoded)
    print(f"{len(talk())} events a call, {CALLS} calls")
    print(f"log        {cost_ms(Story()):.2f} ms a call")
    print(f"cloudwatch {cost_ms(figures):.2f} ms a call")
    before_s = time.thread_time()
    documents = len(figures.documents(0))
    print(f"           {(time.thread_time() - before_s) * 1000:.2f} ms for {documents} documents")
    print(f"traces     {cost_ms(CallTracing(sender.send)):.2f} ms a call")
    asyncio.run(sender.close())
    print(f"           {encoded.cpu_s / CALLS * 1000:.2f} ms a call in the thread that sends")


if __name__ == "__main__":
    main()
