"""The conversation core: one call's stream, from the media WebSocket's first message to its last.

Theory of operation. The shell hands in what happened (``bridge.conversation.inputs``) with the time it happened at, and does what
comes back (``bridge.conversation.outputs``) in order. A step has two halves, as in h11: the input is taken in by the concept it
belongs to (*event-triggered*), then ``_settle`` applies the rules that depend on state alone (*state-triggered*): the greeting is
asked for once stream and model are both there, a played item becomes a line, a wanted response is created once the model is
free. A rule that finds nothing to do does nothing, so their order is the only coupling between them.

The core has no clock: ``wake_at_ms`` says when it wants to be called with a ``Tick`` if nothing else happens before. It never
raises on what a peer sends, never sends the model audio before the greeting has been asked for, and always reaches ``ENDED``.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from bridge.conversation import handover, model_messages
from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation import twilio_messages as tw
from bridge.conversation.agent_voice import AgentVoice, SpokenLine
from bridge.conversation.caller_ear import CallerEar
from bridge.conversation.carrying_on import CarryingOn
from bridge.conversation.clocks import Clocks
from bridge.conversation.ending import Ending
from bridge.conversation.from_model import ModelSide
from bridge.conversation.from_twilio import TwilioSide
from bridge.conversation.greeting import Greeting
from bridge.conversation.interruption import Interruption
from bridge.conversation.model_audio import NewResampler
from bridge.conversation.model_leg import ModelLeg
from bridge.conversation.outbox import Outbox
from bridge.conversation.phases import Phase, Trigger, after
from bridge.conversation.plain_audio import PlainAudio
from bridge.conversation.playback import LOST_MARK_MS
from bridge.conversation.responses import Purpose, Wish
from bridge.conversation.resumption import HeardLine
from bridge.conversation.spending import Spending
from bridge.conversation.stepping_in import SteppingIn
from bridge.conversation.tools import Tools, declared_tools
from bridge.conversation.transcript import Transcript
from calls import events
from calls.business import BusinessProfile
from calls.greetings import greeting_for
from calls.ids import CallSid
from calls.language import phrases_of
from calls.operator import Glimpse
from calls.record import CallRecord

START_WITHIN_MS = 10_000
"""A media WebSocket that has not said ``start`` by then is nobody's call."""
TOKEN_WITHIN_MS = 5_000
"""The shell's own bound on checking a token is 3 s; this one covers the shell."""


class Conversation:
    """One call's stream."""

    __slots__ = (
        "_began_ms",
        "_deadlines",
        "_lost_too_early",
        "_model",
        "_new_resampler",
        "_recorded_greeting",
        "_take",
        "_twilio",
        "carrying_on",
        "clocks",
        "ear",
        "ending",
        "greeting",
        "interruption",
        "is_settled_anew",
        "leg",
        "lines",
        "model_is_gone",
        "model_is_open",
        "operators",
        "outbox",
        "phase",
        "plain_audio",
        "profile",
        "record",
        "session_is_confirmed",
        "session_is_requested",
        "spending",
        "start_received_ms",
        "tools",
        "tools_await_reply",
        "transcript",
        "voice",
    )

    def __init__(self, new_resampler: NewResampler) -> None:
        self._new_resampler = new_resampler
        self.phase = Phase.CONNECTING
        self.outbox = Outbox()
        self.transcript = Transcript()
        self.voice = AgentVoice(self.outbox, self.transcript)
        self.ear = CallerEar(self.outbox)
        self.greeting = Greeting()
        self.interruption = Interruption(self.outbox, self.voice, self.transcript)
        self.tools = Tools(self.outbox)
        self.clocks = Clocks()
        self.ending = Ending(self)
        self.operators = SteppingIn(self)
        self.plain_audio = PlainAudio(self.outbox, self.voice, self.ear, self.interruption, self.clocks)
        self.leg = ModelLeg(self)
        self.record: CallRecord | None = None
        """The call's record as it was when the stream was accepted."""
        self.profile: BusinessProfile | None = None
        self.spending = Spending()
        self.start_received_ms: float | None = None
        self.model_is_open = False
        self.model_is_gone = False
        """Lost, or not needed any more."""
        self.lines: Mapping[str, SpokenLine] = {}
        self.carrying_on = CarryingOn(self)
        self._lost_too_early: given.ModelClosed | None = None
        self._recorded_greeting: SpokenLine | None = None
        self.session_is_requested = False
        """The model's session has been set up, as far as that is ours to do."""
        self.session_is_confirmed = False
        self.tools_await_reply = False
        """A response that called tools is done; once all of them are answered the model speaks again."""
        self._deadlines: dict[str, float] = {}
        self._began_ms: float | None = None
        self._twilio = TwilioSide(self)
        self._model = ModelSide(self)
        self.is_settled_anew = True
        """Whether the last step looked at the rules that depend on state; ``wake_at_ms`` is no earlier than before where it did not."""
        self._take: dict[type[given.Input], Callable[[Any], None]] = {
            given.TwilioClosed: lambda _: self.stream_over(None),
            given.StreamAccepted: self._accepted,
            given.StreamRefused: self._refused,
            given.ModelOpened: self._model_opened,
            given.ModelClosed: self.leg.closed,
            given.ToolFinished: lambda tool: self.tools.finished(tool.call_id, tool.output, ok=tool.ok, done=tool.events),
            given.DispositionStored: lambda stored: self.ending.stored(ok=stored.ok),
            given.CallCompleted: lambda completed: self.ending.call_completed(ok=completed.ok),
            given.CallOver: lambda over: self.stream_over(over.status),
            given.OperatorActs: self.operators.act,
            given.Watched: self._watched,
            given.Draining: lambda _: self.leave(1001),
            given.Tick: lambda _: None,
        }

    # --- the shell's three doors -------------------------------------------------------------------------------------------

    def receive(self, now_ms: float, happened: given.AnyInput) -> list[wanted.AnyOutput]:
        """One step. ``now_ms`` is on any clock that only goes forward; it may be the same in consecutive steps."""
        outbox = self.outbox
        if now_ms > outbox.now_ms:  # noqa: PLR1730 - a call less, fifty times a second
            outbox.now_ms = now_ms
        if type(happened) is given.TwilioFrame:
            message = tw.read(happened.frame)
            if type(message) is tw.Media and self.plain_audio.take(message) is not None:
                self.is_settled_anew = False
                return [wanted.SendModel(model_messages.append_audio(message.media.payload))]
        if self._began_ms is None:
            self._began_ms = self.now_ms
            self._deadlines["start"] = self.now_ms + START_WITHIN_MS
        if self.phase is not Phase.ENDED:
            if isinstance(happened, given.TwilioFrame):
                self.is_settled_anew = self._from_phone(message, happened.frame)
            elif isinstance(happened, given.TwilioFrames):
                self.is_settled_anew = any([self._one_of_many(frame) for frame in happened.frames])
            elif isinstance(happened, given.ModelFrame):
                self.is_settled_anew = self._from_model(happened)
            elif isinstance(happened, given.Looked):
                self.plain_audio.tell()
                self.is_settled_anew = False
            else:
                self.plain_audio.enter()
                self._take[type(happened)](happened)
                self._settle()
                self.is_settled_anew = True
        elif isinstance(happened, given.StreamAccepted) and self.profile is None:
            # The stream ended while its token was being checked: the call became ours too late.
            self.profile = happened.profile
            self.outbox.add(wanted.Release(None, {}))
        return self.outbox.drain()

    def fall_apart(self) -> None:
        """Nothing happens on an ended stream any more: its parts forget each other, so that all of it is gone when the last who looks at
        it lets go, and no collector has to find it. What it was can still be read."""
        self.phase = Phase.ENDED  # even if it broke before it came to that
        self._take = {}
        self._model.fall_apart()
        for part in (self.ending, self.operators, self.leg, self.carrying_on, self._twilio, self._model):
            del part._conversation

    @property
    def wake_at_ms(self) -> float:
        """When to hand in a ``Tick`` if nothing else happens before; ``inf``: never."""
        if self.phase is Phase.ENDED:
            return inf
        self.plain_audio.tell_clocks()
        return min(
            min(self._deadlines.values(), default=inf),
            self.voice.playback.over_by_ms,
            self._greeting_gives_up_ms(),
            self._stalled_at_ms,
            self.transcript.wake_at_ms,
            self._asides_wake_at_ms(),
            self.ear.turns.forgotten_at_ms,
            self.interruption.resumes_at_ms if self.session_is_requested else inf,
            self.tools.wake_at_ms if not self.model_is_gone else inf,
            self.clocks.wake_at_ms,
            self.ending.wake_at_ms,
            self.operators.unmutes_at_ms,
            self.leg.wake_at_ms,
        )

    def being_said(self, now_ms: float) -> list[Glimpse]:
        """The lines that are being said, for somebody who watches; changes nothing but what was looked at."""
        return self.transcript.being_said(lambda item_id: self.voice.playback.played(item_id, now_ms))

    @property
    def now_ms(self) -> float:
        """The time of the present step."""
        return self.outbox.now_ms

    # --- what the two sides of the line call -------------------------------------------------------------------------------

    def move(self, trigger: Trigger) -> bool:
        """The only way a phase changes. ``False`` where the trigger has no meaning."""
        phase = after(self.phase, trigger)
        if phase is None:
            return False
        self.phase = phase
        return True

    def stream_started(self, stream_sid: str, call_sid: CallSid, token: str | None) -> None:
        """Twilio's ``start``: from here the greeting latency counts, once the token has been checked."""
        self.start_received_ms = self.now_ms
        self._deadlines.pop("start", None)
        self._deadlines["token"] = self.now_ms + TOKEN_WITHIN_MS
        self.voice.attach(stream_sid)
        self.outbox.add(wanted.CheckToken(token, call_sid))

    def caller_heard(self, payload: str, audio: bytes) -> bool:
        """A piece of the caller's audio; ``True`` if it decided anything."""
        loudness_rms = self.interruption.loudness_of(audio)
        self.clocks.media(self.outbox.now_ms)
        self.ear.hear(payload, audio, loudness_rms)
        if loudness_rms is None and self.interruption.pass_quiet(audio):
            return False
        armed = self.phase is Phase.CONVERSING and self.voice.is_sounding() and not self._greeting_is_late()
        return self.interruption.hear(audio, loudness_rms, armed=armed)

    def key_pressed(self, digit: str) -> None:
        """A caller who presses 0 is put through to a human, where the business has one."""
        if digit != handover.KEY or self.profile is None or self.profile.escalation is None or self.record is None:
            return
        if self.ending.closing is None and handover.why_not(self.profile, self.record) is None:
            self.ending.transfer()

    def _greeting_is_late(self) -> bool:
        """Whether audio of the greeting is being played that came after it had counted as over."""
        if self.greeting.has_late_audio:
            self.greeting.has_late_audio = not all(map(self.voice.playback.is_confirmed, self.greeting.items))
        return self.greeting.has_late_audio

    def session_confirmed(self) -> None:
        """``session.updated`` says what was asked for: audio may reach the phone."""
        self.session_is_confirmed = True
        self.voice.responses.is_awaited_from(self.now_ms)
        self.leg.confirmed()
        self._model.session_confirmed()

    def session_over(self) -> None:
        """The model's session is lost; another one will be set up."""
        self.session_is_requested = False
        self._model.session_over()

    def greeting_heard(self, item_id: str) -> None:
        """Audio of the greeting went out."""
        if item_id not in self.greeting.items:
            self.greeting.items.append(item_id)
        self.greeting.has_late_audio = self.phase is not Phase.GREETING
        if self.greeting.first_audio_ms is None and self.start_received_ms is not None:
            self.greeting.first_audio_ms = self.now_ms
            latency_ms = round(self.now_ms - self.start_received_ms)
            if self.carrying_on.resumed is None:
                self.outbox.record(events.GreetingFirstAudio(latency_ms=latency_ms))
            else:
                self.outbox.record(events.CallResumed(ms=latency_ms + round(self.carrying_on.resumed.since_ms)))

    def greeting_cut_short(self) -> None:
        """The greeting's phase ends by something else: what was heard of it goes on the record."""
        is_first = self.carrying_on.resumed is None
        if self.phase is Phase.GREETING and self.greeting.first_audio_ms is not None and is_first:
            self.outbox.record(events.GreetingFinished(heard_ms=self.voice.heard_ms_of(self.greeting.items)))

    def lose_model(self, reason: str, *, hopeless: bool = False, waited_ms: float = 0.0) -> None:
        """The model's session is over, and another one takes its place, unless the call is being ended or it would be ``hopeless``."""
        if self.model_is_gone:
            return
        if self.profile is None:
            self._lost_too_early = given.ModelClosed(reason, hopeless=hopeless)
            self.model_is_open = False
        elif hopeless or self.phase is Phase.CLOSING:
            if self.leg.outage is None or not self.leg.outage.is_loss:
                self.outbox.record(events.ModelLost(reason=reason))
            self.give_up_model()
        else:
            self.leg.lost(reason, waited_ms)

    def give_up_model(self) -> None:
        """There will be no model for the rest of the call: the caller is told, then gets the business's fallback."""
        self.let_go_of_model()
        self.ending.model_lost()

    def say_one_moment(self) -> None:
        """A caller who hears nothing for want of a model is told that it takes a moment."""
        line = self.lines.get("one_moment")
        if line is not None and self.phase is not Phase.CLOSING and not self.operators.is_muted:
            self.voice.say(line)

    def heard_lines(self) -> list[HeardLine]:
        """The conversation as it was heard, that of earlier streams included."""
        so_far = self.transcript.heard(lambda item_id: self.voice.playback.played(item_id, self.now_ms))
        before = self.carrying_on.resumed
        return [*(before.heard if before is not None else ()), *so_far]

    def let_go_of_model(self) -> None:
        """The model is not listened to and not spoken to any more."""
        if self.model_is_gone:
            return
        self.model_is_gone = True
        self.ear.shut()
        self.ear.asides.forget()
        self.interruption.forget()
        self.clocks.stop()
        self.voice.responses.forget()
        self.leg.stop()
        self.outbox.add(wanted.CloseModel())

    def stream_over(self, call_status: str | None) -> None:
        """The media stream is gone. ``call_status``: so is the call, as Twilio's callback says."""
        closing = self.ending.closing
        if closing is not None and (closing.completed or call_status is not None):
            self._end(closing.reason)
        elif call_status is not None:
            self._end("caller_hung_up" if call_status == "completed" else call_status)
        else:
            self._end(None)

    def leave(self, code: int) -> None:
        """We close the stream. Twilio asks ``/stream-ended`` next."""
        closing = self.ending.closing
        self._end(closing.reason if closing is not None and closing.completed else None, close_code=code)

    # --- the phone ---------------------------------------------------------------------------------------------------------

    def _one_of_many(self, frame: str | bytes) -> bool:
        """One of several frames that have come together; whether the rules were looked at."""
        message = tw.read(frame)
        if isinstance(message, tw.Media) and (audio := self.plain_audio.take(message)) is not None:
            self.outbox.caller_audio(message.media.payload, audio)
            return False
        return self._from_phone(message, frame)

    def _from_phone(self, message: tw.AnyMessage | tw.Unreadable, frame: str | bytes) -> bool:
        """Whether the rules were looked at: 50 pieces of audio a second change nothing of what they look at, and their deadlines come
        as ticks."""
        if self.phase is Phase.ENDED:
            return False
        if type(message) is not tw.Mark:
            self.plain_audio.enter()
        self._twilio.take(message, frame)
        if self._twilio.last_was_news:
            self._settle()
        return self._twilio.last_was_news

    def _from_model(self, happened: given.ModelFrame) -> bool:
        """Whether the rules were looked at: most events of a reply tell more of what is being said already."""
        self._model.take(happened)
        if self._model.last_was_news:
            self._settle()
        return self._model.last_was_news

    # --- the shell's answers -----------------------------------------------------------------------------------------------

    def _accepted(self, accepted: given.StreamAccepted) -> None:
        if self.profile is not None:
            return
        self._deadlines.pop("token", None)
        self.profile = accepted.profile
        self.record = accepted.record
        self.lines = accepted.lines
        self.outbox.number_from(accepted.record.last_seq)
        self.ear.configure(accepted.profile, self._new_resampler)
        self.voice.configure(accepted.profile, self._new_resampler)
        self.interruption.configure(accepted.profile.barge_in, self.start_received_ms or self.now_ms)
        self.ending.configure(accepted.profile)
        self.tools.configure(accepted.profile, accepted.record)
        self.carrying_on.begin(accepted.resumed, accepted.profile)
        self.spending.configure(accepted.rate, accepted.profile.limits, accepted.record)
        self._play_greeting(accepted)
        self.leg.awaited(accepted.chance)
        if self._lost_too_early is not None:
            self.lose_model(self._lost_too_early.reason, hopeless=self._lost_too_early.hopeless)

    def _refused(self, refused: given.StreamRefused) -> None:
        if self.profile is None:
            self.outbox.add(wanted.Log("stream_refused", refused.reason))
            self.leave(1008)

    def _watched(self, watched: given.Watched) -> None:
        self.outbox.is_watched = watched.on

    def _model_opened(self, opened: given.ModelOpened) -> None:
        if not self.model_is_gone and self.leg.opened(opened) and not self.leg.was_set_up:
            self._model.connected = events.ModelConnected(ms=round(opened.connect_ms), warm=opened.warm)

    # --- rules that depend on state alone ----------------------------------------------------------------------------------

    def _settle(self) -> None:
        self.plain_audio.enter()
        self._meet_deadlines()
        self.leg.advance()
        self.leg.answer_without_the_turn()
        self._set_up_model()
        self.voice.settle_lines()
        self._finish_greeting()
        self._end_over_budget()
        self._answer_asides()
        self._go_on_after_a_noise()
        self._go_on_after_tools()
        self.ending.advance()
        self.create_response()
        self._watch_silence()
        for line in self.transcript.due(self.now_ms):
            self.outbox.record(line)

    def _meet_deadlines(self) -> None:
        self.voice.playback.give_up_lost_marks(self.now_ms)
        if self.ear.turns.forget_overdue(self.now_ms):
            self.interruption.turn_forgotten()
        due = [name for name, at_ms in self._deadlines.items() if self.now_ms >= at_ms]
        for name in due:
            del self._deadlines[name]
            self._deadline_met(name)
        if self.now_ms >= self._stalled_at_ms:
            self._stalled()
        self.operators.speak_again_when_forgotten()
        if self.profile is not None:
            self._meet_clocks(self.profile)

    @property
    def _stalled_at_ms(self) -> float:
        """Before it has confirmed its session the model is waited for in another way."""
        return self.voice.responses.stalled_at_ms if self.session_is_confirmed else inf

    def _stalled(self) -> None:
        """The model does not answer. The caller has been waiting since they last heard something."""
        active = self.voice.responses.active
        asked_ms = active.last_sign_ms if active is not None else self.now_ms
        self.lose_model("stalled", waited_ms=max(0.0, self.now_ms - max(asked_ms, self.voice.playback.sounds_until_ms)))

    def _meet_clocks(self, profile: BusinessProfile) -> None:
        spoken = phrases_of(profile.language)
        if self.now_ms >= self.clocks.max_call_at_ms:
            self.clocks.stop()
            self.ending.say_goodbye("max_duration", spoken.goodbye)
        elif self.now_ms >= self.clocks.media_missing_at_ms:
            self.clocks.stop()
            self.ending.say_goodbye("no_inbound_media", spoken.nobody_there)
        elif self.now_ms >= self.clocks.silent_at_ms:
            if self.clocks.ask_again(self.now_ms):
                self.voice.responses.want(
                    Wish(Purpose.PROMPT, instruction=model_messages.verbatim(spoken.still_there), with_tools=False)
                )
            else:
                self.ending.say_goodbye("silence", spoken.nobody_there, may_reopen=True)

    def _deadline_met(self, name: str) -> None:
        match name:
            case "start":
                self._refused(given.StreamRefused("no_start"))
            case "token":
                self._refused(given.StreamRefused("token_not_checked"))

    def _play_greeting(self, accepted: given.StreamAccepted) -> None:
        """A recording of what this call is to be greeted with is played at once; the model is set up behind it."""
        recording = accepted.greeting
        if recording is None or not recording.audio or accepted.resumed is not None or self.model_is_gone:
            return
        if recording.text != greeting_for(accepted.profile, accepted.record) or not self.move(Trigger.GREETING_REQUESTED):
            return
        self._recorded_greeting = recording
        self.greeting.is_a_recording()
        self.outbox.record(events.GreetingRequested(mode="recorded"))
        self.voice.say(recording, model_messages.RECORDED_GREETING_ID)
        self.greeting_heard(model_messages.RECORDED_GREETING_ID)

    def _set_up_model(self) -> None:
        if self.profile is None or not self.model_is_open or self.model_is_gone or self.session_is_requested:
            return
        if self.leg.was_set_up:
            if self.phase in (Phase.GREETING, Phase.CONVERSING):
                self.leg.take_up()
        elif self._recorded_greeting is None:
            if self.move(Trigger.GREETING_REQUESTED):
                self.begin_session(self.profile)
                self._request_greeting(self.profile)
                self.ear.open()
        elif self.phase in (Phase.GREETING, Phase.CONVERSING):
            self.begin_session(self.profile)
            self.outbox.model(model_messages.greeting_spoken(self._recorded_greeting.text))
            self.ear.open()

    def begin_session(self, profile: BusinessProfile) -> None:
        """The first thing a session is told: what it is to be."""
        if self._model.connected is not None and not self.leg.was_set_up:
            self.outbox.record(self._model.connected)
        has_called = self.record is not None and self.record.direction == "outbound"
        self.outbox.model(model_messages.session_update(profile, declared_tools(profile), has_called=has_called))
        self.session_is_requested = self.leg.was_set_up = True

    def _request_greeting(self, profile: BusinessProfile) -> None:
        self.ask_for_greeting(profile)
        self.voice.responses.want(Wish(Purpose.GREETING))
        self.voice.create_next()
        if self.carrying_on.resumed is None:
            self.outbox.record(events.GreetingRequested(mode="live"))

    def ask_for_greeting(self, profile: BusinessProfile) -> None:
        """The item that asks for the greeting, or, on a stream that carries a call on, for what takes its place."""
        self.transcript.hide(model_messages.GREETING_ITEM_ID)
        if self.carrying_on.resumed is None:
            self.outbox.model(model_messages.greeting_request(greeting_for(profile, self.record)))
        else:
            self.carrying_on.tell(self.carrying_on.resumed, profile)

    def greeting_text(self) -> str | None:
        """What the model was asked to greet the caller with."""
        return self.carrying_on.first_words(self.profile) if self.profile is not None else None

    def _greeting_gives_up_ms(self) -> float:
        if self.phase is not Phase.GREETING:
            return inf
        playback = self.voice.playback
        return self.greeting.gives_up_at_ms(playback.over_by_ms, self.voice.last_audio_ms, LOST_MARK_MS)

    def _finish_greeting(self) -> None:
        if self.phase is not Phase.GREETING:
            return
        is_over = self.greeting.is_over(audible=self.voice.is_audible())
        if not is_over and self.now_ms < self._greeting_gives_up_ms():
            return
        if self.carrying_on.resumed is None:
            self.outbox.record(events.GreetingFinished(heard_ms=self.voice.heard_ms_of(self.greeting.items)))
        self.move(Trigger.GREETING_FINISHED)
        for item_id in self.greeting.turns:
            self.ending.caller_said(item_id, self.transcript.text_of(item_id) or "")
        is_answered = self.ending.closing is None and self.greeting.has_substantial_turn
        if is_answered and not self.ear.turns.caller_is_speaking:
            self.voice.responses.want(Wish(Purpose.REPLY))
        self.carrying_on.after_first_words()

    def _end_over_budget(self) -> None:
        talking = self.phase in (Phase.CONVERSING, Phase.CLOSING)
        if talking and self.profile is not None and self.spending.is_over_limit():
            self.ending.say_goodbye("max_cost", phrases_of(self.profile.language).goodbye)

    def _answer_asides(self) -> None:
        asides = self.ear.asides
        if self.phase is not Phase.CONVERSING or not asides.item_ids:
            return
        if self.voice.is_sounding() or self.voice.responses.active is not None:
            asides.audible_again()
            return
        texts = {item_id: self.transcript.text_of(item_id) for item_id in asides.item_ids}
        if asides.decide(texts, self.now_ms):
            self.voice.responses.want(Wish(Purpose.REPLY))

    def _asides_wake_at_ms(self) -> float:
        if not self.ear.asides.item_ids or self.phase is not Phase.CONVERSING:
            return inf
        return self.voice.playback.sounds_until_ms if self.voice.is_sounding() else self.ear.asides.wake_at_ms

    def _go_on_after_a_noise(self) -> None:
        may_speak = self.phase is Phase.CONVERSING and not self.operators.is_muted and self.session_is_requested
        if may_speak and self.interruption.resume():
            self.voice.responses.want(Wish(Purpose.REPLY))

    def _go_on_after_tools(self) -> None:
        if self.model_is_gone:
            return
        self.tools.give_up_overdue()
        filler = self.tools.filler_due()
        if self.phase is not Phase.CONVERSING:
            return
        if filler is not None and not self.voice.is_audible() and not self.operators.is_muted:
            self.voice.responses.want(Wish(Purpose.PROMPT, instruction=model_messages.verbatim(filler), with_tools=False))
        free = self.voice.responses.active is None and not self.ear.turns.caller_is_speaking
        if self.tools_await_reply and not self.tools.pending() and free:
            self.tools_await_reply = False
            self.voice.responses.want(Wish(Purpose.REPLY))

    def create_response(self) -> None:
        """Asks for the next response that is wanted, if the model is free and nothing else comes first."""
        if self.model_is_gone or self.phase not in (Phase.GREETING, Phase.CONVERSING, Phase.CLOSING):
            return
        if not self.session_is_requested:
            return  # what is wanted while a recorded greeting plays, or the model is away, waits for the session
        if self.leg.hears_again and self.phase is Phase.CONVERSING:
            return  # one reply answers that turn, too
        if self.tools.pending() and self.voice.responses.wants(Purpose.GREETING):
            return  # a greeting that called tools is asked for again once they have answered
        response = self.voice.create_next()
        if response is None:
            return
        self.ear.asides.forget()
        self.interruption.forget()
        if response.purpose is Purpose.CLOSING:
            self.ending.last_words_asked_for()
        if response.purpose is Purpose.REPLY and not self.tools.pending():
            self.tools_await_reply = False

    def _watch_silence(self) -> None:
        responses = self.voice.responses
        busy = (
            self.phase is not Phase.CONVERSING
            or self.operators.is_muted
            or self.voice.is_audible()
            or responses.active is not None
            or responses.is_wanted
            or self.ear.turns.caller_is_speaking
            or self.tools.pending()
            or self.leg.outage is not None
        )
        self.clocks.line_is(busy=busy, now_ms=self.now_ms)

    # --- the end -----------------------------------------------------------------------------------------------------------

    def _end(self, end_reason: str | None, close_code: int = 1000) -> None:
        self.greeting_cut_short()
        if not self.move(Trigger.STREAM_OVER):
            return
        self.voice.settle_lines(stream_over=True)
        for line in self.transcript.due(self.now_ms, last_call=True):
            self.outbox.record(line)
        self.let_go_of_model()
        self.outbox.add(wanted.CloseStream(close_code))
        if self.profile is not None:
            self.outbox.add(wanted.Release(end_reason, self.spending.usage, self.spending.cost_usd))
