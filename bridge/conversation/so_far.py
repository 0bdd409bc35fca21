"""What a call's record says of the conversation so far, for a stream that carries the call on.

A bridge that takes a call over knows nothing but the record, and needs nothing else: what was heard, what was done, what was promised,
and where the conversation stood. Everything here is a function of the events.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

import msgspec

from bridge.conversation.resumption import Closing, DoneBefore, Resumed, Transfer, Why, heard_in
from calls import events
from calls.conversation import in_spoken_order
from calls.events import CallEvent
from calls.language import phrases_of

LOOKS_UP: Final = frozenset({"get_current_time", "check_availability", "find_appointments"})
"""Tools that change nothing: what they have answered is not on record, and they may be asked again."""
NO_CLOSING: Final = frozenset({"model_lost", "no_inbound_media"})
"""Reasons to end a call that another bridge may find gone."""
MAX_TOOLS = 40
MAX_WHISPERS = 20


def resumed_from(record: Sequence[CallEvent], why: Why, since: datetime, now: datetime, language: str) -> Resumed:
    """What a further stream has to know.

    Args:
        record: the call's events so far, in order.
        since: from when on nobody has been speaking with the caller.
        language: of the business.
    """
    heard = heard_in(record)
    return Resumed(
        why,
        heard,
        since_ms=_ms(now - since),
        has_lasted_ms=_ms(now - record[0].at) if record else 0.0,
        tools=tools_in(record)[-MAX_TOOLS:],
        lead=_last_lead(record),
        appointments=_appointments(record),
        whispers=_whispers(record)[-MAX_WHISPERS:],
        muted_for_ms=_muted_for_ms(record, now),
        ending=_ending(record) if why == "lost" else None,
        decided=_decided(record),
        cut_off=_cut_off(record),
        unanswered=len(list(takewhile(lambda line: line.side == "caller", reversed(heard)))),
        prompts=_prompts(record, language),
    )


def tools_in(record: Sequence[CallEvent]) -> tuple[DoneBefore, ...]:
    """The tools that were called, in order, and what became of them. A call without its end is one that nobody saw answered."""
    done: list[DoneBefore] = []
    under_way: dict[str, list[int]] = {}
    for event in record:
        match event.body:
            case events.ToolCalled(name=name, arguments=arguments):
                under_way.setdefault(name, []).append(len(done))
                done.append(DoneBefore(name, arguments))
            case events.ToolFinished(name=name, ok=ok) if under_way.get(name):
                at = under_way[name].pop(0)
                done[at] = msgspec.structs.replace(done[at], ok=ok)
            case events.AgentTranscript():
                done = [_spoken_about(one) if one.ok is not None else one for one in done]
    return tuple(done)


def _spoken_about(one: DoneBefore) -> DoneBefore:
    return msgspec.structs.replace(one, is_spoken_about=True)


def _last_lead(record: Sequence[CallEvent]) -> dict[str, str] | None:
    leads = [event.body.fields for event in record if isinstance(event.body, events.LeadCaptured)]
    return leads[-1] if leads else None


def _appointments(record: Sequence[CallEvent]) -> tuple[events.AppointmentBooked, ...]:
    """As they stand now: one that was moved is told of once."""
    latest: dict[str, events.AppointmentBooked] = {}
    for event in record:
        if isinstance(event.body, events.AppointmentBooked):
            latest[event.body.appointment_id] = event.body
    return tuple(latest.values())


def _whispers(record: Sequence[CallEvent]) -> tuple[str, ...]:
    commands = [event.body for event in record if isinstance(event.body, events.OperatorCommand)]
    return tuple(command.text for command in commands if command.action == "whisper" and command.text)


def _muted_for_ms(record: Sequence[CallEvent], now: datetime) -> float | None:
    """How long no operator has said anything to an AI that was told to be silent; ``None``: it was not."""
    commands = [event for event in record if isinstance(event.body, events.OperatorCommand)]
    actions = [command.body.action for command in commands if isinstance(command.body, events.OperatorCommand)]
    is_muted = next((action == "mute" for action in reversed(actions) if action in ("mute", "unmute")), False)
    return _ms(now - commands[-1].at) if is_muted else None


def _ending(record: Sequence[CallEvent]) -> Closing | Transfer | None:
    """What was under way when the stream broke: last words, or putting the caller through."""
    under_way: Closing | Transfer | None = None
    for event in record:
        match event.body:
            case events.ClosingStarted(reason=reason):
                under_way = None if reason in NO_CLOSING else Closing(reason)
            case events.TransferStarted(to=to):
                under_way = Transfer(to)
            case events.ClosingReopened() | events.CallResumed():
                under_way = None
    return under_way


def _decided(record: Sequence[CallEvent]) -> str | None:
    """What a tool has decided and the caller has not yet been told."""
    decided: str | None = None
    for event in record:
        match event.body:
            case events.LeadCaptured():
                decided = "lead_captured"
            case events.ToolFinished(name="end_call", ok=True):
                decided = "end_call"
            case events.AgentTranscript() | events.CallerTranscript():
                decided = None
    return decided


def _cut_off(record: Sequence[CallEvent]) -> str | None:
    """What was heard of a last line of the AI that was not heard to its end."""
    spoken = in_spoken_order(record)
    last = spoken[-1].body if spoken else None
    if isinstance(last, events.AgentTranscript) and last.interrupted and last.unheard:
        return last.text or None
    return None


def _prompts(record: Sequence[CallEvent], language: str) -> int:
    """How often a silent caller has been asked whether they are there, since they last spoke."""
    asked = 0
    for event in record:
        match event.body:
            case events.CallerTranscript():
                asked = 0
            case events.AgentTranscript(text=text) if text == phrases_of(language).still_there:
                asked += 1
    return asked


def _ms(span: timedelta) -> float:
    return max(span / timedelta(milliseconds=1), 0.0)
