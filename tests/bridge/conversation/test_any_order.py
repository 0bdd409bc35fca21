"""Whatever happens in whatever order: the invariants of a call, driven by hypothesis."""

import json
from base64 import b64decode
from itertools import pairwise
from typing import Any, get_args

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.conversation import inputs, outputs
from bridge.conversation.agent_voice import SpokenLine
from bridge.conversation.machine import Conversation
from bridge.conversation.model_audio import NewResampler
from bridge.conversation.phases import Phase
from bridge.conversation.plain_audio import PlainAudio
from bridge.conversation.twilio_messages import AnyMessage, Media, Unreadable
from calls import events
from calls.business import Audio, BusinessProfile, Escalation, HttpTool, Tools
from calls.operator import Action, Command
from tests.bridge.conversation.line import RECORD, STREAM, VOICEMAIL, Line, mulaw

ITEMS = st.sampled_from(["a1", "a2", "c1", "c2", ""])
RESPONSES = st.sampled_from(["r1", "r2", "r3", ""])
SESSIONS = st.sampled_from([0, 0, 0, 1, 2])
MS = st.integers(0, 20_000)
TEXT = st.text(max_size=20)
AUDIO = st.sampled_from([20, 200, 275, 5000]).map(mulaw)


def typed(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return st.fixed_dictionaries({"type": st.just(kind), **fields}).map(json.dumps)


ref = st.fixed_dictionaries({"id": RESPONSES, "status": st.sampled_from(["completed", "cancelled", "failed", "incomplete"])})
item = st.fixed_dictionaries(
    {"id": ITEMS, "type": st.sampled_from(["message", "function_call"]), "role": st.sampled_from(["user", "assistant"])}
)
formats = st.sampled_from(["audio/pcmu"] * 7 + ["audio/pcm"] * 3).map(
    lambda kind: {"audio": {side: {"format": {"type": kind}} for side in ("input", "output")}}
)
model_frames = st.one_of(
    typed("session.updated", session=formats),
    typed("response.created", response=ref),
    typed("response.done", response=ref),
    typed("response.output_audio.delta", response_id=RESPONSES, item_id=ITEMS, delta=AUDIO),
    typed("response.audio.delta", response_id=RESPONSES, item_id=ITEMS, delta=AUDIO),
    typed("response.output_audio.done", response_id=RESPONSES, item_id=ITEMS),
    typed("response.output_audio_transcript.delta", response_id=RESPONSES, item_id=ITEMS, delta=TEXT),
    typed("response.output_audio_transcript.done", response_id=RESPONSES, item_id=ITEMS, transcript=TEXT),
    typed("response.audio_transcript.done", response_id=RESPONSES, item_id=ITEMS, transcript=TEXT),
    typed("conversation.item.added", item=item, previous_item_id=ITEMS),
    typed("input_audio_buffer.speech_started", item_id=ITEMS, audio_start_ms=MS),
    typed("input_audio_buffer.speech_stopped", item_id=ITEMS, audio_end_ms=MS),
    typed("input_audio_buffer.committed", item_id=ITEMS, previous_item_id=ITEMS),
    typed("conversation.item.input_audio_transcription.completed", item_id=ITEMS, transcript=TEXT),
    typed("conversation.item.input_audio_transcription.failed", item_id=ITEMS),
    typed(
        "error",
        error=st.fixed_dictionaries(
            {"code": st.sampled_from(["conversation_already_has_active_response", "x", "session_expired"])}
        ),
    ),
    st.text(max_size=30),
).map(inputs.ModelFrame)
twilio_frames = st.one_of(
    st.just({"event": "connected"}),
    st.just({"event": "start", "streamSid": STREAM, "start": {"callSid": RECORD.call_sid, "streamSid": STREAM}}),
    AUDIO.map(lambda payload: {"event": "media", "streamSid": STREAM, "media": {"payload": payload, "track": "inbound"}}),
    st.integers(0, 40).map(lambda n: {"event": "mark", "streamSid": STREAM, "mark": {"name": f"0.{n}"}}),
    st.just({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": "5"}}),
).map(lambda message: inputs.TwilioFrame(json.dumps(message)))
commands = st.builds(
    inputs.OperatorActs,
    st.just("dana"),
    st.builds(
        Command,
        call_sid=st.just(RECORD.call_sid),
        action=st.sampled_from(get_args(Action)),
        text=st.none() | TEXT,
        to=st.sampled_from([None, "+15005550011", "nobody"]),
    ),
)
anything = st.one_of(
    model_frames,
    commands,
    twilio_frames,
    st.text(max_size=30).map(inputs.TwilioFrame),
    st.builds(inputs.ModelOpened, st.just(30), age_ms=st.sampled_from([0, 0, 51 * 60_000]), session=SESSIONS),
    st.sampled_from([inputs.Tick(), inputs.DispositionStored(ok=True), inputs.CallCompleted(ok=False)]),
    st.builds(inputs.ModelClosed, st.just("gone"), SESSIONS, st.sampled_from([False, False, False, True])),
    st.just(inputs.StreamRefused("forged")),
    st.integers(1, 4000),  # time passes
    st.sampled_from(["accept", "echo", "turn", "speak", "loud", "cough", "tools", "farewell", "answers"]),
    st.sampled_from(["turn", "speak", "echo", "loud"]),
)
# A call that gets somewhere is the more telling one: most stories begin in the usual order, some in mid-conversation.
beginnings = st.sampled_from(["nothing", "requested", "greeted", "greeted", "recorded", "recorded set up"])
MACROS = [
    "turn",
    "speak",
    "echo",
    "loud",
    "cough",
    "listens",
    "talks",
    "interrupted",
    "interrupted late",
    "leads",
    "tools",
    "answers",
    "farewell",
    "echo",
    "cut",
    "replaced",
    "cut and replaced",
]
lively = st.one_of(st.sampled_from(MACROS), st.sampled_from(MACROS), st.integers(1, 4000), anything)
steps = st.one_of(st.lists(anything, max_size=60), st.lists(lively, min_size=3, max_size=30))
stories = st.tuples(beginnings, steps).map(lambda drawn: [drawn[0], *drawn[1]])


def macro(line: Line, name: str) -> None:  # noqa: PLR0912, PLR0915  (one row a macro)
    """Several inputs in their usual order, as they mostly come."""
    match name:
        case "requested":
            line.requested()
            line.session_updated()
        case "greeted":
            line.greeted(ms=400)
        case "recorded" | "recorded set up":
            line.greeting = RECORDED
            line.connected()
            line.start()
            line.accept()
            if name == "recorded set up":
                line.model_opens()
                line.session_updated()
        case "accept" if line.wanted(outputs.CheckToken):
            line.accept()
        case "echo" if line.core.start_received_ms is not None:
            line.echo_marks()
        case "turn":
            line.turn_begins("c9", 0)
            line.turn_ends("c9", 4000)
        case "speak":
            line.speak("one two three four", 1500)
        case "loud" if line.core.start_received_ms is not None:
            line.loud(320)
        case "listens" if line.core.start_received_ms is not None:
            line.quiet(1300)
        case "talks" if line.core.start_received_ms is not None:
            line.loud(400)
            line.quiet(60)
            line.loud(1200)
        case "interrupted":
            macro(line, "turn")
            line.begin_speaking()
            line.audio(3000, deltas=4)
            line.quiet(400)
            macro(line, "loud")
            line.audio(1000)
            line.response_done("cancelled")
        case "interrupted late":
            macro(line, "turn")
            macro(line, "speak")
            line.quiet(300)
            macro(line, "loud")
        case "leads":
            macro(line, "turn")
            macro(line, "tools")
        case "cough" if line.core.start_received_ms is not None:
            line.loud(190)
            line.quiet(140)
        case "tools":
            line.begin_speaking()
            for number, tool in enumerate(("create_lead", "weather", "nonsense", "end_call")):
                line.call_tool(tool, {"name": "Anna"}, call=f"{line.current_response}_{number}")
            line.response_done()
        case "farewell":
            line.turn_begins("c8", 0)
            line.turn_ends("c8", 4000)
            line.caller_text("c8", "no thanks")
        case "cut":
            line.model_closes()
        case "replaced" if line.wanted(outputs.OpenModel) and line.phase is not Phase.ENDED:
            line.model_is_replaced(after_ms=200)
        case "cut and replaced":
            macro(line, "cut")
            line.wait(100)
            macro(line, "replaced")
        case "answers":
            for run in line.wanted(outputs.RunTool):
                line.do(inputs.ToolFinished(run.call_id, "{}", ok=True))


PROFILE = msgspec.structs.replace(
    VOICEMAIL,
    escalation=Escalation(to="+15005550010"),
    tools=Tools(
        builtin=("create_lead", "end_call"),
        lead_fields=("name",),
        http=(HttpTool(name="weather", description="Weather", url="https://w.example", filler="One moment."),),
    ),
)

IN_PCM = msgspec.structs.replace(PROFILE, audio=Audio(input="pcm", output="pcm"))


RECORDED = SpokenLine(text=PROFILE.greeting_text, audio=b"\x10" * 12_000)


class NothingIsPlain(PlainAudio):
    """Has every frame looked at."""

    def take(self, message: Media) -> bytes | None:
        return None


class Thorough(Conversation):
    """Looks at every frame, and at all rules at every step."""

    def __init__(self, new_resampler: NewResampler) -> None:
        super().__init__(new_resampler)
        self.plain_audio = NothingIsPlain(self.outbox, self.voice, self.ear, self.interruption, self.clocks)

    def _from_phone(self, message: AnyMessage | Unreadable, frame: str | bytes) -> bool:
        if self.phase is not Phase.ENDED:
            super()._from_phone(message, frame)
            self._settle()
        return True

    def _from_model(self, happened: inputs.ModelFrame) -> bool:
        super()._from_model(happened)
        self._settle()
        return True


def tell(story: list[Any], profile: BusinessProfile = PROFILE, core: type[Conversation] = Conversation) -> Line:
    line = Line(profile, core)
    for step in story:
        if isinstance(step, str):
            macro(line, step)
        elif isinstance(step, int):
            line.wait(step)
        elif isinstance(step, inputs.ModelFrame):
            line.do(msgspec.structs.replace(step, session=line.session))
        else:
            line.do(step)
        check_playback(line)
    return line


def check_playback(line: Line) -> None:
    playback = line.core.voice.playback
    assert 0 <= playback.position_ms(line.now_ms) <= line.played_ms + 1e-6


def check_clears(line: Line) -> None:
    """Nothing is cleared before the greeting is over: barge-in is armed by ``greeting.finished`` alone."""
    is_over = False
    for _, happened in line.story:
        if isinstance(happened, outputs.RecordEvent) and isinstance(happened.body, events.GreetingFinished):
            is_over = True
        elif isinstance(happened, outputs.SendTwilio) and '"clear"' in happened.text:
            assert is_over


def check_truncates(line: Line) -> None:
    """No item is shortened to more than was sent of it, nor twice, nor one that is not the model's."""
    sent_ms: dict[str, float] = {}
    truncated: set[str] = set()
    for _, happened in line.story:
        if isinstance(happened, outputs.UseModel):
            sent_ms.clear()  # what an earlier session said is nothing that this one could shorten
        if isinstance(happened, inputs.ModelFrame) and "audio.delta" in str(happened.frame):
            event = json.loads(happened.frame)
            bytes_per_ms = 48 if line.profile.audio.output == "pcm" else 8
            sent_ms[event["item_id"]] = sent_ms.get(event["item_id"], 0) + len(b64decode(event["delta"])) / bytes_per_ms
        elif isinstance(happened, outputs.SendModel) and "conversation.item.truncate" in happened.text:
            event = json.loads(happened.text)
            assert 0 <= event["audio_end_ms"] <= sent_ms[event["item_id"]]
            truncated.add(event["item_id"])
    assert not any(item.startswith("fd_") for item in truncated)


def check_tools(line: Line) -> None:
    """Every call is answered at most once, and exactly once while the model was there to hear it."""
    called = line.events_of(events.ToolCalled)
    answered = [
        event["item"]["call_id"] for event in line.sent_to_model if event.get("item", {}).get("type") == "function_call_output"
    ]
    assert len(answered) == len(set(answered))
    assert len(line.events_of(events.ToolFinished)) <= len(called)
    assert len({run.call_id for run in line.wanted(outputs.RunTool)}) == len(line.wanted(outputs.RunTool))
    if not line.core.model_is_gone and not line.core.tools.pending():
        assert len(line.events_of(events.ToolFinished)) == len(called)
        if not line.wanted(outputs.OpenModel):
            assert len(answered) == len(called)


def check_hang_up(line: Line) -> None:
    """What becomes of the caller is stored once, after the last words; the call is completed once, after that."""
    at = {kind: [number for number, (_, happened) in enumerate(line.story) if isinstance(happened, kind)] for kind in ENDINGS}
    assert len(at[outputs.StoreDisposition]) <= 1
    assert len(at[outputs.CompleteCall]) <= 1
    assert at[outputs.CompleteCall][:1] >= at[outputs.StoreDisposition][:1] or not at[outputs.CompleteCall]
    forced = any(isinstance(done, inputs.OperatorActs) and done.command.action == "force_hangup" for _, done in line.story)
    if at[outputs.StoreDisposition] and not forced:
        assert not line.core.voice.is_audible()


def check_commands(line: Line) -> None:
    """Every command is answered once while there is a call, and those accepted are on the record, each in its place."""
    answers = line.wanted(outputs.Answer)
    asked = [done for _, done in line.story if isinstance(done, inputs.OperatorActs)]
    assert len(answers) <= len(asked)
    recorded = [body for body in line.events_of(events.OperatorCommand) if body.operator == "dana"]
    assert len(recorded) <= sum(answer.error is None for answer in answers)
    if line.wanted(outputs.CheckToken) and line.core.profile is not None and line.phase is not Phase.ENDED:
        assert len(answers) == len(asked)


ENDINGS = (outputs.StoreDisposition, outputs.CompleteCall)


def sessions_of(line: Line) -> list[list[dict[str, Any]]]:
    """What each session of the model was sent."""
    sessions: list[list[dict[str, Any]]] = [[]]
    for _, happened in line.story:
        if isinstance(happened, outputs.UseModel):
            sessions.append([])
        elif isinstance(happened, outputs.SendModel):
            sessions[-1].append(json.loads(happened.text))
    return [session for session in sessions if session]


def check_models_messages(line: Line) -> None:
    """Every session is configured before anything else, and once; the first is asked for the greeting."""
    for nth, session in enumerate(sessions_of(line)):
        kinds = [event["type"] for event in session]
        assert kinds[0] == "session.update"
        assert kinds.count("session.update") == 1
        if nth == 0:
            expected = ["session.update", "conversation.item.create", "response.create"][: 3 if line.greeting is None else 2]
            assert kinds[: len(expected)] == expected


def check_sessions(line: Line) -> None:
    """Each session is asked for once and used at most once; a loss is followed by a return or by the end."""
    asked = [output.session for output in line.wanted(outputs.OpenModel)]
    used = [output.session for output in line.wanted(outputs.UseModel)]
    assert asked == sorted(set(asked))
    assert used == sorted(set(used))
    assert set(used) <= {0, *asked}
    changes = [body for body in line.events if isinstance(body, events.ModelLost | events.ModelResumed)]
    for one, following in pairwise(changes):
        assert isinstance(following, events.ModelResumed) or not isinstance(one, events.ModelLost)


def check_one_response_at_a_time(line: Line) -> None:
    """Between two creates the model has said that a response is done, or that ours was refused."""
    free = True
    for _, happened in line.story:
        if (isinstance(happened, inputs.ModelFrame) and "response.done" in str(happened.frame)) or isinstance(
            happened, outputs.UseModel
        ):
            free = True
        elif isinstance(happened, outputs.SendModel) and happened.text.startswith('{"type":"response.create"'):
            assert free
            free = False


def check_numbers(line: Line) -> None:
    seqs = [output.seq for output in line.wanted(outputs.RecordEvent)]
    assert seqs == list(range(RECORD.last_seq + 1, RECORD.last_seq + 1 + len(seqs)))


def check_lines(line: Line) -> None:
    sent_ms = sum(len(b64decode(m["media"]["payload"])) / 8 for m in line.sent_to_twilio if m["event"] == "media")
    heard_ms = sum(body.heard_ms for body in line.events_of(events.AgentTranscript))
    assert heard_ms <= sent_ms + len(line.events)  # each line is rounded to whole milliseconds


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories)
def test_no_order_of_inputs_breaks_the_invariants(story: list[Any]) -> None:
    check(tell(story))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories)
def test_nor_where_the_model_hears_and_speaks_pcm(story: list[Any]) -> None:
    check(tell(story, IN_PCM))


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories)
def test_rules_and_frames_that_are_not_looked_at_would_have_done_nothing(story: list[Any]) -> None:
    assert tell(story).outputs == tell(story, core=Thorough).outputs


def check(line: Line) -> None:
    check_models_messages(line)
    check_sessions(line)
    check_one_response_at_a_time(line)
    check_numbers(line)
    check_lines(line)
    check_clears(line)
    check_truncates(line)
    check_tools(line)
    check_hang_up(line)
    check_commands(line)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories)
def test_every_call_ends_by_itself_and_lets_go_of_everything(story: list[Any]) -> None:
    line = tell(story)
    for _ in range(8):  # nobody answers anything any more; time alone must end it
        line.wait(line.profile.limits.max_call_s * 1000 / 4)
    assert line.phase is Phase.ENDED
    assert len(line.wanted(outputs.CloseStream)) == 1
    assert len(line.wanted(outputs.CloseModel)) == 1
    accepted = any(isinstance(happened, inputs.StreamAccepted) for _, happened in line.story)
    assert len(line.wanted(outputs.Release)) == accepted  # even if the stream was over by then


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories)
def test_the_same_story_told_twice_has_the_same_outputs(story: list[Any]) -> None:
    assert tell(story).outputs == tell(story).outputs
