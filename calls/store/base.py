"""Where calls are kept: the one interface every store has.

Writers take turns (see ``docs/design.md``): ``/incoming-call`` opens the call and writes ``call.started`` (seq 1); from the
accepted stream to the stored disposition the owning bridge alone appends; afterwards the webhooks append, each time on the
last seq.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from calls.address import Channel
from calls.admission import Admission
from calls.events import AnyEvent, CallEvent, CallSummary, Usage
from calls.ids import BusinessId, CallSid
from calls.outbound import Direction
from calls.record import CallRecord, Disposition, Message
from calls.stream_token import StreamToken

RESUMES = 3
"""How often a call is given a further stream."""


class StoreError(Exception):
    """The store could not do what it was asked to."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or opened. ``str()`` says which and why."""


class SequenceConflict(StoreError):
    """Another writer has appended to the call in between; ``last_seq`` is where the record stands now."""

    def __init__(self, call_sid: CallSid, last_seq: int) -> None:
        self.call_sid, self.last_seq = call_sid, last_seq
        super().__init__(f"{call_sid}: another writer has appended; the record stands at {last_seq}")


class NewCall(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/incoming-call`` knows about a call."""

    call_sid: CallSid
    business_id: BusinessId
    from_: str
    """The person on the line, whoever called whom."""
    to: str
    """The business's address."""
    channel: Channel
    direction: Direction = "inbound"
    admission: Admission | None = None
    """On what terms it reaches the AI; without any, it does."""


class OpenedCall(msgspec.Struct, frozen=True, kw_only=True):
    """The call's record and the token of its stream."""

    record: CallRecord
    token: StreamToken
    event: CallEvent | None
    """``call.started`` if this request opened the call, ``None`` for a repeated one."""

    @property
    def refusal(self) -> str | None:
        """Why the call does not reach the AI (:data:`calls.admission.Refusal`); ``None`` if it does."""
        disposition = self.record.disposition
        return disposition.reason if disposition is not None and self.record.accepted_at is None else None


class CallStore(Protocol):
    """Records and events of calls. Methods raise :class:`StoreError` and nothing else."""

    async def open(self) -> None:
        """Connects, and makes what is missing."""

    async def close(self) -> None:
        """Writes out and lets go."""

    async def check(self) -> None:
        """Returns if the store answers; raises :class:`StoreUnavailable` otherwise."""

    async def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """Opens the call, or finds it open: a webhook that Twilio repeats gets the same token while that token is good
        and unused, and a fresh one (same attempt, later time) once it has run out unused. Whether a new call is admitted
        is decided in the same step; one that is not has its disposition at once, and keeps it."""

    async def claim_stream(self, token: StreamToken, owner: str, at: datetime) -> CallRecord:
        """Marks the token used and the call owned, in one step. After it ``owner`` alone appends.

        Raises:
            TokenRefused: ``replayed`` if the token was used before, ``unknown_call`` if there is no such call or it has ended.
        """

    async def append(self, events: Sequence[CallEvent], owner: str | None = None) -> None:
        """Stores events of any number of calls: of each call in order, and all or none as far as one transaction of the store goes.
        Each must follow the last of its call. ``owner``: the bridge that writes; it may not once another one owns the call.
        Where an answer can get lost on its way, a batch may be appended again: events that are there already are then in no conflict.

        Raises:
            SequenceConflict: somebody else has written, or may.
        """

    async def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """Appends one event behind whatever is last, by conditional write. ``None`` if the call is unknown or has ended."""

    async def set_disposition(self, call_sid: CallSid, disposition: Disposition, owner: str | None = None) -> None:
        """Commits what becomes of the caller; readable by everybody once it returns. ``owner``: the bridge that decides; raises
        :class:`StoreError` if the call is not its any more."""

    async def release_stream(
        self, call_sid: CallSid, owner: str, usage: Usage, at: datetime, cost_usd: float | None = None
    ) -> None:
        """The owner's last word: the record is complete as far as the bridge goes. ``cost_usd``: what ``usage`` cost, if known.
        From an owner whose stream was given to another meanwhile only these are taken, once."""

    async def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """Notes that ``/stream-ended`` was asked, and returns the record, read consistently."""

    async def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """Appends ``call.ended`` once, with what the record adds up to. ``None`` if it had ended before or is unknown.
        ``duration_ms`` counts from ``call.started`` when not given."""

    async def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """A further stream for a live call: its disposition is taken back, its owner has lost it, and it gets a token of its own. A
        webhook that Twilio repeats gets the same one. ``None`` if the call is unknown, has ended, or has been resumed ``RESUMES``
        times. ``after``: the attempt whose stream is over, if that is known: when a bridge has taken a later one since, the answer is
        the token of that, and nothing changes."""

    async def note_message(self, call_sid: CallSid, message: Message) -> None:
        """Puts a message the caller left on the record, or what became of it since. Nothing for an unknown call."""

    async def note_recording(self, call_sid: CallSid, where: str) -> None:
        """Puts on the record where the call's audio is kept. Nothing for an unknown call."""

    async def note_summary(self, call_sid: CallSid, summary: CallSummary, at: datetime) -> CallEvent | None:
        """Appends ``call.summary``, to a call that has ended, too. ``None`` if the call is unknown or a bridge owns it: then that
        bridge alone appends, and the end of its stream brings another summary."""

    async def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """One record."""

    async def list_calls(self, *, limit: int = 50, business_id: BusinessId | None = None, live: bool = False) -> list[CallRecord]:
        """The newest records first; ``live``: only those not ended."""

    async def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """The events of a call with a seq above ``after``, in order."""
