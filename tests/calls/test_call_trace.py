"""A call's events, added up to its parts."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calls import events
from calls.call_trace import CallTrace, Span, harmless, trace_of_record
from calls.events import AnyEvent, CallEvent, timestamp
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord

SID = CallSid("CA1")
ZERO = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = events.CallStarted(business_id="bobs-hvac", from_="+15005550001", to="+15005550006", channel="pstn")
TALK: tuple[tuple[int, AnyEvent], ...] = (
    (0, STARTED),
    (60, events.ModelConnected(ms=40, warm=False)),
    (65, events.GreetingRequested(mode="live")),
    (500, events.GreetingFirstAudio(latency_ms=450)),
    (1500, events.GreetingFinished(heard_ms=1000)),
    (3000, events.CallerTranscript(item_id="i1", text="שלום, +15005550001")),
    (3400, events.TurnFirstAudio(latency_ms=400)),
    (3600, events.BargeInTriggered(rms=900)),
    (3720, events.BargeInDismissed()),
    (4000, events.ToolCalled(name="weather", arguments='{"city": "Haifa"}')),
    (4900, events.ToolFinished(name="weather", ms=900, ok=False)),
    (5000, events.ErrorHappened(where="tools", message="+15005550001 said so")),
    (6000, events.ClosingStarted(reason="farewell", phrase="no thanks")),
    (9000, events.CallEnded(reason="farewell", duration_ms=9000, barge_ins=0)),
)


def at(ms: float) -> datetime:
    return ZERO + timedelta(milliseconds=ms)


def numbered(happened: Iterable[tuple[int, AnyEvent]]) -> list[CallEvent]:
    return [CallEvent(SID, seq, at(ms), body) for seq, (ms, body) in enumerate(happened, 1)]


def traced(happened: Iterable[tuple[int, AnyEvent]], *, over_ms: float = 8000) -> list[Span]:
    """The spans of a call whose only stream is accepted after 50 ms."""
    trace, spans = CallTrace(SID), []
    for event in numbered(happened):
        if isinstance(event.body, events.CallEnded):
            spans += trace.stream_over(at(over_ms))
        spans += trace.event(event)
        if isinstance(event.body, events.CallStarted):
            spans += trace.stream_began("bridge-1", at(50))
    return spans


def by_name(spans: Iterable[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


def test_a_call_is_made_of_the_parts_its_events_tell_of() -> None:
    spans = traced(TALK)
    began = {span.name: ((span.began_at - ZERO) / timedelta(milliseconds=1), span.ms, span.parent) for span in spans}
    stream = by_name(spans)["stream"].key
    assert began == {
        "call": (0, 9000, None),
        "connect": (0, 50, "call"),
        "stream": (50, 7950, "call"),
        "model.connect": (20, 40, stream),
        "greeting": (65, 1435, stream),
        "turn": (3000, 400, stream),
        "barge_in": (3600, 120, stream),
        "tool": (4000, 900, stream),
        "closing": (6000, 2000, stream),
        "hang_up": (8000, 1000, "call"),
    }


def test_every_part_of_a_call_has_a_key_of_its_own() -> None:
    spans = traced(
        [*TALK[:-1], (7000, events.TurnFirstAudio(latency_ms=1)), (7000, events.TurnFirstAudio(latency_ms=1)), TALK[-1]]
    )
    assert len({span.key for span in spans}) == len(spans) == 12


def test_nothing_a_person_said_or_is_called_by_is_among_the_facts() -> None:
    told = repr(traced(TALK))
    for secret in ("+15005550001", "שלום", "Haifa", "said so", "no thanks"):
        assert secret not in told
    assert by_name(traced(TALK))["call"].facts["business_id"] == "bobs-hvac"


@pytest.mark.parametrize("text", ["+15005550001", "15005550001", "Dana from Haifa", "דנה", "a\nb", "", "x" * 61, "a123456"])
def test_words_that_may_be_about_a_person_are_left_out(text: str) -> None:
    assert harmless(events.ModelLost(reason=text)) == {}
    assert harmless(events.ModelLost(reason="socket_closed")) == {"reason": "socket_closed"}


def test_what_failed_is_marked_as_such() -> None:
    spans = by_name(traced(TALK))
    assert [name for name, span in spans.items() if not span.ok] == ["tool"]
    assert not by_name(traced([STARTED_AT_ONCE, (10, events.CallEnded(reason="lost", duration_ms=10))]))["call"].ok


STARTED_AT_ONCE = (0, STARTED)


def test_what_takes_no_time_is_noted_where_it_happened() -> None:
    spans = by_name(traced(TALK))
    assert [(note.name, dict(note.facts)) for note in spans["greeting"].notes] == [("greeting.first_audio", {"latency_ms": 450})]
    assert [(note.name, dict(note.facts)) for note in spans["stream"].notes] == [("error", {"where": "tools"})]


def test_a_model_that_was_lost_for_good_failed_and_one_that_came_back_did_not() -> None:
    lost = (100, events.ModelLost(reason="gone"))
    back = (400, events.ModelResumed(ms=300))
    end = (9000, events.CallEnded(reason="model_lost", duration_ms=9000))
    assert not by_name(traced([STARTED_AT_ONCE, lost, end]))["model.lost"].ok
    recovered = by_name(traced([STARTED_AT_ONCE, lost, back, end]))["model.lost"]
    assert (recovered.ok, recovered.ms) == (True, 300)


def test_who_sees_only_the_end_still_knows_the_whole_call() -> None:
    trace = CallTrace(SID)
    [call] = trace.event(CallEvent(SID, 9, at(9000), events.CallEnded(reason="completed", duration_ms=9000)))
    assert (call.key, call.parent, call.began_at, call.ended_at) == ("call", None, ZERO, at(9000))


def test_what_goes_on_when_the_stream_breaks_ends_with_it() -> None:
    trace = CallTrace(SID)
    trace.stream_began("bridge-1", at(0))
    trace.event(CallEvent(SID, 2, at(10), events.GreetingRequested(mode="live")))
    assert [(span.name, span.ms) for span in trace.stream_over(at(30))] == [("greeting", 20), ("stream", 30)]
    assert trace.stream_over(at(40)) == []


def test_a_stream_that_carries_on_for_a_lost_one_is_another_part_of_the_same_call() -> None:
    trace = CallTrace(SID)
    trace.stream_began("bridge-2", at(5000))
    [gap] = trace.event(CallEvent(SID, 9, at(5100), events.CallResumed(ms=2000)))
    assert (gap.name, gap.parent, gap.ms) == ("gap", "call", 2000)
    [stream] = trace.stream_over(at(9000))
    assert (stream.parent, dict(stream.facts)) == ("call", {"owner": "bridge-2"})


def record(**changes: Any) -> CallRecord:
    facts: dict[str, Any] = {"accepted_at": timestamp(at(50)), "released_at": timestamp(at(8000)), **changes}
    return CallRecord(
        call_sid=SID, business_id=BusinessId("bobs-hvac"), from_="", to="", channel="pstn", started_at=timestamp(ZERO), **facts
    )


def test_the_record_of_a_call_has_the_same_parts_as_were_seen_live() -> None:
    def shape(spans: Iterable[Span]) -> list[tuple[str, int]]:
        return sorted((span.name, span.ms) for span in spans)

    assert shape(trace_of_record(record(), numbered(TALK))) == shape(traced(TALK))


def test_a_record_of_two_streams_has_two_parts_for_them() -> None:
    again = [*TALK[:-2], (7500, events.CallResumed(ms=2500)), (7900, events.TurnFirstAudio(latency_ms=200)), TALK[-1]]
    spans = trace_of_record(record(), numbered(again))
    assert [(span.name, span.ms) for span in spans if span.name in ("stream", "gap")] == [
        ("stream", 4950), ("gap", 2500), ("stream", 500),
    ]  # fmt: skip


def test_a_call_that_never_reached_a_bridge_is_one_part() -> None:
    happened = numbered([STARTED_AT_ONCE, (700, events.CallEnded(reason="blocked", duration_ms=700))])
    assert [span.name for span in trace_of_record(record(accepted_at=None, released_at=None), happened)] == ["call"]


def test_a_call_that_goes_on_has_the_parts_that_are_over() -> None:
    spans = trace_of_record(record(released_at=None), numbered(TALK[:5]))
    assert [span.name for span in spans] == ["connect", "model.connect", "greeting"]
