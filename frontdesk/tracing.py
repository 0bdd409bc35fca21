"""One trace a call, made of its events as this process records them; where it goes to is the business of :mod:`frontdesk.otlp`."""

from collections.abc import Callable
from datetime import datetime, timedelta

from calls.call_trace import ROOT, CallTrace, Span
from calls.events import CallEnded, CallEvent, CallSummary
from calls.ids import CallSid
from webhooks.context import Answered

MAX_CALLS = 10_000
"""Calls that are kept in mind; the oldest is forgotten for one more, for example when its end is told to another process."""

Send = Callable[[CallSid, Span], None]
"""Takes a span that is over. Must neither wait nor fail; called from worker threads too."""


class CallTracing:
    """Adds up what it is told to spans, and hands them over as they are over."""

    def __init__(self, send: Send, *, max_calls: int = MAX_CALLS) -> None:
        self._send = send
        self._max_calls = max_calls
        self._traces: dict[CallSid, CallTrace] = {}

    @property
    def calls_in_mind(self) -> int:
        """How many calls have a trace that is not finished."""
        return len(self._traces)

    def event(self, event: CallEvent) -> None:
        """See :class:`frontdesk.watching.Onlooker`."""
        if isinstance(event.body, CallSummary):  # it comes when the trace is finished
            return
        self._hand_over(event.call_sid, self._trace(event.call_sid).event(event))
        if isinstance(event.body, CallEnded):
            self._traces.pop(event.call_sid, None)

    def stream_began(self, call_sid: CallSid, owner: str, at: datetime) -> None:
        """See :class:`frontdesk.watching.Onlooker`."""
        self._hand_over(call_sid, self._trace(call_sid).stream_began(owner, at))

    def stream_over(self, call_sid: CallSid, at: datetime) -> None:
        """See :class:`frontdesk.watching.Onlooker`."""
        self._hand_over(call_sid, self._trace(call_sid).stream_over(at))

    def answered(self, answered: Answered) -> None:
        """See :class:`frontdesk.watching.Onlooker`. A request that is about no call has no trace."""
        if answered.call_sid is not None:
            self._send(answered.call_sid, span_of(answered))

    def _trace(self, call_sid: CallSid) -> CallTrace:
        trace = self._traces.get(call_sid)
        if trace is None:
            while len(self._traces) >= self._max_calls:
                del self._traces[next(iter(self._traces))]
            trace = self._traces[call_sid] = CallTrace(call_sid)
        return trace

    def _hand_over(self, call_sid: CallSid, spans: list[Span]) -> None:
        for span in spans:
            self._send(call_sid, span)


def span_of(answered: Answered) -> Span:
    """A webhook request as a part of its call."""
    facts: dict[str, str | int | float | bool] = {"path": answered.path, "status": answered.status}
    facts |= {name: fact for name, fact in answered.facts.items() if name in ("business_id", "refused", "failed")}
    return Span(
        name=f"webhook {answered.path}",
        key=f"webhook:{answered.path}:{answered.began_at.timestamp():.6f}",
        parent=ROOT,
        began_at=answered.began_at,
        ended_at=answered.began_at + timedelta(milliseconds=answered.ms),
        facts=facts,
        ok="failed" not in answered.facts and answered.status < 500,
    )
