"""The console without a screen: one line an event on stdout, what concerns the connection on stderr."""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import TextIO

from calls.cli_output import json_text, narrate, printable
from calls.events import timestamp
from calls.exit_codes import ExitCode
from console.catching_up import Missing
from console.connection import Connected, Item, Lost, OperatorConnection, Refused
from console.endpoint import Endpoint
from console.operator_http import OperatorApiError, OperatorHttp
from console.protocol import BusChanged, CallSummary, Event, PhaseChanged
from console.wording import caller, clock, count, details, kind, phase, short_id

MAX_CALLERS = 10_000
"""Calls whose callers are remembered."""
MAX_LISTED = 50
"""Calls named when the connection begins."""
_KIND_WIDTH = 20
_CALLER_WIDTH = 16


class PlainLines:
    """Turns what the connection tells into lines: data for stdout, narration for stderr.

    With ``jsonl`` the data are the events as they travel, one JSON object a line. With ``call_sid`` it tells of that call only. Times
    are shown in ``zone`` (default: local time).
    """

    def __init__(self, *, jsonl: bool = False, call_sid: str = "", zone: tzinfo | None = None) -> None:
        self.call_sid = call_sid
        self.last_seq = 0
        """Of the one call: the number of the last event told."""
        self._jsonl = jsonl
        self._zone = zone
        self._callers: dict[str, str] = {}
        self._lost = ""
        self._connected = False

    def data(self, event: Event) -> str | None:
        """The line for stdout; ``None`` if the event is not wanted or has been told."""
        if self.call_sid:
            if event.call_sid != self.call_sid or event.seq <= self.last_seq:
                return None
            self.last_seq = event.seq
        if event.kind == "call.started":
            self._remember(event.call_sid, event.text("from"))
        line = json_text(flat(event)) if self._jsonl else self._line(event)
        if event.kind == "call.ended":
            self._callers.pop(event.call_sid, None)
        return line

    def narration(self, item: Item) -> list[str]:
        """The sentences for stderr; none for most items."""
        match item:
            case Connected(snapshot=snapshot):
                return self._connection(snapshot.calls)
            case Lost(why=why, retry_in_s=retry_in_s) if why != self._lost:
                self._lost = why
                return [f"No connection: {why}; trying again in {retry_in_s:.1f} s, and on."]
            case Refused(why=why):
                return [f"Error: {why}"]
            case BusChanged(message=message):
                return [message]
            case Missing(call_sid=call_sid, why=why):
                return [f"Events of {call_sid} are missing: {why}."]
        return []

    def _connection(self, calls: list[CallSummary]) -> list[str]:
        for call in calls:
            self._remember(call.call_sid, call.from_)
        again, self._connected, self._lost = self._connected, True, ""
        sentence = f"Connected{' again' if again else ''}: {count(len(calls), 'live call')}."
        return [sentence] if again or self.call_sid else [sentence, *map(_standing, calls[:MAX_LISTED])]

    def _remember(self, call_sid: str, address: str) -> None:
        if len(self._callers) >= MAX_CALLERS:
            self._callers.pop(next(iter(self._callers)))
        self._callers[call_sid] = address

    def _line(self, event: Event) -> str:
        who = caller(self._callers.get(event.call_sid, ""))
        words = f"{kind(event.kind):<{_KIND_WIDTH}}{details(event)}".rstrip()
        return printable(f"{clock(event.at, self._zone)}  {short_id(event.call_sid)}  {who:<{_CALLER_WIDTH}}  {words}")


def _standing(call: CallSummary) -> str:
    return f"  {call.call_sid}  {call.business_id}  {caller(call.from_)}  {phase(call.phase)}"


def flat(event: Event) -> dict[str, object]:
    """The event as one flat object, as it travels and as ``frontdesk calls export`` writes it."""
    at = timestamp(event.at.astimezone(UTC))
    return {"type": "event", "call_sid": event.call_sid, "seq": event.seq, "at": at, "kind": event.kind} | event.fields


async def follow(
    connection: OperatorConnection, lines: PlainLines, write: Callable[[str], None], say: Callable[[str], None]
) -> ExitCode:
    """Writes lines until nothing more can come: the token is refused, or the one call asked for is over."""
    async for item in connection.items():
        for sentence in lines.narration(item):
            say(sentence)
        match item:
            case Refused():
                return ExitCode.FAILED
            case Connected(snapshot=snapshot) if lines.call_sid:
                await _tell_so_far(connection.http, lines, write, say)
                if lines.call_sid not in {call.call_sid for call in snapshot.calls}:
                    return ExitCode.OK
            case Event():
                _tell(item, lines, write)
        if _is_over(item, lines.call_sid):
            return ExitCode.OK
    return ExitCode.OK


async def _tell_so_far(http: OperatorHttp, lines: PlainLines, write: Callable[[str], None], say: Callable[[str], None]) -> None:
    """What the one call's events were until now; those told already are left out."""
    try:
        events = await http.events(lines.call_sid, after=lines.last_seq)
    except OperatorApiError as error:
        say(f"What happened before is missing: {error}")
        return
    for event in events:
        _tell(event, lines, write)


def _tell(event: Event, lines: PlainLines, write: Callable[[str], None]) -> None:
    if (line := lines.data(event)) is not None:
        write(line)


def _is_over(item: Item, call_sid: str) -> bool:
    match item:
        case Event(call_sid=sid, kind="call.ended") | PhaseChanged(call_sid=sid, phase="ended"):
            return sid == call_sid
    return False


def run_plain(endpoint: Endpoint, *, jsonl: bool = False, call_sid: str = "") -> ExitCode:
    """``frontdesk console`` without a screen. Returns when the bridge refuses the token, the one call asked for is over, or who
    reads stdout has gone; otherwise it goes on for ever, reconnecting by itself."""
    lines = PlainLines(jsonl=jsonl, call_sid=call_sid)

    async def run() -> ExitCode:
        async with OperatorConnection(endpoint) as connection:
            return await follow(connection, lines, lambda line: print_line(line, sys.stdout), narrate)

    try:
        return asyncio.run(run())
    except BrokenPipeError:
        abandon_stdout()
        return ExitCode.OK


def print_line(line: str, out: TextIO) -> None:
    """One line, at once: who reads it waits for it. What the encoding of ``out`` lacks is spelled out."""
    encoding = out.encoding or "utf-8"
    out.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    out.flush()


def abandon_stdout() -> None:
    """Nobody reads stdout any more: what Python flushes at its end goes nowhere, without a complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
