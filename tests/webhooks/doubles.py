"""What the handlers are given in these tests: two businesses, a ledger in memory, a clock that stands still."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from xml.etree import ElementTree

import msgspec
from twilio.twiml.voice_response import VoiceResponse

from calls.address import channel_of
from calls.business import BusinessProfile, Escalation, Fallback
from calls.events import AnyEvent, CallEnded, CallEvent, CallStarted, timestamp
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord, Disposition, Message
from calls.store.base import NewCall, OpenedCall, StoreUnavailable
from calls.stream_token import LIFETIME_S, StreamToken
from webhooks.context import Answered, Context
from webhooks.log import Level

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SID = CallSid("CA" + "0123456789abcdef" * 2)
SECRET = "stream-secret"
AUTH_TOKEN = "twilio-auth-token"
PUBLIC_URL = "https://phone.example"

BOB = BusinessProfile(
    id="bobs-hvac",
    name="Bob's HVAC",
    numbers=("+15005550006", "whatsapp:+15005550006", "sip:bob@hvac.example", "client:bobs-hvac"),
    language="en",
    voice="alloy",
    instructions="Answer.",
    escalation=Escalation(to="+15005550010", timeout_s=20),
    fallback=Fallback(mode="dial", text="One moment, I'm connecting you."),
)
DANA = BusinessProfile(
    id="dana-garage",
    name="המוסך של דנה",
    numbers=("+97235550006",),
    language="he",
    voice="marin",
    instructions="עני.",
    fallback=Fallback(mode="voicemail"),
)


class Directory:
    """The businesses, found by the very address of their file."""

    def __init__(self, *profiles: BusinessProfile) -> None:
        self._profiles = profiles

    def find(self, address: str) -> BusinessProfile | None:
        return next((profile for profile in self._profiles if address in profile.numbers), None)

    def get(self, business_id: BusinessId) -> BusinessProfile | None:
        return next((profile for profile in self._profiles if profile.id == business_id), None)


@dataclass
class MemoryLedger:
    """The webhooks' part of a call store, in a dict."""

    records: dict[CallSid, CallRecord] = field(default_factory=dict)
    tokens: dict[CallSid, StreamToken] = field(default_factory=dict)
    written: list[CallEvent] = field(default_factory=list)
    live: int = 0
    """Calls of the business that hold a line besides those here."""
    cost_usd: float = 0.0
    resumes_left: int = 3

    def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        record, event = self.records.get(call.call_sid), None
        if record is None:
            names = ("business_id", "from_", "to", "channel", "direction")
            body = CallStarted(**{name: getattr(call, name) for name in names})
            event = CallEvent(call.call_sid, 1, at, body)
            self.written.append(event)
            fields = {name: getattr(call, name) for name in call.__struct_fields__ if name != "admission"}
            refusal = call.admission.decide(self.live, self.cost_usd) if call.admission is not None else None
            disposition = call.admission.refused(refusal) if call.admission is not None and refusal is not None else None
            record = CallRecord(**fields, started_at=timestamp(at), last_seq=1, disposition=disposition)
            self.records[call.call_sid] = record
        token = self.tokens.get(call.call_sid)
        if token is None or at.timestamp() - token.issued_at_s > LIFETIME_S:
            token = StreamToken(call_sid=call.call_sid, business_id=call.business_id, issued_at_s=int(at.timestamp()), attempt=1)
            self.tokens[call.call_sid] = token
        return OpenedCall(record=record, token=token, event=event)

    def get_call(self, call_sid: CallSid) -> CallRecord | None:
        return self.records.get(call_sid)

    def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        return self.change(call_sid, action_requested_at=timestamp(at)) if call_sid in self.records else None

    def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        return self.append_next(call_sid, CallEnded(reason=reason, duration_ms=duration_ms or 0), at)

    def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        record = self.records.get(call_sid)
        if record is None or record.ended:
            return None
        event = CallEvent(call_sid, record.last_seq + 1, at, body)
        self.records[call_sid] = record.after(event)
        self.written.append(event)
        return event

    def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        return [event for event in self.written if event.call_sid == call_sid and event.seq > after]

    def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        record = self.records.get(call_sid)
        if record is not None and after is not None and after < self.tokens[call_sid].attempt:
            return OpenedCall(record=record, token=self.tokens[call_sid], event=None)
        if record is None or record.ended or not self.resumes_left:
            return None
        self.resumes_left -= 1
        attempt = self.tokens[call_sid].attempt + 1
        self.tokens[call_sid] = StreamToken(
            call_sid=call_sid, business_id=record.business_id, issued_at_s=int(at.timestamp()), attempt=attempt
        )
        record = self.change(call_sid, disposition=None, owner=None, released_at=None, resumed=why)
        return OpenedCall(record=record, token=self.tokens[call_sid], event=None)

    def set_disposition(self, call_sid: CallSid, disposition: Disposition) -> None:
        self.change(call_sid, disposition=disposition)

    def note_message(self, call_sid: CallSid, message: Message) -> None:
        if call_sid in self.records:
            self.records[call_sid] = self.records[call_sid].with_message(message)

    def change(self, call_sid: CallSid, **changes: Any) -> CallRecord:
        self.records[call_sid] = msgspec.structs.replace(self.records[call_sid], **changes)
        return self.records[call_sid]

    def kinds(self) -> list[str]:
        return [event.kind for event in self.written]


class BrokenLedger:
    """A store that is down, or worse: every method raises ``error``."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error or StoreUnavailable("the call store is gone")

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


@dataclass
class Desk:
    """A context with everything it was made of at hand."""

    ledger: Any = field(default_factory=MemoryLedger)
    profiles: Iterable[BusinessProfile] = (BOB, DANA)
    public_url: str = PUBLIC_URL
    now: datetime = NOW
    lines: list[tuple[Level, str, dict[str, object]]] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    over: list[tuple[CallSid, str, int | None]] = field(default_factory=list)
    nobody_accepts: bool = False

    @property
    def context(self) -> Context:
        return Context(
            public_url=self.public_url,
            stream_url="wss://bridge.example",
            stream_token_secret=SECRET,
            businesses=Directory(*self.profiles),
            calls=self.ledger,
            now=lambda: self.now,
            log=lambda level, event, /, **fields: self.lines.append((level, event, fields)),
            answered=self.answered.append,
            call_over=lambda *told: self.over.append(told),
            nobody_accepts=lambda: self.nobody_accepts,
        )

    def opened(self, *, from_: str = "+15005550001", profile: BusinessProfile = BOB, **changes: Any) -> CallRecord:
        """A call that ``/incoming-call`` has seen, and what has become of it since."""
        self.ledger.open_call(
            NewCall(call_sid=SID, business_id=profile.business_id, from_=from_, to=profile.numbers[0], channel=channel_of(from_)),
            NOW,
        )
        record: CallRecord = self.ledger.change(SID, **changes)
        return record

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def log_text(self) -> str:
        return repr(self.lines)


def call(**params: str) -> dict[str, Any]:
    """The event of a webhook about a call to Bob; parameters override its own."""
    return {
        "CallSid": SID,
        "From": "+15005550001",
        "To": "+15005550006",
        "CallStatus": "in-progress",
        "FromZip": "",
        "request": {"headers": {}, "cookies": {}},
        **params,
    }


def disposed(action: Any, **fields: Any) -> Disposition:
    return Disposition(action=action, reason="farewell", **fields)


def tree(answer: object) -> ElementTree.Element:
    """The parsed document of a TwiML answer."""
    assert isinstance(answer, VoiceResponse)
    root = ElementTree.fromstring(str(answer).encode())
    assert root.tag == "Response"
    return root


def verbs(answer: object) -> list[str]:
    return [element.tag for element in tree(answer)]


def said(answer: object) -> str:
    return " ".join(element.text or "" for element in tree(answer).iter("Say"))
