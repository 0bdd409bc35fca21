"""A call's spans, from its events to a collector that listens on a socket."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from calls import events
from calls.call_trace import Span
from calls.events import AnyEvent, CallEvent
from calls.ids import CallSid
from frontdesk.otlp import Reported, SpanSender, span_id_of, trace_id_of
from frontdesk.tracing import CallTracing
from frontdesk.watching import Watched
from tests.frontdesk.collector import Collector, facts_of, tree_of
from webhooks.context import Answered

SID = CallSid("CA" + "0123456789abcdef" * 2)
ZERO = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = events.CallStarted(business_id="bobs-hvac", from_="+15005550001", to="+15005550006", channel="pstn")


def at(ms: float) -> datetime:
    return ZERO + timedelta(milliseconds=ms)


def event(seq: int, ms: float, body: AnyEvent, call_sid: CallSid = SID) -> CallEvent:
    return CallEvent(call_sid, seq, at(ms), body)


def answered(path: str = "/incoming-call", call_sid: CallSid | None = SID, **facts: str) -> Answered:
    return Answered(path=path, status=200, began_at=ZERO, ms=4.5, call_sid=call_sid, facts=facts)


async def exported(collector: Collector, owner: str, happen: Callable[[CallTracing], None]) -> None:
    """What a process tells the collector that lives for this long."""
    sender = SpanSender(owner, collector.url)
    happen(CallTracing(sender.send))
    await sender.close()


def the_first_half(tracing: CallTracing) -> None:
    tracing.answered(answered(business_id="bobs-hvac"))
    tracing.event(event(1, 0, STARTED))
    tracing.stream_began(SID, "bridge-1", at(50))
    tracing.event(event(2, 100, events.ModelConnected(ms=40, warm=False)))
    tracing.stream_over(SID, at(4000))


def the_second_half(tracing: CallTracing) -> None:
    tracing.stream_began(SID, "bridge-2", at(6000))
    tracing.event(event(3, 6100, events.CallResumed(ms=2000)))
    tracing.event(event(4, 8000, events.TurnFirstAudio(latency_ms=400)))
    tracing.stream_over(SID, at(9000))
    tracing.event(event(5, 9500, events.CallEnded(reason="farewell", duration_ms=9500)))


async def test_two_processes_that_know_nothing_of_each_other_make_one_trace() -> None:
    async with Collector().listening() as collector:
        await exported(collector, "bridge-1", the_first_half)
        await exported(collector, "bridge-2", the_second_half)
    assert {span.trace_id for span in collector.spans} == {sha256(SID.encode()).digest()[:16]}
    assert tree_of(collector.spans) == {
        "": {"call"},
        "call": {"webhook /incoming-call", "connect", "stream", "gap", "hang_up"},
        "stream": {"model.connect", "turn"},
    }
    parents = {span.name: span.parent_span_id for span in collector.spans if span.name in ("model.connect", "turn")}
    assert len(set(parents.values())) == 2, "each process has a stream of its own"
    assert [one["service.name"] for one in collector.services] == ["frontdesk", "frontdesk"]
    assert [one["service.instance.id"] for one in collector.services] == ["bridge-1", "bridge-2"]


async def test_a_span_says_when_it_was_and_whose_call_it_is() -> None:
    async with Collector().listening() as collector:
        await exported(collector, "bridge-1", the_first_half)
    [connected] = [span for span in collector.spans if span.name == "model.connect"]
    assert connected.start_time_unix_nano == int(at(60).timestamp()) * 10**9 + 60_000_000
    assert connected.end_time_unix_nano - connected.start_time_unix_nano == 40_000_000
    assert facts_of(connected) == {"ms": 40, "warm": False, "call_sid": SID}


async def test_every_span_has_an_id_of_its_own_and_the_same_one_wherever_it_is_made() -> None:
    async with Collector().listening() as one, Collector().listening() as other:
        await exported(one, "bridge-1", the_first_half)
        await exported(other, "bridge-1", the_first_half)
    assert [span.span_id for span in one.spans] == [span.span_id for span in other.spans]
    assert len({span.span_id for span in one.spans}) == len(one.spans)
    assert span_id_of(SID, "call") != span_id_of(CallSid("CA2"), "call")
    assert trace_id_of(SID) != trace_id_of(CallSid("CA2"))


async def test_who_called_and_what_was_said_is_not_sent() -> None:
    def happen(tracing: CallTracing) -> None:
        tracing.event(event(1, 0, STARTED))
        tracing.event(event(2, 1, events.CallerTranscript(item_id="i", text="Mallory")))
        tracing.event(event(3, 2, events.ToolCalled(name="weather", arguments='{"city": "Mallory"}')))
        tracing.event(event(4, 3, events.TransferStarted(to="+15005550010")))
        tracing.event(event(5, 4, events.ErrorHappened(where="tools", message="Mallory")))
        tracing.event(event(6, 5, events.CallEnded(reason="transferred", duration_ms=5)))

    async with Collector().listening() as collector:
        await exported(collector, "bridge-1", happen)
    told = repr(collector.spans)
    assert {"call", "transfer"} <= {span.name for span in collector.spans}
    assert "Mallory" not in told
    assert "1500555" not in told


async def test_a_request_about_no_call_and_a_summary_make_no_trace() -> None:
    sent: list[Span] = []
    tracing = CallTracing(lambda _, span: sent.append(span))
    tracing.answered(answered(call_sid=None))
    tracing.event(event(9, 0, events.CallSummary(summary="Mallory")))
    assert (sent, tracing.calls_in_mind) == ([], 0)


def test_calls_whose_end_is_told_elsewhere_are_forgotten_in_the_end() -> None:
    tracing = CallTracing(lambda *_: None, max_calls=3)
    for n in range(10):
        tracing.event(event(1, 0, STARTED, CallSid(f"CA{n}")))
    assert tracing.calls_in_mind == 3
    for n in range(7, 10):
        tracing.event(event(2, 1, events.CallEnded(reason="farewell", duration_ms=1), CallSid(f"CA{n}")))
    assert tracing.calls_in_mind == 0


class Flaky(SpanExporter):
    """Fails as told."""

    def __init__(self, *results: SpanExportResult | Exception) -> None:
        self._results = list(results)

    def export(self, spans: Any) -> SpanExportResult:
        result = self._results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def test_the_log_tells_once_that_nothing_arrives_and_once_that_it_does_again() -> None:
    bad, good = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    exporter = Reported(Flaky(good, bad, bad, OSError("Mallory"), good, good, bad))
    span = ReadableSpan("x")
    with capture_logs() as lines:
        told = [exporter.export([span]) for _ in range(7)]
    assert told == [good, bad, bad, bad, good, good, bad]
    assert [line["event"] for line in lines] == ["traces.not_sent", "traces.sent_again", "traces.not_sent"]


class Stuck(SpanExporter):
    """Does not come back before it is told to."""

    def __init__(self) -> None:
        self.given_up = threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        self.given_up.wait()
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.given_up.set()


async def test_a_collector_that_never_answers_is_not_waited_for(monkeypatch: Any) -> None:
    monkeypatch.setattr("frontdesk.otlp.CLOSE_WITHIN_S", 0.01)
    stuck = Stuck()
    sender = SpanSender("bridge-1", exporter=stuck)
    CallTracing(sender.send).answered(answered())
    async with asyncio.timeout(30):
        await sender.close()
    assert stuck.given_up.is_set()


async def test_nobody_listening_costs_the_spans_and_nothing_else() -> None:
    async with Collector().listening() as collector:
        gone = collector.url
    sender = SpanSender("bridge-1", gone)
    with capture_logs() as lines:
        for n in range(10_000):
            sender.send(CallSid(f"CA{n}"), Span(name="turn", key="turn:1", parent="call", began_at=ZERO, ended_at=ZERO))
        async with asyncio.timeout(30):
            await sender.close()
    assert [line["event"] for line in lines] in ([], ["traces.not_sent"]), "at most one line, whatever could be tried by then"


class Broken:
    """An onlooker with a defect."""

    def event(self, event: CallEvent) -> None:
        raise RuntimeError("Mallory")

    def stream_began(self, call_sid: CallSid, owner: str, at: datetime) -> None:
        raise RuntimeError("Mallory")

    def stream_over(self, call_sid: CallSid, at: datetime) -> None:
        raise RuntimeError("Mallory")

    def answered(self, answered: Answered) -> None:
        raise RuntimeError("Mallory")


class Bus:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.published: list[CallEvent] = []

    def publish(self, event: CallEvent) -> None:
        self.published.append(event)


def test_an_onlooker_that_fails_keeps_nobody_from_anything() -> None:
    sent: list[str] = []
    bus = Bus()
    watched = Watched(bus, [Broken(), CallTracing(lambda _, span: sent.append(span.name))])
    with capture_logs() as lines:
        watched.publish(event(1, 0, STARTED))
        watched.stream_began(SID, "bridge-1", at(50))
        watched.stream_over(SID, at(60))
        watched.answered(answered())
    assert (bus.published, sent) == ([event(1, 0, STARTED)], ["connect", "stream", "webhook /incoming-call"])
    assert [(line["event"], line["call_sid"]) for line in lines] == [("watching.failed", SID)] * 4
