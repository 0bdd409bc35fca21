"""An operator steps in: what each command does to the conversation, and why it may be refused.

Every command that is accepted goes on the record with the operator's name before anything it causes. An AI that was told to be
silent hears and remembers everything, and answers what was left unanswered once it may speak again; only the greeting, the last
words and what operators have it say are spoken meanwhile. No operator can leave a caller in silence for good: without another
word of theirs the AI speaks again after ``SILENT_MS``.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from bridge.conversation import handover, model_messages
from bridge.conversation.closing import Step
from bridge.conversation.outputs import Answer
from bridge.conversation.phases import Phase
from bridge.conversation.responses import Purpose, Wish
from calls.events import OperatorCommand
from calls.operator import Command

if TYPE_CHECKING:
    from bridge.conversation.inputs import OperatorActs
    from bridge.conversation.machine import Conversation

SILENT_MS = 120_000
"""How long the AI stays silent without another word of an operator."""
REASON = "operator"
"""Why a call ended that an operator ended."""

_BEING_ENDED = "the call is being ended already"
_NO_AI = "the AI is not on this call any more"


class SteppingIn:
    """The operators' side of one stream."""

    __slots__ = ("_conversation", "is_muted", "unmutes_at_ms")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.is_muted = False
        self.unmutes_at_ms = inf
        """When the AI speaks again by itself."""

    def act(self, given: OperatorActs) -> None:
        """One command, answered at once."""
        error = self._refusal(given.command)
        if error is None:
            self._note(given.operator, given.command)
            self._carry_out(given.command)
        self._conversation.outbox.add(Answer(error))

    def still_muted(self, for_ms: float) -> None:
        """The AI was told to be silent on an earlier stream; ``for_ms``: since when no operator has said anything."""
        self._mute()
        self.unmutes_at_ms = self._conversation.now_ms + max(SILENT_MS - for_ms, 0.0)

    def speak_again_when_forgotten(self) -> None:
        """Ends a silence that no operator has ended."""
        if self._conversation.now_ms >= self.unmutes_at_ms:
            self._conversation.outbox.record(OperatorCommand(operator="frontdesk", action="unmute"))
            self._unmute()

    # --- may it be done? ---------------------------------------------------------------------------------------------------

    def _refusal(self, command: Command) -> str | None:
        """Why the command cannot be carried out, in a sentence, or ``None``."""
        match command.action:
            case "hangup" | "force_hangup":
                return self._why_not_ended()
            case "listen" | "unlisten":
                return None
            case "escalate":
                return self._why_not_escalated(command.to)
            case "say" | "whisper":
                return self._why_not_told(command)
            case "mute" | "unmute":
                return self._why_no_ai()

    def _why_not_ended(self) -> str | None:
        """Once it is being stored what becomes of the caller, it is too late for this bridge to change it."""
        closing = self._conversation.ending.closing
        if closing is None or closing.disposition.action == "hang_up" or closing.step in (Step.SPEAKING, Step.LISTENING):
            return None
        return "the caller is being handed over just now; hang up by force in a moment"

    def _why_no_ai(self) -> str | None:
        conversation = self._conversation
        if conversation.ending.closing is not None:
            return _BEING_ENDED
        return _NO_AI if conversation.model_is_gone else None

    def _why_not_told(self, command: Command) -> str | None:
        if not (command.text or "").strip():
            return f"{command.action} needs a text"
        if not self._conversation.session_is_requested and not self._conversation.leg.was_set_up and self._why_no_ai() is None:
            return "the AI is not on the line yet; try again in a moment"
        return self._why_no_ai()

    def _why_not_escalated(self, to: str | None) -> str | None:
        conversation = self._conversation
        profile, record = conversation.profile, conversation.record
        if conversation.ending.closing is not None:
            return _BEING_ENDED
        if profile is None or record is None:
            return "the call is not ours yet"
        return handover.why_not(profile, record, to)

    # --- done --------------------------------------------------------------------------------------------------------------

    def _note(self, operator: str, command: Command) -> None:
        text = command.text if command.action in ("say", "whisper") else None
        to = command.to if command.action == "escalate" else None
        self._conversation.outbox.record(OperatorCommand(operator=operator, action=command.action, text=text, to=to or None))
        if self.is_muted:
            self.unmutes_at_ms = self._conversation.now_ms + SILENT_MS

    def _carry_out(self, command: Command) -> None:
        match command.action:
            case "hangup":
                self._hang_up()
            case "force_hangup":
                self._conversation.ending.end_now(REASON)
            case "escalate":
                self._cut_short()
                self._conversation.ending.transfer(command.to or None)
            case "say":
                self._say((command.text or "").strip())
            case "whisper":
                self._conversation.leg.whispered(WHISPER.format(text=(command.text or "").strip()))
            case "mute":
                self._mute()
            case "unmute":
                self._unmute()

    def _hang_up(self) -> None:
        conversation = self._conversation
        closing = conversation.ending.closing
        if conversation.profile is None:
            return
        if closing is not None and closing.disposition.action != "hang_up":
            conversation.ending.call_off(REASON, conversation.profile.closing_text)
        else:
            self._cut_short()
            conversation.ending.say_goodbye(REASON, conversation.profile.closing_text)

    def _cut_short(self) -> None:
        """An operator steps in now, not when the AI has finished; but never in the greeting or in last words."""
        conversation = self._conversation
        if conversation.phase is Phase.CONVERSING:
            conversation.voice.cut()
            conversation.interruption.forget()
        conversation.ending.drop_unheard_reply()

    def _say(self, text: str) -> None:
        conversation = self._conversation
        conversation.ending.drop_unheard_reply()
        responses = conversation.voice.responses
        responses.want_no_more(Purpose.REPLY, Purpose.PROMPT)  # what an operator says is the answer
        responses.want(Wish(Purpose.OPERATOR, instruction=model_messages.verbatim(text), text=text, with_tools=False))

    def _mute(self) -> None:
        conversation = self._conversation
        self.is_muted, self.unmutes_at_ms = True, conversation.now_ms + SILENT_MS
        conversation.voice.responses.withheld = frozenset({Purpose.REPLY, Purpose.PROMPT})
        if conversation.phase is Phase.CONVERSING:
            self._cut_short()

    def _unmute(self) -> None:
        self.is_muted, self.unmutes_at_ms = False, inf
        self._conversation.voice.responses.withheld = frozenset()


WHISPER = (
    "A colleague from the business, whom the caller cannot hear, tells you: “{text}”. Take it into account from now on. "
    "Do not read it out, and do not mention the colleague."
)
