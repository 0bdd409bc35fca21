"""A stream that is not its call's first: the AI knows what was said and done before, and goes on where the conversation stood.

The first thing the caller hears is a short sentence in place of the greeting, protected like it. What they are owed follows: the answer
to what they said last, the rest of what they were being told, the goodbye or the human who was promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.conversation import handover, model_messages, resumption
from bridge.conversation.model_leg import GO_ON
from bridge.conversation.responses import Purpose, Wish
from bridge.conversation.resumption import Closing, DoneBefore, Resumed, Transfer
from bridge.conversation.so_far import LOOKS_UP
from bridge.conversation.stepping_in import WHISPER
from calls.business import BusinessProfile
from calls.greetings import greeting_for

if TYPE_CHECKING:
    from bridge.conversation.machine import Conversation

NOT_REPEATED_ANYWAY = frozenset({"create_lead", "end_call", "escalate_to_human"})
"""Tools of the conversation itself; what they did is on record in another way."""
FINAL = frozenset({"operator", "max_duration", "max_cost"})
"""Reasons to end a call that the caller cannot talk their way out of."""


class CarryingOn:
    """What one stream takes over from those before it; nothing, if it is the first."""

    __slots__ = ("_conversation", "resumed")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.resumed: Resumed | None = None

    def begin(self, resumed: Resumed | None, profile: BusinessProfile) -> None:
        """The call is ours."""
        self.resumed = resumed
        conversation = self._conversation
        if resumed is None:
            conversation.clocks.start(profile.limits, conversation.now_ms)
            return
        lasted_ms, asked = resumed.has_lasted_ms, resumed.prompts
        conversation.clocks.start(profile.limits, conversation.now_ms, has_lasted_ms=lasted_ms, asked=asked)
        done = [one for one in resumed.tools if one.name not in NOT_REPEATED_ANYWAY and not _looks_up(one, profile)]
        conversation.tools.remember(done, resumed.lead)
        conversation.leg.remember(*(WHISPER.format(text=text) for text in resumed.whispers), *facts(resumed, done))
        if resumed.muted_for_ms is not None:
            conversation.operators.still_muted(resumed.muted_for_ms)

    def first_words(self, profile: BusinessProfile) -> str:
        """What the caller hears first: the greeting, or, if they have heard it, a sentence that says why they waited."""
        if self.resumed is None or not self.resumed.heard:
            return greeting_for(profile, self._conversation.record)
        return resumption.sentence(self.resumed, profile.language)

    def tell(self, resumed: Resumed, profile: BusinessProfile) -> None:
        """The model is told the conversation so far, what was done in it, and how to go on."""
        conversation = self._conversation
        answered = len(resumed.heard) - (resumed.unanswered if resumed.ending is None else 0)
        self._tell_lines(resumption.items_of(resumed.heard[:answered]))
        conversation.leg.tell_what_holds()
        instruction = model_messages.verbatim(self.first_words(profile))
        conversation.outbox.model(model_messages.instruction(f"{instruction}{_IN_THEIR_LANGUAGE if resumed.heard else ''}"))

    def after_first_words(self) -> None:
        """The caller is given what they are owed, unless they have said something else meanwhile."""
        conversation, resumed = self._conversation, self.resumed
        if resumed is None or conversation.ending.closing is not None or not resumed.heard:
            return
        if self._end_as_before(resumed):
            return
        self._tell_what_is_unanswered(resumed)
        if conversation.ear.turns.caller_is_speaking:
            return
        if resumed.decided is not None:
            conversation.ending.after_tool(resumed.decided)
            conversation.voice.responses.want(Wish(Purpose.REPLY, instruction=_SAY_WHAT_WAS_DONE))
        elif resumed.unanswered:
            conversation.voice.responses.want(Wish(Purpose.REPLY))
        elif resumed.cut_off is not None:
            conversation.voice.responses.want(Wish(Purpose.REPLY, instruction=GO_ON.format(heard=resumed.cut_off)))

    def _tell_what_is_unanswered(self, resumed: Resumed) -> None:
        """What the caller said last comes last, so that it is what is answered; unless they have said something since."""
        lines = resumed.heard[len(resumed.heard) - resumed.unanswered :] if resumed.ending is None else ()
        conversation = self._conversation
        if conversation.greeting.turns or conversation.ear.turns.caller_is_speaking:
            text = " ".join(line.text for line in lines)
            if text:
                conversation.outbox.model(model_messages.instruction(_SAID_BEFORE.format(text=text)))
        else:
            self._tell_lines(resumption.items_of(lines, first=len(resumed.heard) - len(lines) + 1))

    def _tell_lines(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            self._conversation.transcript.hide(item["item"]["id"])
            self._conversation.outbox.model(item)

    def _end_as_before(self, resumed: Resumed) -> bool:
        conversation = self._conversation
        profile = conversation.profile
        if profile is None or resumed.ending is None:
            return False
        if isinstance(resumed.ending, Transfer):
            if conversation.record is None or handover.why_not(profile, conversation.record, resumed.ending.to) is not None:
                return False
            conversation.ending.transfer(resumed.ending.to)
            return True
        return self._say_goodbye_again(resumed.ending, profile)

    def _say_goodbye_again(self, closing: Closing, profile: BusinessProfile) -> bool:
        may_reopen = closing.reason not in FINAL
        if may_reopen and self._conversation.greeting.has_substantial_turn:
            return False
        self._conversation.ending.say_goodbye(closing.reason, profile.closing_text, may_reopen=may_reopen)
        return True


def facts(resumed: Resumed, done: list[DoneBefore]) -> list[str]:
    """What was done on earlier streams, told to the model; nothing if nothing was."""
    lines = [f"The caller's request has been saved: {_pairs(resumed.lead)}."] if resumed.lead else []
    for booked in resumed.appointments:
        lines.append(f"Appointment {booked.appointment_id} is in the calendar: {booked.summary}, {booked.starts_at}.")
    lines += [_told(one) for one in done if one.is_spoken_about or not one.ok]
    return [f"{_SO_FAR} {' '.join(lines)}"] if lines else []


def _told(one: DoneBefore) -> str:
    what = f"You called the tool {one.name} with {one.arguments}:"
    if one.ok is None:
        return f"{what} it is not known whether that was done. Find out before you do it again."
    return f"{what} it was done." if one.ok else f"{what} it failed."


def _pairs(fields: dict[str, str]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in fields.items())


def _looks_up(one: DoneBefore, profile: BusinessProfile) -> bool:
    reads = {tool.name for tool in profile.tools.http if tool.method == "GET"}
    return one.name in LOOKS_UP or one.name in reads


_SO_FAR = "This has been done in this call so far; do none of it again for the same."
_SAID_BEFORE = "Before the line was interrupted the caller had said this, and has not been answered: {text}"
_SAY_WHAT_WAS_DONE = "Now tell the caller in a few words what has been done for them."
_IN_THEIR_LANGUAGE = " If the conversation so far was held in another language, say the same in that one."
