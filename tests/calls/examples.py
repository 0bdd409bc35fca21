"""Calls and events the tests of this folder are about."""

from datetime import UTC, datetime, timedelta

from calls import events
from calls.events import AnyEvent, CallEvent
from calls.ids import BusinessId, CallSid
from calls.store.base import NewCall

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)

HOSTILE = (
    "plain",
    "שלום, הגעתם למוסך של דנה",
    "👩‍👩‍👧 naïve café",
    "\x1b]52;c;aGk=\x07\x1b[31mred\x1b[0m",
    "\x9b31m and \x00 and \x7f",
    "[/nope] [bold]x[/bold] [@click=app.quit]y[/]",
    "'; DROP TABLE calls; --",
    "\u202eevil\u202c \u2066iso\u2069",
    "a\nb\r\nc\u2028d",
    "ש" * 100_000,
)


def after_ms(ms: int) -> datetime:
    return START + timedelta(milliseconds=ms)


def sid(number: int = 1) -> CallSid:
    return CallSid(f"CA{number:032x}")


def new_call(number: int = 1, *, business: str = "bobs-hvac", from_: str = "+15005550001") -> NewCall:
    return NewCall(call_sid=sid(number), business_id=BusinessId(business), from_=from_, to="+15005550006", channel="pstn")


def event(seq: int, body: AnyEvent | None = None, *, call: int = 1) -> CallEvent:
    return CallEvent(sid(call), seq, after_ms(seq * 10), body or events.Dtmf(digit=str(seq)))


def said(text: str, *, item: str = "item_1", previous: str | None = None) -> events.CallerTranscript:
    return events.CallerTranscript(item_id=item, text=text, previous_item_id=previous)


def answered(
    text: str, *, item: str = "item_2", previous: str | None = None, heard_ms: int = 900, cut: bool = False
) -> events.AgentTranscript:
    return events.AgentTranscript(item_id=item, text=text, heard_ms=heard_ms, interrupted=cut, previous_item_id=previous)


ONE_OF_EACH: tuple[AnyEvent, ...] = (
    events.CallStarted(business_id="bobs-hvac", from_="+15005550001", to="+15005550006", channel="pstn"),
    events.ModelConnected(ms=120, warm=True),
    events.GreetingRequested(mode="live"),
    events.GreetingFirstAudio(latency_ms=420),
    events.GreetingFinished(heard_ms=2100),
    answered("Hi, this is Bob's"),
    said("שלום"),
    events.TurnFirstAudio(latency_ms=700),
    events.BargeInTriggered(rms=900),
    events.BargeInDismissed(),
    events.BargeInCut(
        item_id="item_2", heard_ms=900, reaction_ms=300, speech_ms=9000, triggered_ms=9180, clear_ms=9300, truncate_ms=9301
    ),
    events.BargeInResumed(),
    events.ToolCalled(name="create_lead", arguments='{"name":"Ann"}'),
    events.ToolFinished(name="create_lead", ms=12, ok=True),
    events.LeadCaptured(fields={"name": "Ann", "phone": "+15005550001"}),
    events.AppointmentBooked(
        appointment_id="a1", starts_at="2026-01-02T09:00:00Z", ends_at="2026-01-02T10:00:00Z", summary="Boiler"
    ),
    events.Dtmf(digit="#"),
    events.ClosingStarted(reason="farewell", phrase="no thanks"),
    events.ClosingReopened(),
    events.TransferStarted(to="+15005550010"),
    events.OperatorCommand(operator="ann", action="whisper"),
    events.ModelLost(reason="socket closed"),
    events.ModelResumed(ms=800),
    events.CallResumed(ms=1500),
    events.ErrorHappened(where="twilio", message="odd message"),
    events.CallSummary(summary="Ann's boiler is cold.", outcome={"urgent": True}),
    events.CallEnded(
        reason="farewell", duration_ms=60_000, greeting_latency_ms=420, barge_ins=1, usage={"input_text": 10}, cost_usd=0.05
    ),
)
