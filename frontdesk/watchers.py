"""The onlookers that the settings ask for, made and put in front of the bus."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TextIO

from bridge.metrics import BridgeMetrics
from frontdesk.emf import EmbeddedMetrics, writing
from frontdesk.settings import Settings
from frontdesk.tracing import CallTracing
from frontdesk.watching import Announces, Onlooker, Story, Watched

SERVICE = "bridge"
"""What CloudWatch's dimension ``Service`` says of this process; of the webhooks as functions it says ``webhooks``."""


@asynccontextmanager
async def watched(
    settings: Settings, metrics: BridgeMetrics, bus: Announces, *, out: TextIO | None = None
) -> AsyncIterator[Watched]:
    """The bus, watched while the block runs. Enter it before whatever publishes, so that it hears the last of it too.

    ``out``: where figures for CloudWatch go; stderr, beside the log.
    """
    onlookers: list[Onlooker] = [Story()] if settings.watch.story else []
    async with AsyncExitStack() as stack:
        if settings.watch.emf_interval_s is not None:
            namespace = settings.watch.emf_namespace
            figures = EmbeddedMetrics(metrics.registry, service=SERVICE, task=settings.bridge.owner, namespace=namespace)
            await stack.enter_async_context(writing(figures, out or sys.stderr, settings.watch.emf_interval_s))
            onlookers.append(figures)
        if settings.watch.traces:
            onlookers.append(_tracing(stack, settings))
        yield Watched(bus, onlookers)


def _tracing(stack: AsyncExitStack, settings: Settings) -> CallTracing:
    from frontdesk.otlp import SpanSender  # noqa: PLC0415 - an extra, and slow to import

    sender = SpanSender(settings.bridge.owner, settings.watch.traces_endpoint)
    stack.push_async_callback(sender.close)
    return CallTracing(sender.send)
