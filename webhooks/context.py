"""What a handler is given besides the request: settings and services, the ``context`` of a Twilio Function.

Everything in it is synchronous, so that the same handlers run in a Lambda function and in a worker thread beside the bridge.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from calls.business import BusinessProfile
from calls.events import AnyEvent, CallEvent
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord, Disposition, Message
from calls.store.base import NewCall, OpenedCall
from webhooks.log import Log, write


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A webhook request that was answered."""

    path: str
    status: int
    began_at: datetime
    ms: float
    call_sid: CallSid | None
    facts: Mapping[str, str]
    """What became known of it: the business, why a caller was turned away (``refused``), what went wrong (``failed``)."""


class Businesses(Protocol):
    """The businesses whose phones are answered."""

    def find(self, address: str) -> BusinessProfile | None:
        """The business that ``address`` reaches: E.164, ``whatsapp:``, ``sip:`` or ``client:``."""

    def get(self, business_id: BusinessId) -> BusinessProfile | None:
        """The business of that id."""


class CallLedger(Protocol):
    """What the webhooks need of :class:`calls.store.base.CallStore`, without ``await``. Raises ``StoreError``."""

    def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """Opens the call, or finds it open."""

    def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """One record."""

    def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """Notes that ``/stream-ended`` was asked, and returns the record, read consistently."""

    def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """Appends ``call.ended`` once."""

    def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """Appends one event behind whatever is last."""

    def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """The events of a call that are behind one."""

    def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """A further stream for a live call, in place of that of attempt ``after``; ``None`` if there is to be none."""

    def set_disposition(self, call_sid: CallSid, disposition: Disposition) -> None:
        """Commits what becomes of the caller."""

    def note_message(self, call_sid: CallSid, message: Message) -> None:
        """Puts a message the caller left on the record, or what became of it since."""


NobodyAccepts = Callable[[], bool]
"""Whether no bridge would take a new stream: all of them are full, or going. ``False`` where that is not known."""

RunningCost = Callable[[BusinessId], float]
"""What the calls of a business that are going on have cost so far, as far as this process knows; US dollars."""

CallOver = Callable[[CallSid, str, int | None], None]
"""Told that Twilio reports a call as over while a bridge still owns it: call, ``CallStatus``, duration in ms."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nobody_to_tell(call_sid: CallSid, status: str, duration_ms: int | None) -> None:
    """The bridge that owns the call is another process; it hears of the end from its own socket."""


def log_answered(answered: Answered) -> None:
    """A line of the log for a request that was answered; of one that was refused the log has already said why."""
    if answered.status < 400:
        write("info", "webhook.answered", path=answered.path, status=answered.status, ms=answered.ms)


def _somebody_may() -> bool:
    """Nothing is known of the bridges."""
    return False


def _no_calls_here(_: BusinessId) -> float:
    """The bridges are other processes; what their calls cost is known once they are over."""
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Settings and services of the handlers."""

    public_url: str
    """The https origin Twilio sees, with a path if the webhooks are served below one."""
    stream_url: str
    """The wss origin of the bridge, likewise."""
    stream_token_secret: str = field(repr=False)
    businesses: Businesses
    calls: CallLedger
    now: Callable[[], datetime] = _utc_now
    """The time, aware."""
    log: Log = write
    answered: Callable[[Answered], None] = log_answered
    """Told of every request that has been answered, while the log still knows what it was about."""
    call_over: CallOver = _nobody_to_tell
    running_cost_usd: RunningCost = _no_calls_here
    nobody_accepts: NobodyAccepts = _somebody_may

    def webhook_url(self, path: str) -> str:
        """The absolute URL of one of our webhooks. Relative ones have no base in a call that was started with inline TwiML."""
        return self.public_url.rstrip("/") + path

    def media_url(self, business_id: BusinessId) -> str:
        """Where Twilio opens the media stream. It has no query: Twilio drops it (*TwiML Voice: Stream*)."""
        return f"{self.stream_url.rstrip('/')}/media-stream/{business_id}"
