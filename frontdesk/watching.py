"""Those of this process who want to know how its calls go: the log, the traces, CloudWatch.

They are told what this process puts on the record, on its way to the bus, so that in a deployment of many processes everything is
told once. What they do must take microseconds: the audio waits for it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from calls import events
from calls.call_trace import harmless
from calls.events import CallEvent
from calls.ids import CallSid
from frontdesk.logs import LEVELS
from webhooks.context import Answered
from webhooks.log import Level

log = structlog.get_logger()

MILESTONES = (
    events.CallStarted,
    events.ModelConnected,
    events.GreetingFirstAudio,
    events.ToolFinished,
    events.ClosingStarted,
    events.ClosingReopened,
    events.TransferStarted,
    events.OperatorCommand,
    events.ModelLost,
    events.ModelResumed,
    events.CallResumed,
    events.ErrorHappened,
    events.CallEnded,
)
"""The events that the log tells; the others it tells at its level ``debug`` only."""


class Announces(Protocol):
    """A bus."""

    def publish(self, event: CallEvent) -> None:
        """Takes the event; never waits and never fails."""


class Onlooker(Protocol):
    """Somebody who wants to know. Nothing of it may wait."""

    def event(self, event: CallEvent) -> None:
        """It is on the record, or about to be."""

    def stream_began(self, call_sid: CallSid, owner: str, at: datetime) -> None:
        """This process has accepted a stream."""

    def stream_over(self, call_sid: CallSid, at: datetime) -> None:
        """The stream is over."""

    def answered(self, answered: Answered) -> None:
        """A webhook was answered. Told in a worker thread."""


class Watched:
    """A bus in front of which onlookers are told. One that fails is logged, and the others never notice."""

    def __init__(self, bus: Announces, onlookers: Sequence[Onlooker]) -> None:
        self._bus = bus
        self._onlookers = tuple(onlookers)

    def publish(self, event: CallEvent) -> None:
        """Tells the onlookers, then the bus."""
        for onlooker in self._onlookers:
            try:
                onlooker.event(event)
            except Exception:
                log.exception("watching.failed", call_sid=event.call_sid, onlooker=type(onlooker).__name__)
        self._bus.publish(event)

    def stream_began(self, call_sid: CallSid, owner: str, at: datetime) -> None:
        """See :class:`Onlooker`."""
        for onlooker in self._onlookers:
            try:
                onlooker.stream_began(call_sid, owner, at)
            except Exception:
                log.exception("watching.failed", call_sid=call_sid, onlooker=type(onlooker).__name__)

    def stream_over(self, call_sid: CallSid, at: datetime) -> None:
        """See :class:`Onlooker`."""
        for onlooker in self._onlookers:
            try:
                onlooker.stream_over(call_sid, at)
            except Exception:
                log.exception("watching.failed", call_sid=call_sid, onlooker=type(onlooker).__name__)

    def answered(self, answered: Answered) -> None:
        """See :class:`Onlooker`."""
        for onlooker in self._onlookers:
            try:
                onlooker.answered(answered)
            except Exception:
                log.exception("watching.failed", call_sid=answered.call_sid, onlooker=type(onlooker).__name__)


class Story:
    """Tells the log what happens in a call: milestones, with figures and without words."""

    def event(self, event: CallEvent) -> None:
        """See :class:`Onlooker`."""
        tell = log.info if isinstance(event.body, MILESTONES) else log.debug
        tell(
            f"call.{event.kind}" if "." not in event.kind else event.kind,
            call_sid=event.call_sid,
            seq=event.seq,
            **harmless(event.body),
        )

    def stream_began(self, call_sid: CallSid, owner: str, at: datetime) -> None:  # noqa: ARG002
        """See :class:`Onlooker`."""
        log.info("stream.accepted", call_sid=call_sid, owner=owner)

    def stream_over(self, call_sid: CallSid, at: datetime) -> None:  # noqa: ARG002
        """See :class:`Onlooker`."""
        log.info("stream.over", call_sid=call_sid)

    def answered(self, answered: Answered) -> None:
        """See :class:`Onlooker`. Of a request that was refused the log has already said why."""
        if answered.status < 400:
            log.info("webhook.answered", path=answered.path, status=answered.status, ms=answered.ms)


def log_of_webhooks(level: Level, event: str, /, **fields: object) -> None:
    """Has the lines of the webhooks go the way of all others."""
    log.log(LEVELS[level], event, **fields)
