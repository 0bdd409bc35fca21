"""What the core asks the shell to do. The shell does these in the order given and decides nothing."""

from collections.abc import Sequence
from typing import Any

import msgspec

from calls.events import AnyEvent, Usage
from calls.ids import CallSid
from calls.record import Disposition


class Output(msgspec.Struct, frozen=True):
    """Something to be done."""


class SendTwilio(Output, frozen=True, gc=False):
    """Send this text on the media WebSocket."""

    text: str


class SendModel(Output, frozen=True, gc=False):
    """Send this text on the model's socket."""

    text: str


class CheckToken(Output, frozen=True):
    """Verify and use up the stream's token; answer with ``StreamAccepted`` or ``StreamRefused``."""

    token: str | None
    call_sid: CallSid


class RecordEvent(Output, frozen=True):
    """Put this event on the call's record and before the operators. ``at_ms`` is on the core's clock."""

    seq: int
    at_ms: float
    body: AnyEvent


class RunTool(Output, frozen=True):
    """Run a tool off the audio path; answer with ``ToolFinished``. ``arguments``: a JSON object, not checked against a schema."""

    call_id: str
    name: str
    arguments: dict[str, Any]


class StoreDisposition(Output, frozen=True):
    """Commit what becomes of the caller; answer with ``DispositionStored``."""

    disposition: Disposition


class CompleteCall(Output, frozen=True):
    """Complete the call over Twilio's REST API; answer with ``CallCompleted``."""


class CloseStream(Output, frozen=True):
    """Close the media WebSocket. Twilio then asks ``/stream-ended`` what to do with the caller."""

    code: int = 1000


class OpenModel(Output, frozen=True):
    """Open one more session with the model; answer with ``ModelOpened`` or ``ModelClosed``, whose number is ``session``."""

    session: int


class UseModel(Output, frozen=True):
    """From here on ``SendModel`` means this session, which is open. Close all other ones."""

    session: int


class CloseModel(Output, frozen=True):
    """Close the model's sockets, those being opened, too; none is needed any more."""


class Release(Output, frozen=True):
    """The record is complete as far as this stream goes: store what is pending and give up the call.

    ``end_reason``: the call itself is over, for this reason. ``None``: only the stream is; the call's end is Twilio's to
    report.
    """

    end_reason: str | None
    usage: Usage
    cost_usd: float | None = None
    """What this stream has cost; ``None`` where that is not known."""


class Answer(Output, frozen=True):
    """What an operator's command is answered with: ``None``, accepted; otherwise why not, in a sentence."""

    error: str | None


class CallerSounded(Output, frozen=True):
    """Somebody watches: pieces of the caller's audio, μ-law, and when each came, on the core's clock."""

    audios: Sequence[bytes]
    at_ms: Sequence[float]


class AgentSounded(Output, frozen=True, gc=False):
    """Somebody watches: audio of the AI was sent, μ-law; it is heard behind what was sent before."""

    audio: bytes


class AgentSilenced(Output, frozen=True):
    """Somebody watches: what was sent and not yet heard will not be."""


class Log(Output, frozen=True):
    """Tell the log, not the record: something about a stream that has no call. Holds no secrets."""

    event: str
    detail: str


AnyOutput = (
    SendTwilio
    | SendModel
    | CheckToken
    | RecordEvent
    | RunTool
    | StoreDisposition
    | CompleteCall
    | OpenModel
    | UseModel
    | CloseStream
    | CloseModel
    | Release
    | Answer
    | CallerSounded
    | AgentSounded
    | AgentSilenced
    | Log
)
