"""The phases of a call, as a table.

Theory: a call has one phase at a time, and five things can move it. Everything else (who speaks, what is being played, which
turn is open) lives in the concept that owns it and never changes the phase by itself. A trigger that is missing from a
phase's row cannot happen there: :func:`after` answers ``None`` and the machine does nothing.

The drawing in ``docs/design.md`` is made from ``TRANSITIONS`` by ``scripts/draw_phases``; a test holds the two together.
"""

from enum import Enum


class Phase(Enum):
    """Where a call is."""

    #: The stream, its token and the model's socket are on their way; nothing has been asked of the model.
    CONNECTING = "connecting"
    #: The greeting has been asked for; nothing the caller does can stop it.
    GREETING = "greeting"
    #: The caller and the AI talk.
    CONVERSING = "conversing"
    #: The last words are being spoken, and what becomes of the caller is being stored.
    CLOSING = "closing"
    #: The stream is over.
    ENDED = "ended"


class Trigger(Enum):
    """What moves a call on."""

    GREETING_REQUESTED = "greeting requested"
    GREETING_FINISHED = "greeting finished"
    CLOSING_STARTED = "closing started"
    CLOSING_REOPENED = "closing reopened"
    STREAM_OVER = "stream over"


TRANSITIONS: dict[Phase, dict[Trigger, Phase]] = {
    Phase.CONNECTING: {
        Trigger.GREETING_REQUESTED: Phase.GREETING,
        Trigger.CLOSING_STARTED: Phase.CLOSING,
        Trigger.STREAM_OVER: Phase.ENDED,
    },
    Phase.GREETING: {
        Trigger.GREETING_FINISHED: Phase.CONVERSING,
        Trigger.CLOSING_STARTED: Phase.CLOSING,
        Trigger.STREAM_OVER: Phase.ENDED,
    },
    Phase.CONVERSING: {
        Trigger.CLOSING_STARTED: Phase.CLOSING,
        Trigger.STREAM_OVER: Phase.ENDED,
    },
    Phase.CLOSING: {
        Trigger.CLOSING_REOPENED: Phase.CONVERSING,
        Trigger.STREAM_OVER: Phase.ENDED,
    },
    Phase.ENDED: {},
}


def after(phase: Phase, trigger: Trigger) -> Phase | None:
    """The phase that follows, or ``None`` where the trigger has no meaning."""
    return TRANSITIONS[phase].get(trigger)
