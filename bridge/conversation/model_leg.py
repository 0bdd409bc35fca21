"""The model leg: which session of the model the call is on, and how another one takes its place.

Sessions are numbered in the order they are asked for, and what any but the present one says is nobody's. When it is lost, nothing of
what is being played is cut and nothing of what the caller says is dropped: another session is opened, told the conversation as it was
heard, and asked to go on where somebody waits. Nothing of that is the caller's business unless it takes longer than a moment; they are
told so after ``ONE_MOMENT_MS``, and after ``GIVE_UP_MS`` without the model the call goes to the business's fallback.

A session cannot be resumed, and lives for sixty minutes (OpenAI Realtime, ``session_expired``). So a long call is moved to a new one
before that, in a pause: there the new one is open before the old one is let go.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import msgspec

from bridge.conversation import model_messages, resumption
from bridge.conversation import outputs as wanted
from bridge.conversation.phases import Phase
from bridge.conversation.responses import Purpose, Response, Wish
from calls import events

if TYPE_CHECKING:
    from bridge.conversation.inputs import ModelClosed, ModelOpened
    from bridge.conversation.machine import Conversation

ONE_MOMENT_MS = 1500
"""A caller who hears nothing for this long for want of a model is told that it takes a moment."""
GIVE_UP_MS = 6000
"""Without the model for this long, the call goes to the business's fallback."""
LEFT_MS = 3000
"""What is left of that at least when a session is given up that a caller has been waiting for."""
ATTEMPT_MS = 3000
"""How long a session may take to open, and then to confirm its settings, before another one is tried."""
SPREAD_MS = 100
"""Calls that lose their sessions at the same moment ask for new ones within this time."""
BACKOFF_MS, LONGEST_BACKOFF_MS = 250, 2000
"""Before the second attempt, doubled for each one after it, half as much or half as much again by chance."""
STEADY_MS = 10_000
"""A session that has lasted so long, or has said something, works: losing it is a new matter."""
MAX_FRUITLESS = 3
"""Sessions in a row that came to nothing; more of them would not help."""
RENEW_MS = 50 * 60_000
"""The age at which a pause is looked for to move on in; sessions end at 60 minutes."""
RENEW_ANYHOW_MS = 55 * 60_000
"""The age at which it need not be a pause any more, as long as nothing is being generated."""
RENEW_AGAIN_MS = 30_000
"""Between two tries to move on."""
REPEATED_TURN_MS = 1500
"""How long a session is given to hear a turn again that the one before had heard."""
_GOLDEN = 0.618034


class Outage(msgspec.Struct):
    """A time without the model."""

    since_ms: float
    gives_up_at_ms: float
    is_loss: bool
    """There was a session, or an attempt to open one has failed; else the first one is on its way."""
    opens_at_ms: float = inf
    """When to try next."""
    overdue_at_ms: float = inf
    """When the session that is being opened or set up is not waited for any longer."""
    has_said_so: bool = False


class ModelLeg:
    """One call's sessions with the model."""

    __slots__ = (
        "_attempts",
        "_broke_off",
        "_chance",
        "_conversation",
        "_fruitless",
        "_has_proved_itself",
        "_hears_again_until_ms",
        "_newest",
        "_next",
        "_next_opened",
        "_opened_at_ms",
        "_renews_at_ms",
        "_told",
        "_under_way",
        "_without_ms",
        "outage",
        "session",
        "was_set_up",
    )

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.session = 0
        """The number of the session the call is on, or is about to be on."""
        self.was_set_up = False
        """A session, this one or one before it, has been sent everything it must know."""
        self.outage: Outage | None = None
        self._newest = 0
        self._under_way = {0}  # asked for, neither open nor given up
        self._chance = 0.0
        self._attempts = 0
        self._fruitless = 0
        self._without_ms = 0.0  # of the outages in a row that came to nothing
        self._has_proved_itself = False
        self._opened_at_ms = inf  # less the age it had then
        self._next: int | None = None  # the session the call moves to in a pause
        self._next_opened: ModelOpened | None = None
        self._renews_at_ms = inf
        self._told: list[str] = []  # what operators have whispered
        self._broke_off: Wish | None = None  # what the AI was saying
        self._hears_again_until_ms = inf

    # --- what happens to sessions ------------------------------------------------------------------------------------------

    def awaited(self, chance: float) -> None:
        """The call is ours. ``chance``: between 0 and 1, another one for each call; attempts are spread by it."""
        now_ms = self._conversation.now_ms
        self._chance = chance % 1.0
        self.outage = Outage(now_ms, now_ms + GIVE_UP_MS, is_loss=False, overdue_at_ms=now_ms + ATTEMPT_MS)

    def opened(self, opened: ModelOpened) -> bool:
        """A socket is open; ``True`` if it is one the call waits for: of several, the first to open."""
        conversation = self._conversation
        if opened.session == self._next and self._next_opened is None:
            self._next_opened = opened
            self._renews_at_ms = conversation.now_ms
        if opened.session not in self._under_way or conversation.model_is_open:
            return False
        self._use(opened)
        return True

    def closed(self, closed: ModelClosed) -> None:
        """A socket is gone, or could not be opened."""
        if closed.session == self._next:
            self._next = self._next_opened = None
            self._renews_at_ms = self._conversation.now_ms + RENEW_AGAIN_MS
        self._under_way.discard(closed.session)
        if closed.session == self.session:
            self._conversation.lose_model(closed.reason, hopeless=closed.hopeless)

    def lost(self, reason: str, waited_ms: float = 0.0) -> None:
        """The session is of no use any more. ``waited_ms``: how long the caller has been waiting for it in silence."""
        conversation = self._conversation
        now_ms = conversation.now_ms
        if self.outage is not None:
            self._attempt_failed(self.outage, reason)
            return
        if self._has_proved_itself or now_ms >= self._opened_at_ms + STEADY_MS:
            self._attempts = self._fruitless = 0
            self._without_ms = 0.0
        conversation.outbox.record(events.ModelLost(reason=reason))
        left_ms = max(GIVE_UP_MS - self._without_ms - waited_ms, LEFT_MS if self._fruitless == 0 else 0)
        self.outage = Outage(now_ms - waited_ms, now_ms + left_ms, is_loss=True)
        self._another(self.outage)

    def _attempt_failed(self, outage: Outage, reason: str) -> None:
        outbox = self._conversation.outbox
        if outage.is_loss:
            outbox.error("model", "reconnect", f"a new session of the model could not be had: {reason}")
        else:
            outage.is_loss = True
            outbox.record(events.ModelLost(reason=reason))
        self._another(outage)

    def _another(self, outage: Outage) -> None:
        """The session is left, and another one will be opened."""
        now_ms = self._conversation.now_ms
        self._fruitless += self._conversation.model_is_open
        self._leave()
        if self._fruitless > MAX_FRUITLESS:
            self._conversation.give_up_model()
            return
        if self._next is None:
            self._newest += 1
            self.session, outage.overdue_at_ms, outage.opens_at_ms = self._newest, inf, now_ms + self._backoff_ms()
            return
        self._under_way.add(self._next)
        self.session, self._next, outage.overdue_at_ms = self._next, None, now_ms + ATTEMPT_MS
        if self._next_opened is not None:
            self._use(self._next_opened)

    def _backoff_ms(self) -> float:
        self._chance = (self._chance + (_GOLDEN if self._attempts else 0.0)) % 1.0
        if self._attempts == 0:
            return SPREAD_MS * self._chance
        return min(BACKOFF_MS * 2.0 ** (self._attempts - 1), LONGEST_BACKOFF_MS) * (0.5 + self._chance)

    def _use(self, opened: ModelOpened) -> None:
        conversation = self._conversation
        conversation.model_is_open = True
        self.session, self._next_opened = opened.session, None
        self._under_way.clear()
        self._opened_at_ms = conversation.now_ms - opened.age_ms
        self._renews_at_ms = self._opened_at_ms + RENEW_MS
        self._has_proved_itself = False
        if self.outage is not None:
            self.outage.opens_at_ms, self.outage.overdue_at_ms = inf, conversation.now_ms + ATTEMPT_MS
        if self._newest:
            conversation.outbox.add(wanted.UseModel(opened.session))

    def confirmed(self) -> None:
        """The session has confirmed its settings: it is there."""
        outage, self.outage = self.outage, None
        if outage is not None and outage.is_loss:
            ms = self._conversation.now_ms - outage.since_ms
            self._without_ms += ms
            self._conversation.outbox.record(events.ModelResumed(ms=round(ms)))

    def has_spoken(self) -> None:
        """It works."""
        self._has_proved_itself = True

    def stop(self) -> None:
        """No session is needed any more."""
        self.outage = None
        self._renews_at_ms = self._hears_again_until_ms = inf

    def remember(self, *told: str) -> None:
        """What every session of this stream has to know."""
        self._told += told

    def whispered(self, text: str) -> None:
        """An instruction that holds for the rest of the call, whatever session it is on."""
        self._told.append(text)
        self._conversation.outbox.model(model_messages.instruction(text))

    # --- rules that depend on state alone ----------------------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> float:
        """The next deadline; ``inf`` if there is none."""
        outage = self.outage
        if outage is None:
            return min(self._renews_at_ms if self._is_waiting_to_renew else inf, self._hears_again_until_ms)
        says_so_ms = inf if outage.has_said_so else self._says_so_at_ms(outage)
        return min(outage.gives_up_at_ms, outage.opens_at_ms, outage.overdue_at_ms, says_so_ms)

    def advance(self) -> None:
        """Goes on as far as it can be gone."""
        outage, now_ms = self.outage, self._conversation.now_ms
        if outage is None:
            self._renew()
            return
        may_try_again = self._conversation.phase is not Phase.CLOSING
        if now_ms >= outage.gives_up_at_ms or (now_ms >= outage.overdue_at_ms and not may_try_again):
            self._give_up(outage)
            return
        if now_ms >= outage.overdue_at_ms:
            self._attempt_failed(outage, self._what_is_overdue)
        if now_ms >= outage.opens_at_ms:
            outage.opens_at_ms, outage.overdue_at_ms = inf, now_ms + ATTEMPT_MS
            self._attempts += 1
            self._under_way.add(self.session)
            self._conversation.outbox.add(wanted.OpenModel(self.session))
        if self.outage is outage and not outage.has_said_so and now_ms >= self._says_so_at_ms(outage):
            outage.has_said_so = True
            self._conversation.say_one_moment()

    def _says_so_at_ms(self, outage: Outage) -> float:
        """When the caller has heard nothing for too long."""
        return max(outage.since_ms, self._conversation.voice.playback.sounds_until_ms) + ONE_MOMENT_MS

    def _give_up(self, outage: Outage) -> None:
        if not outage.is_loss:
            self._conversation.outbox.record(events.ModelLost(reason=self._what_is_overdue))
        self._conversation.give_up_model()

    @property
    def _what_is_overdue(self) -> str:
        return "session_not_confirmed" if self._conversation.model_is_open else "connect_timeout"

    # --- moving on before the session ends ---------------------------------------------------------------------------------

    @property
    def _is_waiting_to_renew(self) -> bool:
        return self._next is None or self._next_opened is not None

    def _renew(self) -> None:
        conversation = self._conversation
        if conversation.now_ms < self._renews_at_ms or not self._is_waiting_to_renew:
            return
        if not self._may_move():
            self._renews_at_ms = conversation.now_ms + 250  # asked again soon, should nothing happen before
            return
        if self._next is None:
            self._newest += 1
            self._next = self._newest
            conversation.outbox.add(wanted.OpenModel(self._next))
            return
        self.outage = Outage(conversation.now_ms, conversation.now_ms + GIVE_UP_MS, is_loss=True)
        self._another(self.outage)
        self._fruitless = 0

    def _may_move(self) -> bool:
        conversation = self._conversation
        busy = (
            conversation.phase is not Phase.CONVERSING
            or conversation.ear.turns.caller_is_speaking
            or conversation.voice.responses.active is not None
            or conversation.voice.responses.is_wanted
            or conversation.tools.pending()
        )
        must = conversation.now_ms >= self._opened_at_ms + RENEW_ANYHOW_MS
        return not busy and (must or not conversation.voice.is_sounding())

    # --- from one session to the next --------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """What belonged to the session is over; what it owed the caller is kept."""
        conversation = self._conversation
        conversation.model_is_open = conversation.session_is_confirmed = False
        if not conversation.session_is_requested:
            return
        self._hears_again_until_ms = inf
        voice = conversation.voice
        active = voice.responses.left()
        if active is not None and not active.is_dead and conversation.tools.was_called_in(active.id):
            conversation.tools_await_reply = True
        elif active is not None and not active.is_dead and not active.has_audio:
            voice.responses.want_first(active.wish)
        elif active is not None and not active.is_dead and not active.is_spoken:
            self._broke_off = self._rest(active)
        elif active is not None and active.purpose is Purpose.GREETING:
            conversation.greeting.response_is_done = True
        voice.leave_session()
        conversation.transcript.session_over(voice.unfinished)
        conversation.ear.asides.forget_all_but(conversation.transcript.has_text)
        conversation.interruption.turn_forgotten()
        conversation.tools.session_over()
        conversation.session_over()
        conversation.ear.hold()
        conversation.outbox.has_model = False

    def go_on(self, response: Response) -> None:
        """A response has ended in the middle, its session has not: the rest of it is asked for once."""
        rest = self._rest(response)
        if rest is not None:
            self._conversation.voice.responses.want_first(msgspec.structs.replace(rest, attempt=2))

    def _rest(self, response: Response) -> Wish | None:
        """What is left to be said; ``None`` if the last word is on the phone already."""
        conversation = self._conversation
        heard, whole = conversation.voice.broke_off(response), response.wish.text
        if response.purpose is Purpose.GREETING:
            whole = conversation.greeting_text()
        is_whole = whole is not None and whole.split() == heard.split()
        if response.purpose is Purpose.GREETING:
            conversation.greeting.broke_off(is_whole=is_whole)
        if is_whole:
            return None
        return msgspec.structs.replace(response.wish, instruction=_how_to_go_on(whole, heard), told=False)

    def take_up(self) -> None:
        """The new session is told everything and asked to go on where somebody waits; then it hears the caller."""
        conversation = self._conversation
        profile = conversation.profile
        if profile is None:
            return
        conversation.outbox.has_model = True
        conversation.begin_session(profile)
        if conversation.voice.responses.wants(Purpose.GREETING):
            if conversation.carrying_on.resumed is None:
                self.tell_what_holds()
            conversation.ask_for_greeting(profile)
        else:
            self._tell_what_was_heard()
            self.tell_what_holds()
        hears_again = conversation.ear.hears_again and conversation.phase is Phase.CONVERSING
        if self._broke_off is not None and not hears_again:
            conversation.voice.responses.want_first(self._broke_off)
        self._broke_off = None
        if hears_again:
            self._hears_again_until_ms = conversation.now_ms + REPEATED_TURN_MS
        conversation.create_response()
        conversation.ear.open()

    def tell_what_holds(self) -> None:
        """What a session cannot know from what was said: what operators have told the AI, and what tools have done."""
        for text in [*self._told, *self._conversation.tools.to_be_told()]:
            self._conversation.outbox.model(model_messages.instruction(text))

    def _tell_what_was_heard(self) -> None:
        conversation = self._conversation
        for item in resumption.items_of(resumption.end_of(conversation.heard_lines())):
            conversation.transcript.hide(item["item"]["id"])
            conversation.outbox.model(item)

    # --- a turn that is heard again ----------------------------------------------------------------------------------------

    @property
    def hears_again(self) -> bool:
        """Whether a turn is on its way again that the session before had heard: an answer waits for it."""
        return self._hears_again_until_ms != inf

    def turn_heard(self) -> None:
        """A turn has come."""
        self._hears_again_until_ms = inf

    def answer_without_the_turn(self) -> None:
        """The turn that was to be heard again does not come: the caller is asked to repeat it, or answered without it."""
        conversation = self._conversation
        if conversation.now_ms < self._hears_again_until_ms:
            return
        if conversation.ear.turns.caller_is_speaking:
            self._hears_again_until_ms = conversation.now_ms + REPEATED_TURN_MS
            return
        self._hears_again_until_ms = inf
        if not conversation.voice.responses.is_wanted:
            conversation.voice.responses.want(Wish(Purpose.REPLY, instruction=_SAY_AGAIN_PLEASE))


def rest_of(whole: str, heard: str) -> str:
    """What is left to be said of a text of which the first words were heard; empty if they are others, or all."""
    words, so_far = whole.split(), heard.split()
    return " ".join(words[len(so_far) :]) if words[: len(so_far)] == so_far else ""


def _how_to_go_on(whole: str | None, heard: str) -> str:
    if whole is not None and (rest := rest_of(whole, heard)):
        return model_messages.verbatim(rest)
    return GO_ON.format(heard=heard) if heard else _SAY_IT


GO_ON = (
    "The line was interrupted for a moment. The caller heard you up to these words: “{heard}”. Go on from exactly there, in a natural "
    "way, without repeating what was heard and without mentioning the interruption."
)
_SAY_IT = (
    "The line was interrupted before the caller heard what you were saying. Say it now, without mentioning the interruption."
)
_SAY_AGAIN_PLEASE = (
    "The line was interrupted for a moment, and you could not hear what the caller has just said. Say so in a few words, and ask "
    "them to say it again."
)
