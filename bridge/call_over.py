"""Twilio's report that a call is over, brought to whoever has to know: the session that serves it, wherever that is, or nobody.

``/call-status`` reaches any process of a deployment. The one that owns the call is asked over the bus; only when it does not answer
is its record ended here, as that of a call whose owner is gone.
"""

from typing import Protocol

import msgspec
import structlog

from bridge.endings import Endings
from calls.bus.mailbox import Mailbox
from calls.ids import CallSid
from calls.store.base import CallStore, StoreError

KIND = "call_over"

log = structlog.get_logger()


class Session(Protocol):
    """A call's session."""

    def call_over(self, status: str, duration_ms: int | None) -> bool:
        """The call has ended; ``False`` if it was given up before."""


class Sessions(Protocol):
    """The calls served here."""

    def session_of(self, call_sid: CallSid) -> Session | None:
        """The session of a call, if there is one."""


class _Report(msgspec.Struct, array_like=True, frozen=True):
    call_sid: CallSid
    status: str
    duration_ms: int | None


_decode = msgspec.msgpack.Decoder(_Report).decode
_TAKEN, _NOT_MINE = b"\x01", b"\x00"


class CallOver:
    """Brings reports where they belong. ``owner``: this process's name."""

    def __init__(self, sessions: Sessions, endings: Endings, store: CallStore, mailbox: Mailbox, owner: str) -> None:
        self._sessions, self._endings, self._store, self._mailbox, self._owner = sessions, endings, store, mailbox, owner
        mailbox.handle(KIND, self._from_elsewhere)

    async def report(self, call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        """Twilio says that the call is over."""
        report = _Report(call_sid, status, duration_ms)
        if not self._is_taken(report) and not await self._is_taken_elsewhere(report):
            await self._endings.call_over(call_sid, status, duration_ms)

    def _is_taken(self, report: _Report) -> bool:
        session = self._sessions.session_of(report.call_sid)
        return session is not None and session.call_over(report.status, report.duration_ms)

    async def _is_taken_elsewhere(self, report: _Report) -> bool:
        try:
            record = await self._store.get_call(report.call_sid)
        except StoreError as error:
            log.error("call.owner_unknown", call_sid=report.call_sid, why=str(error))
            return False
        if record is None or record.owner is None or record.owner == self._owner:
            return False
        return await self._mailbox.ask(record.owner, KIND, msgspec.msgpack.encode(report)) == _TAKEN

    async def _from_elsewhere(self, body: bytes) -> bytes:
        return _TAKEN if self._is_taken(_decode(body)) else _NOT_MINE
