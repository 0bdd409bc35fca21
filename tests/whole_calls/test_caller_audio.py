"""What the caller says reaches the model byte for byte, and nobody else's model."""

import asyncio
from pathlib import Path

from calls.events import CallerTranscript
from simulator.phone.timeline import StartSent
from simulator.scenario import CallerStep
from tests.whole_calls.playing import HANGS_UP, Call, of_kind, playing, scenario, spoken
from tests.whole_calls.raw_phone import heard_by_model

SAMPLES_PER_MS = 8
FRAME = 160


def sent_by(call: Call) -> bytes:
    """What the caller's telephone has said, from dialling on; only the stream's part of it went out."""
    return bytes(call.phone.machine.recording.caller)


async def test_the_model_gets_every_frame_from_the_first_one_on(tmp_path: Path) -> None:
    asks = scenario(CallerStep(when="answered", after_ms=0, say="Are you open today?"), HANGS_UP, replies={"open": "Yes."})
    async with playing(tmp_path, asks) as on_stage:
        call = on_stage.call()
        await call.over()
        appended = heard_by_model(await on_stage.model_closed())
    said = sent_by(call)
    begins = said.find(appended)
    assert begins >= 0, "what the model got is no unbroken part of what the caller said"
    assert len(appended) % FRAME == 0
    # The first frame is the one whose timestamp the captures show, 100 to 170 ms after start and a frame's length.
    after_start_ms = begins / SAMPLES_PER_MS - call.observed(StartSent)[0].at_ms
    assert after_start_ms >= 100 - 20
    # The caller hung up at the end of what was said: not a frame of it is missing.
    assert len(said) - (begins + len(appended)) < FRAME


async def test_two_calls_at_once_do_not_cross_over(tmp_path: Path) -> None:
    one = scenario(CallerStep(after_ms=60, say="Do you sell tea?"), HANGS_UP, replies={"tea": "Green and black tea."})
    other = scenario(
        CallerStep(after_ms=60, say="When do you close?"), HANGS_UP, replies={"close": "At six."}, caller="+15005550101"
    )
    async with playing(tmp_path, one, other) as on_stage:
        first, second = on_stage.call(one), on_stage.call(other)
        records = await asyncio.gather(first.over(), second.over())
        heard = [heard_by_model(await on_stage.model_closed(nth)) for nth in range(2)]
    assert [[line.text for line in of_kind(record, CallerTranscript)] for record in records] == [
        ["Do you sell tea?"],
        ["When do you close?"],
    ]
    tea, six = spoken("Green and black tea."), spoken("At six.")
    assert (tea in first.heard, six in first.heard) == (True, False)
    assert (tea in second.heard, six in second.heard) == (False, True)
    # Each session got the whole of one caller, and no two the same.
    owners = [{call.sid for call in (first, second) if audio in sent_by(call)} for audio in heard]
    assert sorted(len(owner) for owner in owners) == [1, 1]
    assert owners[0] | owners[1] == {first.sid, second.sid}
