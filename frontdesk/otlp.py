"""Spans on their way to an OpenTelemetry collector: OTLP over HTTP, in batches, from a thread of their own.

Trace and span ids are derived from the CallSid and from what a span is, so that processes which know nothing of each other put
their spans into one trace. Nothing of a call waits for it: what cannot be sent within the exporter's time, or does not fit into the
queue, is gone, and the log says so once until it works again.

Needs the ``otel`` extra.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from threading import Thread

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from calls.call_trace import ROOT, Span
from calls.ids import CallSid

QUEUED_SPANS = 4096
BATCH_SPANS = 128
EVERY_MS = 1000
CLOSE_WITHIN_S = 2.0
"""How long what is left may take at the end."""

_SCOPE = InstrumentationScope("frontdesk")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

log = structlog.get_logger()


def trace_id_of(call_sid: CallSid) -> int:
    """The trace of a call: the first 16 bytes of the CallSid's SHA-256."""
    return int.from_bytes(sha256(call_sid.encode()).digest()[:16])


def span_id_of(call_sid: CallSid, key: str) -> int:
    """The span that ``key`` names within the call: the first 8 bytes of the SHA-256 of ``CallSid/key``."""
    return int.from_bytes(sha256(f"{call_sid}/{key}".encode()).digest()[:8])


class SpanSender:
    """Sends spans to ``endpoint``, the URL of a collector without ``/v1/traces``; ``None``: where the OTEL_* variables say."""

    def __init__(self, owner: str, endpoint: str | None = None, *, exporter: SpanExporter | None = None) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would tell of every batch
        traces = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
        self._exporter = exporter if exporter is not None else OTLPSpanExporter(endpoint=traces)
        self._resource = _resource(owner)
        self._processor = BatchSpanProcessor(
            Reported(self._exporter),
            max_queue_size=QUEUED_SPANS,
            max_export_batch_size=BATCH_SPANS,
            schedule_delay_millis=EVERY_MS,
        )

    def send(self, call_sid: CallSid, span: Span) -> None:
        """Takes a span. Never waits and never fails."""
        self._processor.on_end(self._readable(call_sid, span))

    async def close(self) -> None:
        """Sends what is left, within ``CLOSE_WITHIN_S``."""
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        last = Thread(target=self._processor.shutdown, name="traces-last", daemon=True)
        last.start()
        last.join(CLOSE_WITHIN_S)
        if last.is_alive():
            self._exporter.shutdown()  # ends its tries

    def _readable(self, call_sid: CallSid, span: Span) -> ReadableSpan:
        facts = {f"frontdesk.{name}": fact for name, fact in span.facts.items()}
        return ReadableSpan(
            name=span.name,
            context=_context(call_sid, span.key),
            parent=_context(call_sid, span.parent) if span.parent is not None else None,
            resource=self._resource,
            attributes={**facts, "frontdesk.call_sid": call_sid},
            events=[Event(n.name, {f"frontdesk.{k}": v for k, v in n.facts.items()}, _ns(n.at)) for n in span.notes],
            kind=SpanKind.SERVER if span.key == ROOT or span.key.startswith("webhook:") else SpanKind.INTERNAL,
            status=Status(StatusCode.UNSET if span.ok else StatusCode.ERROR),
            start_time=_ns(span.began_at),
            end_time=_ns(span.ended_at),
            instrumentation_scope=_SCOPE,
        )


class Reported(SpanExporter):
    """An exporter whose failing, and whose working again, the log tells once each."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._is_well = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See ``SpanExporter``. Never raises."""
        try:
            result, why = self._inner.export(spans), "the collector is away, or refuses them"
        except Exception as error:
            result, why = SpanExportResult.FAILURE, type(error).__name__
        is_well = result is SpanExportResult.SUCCESS
        if is_well and not self._is_well:
            log.info("traces.sent_again")
        elif not is_well and self._is_well:
            log.warning("traces.not_sent", why=why, spans=len(spans))
        self._is_well = is_well
        return result

    def shutdown(self) -> None:
        """See ``SpanExporter``."""
        self._inner.shutdown()


def _resource(owner: str) -> Resource:
    """What the spans are of. ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` are honoured."""
    resource = Resource.create({"service.instance.id": owner})
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "frontdesk"}))
    return resource


def _context(call_sid: CallSid, key: str) -> SpanContext:
    return SpanContext(trace_id_of(call_sid), span_id_of(call_sid, key), is_remote=False, trace_flags=_SAMPLED)


def _ns(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000
