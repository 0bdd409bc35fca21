"""What the model's events do to the conversation (OpenAI Realtime, server events)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bridge.conversation import model_events as ev
from bridge.conversation import model_messages
from bridge.conversation.model_audio import agrees, format_of, spelled
from bridge.conversation.model_errors import Severity, is_hopeless, severity_of
from bridge.conversation.phases import Phase
from bridge.conversation.responses import Purpose, Response, Wish
from bridge.conversation.tools import Escalate
from calls import events
from calls.business import Audio

if TYPE_CHECKING:
    from bridge.conversation.inputs import ModelFrame
    from bridge.conversation.machine import Conversation


MAX_HELD_EVENTS = 2000
"""Events kept until the session is confirmed; by far more than a model sends within the time it has for that."""
_SAYS_NOTHING_OF_THE_CALLER = (ev.AudioDelta, ev.Passed)
_BEFORE_CONFIRMATION = (ev.SessionUpdated, ev.ModelError, ev.UnreadableEvent, ev.UnknownEvent)


class ModelSide:
    """Takes in the events of the model's socket."""

    __slots__ = ("_conversation", "_held", "_last_frame", "_react", "connected", "last_was_news")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._held: list[ev.ModelEvent] = []
        self._last_frame: str | bytes = b""
        self.last_was_news = True
        """Whether the last event may have changed anything that the rules look at, or made a moment of theirs come earlier."""
        self.connected: events.ModelConnected | None = None
        """Kept until the call is ours and has a record to put it on."""
        self._react: dict[type[ev.ModelEvent], Callable[[Any], None]] = {
            ev.AudioDelta: self._audio,
            ev.AudioDone: lambda event: conversation.voice.audio_complete(event.response_id, event.item_id),
            ev.AgentTextDelta: self._agent_text,
            ev.AgentTextDone: self._agent_text_done,
            ev.ResponseCreated: self._response_created,
            ev.ResponseDone: self._response_done,
            ev.ItemAdded: self._item_added,
            ev.OutputItemDone: lambda event: self._tool_called(event.item, event.response_id),
            ev.SpeechStarted: self._speech_started,
            ev.SpeechStopped: self._speech_stopped,
            ev.Committed: self._committed,
            ev.CallerTextDelta: self._caller_text_delta,
            ev.CallerTextDone: self._caller_text,
            ev.CallerTextFailed: self._caller_text_failed,
            ev.SessionUpdated: self._session_updated,
            ev.ModelError: self._error,
            ev.UnreadableEvent: lambda _: self._note("unreadable", "an event that could not be read was dropped"),
            ev.UnknownEvent: lambda _: self._note("unknown_event", "an event of an unknown kind was ignored"),
            ev.Passed: self._passed,
        }

    def take(self, given: ModelFrame) -> None:
        """One event. A model that was given up is not listened to any more; until it has confirmed the session, and with it the
        audio formats, nothing it says is acted on."""
        self.last_was_news = True
        if self._conversation.model_is_gone or given.session != self._conversation.leg.session or self._is_repeated(given.frame):
            return
        event = ev.read(given.frame)
        if not isinstance(event, _SAYS_NOTHING_OF_THE_CALLER):
            self._conversation.plain_audio.enter()
        if self._conversation.session_is_confirmed or isinstance(event, _BEFORE_CONFIRMATION):
            self._react[type(event)](event)
        elif len(self._held) < MAX_HELD_EVENTS:
            self._held.append(event)

    def fall_apart(self) -> None:
        """See :meth:`Conversation.fall_apart`."""
        self._react = {}

    def _is_repeated(self, frame: str | bytes) -> bool:
        """Whether an event came twice in a row. Each has an id of its own, so the same bytes are the same event."""
        repeated = frame == self._last_frame and (b'"event_id"' in frame if isinstance(frame, bytes) else '"event_id"' in frame)
        self._last_frame = frame
        return repeated

    def session_over(self) -> None:
        """What the session said before it was confirmed is not taken in any more."""
        self._held, self._last_frame = [], b""

    def session_confirmed(self) -> None:
        """What the model did before it confirmed the session is taken in now, in order."""
        held, self._held = self._held, []
        for event in held:
            self._react[type(event)](event)
        self.last_was_news = True

    def _passed(self, _event: ev.Passed) -> None:
        self.last_was_news = False

    def _audio(self, delta: ev.AudioDelta) -> None:
        conversation = self._conversation
        was_sounding = conversation.voice.is_sounding()
        response = conversation.voice.hear(delta)
        if response is None:
            return
        # More of what the caller is hearing: everything goes on, and ends later.
        self.last_was_news = not (was_sounding and response.has_audio and response.purpose is Purpose.REPLY)
        if response.purpose is Purpose.GREETING:
            conversation.greeting_heard(delta.item_id)
        elif response.purpose is Purpose.CLOSING:
            conversation.ending.last_words_audible()
        elif response.purpose is Purpose.REPLY and not response.has_audio:
            self._first_audio_of_a_reply()
            conversation.tools.spoken_about()
        response.has_audio = True
        conversation.leg.has_spoken()
        conversation.ear.recent.answered()

    def _first_audio_of_a_reply(self) -> None:
        conversation = self._conversation
        latency_ms = conversation.ear.turns.answer_latency_ms(conversation.now_ms)
        if latency_ms is not None:
            conversation.outbox.record(events.TurnFirstAudio(latency_ms=latency_ms))

    # --- responses ---------------------------------------------------------------------------------------------------------

    def _response_created(self, event: ev.ResponseCreated) -> None:
        response = self._sign(event.response.id)
        if response is not None and response.is_dead:  # it was cancelled before it had a name
            self._conversation.outbox.model(model_messages.response_cancel(event.response.id))

    def _response_done(self, event: ev.ResponseDone) -> None:
        conversation = self._conversation
        conversation.spending.response_done(event.response.id, event.response.usage)
        conversation.voice.audio_complete(event.response.id)
        response = conversation.voice.responses.done(event.response.id, conversation.now_ms)
        if response is None:
            return
        status = event.response.status or "completed"
        if status in ("failed", "incomplete"):
            self._note(f"response_{status}", f"a response ended as {status}: {event.response.failure}")
        for item in event.response.output or ():
            self._tool_called(item, event.response.id)
        conversation.voice.settle_silent_items(response)
        conversation.ending.response_over(response)
        if response.purpose is Purpose.GREETING:
            conversation.greeting.response_is_done = True
        called_tools = self._called_tools(event.response, has_spoken=response.has_audio)
        if called_tools:
            conversation.tools_await_reply = conversation.ending.closing is None
        is_silent = not response.has_audio and not response.is_dead and response.purpose is not Purpose.CLOSING
        if is_silent and (response.purpose is Purpose.GREETING or not called_tools):
            self._came_to_nothing(response, event.response.failure)
        elif status in ("failed", "incomplete") and response.has_audio and not called_tools:
            self._ended_in_the_middle(response, event.response.failure)

    def _called_tools(self, response: ev.ResponseRef, *, has_spoken: bool) -> bool:
        """Whether the model waits for us to go on: after function calls, and after an MCP call that nothing was said about."""
        mute_mcp = not has_spoken and any(item.type == "mcp_call" for item in response.output or ())
        return mute_mcp or self._conversation.tools.was_called_in(response.id)

    def _tool_called(self, item: ev.Item, response_id: str) -> None:
        conversation = self._conversation
        if item.type == "mcp_call":
            conversation.tools.called_by_the_api(item.id, item.name or "", item.arguments or "", ok=item.error is None)
        if item.type == "function_call" and item.status in ("completed", None):
            reason = conversation.tools.called(item.call_id or "", item.name or "", item.arguments or "", response_id)
            if isinstance(reason, Escalate):
                conversation.ending.transfer(briefing=reason.briefing)
            elif reason is not None:
                conversation.ending.after_tool(reason)

    def _came_to_nothing(self, response: Response, failure: str) -> None:
        conversation = self._conversation
        if conversation.phase not in (Phase.GREETING, Phase.CONVERSING):
            return
        hopeless = is_hopeless(failure)
        if hopeless or not conversation.voice.retry(response):
            conversation.voice.responses.want_first(response.wish)
            conversation.lose_model(f"no_audio: {failure}", hopeless=hopeless)

    def _ended_in_the_middle(self, response: Response, failure: str) -> None:
        """It goes on once, where that helps. What was filtered out will not be said the second time either."""
        conversation = self._conversation
        may_go_on = conversation.phase in (Phase.GREETING, Phase.CONVERSING) and response.wish.attempt == 1
        if may_go_on and failure != "content_filter" and not response.is_dead:
            conversation.leg.go_on(response)

    def _sign(self, response_id: str) -> Response | None:
        conversation = self._conversation
        return conversation.voice.responses.sign(response_id, conversation.now_ms)

    def _agent_text(self, event: ev.AgentTextDelta) -> None:
        active = self._conversation.voice.responses.active
        # The text becomes a line with its audio, and a response that has begun is waited for all the longer.
        self.last_was_news = active is None or not active.has_begun
        response = self._sign(event.response_id)
        if response is not None:
            response.mention(event.item_id)
            self._conversation.transcript.agent_text(event.item_id, event.delta)

    def _agent_text_done(self, event: ev.AgentTextDone) -> None:
        response = self._sign(event.response_id)
        if response is None:
            return
        response.is_spoken = True
        self._conversation.transcript.agent_text_done(event.item_id, event.transcript)
        if response.purpose is Purpose.GREETING:
            self._conversation.greeting.text_is_done = True

    def _item_added(self, event: ev.ItemAdded) -> None:
        is_speech = event.item.type in ("message", "")
        speaker = {"user": "caller", "assistant": "agent"}.get(event.item.role or "", "") if is_speech else ""
        conversation = self._conversation
        conversation.transcript.place(event.item.id, event.previous_item_id, speaker)
        if speaker == "agent" and conversation.voice.responses.active is not None:
            conversation.voice.responses.active.mention(event.item.id)

    # --- the caller's turns ------------------------------------------------------------------------------------------------

    def _speech_started(self, event: ev.SpeechStarted) -> None:
        conversation = self._conversation
        conversation.ear.turns.started(event.item_id, event.audio_start_ms, conversation.now_ms)
        conversation.ear.recent.turn_began(event.item_id, event.audio_start_ms)
        conversation.interruption.turn_started(event.item_id)

    def _speech_stopped(self, event: ev.SpeechStopped) -> None:
        conversation = self._conversation
        conversation.ear.turns.stopped(event.item_id, event.audio_end_ms, conversation.now_ms)

    def _committed(self, event: ev.Committed) -> None:
        conversation = self._conversation
        conversation.transcript.place(event.item_id, event.previous_item_id, "caller")
        speech_ms = conversation.ear.turns.committed(event.item_id)
        conversation.ear.recent.turn_ended(event.item_id)
        conversation.leg.turn_heard()
        only_coughs = conversation.interruption.turn_was_only_coughs(event.item_id)
        if only_coughs:
            conversation.ear.recent.written_down(event.item_id)
        else:
            conversation.clocks.caller_spoke()
        if conversation.phase is Phase.GREETING:
            conversation.greeting.keep(event.item_id, speech_ms)
        elif conversation.phase is Phase.CLOSING:
            conversation.ending.turn_ended(event.item_id)
        elif conversation.phase is Phase.CONVERSING:
            self._answer(event.item_id, speech_ms, only_coughs=only_coughs)

    def _answer(self, item_id: str, speech_ms: float, *, only_coughs: bool) -> None:
        conversation = self._conversation
        active = conversation.voice.responses.active
        is_generating = active is not None and not active.is_dead
        ai_goes_on = conversation.voice.is_sounding() or (is_generating and active is not None and active.has_audio)
        conversation.interruption.turn_ended(answered=not only_coughs and not ai_goes_on)
        if not only_coughs and not ai_goes_on:
            conversation.ending.take_back()
        if only_coughs or ai_goes_on:
            conversation.ear.turns.is_not_answered()
        if only_coughs:
            return
        if ai_goes_on:
            conversation.ear.asides.keep(item_id, speech_ms)
        else:
            if active is not None and is_generating and active.purpose is not Purpose.OPERATOR:
                # An answer to half of what the caller had to say, and nothing of it heard.
                conversation.voice.cancel_generation()
            conversation.voice.responses.want(Wish(Purpose.REPLY))

    def _caller_text_delta(self, event: ev.CallerTextDelta) -> None:
        self._conversation.transcript.caller_text(event.item_id, event.delta)

    def _caller_text(self, event: ev.CallerTextDone) -> None:
        self._conversation.spending.transcribed(event.item_id, event.usage)
        self._conversation.transcript.caller_said(event.item_id, event.transcript, self._conversation.now_ms)
        self._conversation.ear.recent.written_down(event.item_id)
        self._conversation.ending.caller_said(event.item_id, event.transcript)

    def _caller_text_failed(self, event: ev.CallerTextFailed) -> None:
        self._conversation.transcript.caller_unheard(event.item_id)
        self._note(
            "transcription", f"a turn of the caller was not transcribed: {event.error.code or event.error.type or 'unknown'}"
        )

    # --- the session -------------------------------------------------------------------------------------------------------

    def _session_updated(self, event: ev.SessionUpdated) -> None:
        conversation = self._conversation
        if conversation.session_is_confirmed or not conversation.session_is_requested:
            return
        hears, speaks = event.format_of("input"), event.format_of("output")
        asked = conversation.profile.audio if conversation.profile is not None else Audio()
        if agrees(hears, format_of(asked.input)) and agrees(speaks, format_of(asked.output)):
            conversation.session_confirmed()
        else:
            self._note(
                "audio_format", f"the model wants to hear {spelled(hears)} and speak {spelled(speaks)}: not what was asked for"
            )
            conversation.lose_model("audio_format", hopeless=True)

    def _error(self, event: ev.ModelError) -> None:
        conversation = self._conversation
        code = event.error.code or event.error.type
        severity = severity_of(code, setting_up=not conversation.session_is_confirmed)
        if severity is Severity.BUSY:
            conversation.voice.responses.refused_as_busy()
        if severity in (Severity.NOTED, Severity.FATAL):
            self._note(f"error_{code}", f"{code or 'unknown'}: {(event.error.message or '')[:300]}")
        if severity is Severity.FATAL:
            conversation.lose_model(code or "error", hopeless=is_hopeless(code))

    def _note(self, kind: str, message: str) -> None:
        self._conversation.outbox.error("model", kind, message)
