"""What the shell tells the core. Each input is handed over together with the time it happened at."""

from collections.abc import Mapping, Sequence

import msgspec

from bridge.conversation.agent_voice import SpokenLine
from bridge.conversation.resumption import Resumed
from calls.business import BusinessProfile
from calls.events import AnyEvent
from calls.operator import Command
from calls.rate import Rate
from calls.record import CallRecord


class Input(msgspec.Struct, frozen=True):
    """Something that happened. What happens many times a second is no concern of the garbage collector's (``gc=False``): it holds text."""


class TwilioFrame(Input, frozen=True, gc=False):
    """A message arrived on the media WebSocket: text, or ``bytes`` for a binary frame."""

    frame: str | bytes


class TwilioFrames(Input, frozen=True):
    """Several messages arrived on the media WebSocket in one go: the same as each by itself, one after the other, at the same
    moment."""

    frames: Sequence[str | bytes]


class TwilioClosed(Input, frozen=True):
    """The media WebSocket is gone, however that came about."""


class StreamAccepted(Input, frozen=True):
    """The stream's token holds, and this bridge owns the call from here on. ``lines``: what the bridge can say by itself, in the
    business's language (``bridge.spoken_lines``)."""

    record: CallRecord
    profile: BusinessProfile
    lines: Mapping[str, SpokenLine]
    resumed: Resumed | None = None
    """Set if this is not the call's first stream."""
    rate: Rate | None = None
    """What the call is billed at; ``None``: nothing has a price."""
    greeting: SpokenLine | None = None
    """The recording of the call's greeting; ``None``: the model is to speak it."""
    chance: float = 0.0
    """Between 0 and 1, another one for each call: spreads what many calls would do at the same moment."""


class StreamRefused(Input, frozen=True):
    """The stream's token does not hold. ``reason`` as in ``calls.stream_token.TokenRefused``, or ``store_unavailable``."""

    reason: str


class ModelOpened(Input, frozen=True):
    """The model's socket is open. ``connect_ms``: how long that took; ``warm``: it was opened before the call, ``age_ms`` ago.
    ``session``: as in ``OpenModel``; the first session, which the shell opens unasked, is 0."""

    connect_ms: float
    warm: bool = False
    age_ms: float = 0.0
    session: int = 0


class ModelFrame(Input, frozen=True, gc=False):
    """An event of the Realtime API arrived in a session."""

    frame: str | bytes
    session: int = 0


class ModelClosed(Input, frozen=True):
    """A session's socket is gone or could not be opened. ``reason`` may be shown to an operator. ``hopeless``: another one would
    not be had either."""

    reason: str
    session: int = 0
    hopeless: bool = False


class ToolFinished(Input, frozen=True):
    """A tool has answered. ``output``: text for the model, JSON or not; with ``ok`` false, what went wrong. ``events``: what it did,
    for the record."""

    call_id: str
    output: str
    ok: bool
    events: tuple[AnyEvent, ...] = ()


class DispositionStored(Input, frozen=True):
    """What becomes of the caller is committed, or, with ``ok`` false, could not be within its time."""

    ok: bool


class CallCompleted(Input, frozen=True):
    """Twilio's REST API has completed the call, or, with ``ok`` false, has not."""

    ok: bool


class CallOver(Input, frozen=True):
    """Twilio reports a terminal call status, whatever the media WebSocket still does."""

    status: str


class OperatorActs(Input, frozen=True):
    """An operator steps in; answered with ``Answer`` in the same step."""

    operator: str
    command: Command


class Watched(Input, frozen=True):
    """Whether anybody watches: what sounds on the line is told only then."""

    on: bool


class Looked(Input, frozen=True):
    """Somebody who watches is about to look: what was heard of the caller and is told late is told now."""


class Draining(Input, frozen=True):
    """The process must go: leave the stream without a disposition, so that ``/stream-ended`` decides."""


class Tick(Input, frozen=True):
    """Nothing but time has passed: the moment asked for with ``wake_at_ms`` has come."""


AnyInput = (
    TwilioFrame
    | TwilioFrames
    | TwilioClosed
    | StreamAccepted
    | StreamRefused
    | ModelOpened
    | ModelFrame
    | ModelClosed
    | ToolFinished
    | DispositionStored
    | CallCompleted
    | CallOver
    | OperatorActs
    | Watched
    | Looked
    | Draining
    | Tick
)
