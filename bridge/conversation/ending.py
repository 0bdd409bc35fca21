"""How a conversation is brought to its end: last words, the caller's chance to go on, disposition, goodbye."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import msgspec

from bridge.conversation import handover
from bridge.conversation import outputs as wanted
from bridge.conversation.agent_voice import SpokenLine
from bridge.conversation.closing import Closing, Step, fallback_disposition
from bridge.conversation.farewell import Farewells
from bridge.conversation.model_messages import verbatim
from bridge.conversation.phases import Phase, Trigger, after
from bridge.conversation.playback import LOST_MARK_MS
from bridge.conversation.responses import Purpose, Response, Wish
from calls import events
from calls.language import phrases_of
from calls.record import Disposition

if TYPE_CHECKING:
    from bridge.conversation.machine import Conversation
    from calls.business import BusinessProfile


class Ending:
    """Ends one stream, once. ``closing`` is the closing under way, if there is one."""

    __slots__ = ("_conversation", "_decided", "_farewells", "closing")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._farewells: Farewells | None = None
        self.closing: Closing | None = None
        self._decided: str | None = None  # a tool has ended the conversation: ``end_call`` or ``lead_captured``

    def configure(self, profile: BusinessProfile) -> None:
        """The business is known."""
        self._farewells = Farewells(profile.language, profile.closing)

    @property
    def wake_at_ms(self) -> float:
        """When the closing goes on by itself."""
        if self.closing is None:
            return inf
        return min(self.closing.wake_at_ms, self._last_words_over_at_ms(self.closing))

    def _last_words_over_at_ms(self, closing: Closing) -> float:
        """When last words that were played to their mark count as all there is, although the model never said so."""
        unfinished = closing.step is Step.SPEAKING and closing.waits_for_model and closing.has_been_heard
        if not unfinished or self._conversation.voice.is_audible():
            return inf
        return self._conversation.voice.last_audio_ms + LOST_MARK_MS

    # --- reasons to end ----------------------------------------------------------------------------------------------------

    def caller_said(self, item_id: str, text: str) -> None:
        """The text of a turn of the conversation: it may hold a phrase that ends it."""
        conversation = self._conversation
        if conversation.phase is not Phase.CONVERSING or self._farewells is None:
            return
        phrase = self._farewells.end_phrase(text)
        if phrase is not None and conversation.profile is not None:
            self.drop_unheard_reply()
            self.say_goodbye("farewell", conversation.profile.closing_text, phrase=phrase, may_reopen=True)
            for later in conversation.ear.turns.after(item_id):  # said before the goodbye began, and maybe not a goodbye
                self.turn_ended(later)

    def after_tool(self, reason: str) -> None:
        """``end_call`` was called, or the lead is complete: the call ends once what the model says about it has been heard."""
        self._decided = reason

    def take_back(self) -> None:
        """The caller has more to say: what a tool decided does not hold any more."""
        self._decided = None

    def say_goodbye(self, reason: str, text: str, *, phrase: str | None = None, may_reopen: bool = False) -> None:
        """The model says ``text``, then the call is ended. A closing that is on already becomes final, unless this one is not."""
        closing = self._begin(reason, Disposition(action="hang_up", reason=reason), phrase)
        if closing is None:
            if self.closing is not None and not may_reopen:
                self.closing.may_reopen = False
            return
        closing.may_reopen = may_reopen
        self._have_said(closing, text)

    def transfer(self, to: str | None = None, briefing: str | None = None) -> None:
        """The caller is told, then the stream is left so that Twilio dials a human: ``to``, or the business's own. ``briefing``:
        what that human hears first."""
        conversation = self._conversation
        if conversation.profile is None:
            return
        escalation = handover.target_of(conversation.profile, to)
        target = to or escalation.to
        disposition = Disposition(
            action="dial", reason=handover.REASON, to=target, timeout_s=escalation.timeout_s, briefing=briefing
        )
        announcement = escalation.announce or phrases_of(conversation.profile.language).transferring
        self.drop_unheard_reply()
        closing = self._begin(handover.REASON, disposition, None, began=events.TransferStarted(to=target))
        if closing is not None:
            closing.announcement = announcement
            self._have_said(closing, announcement)

    def call_off(self, reason: str, text: str) -> bool:
        """What was to become of the caller does not hold any more: they are said goodbye to instead. ``False`` if it is being stored
        already."""
        closing = self.closing
        if closing is None or closing.step not in (Step.SPEAKING, Step.LISTENING):
            return False
        closing.reason, closing.may_reopen, closing.announcement = reason, False, None
        closing.disposition = Disposition(action="hang_up", reason=reason)
        closing.enter(Step.SPEAKING, self._conversation.now_ms)
        closing.has_been_heard, closing.asked_at_ms = False, None
        self._conversation.voice.responses.want_no_more(Purpose.CLOSING)
        self._have_said(closing, text)
        return True

    def end_now(self, reason: str) -> bool:
        """The call is completed without another word; ``False`` if what becomes of the caller is being stored already."""
        if self.closing is None:
            self._begin(reason, Disposition(action="hang_up", reason=reason), None)
        closing = self.closing
        if closing is None or closing.step not in (Step.SPEAKING, Step.LISTENING):
            return False
        closing.reason, closing.may_reopen = reason, False
        closing.disposition = Disposition(action="hang_up", reason=reason)
        self._store(closing)
        return True

    def fall_back(self, reason: str, line: str | None) -> None:
        """The bridge says a stored ``line``, if any, then the business's fallback takes over."""
        conversation = self._conversation
        if conversation.profile is None:
            conversation.leave(1009)
            return
        if self._begin(reason, fallback_disposition(conversation.profile, reason), None) is not None:
            conversation.let_go_of_model()
            if line is not None:
                self._say_stored(line)

    def model_lost(self) -> None:
        """There is nobody left to say anything: the bridge speaks for itself."""
        closing = self.closing
        if closing is None:
            self.fall_back("model_lost", "apology")
        elif closing.step is Step.SPEAKING and closing.waits_for_model:
            closing.waits_for_model = False
            if not closing.has_been_heard:
                self._say_without_model(closing)

    # --- what happens meanwhile --------------------------------------------------------------------------------------------

    def turn_ended(self, item_id: str) -> None:
        """A turn of the caller ended during the closing."""
        if self.closing is not None:
            self.closing.turns.append(item_id)

    def last_words_asked_for(self) -> None:
        """The model has been asked for the closing: its time begins."""
        if self.closing is not None:
            self.closing.asked_at_ms = self._conversation.now_ms

    def last_words_audible(self) -> None:
        """Audio of the closing went out."""
        if self.closing is not None:
            self.closing.has_been_heard = True

    def response_over(self, response: Response) -> None:
        """A response is done while the call is being ended."""
        closing = self.closing
        if closing is None:
            self._end_as_decided(response)
            return
        if not closing.waits_for_model or response.purpose is not Purpose.CLOSING:
            return
        if self._conversation.voice.responses.wants(Purpose.CLOSING):
            return  # these were other last words, which have been called off
        closing.waits_for_model = False
        if not closing.has_been_heard:
            self._say_without_model(closing)

    def _end_as_decided(self, response: Response) -> None:
        """A response that spoke is the last one of the conversation; one that did not is followed by an ordinary reply that is."""
        conversation, reason = self._conversation, self._decided
        if reason is None or not response.has_audio or response.is_dead or response.purpose is not Purpose.REPLY:
            return
        self._decided = None
        if reason == "lead_captured" and conversation.profile is not None:
            self.say_goodbye(reason, conversation.profile.closing_text, may_reopen=True)
        elif (closing := self._begin(reason, Disposition(action="hang_up", reason=reason), None)) is not None:
            closing.may_reopen = True  # its own words are the closing: they play out

    # --- step by step ------------------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Goes on as far as it can be gone."""
        closing, now_ms = self.closing, self._conversation.now_ms
        if closing is None:
            return
        if closing.step is Step.SPEAKING and now_ms >= closing.wake_at_ms:
            self._conversation.outbox.error("model", "closing", "the model did not say the last words in time; others did")
            closing.waits_for_model = False
            self._conversation.let_go_of_model()
            self._say_without_model(closing)
        if now_ms >= self._last_words_over_at_ms(closing):
            closing.waits_for_model = False
        if closing.step is Step.SPEAKING and not closing.waits_for_model and not self._conversation.voice.is_audible():
            closing.enter(Step.LISTENING, now_ms)
        if closing.step is Step.LISTENING:
            self._listen(closing)
        elif now_ms >= closing.wake_at_ms and closing.step in (Step.STORING, Step.COMPLETING):
            self._conversation.outbox.error(
                "bridge", "closing_answer", "the call was left without an answer from store or Twilio"
            )
            self._conversation.leave(1000)

    def stored(self, *, ok: bool) -> None:
        """The shell's answer to ``StoreDisposition``."""
        closing = self.closing
        if closing is None or closing.step is not Step.STORING:
            return
        if not ok:
            self._conversation.outbox.error(
                "store", "disposition", "what becomes of the caller could not be stored; the fallback decides"
            )
        if ok and closing.must_be_completed:
            closing.enter(Step.COMPLETING, self._conversation.now_ms)
            self._conversation.outbox.add(wanted.CompleteCall())
        else:
            self._conversation.leave(1000)

    def call_completed(self, *, ok: bool) -> None:
        """The shell's answer to ``CompleteCall``."""
        if self.closing is not None and self.closing.step is Step.COMPLETING:
            self.closing.completed = ok
            self._conversation.leave(1000)

    def _listen(self, closing: Closing) -> None:
        """Has the caller said anything that takes the goodbye back? Waits for words that are still on their way."""
        conversation = self._conversation
        if closing.may_reopen and not conversation.model_is_gone and self._farewells is not None:
            texts = [conversation.transcript.text_of(item_id) for item_id in closing.turns]
            if any(text and self._farewells.means_something(text) for text in texts):
                self._reopen()
                return
            is_pending = conversation.ear.turns.caller_is_speaking or None in texts
            if is_pending and conversation.now_ms < closing.wake_at_ms:
                return
        self._store(closing)

    def _store(self, closing: Closing) -> None:
        closing.enter(Step.STORING, self._conversation.now_ms)
        self._conversation.let_go_of_model()
        self._conversation.outbox.add(wanted.StoreDisposition(closing.disposition))

    def _reopen(self) -> None:
        conversation = self._conversation
        self.closing = None
        conversation.move(Trigger.CLOSING_REOPENED)
        conversation.outbox.record(events.ClosingReopened())
        conversation.voice.responses.want(Wish(Purpose.REPLY))

    def _begin(
        self, reason: str, disposition: Disposition, phrase: str | None, *, began: events.AnyEvent | None = None
    ) -> Closing | None:
        conversation = self._conversation
        if self.closing is not None or after(conversation.phase, Trigger.CLOSING_STARTED) is None:
            return None
        conversation.greeting_cut_short()
        conversation.move(Trigger.CLOSING_STARTED)
        self.closing = Closing(reason, disposition, step_since_ms=conversation.now_ms, turns=[])
        conversation.outbox.record(began or events.ClosingStarted(reason=reason, phrase=phrase))
        conversation.ear.asides.forget()
        conversation.interruption.forget()
        return self.closing

    def _have_said(self, closing: Closing, text: str) -> None:
        """The model says the last words, or, where it cannot, somebody else does."""
        conversation = self._conversation
        responses = conversation.voice.responses
        if not conversation.model_is_gone and not conversation.session_is_requested:
            conversation.let_go_of_model()  # it has not even been set up
        if conversation.model_is_gone:
            self._say_without_model(closing)
            return
        closing.waits_for_model = True
        responses.want_no_more(Purpose.REPLY, Purpose.PROMPT, Purpose.OPERATOR)
        responses.want(Wish(Purpose.CLOSING, instruction=verbatim(text), with_tools=False))

    def _say_without_model(self, closing: Closing) -> None:
        """The stored goodbye; what is said before a human is dialled is left to Twilio."""
        if closing.announcement is None:
            self._say_stored("goodbye")
        else:
            closing.disposition = msgspec.structs.replace(closing.disposition, say=closing.announcement)
            closing.has_been_heard = True

    def _say_stored(self, name: str) -> None:
        line: SpokenLine | None = self._conversation.lines.get(name)
        if line is not None:
            self._conversation.voice.say(line)
        if self.closing is not None:
            self.closing.has_been_heard = True

    def drop_unheard_reply(self) -> None:
        """The automatic reply to the goodbye itself, as long as nothing of it was heard; one already audible plays to its end."""
        voice = self._conversation.voice
        response = voice.responses.active
        if response is None or response.purpose is not Purpose.REPLY:
            return
        if not response.has_audio:
            voice.cancel_generation()
