"""The AI's side of the line: responses become audio on the phone, and what was played becomes a line of the transcript."""

from base64 import b64encode
from math import inf

import msgspec

from bridge.conversation import model_events as ev
from bridge.conversation import model_messages
from bridge.conversation.model_audio import AgentFromPcm, NewResampler
from bridge.conversation.outbox import Outbox
from bridge.conversation.outputs import AgentSilenced, AgentSounded
from bridge.conversation.playback import Playback, Played
from bridge.conversation.responses import Purpose, Response, Responses, Wish
from bridge.conversation.transcript import Transcript
from bridge.conversation.twilio_messages import StreamWriter, audio_of
from calls.business import BusinessProfile

STORED_LINE = "fd_line_"
"""How the items of lines begin that the bridge says by itself."""


OWN_ITEM = "fd_"
"""How all items of our own begin."""
_HEARD_ONLY = (
    "The caller interrupted you. Of what you said last they heard no more than this: “{heard}”. Do not say anything about it now."
)


class SpokenLine(msgspec.Struct, frozen=True):
    """A sentence the bridge can say without the model."""

    text: str
    audio: bytes
    """μ-law, 8 kHz."""


class AgentVoice:
    """Asks for responses one at a time, plays what comes, and knows what of it was heard."""

    __slots__ = (
        "_from_pcm",
        "_lines_said",
        "_operators_lines",
        "_outbox",
        "_transcript",
        "_unfinished",
        "_writer",
        "last_audio_ms",
        "playback",
        "responses",
    )

    def __init__(self, outbox: Outbox, transcript: Transcript) -> None:
        self.responses = Responses()
        self.playback = Playback()
        self.last_audio_ms = -inf
        self._outbox = outbox
        self._transcript = transcript
        self._writer = StreamWriter("")
        self._from_pcm: AgentFromPcm | None = None
        self._unfinished: dict[str, str] = {}  # item with audio on the phone → its response, until its line is settled
        self._lines_said = 0
        self._operators_lines: dict[str, Wish] = {}  # item → what an operator has it say

    def configure(self, profile: BusinessProfile, new_resampler: NewResampler) -> None:
        """The business is known, and with it the format its model speaks."""
        self._from_pcm = AgentFromPcm(new_resampler) if profile.audio.output == "pcm" else None

    def attach(self, stream_sid: str) -> None:
        """The stream to play into."""
        self._writer = StreamWriter(stream_sid)

    def is_audible(self) -> bool:
        """Whether audio is on the phone whose end has not been confirmed: what must be waited for before anything is ended."""
        return self.playback.is_audible

    def is_sounding(self) -> bool:
        """Whether the caller is hearing the AI now: what can be interrupted, and what a turn is spoken over."""
        return self.playback.is_sounding(self._outbox.now_ms)

    def create_next(self) -> Response | None:
        """Sends ``response.create`` if one is wanted and the model is free."""
        response = self.responses.next(self._outbox.now_ms)
        if response is not None:
            if response.wish.instruction is not None and not response.wish.told:
                self._outbox.model(model_messages.instruction(response.wish.instruction))
            self._outbox.model(model_messages.response_create(with_tools=response.wish.with_tools))
        return response

    def hear(self, delta: ev.AudioDelta) -> Response | None:
        """Plays audio of the active response. Returns that response, or ``None`` if the audio is nobody's or unusable."""
        response = self.responses.sign(delta.response_id, self._outbox.now_ms)
        if response is None or response.is_dead:
            return None
        audio = audio_of(delta.delta)
        if audio is None or not delta.item_id:
            self._outbox.error("model", "bad_audio", "audio that is not base64, or names no item, was dropped")
            return None
        if not audio:
            return None
        response.mention(delta.item_id)
        if response.purpose is Purpose.OPERATOR:
            self._operators_lines[delta.item_id] = response.wish
        self._unfinished[delta.item_id] = response.id
        for item_id, ulaw in self._for_the_phone(response.id, delta.item_id, audio):
            self._play(item_id, ulaw)
        return response

    def _for_the_phone(self, response_id: str, item_id: str, audio: bytes) -> list[tuple[str, bytes]]:
        return [(item_id, audio)] if self._from_pcm is None else self._from_pcm.convert(response_id, item_id, audio)

    def audio_complete(self, response_id: str, item_id: str | None = None) -> None:
        """The model has sent all the audio of an item of a response, or of all of them: what the conversion held back is played."""
        active = self.responses.active
        if self._from_pcm is not None and active is not None and active.id == response_id and not active.is_dead:
            for finished_id, ulaw in self._from_pcm.finish(response_id, item_id):
                self._play(finished_id, ulaw)

    def say(self, line: SpokenLine, item_id: str | None = None) -> None:
        """Speaks a stored line behind what is queued, as the item of that name or as one of its own."""
        if item_id is None:
            self._lines_said += 1
            item_id = f"{STORED_LINE}{self._lines_said}"
        self._transcript.place(item_id, None, "agent")
        self._transcript.agent_text_done(item_id, line.text)
        self._play(item_id, line.audio)
        self._unfinished[item_id] = ""

    def cut(self) -> list[Played]:
        """Silences the AI at once: Twilio's queue is emptied, the model stops generating, and its memory of what it said is shortened
        to what was heard (OpenAI Realtime, ``response.cancel``, ``conversation.item.truncate``). Returns what was cut, in playing
        order."""
        if not self.is_sounding():
            return []
        self._outbox.twilio(self._writer.clear())
        self._outbox.observe(AgentSilenced())
        cut = self.playback.clear(self._outbox.now_ms)
        self._say_again_for_operators(cut)
        self.cancel_generation()
        for played in cut:
            if self._unfinished.get(played.item_id):  # an item of the model, not a stored line
                heard_ms = min(int(played.heard_ms), int(played.sent_ms))
                self._outbox.model(model_messages.truncate(played.item_id, heard_ms))
            self._transcript.agent_over(played.item_id, played.heard_ms, played.sent_ms, self._outbox.now_ms)
            if self._unfinished.pop(played.item_id, None) == "" and not played.item_id.startswith(OWN_ITEM):
                # It was said in a session that is over: the present one has been told of all of it.
                heard = self._transcript.heard_text_of(played.item_id)
                self._outbox.model(model_messages.instruction(_HEARD_ONLY.format(heard=heard)))
        return cut

    def _say_again_for_operators(self, cut: list[Played]) -> None:
        """An operator's line of which the caller heard nothing is asked for anew; one of which they heard a part is not."""
        unheard = [self._operators_lines.pop(played.item_id, None) for played in cut if played.heard_ms <= 0]
        active = self.responses.active
        if active is not None and active.purpose is Purpose.OPERATOR and not active.has_audio and not active.is_dead:
            unheard.append(active.wish)
        for wish in unheard:
            if wish is not None:
                self.responses.want(wish)

    def cancel_generation(self) -> None:
        """The response being generated is not wanted any more. What of it is on the phone plays on."""
        response = self.responses.kill()
        if response is not None and response.id:
            self._outbox.model(model_messages.response_cancel(response.id))

    def _play(self, item_id: str, audio: bytes) -> None:
        self._outbox.observe(AgentSounded(audio))
        for piece in self.playback.send(item_id, audio, self._outbox.now_ms):
            self._outbox.twilio(self._writer.media(b64encode(piece.audio).decode("ascii")))
            self._outbox.twilio(self._writer.mark(piece.mark))
        self.last_audio_ms = self._outbox.now_ms

    def settle_lines(self, *, stream_over: bool = False) -> None:
        """Hands the transcript every item that has been played to its end, or, when the stream is over, as far as it was."""
        nothing_is_playing = not self.is_audible()
        active_id = self.responses.active.id if self.responses.active is not None else None
        for item_id, response_id in list(self._unfinished.items()):
            is_complete = response_id != active_id
            is_played = nothing_is_playing or self.playback.is_confirmed(item_id)
            if stream_over or (is_complete and is_played):
                self._settle(item_id)

    def _settle(self, item_id: str) -> None:
        played = self.playback.played(item_id, self._outbox.now_ms)
        self._transcript.agent_over(item_id, played.heard_ms, played.sent_ms, self._outbox.now_ms)
        del self._unfinished[item_id]

    def heard_ms_of(self, item_ids: list[str]) -> int:
        """How much of these items was heard altogether."""
        return round(sum(self.playback.played(item_id, self._outbox.now_ms).heard_ms for item_id in item_ids))

    def settle_silent_items(self, response: Response) -> None:
        """A response is done: of its items without audio nothing will be heard."""
        for item_id in response.items:
            if item_id not in self._unfinished:
                self._transcript.agent_over(item_id, 0, 0, self._outbox.now_ms)

    def retry(self, response: Response) -> bool:
        """Asks once more for a response that came to nothing; ``False`` if that has been tried."""
        if response.wish.attempt > 1:
            return False
        self.responses.want(msgspec.structs.replace(response.wish, told=True, attempt=2))
        return True

    def leave_session(self) -> None:
        """The model's session is lost: what of it is on the phone plays on, but cannot be shortened any more."""
        self._unfinished = dict.fromkeys(self._unfinished, "")

    def broke_off(self, response: Response) -> str:
        """A response ends in the middle. Returns as much of its text as its audio has come to."""
        texts = []
        for item_id in response.items:
            if item_id in self._unfinished:
                sent_ms = self.playback.played(item_id, self._outbox.now_ms).sent_ms
                texts.append(self._transcript.broke_off(item_id, sent_ms))
        return " ".join(text for text in texts if text)

    @property
    def unfinished(self) -> set[str]:
        """The items whose audio is still being played."""
        return set(self._unfinished)
