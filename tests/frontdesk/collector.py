"""An OpenTelemetry collector: takes spans over HTTP as any does (*OTLP Specification*, OTLP/HTTP), and keeps them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan


class Collector:
    """What has arrived. ``status``: what it answers with."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.requests = 0
        self.spans: list[WireSpan] = []
        self.services: list[dict[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        """``POST /v1/traces``."""
        assert request.content_type == "application/x-protobuf"
        self.requests += 1
        if self.status != 200:
            return web.Response(status=self.status)
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            self.services.append({one.key: one.value.string_value for one in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Collector"]:
        """Takes spans while the block runs."""
        app = web.Application()
        app.router.add_post("/v1/traces", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()


def facts_of(span: WireSpan) -> dict[str, str | int | float | bool]:
    """The attributes of a span, without ``frontdesk.``."""
    facts: dict[str, str | int | float | bool] = {}
    for one in span.attributes:
        kind = one.value.WhichOneof("value")
        facts[one.key.removeprefix("frontdesk.")] = getattr(one.value, kind or "string_value")
    return facts


def tree_of(spans: list[WireSpan]) -> dict[str, set[str]]:
    """For each name the names of those it is directly within; ``""`` for the root."""
    names = {span.span_id: span.name for span in spans}
    tree: dict[str, set[str]] = {}
    for span in spans:
        tree.setdefault(names.get(span.parent_span_id, "" if not span.parent_span_id else "?"), set()).add(span.name)
    return tree
