"""A media client written by somebody else (streamdouble): it signs nothing, and drops the marks of audio that is cleared."""

import asyncio
import secrets
from pathlib import Path

from streamdouble.protocol import StreamIdentity
from streamdouble.scenario import Say, Step, Wait, WaitFor
from streamdouble.scenario import Scenario as Script
from streamdouble.session import Session, SessionConfig, SessionResult

from calls.events import AgentTranscript, AnyEvent, BargeInCut, CallerTranscript
from calls.ids import CallSid
from simulator import voice
from simulator.phone.mouth import FRAME_BYTES
from simulator.scenario import CallerStep
from tests.whole_calls.playing import WITHIN_S, Playing, of_kind, playing, scenario, spoken
from tests.whole_calls.raw_phone import twilio_at

REPLY = "We have green tea and black tea and white tea and herbs from all over the world."
ANSWER = "Only tea."
ASKS, INTERRUPTS = "Do you sell tea?", "No no no, coffee!"
HEARD = scenario(CallerStep(say=ASKS), CallerStep(say=INTERRUPTS), replies={"coffee": ANSWER, "tea": REPLY})


def says(line: str) -> Say:
    audio = voice.speak(line, HEARD.caller.voice)
    return Say(Path("-"), [audio[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff") for at in range(0, len(audio), FRAME_BYTES)])


async def call(on_stage: Playing, *steps: Step) -> tuple[SessionResult, list[AnyEvent]]:
    """The stranger's phone calls; what it saw, and what was put on record once Twilio reported the call's end."""
    call_sid = "CA" + secrets.token_hex(16)
    with on_stage.stage.deployment.bus.subscribe() as told:
        async with twilio_at(on_stage.stage.deployment.url, None) as twilio, asyncio.timeout(WITHIN_S):
            offered = await twilio.rings(call_sid)
            config = SessionConfig(custom_parameters={"token": offered.token}, quiet_period_s=0.4)
            identity = StreamIdentity(call_sid=call_sid)
            session = Session(offered.url, scenario=Script("test", list(steps)), config=config, identity=identity)
            seen = await session.run()
            assert await twilio.hangs_up(call_sid) == 204
            while (await told.get()).kind != "call.ended":
                continue
    return seen, [event.body for event in await on_stage.stage.deployment.store.events(CallSid(call_sid))]


def arrival_of(seen: SessionResult, position: int) -> float:
    """When the byte at that position of the audio arrived, on the stranger's clock."""
    for event in seen.events_of("media_received"):
        if position < event.detail["bytes"]:
            return float(event.at)
        position -= event.detail["bytes"]
    raise AssertionError("less audio than that arrived")


async def test_a_stranger_hears_the_greeting_whole_and_every_mark_is_its_own(tmp_path: Path) -> None:
    async with playing(tmp_path, HEARD, signed=False) as on_stage:
        seen, record = await call(on_stage, WaitFor("audio"))
    assert seen.violations == []
    assert seen.unknown_events == []
    assert seen.audio_received == spoken("Hello.")
    # streamdouble stays until all of it has been played: every mark has come back, in order
    assert seen.marks_echoed == seen.marks_received
    assert len(set(seen.marks_received)) == len(seen.marks_received)
    sizes = [event.detail["bytes"] for event in seen.events_of("media_received")]
    assert max(sizes) <= 200 * 8
    assert len(seen.marks_received) == len(sizes)
    assert [(line.text, line.interrupted) for line in of_kind(record, AgentTranscript)] == [("Hello.", False)]


async def test_a_stranger_interrupts_and_the_marks_it_drops_are_not_missed(tmp_path: Path) -> None:
    async with playing(tmp_path, HEARD, signed=False) as on_stage:
        seen, record = await call(
            on_stage,
            WaitFor("audio"),
            Wait(0.7),  # the caller is silent while the greeting plays
            says(ASKS),
            Wait(1.3),  # and listens to a second of the answer
            says(INTERRUPTS),
            WaitFor("clear"),
            Wait(0.8),
        )
        session = await on_stage.model_closed()
    assert seen.violations == []
    assert seen.clears_received == 1
    (cleared,) = seen.events_of("clear_received")
    dropped = cleared.detail["dropped_marks"]
    assert dropped
    assert seen.marks_echoed == [name for name in seen.marks_received if name not in dropped]
    (cut,) = of_kind(record, BargeInCut)
    (truncate,) = [event for _, event in session.received if event["type"] == "conversation.item.truncate"]
    assert abs(truncate["audio_end_ms"] - (cleared.at - arrival_of(seen, len(spoken("Hello.")))) * 1000) <= 250
    assert abs(cut.heard_ms - truncate["audio_end_ms"]) <= 1
    assert [line.interrupted for line in of_kind(record, AgentTranscript)] == [False, True, False]
    assert [line.text for line in of_kind(record, CallerTranscript)] == [ASKS, INTERRUPTS]
    assert seen.audio_received.endswith(spoken(ANSWER))
