"""What a recording has of a call, compared with the phone's own account of it, to the millisecond: under a virtual clock."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.recording.channels import Block, Channels, pcm
from calls.business_files import load_businesses
from frontdesk.demo import profile_of
from frontdesk.fast import _Play
from frontdesk.stage import prepare_voices
from simulator.phone.timeline import ClearReceived, StartSent
from simulator.scenario import shipped
from tests.calls.recordings import MS, differing, loud_ms

BUSINESSES = Path(__file__).resolve().parent.parent.parent / "businesses"
SAME_MOMENT_MS = 20


class RecordedPlay(_Play):
    """A call whose both sides are recorded, a block a second."""

    channels: Channels
    blocks: list[Block]

    def _open_stream(self) -> None:
        self.channels, self.blocks = Channels(), []
        super()._open_stream()
        self._core_takes(given.Watched(on=True))

    def _carry_out(self, output: wanted.AnyOutput) -> None:
        if self._core is not None and self._core.start_received_ms is not None:
            self._record(output, self.now_ms - self._core.start_received_ms)
        super()._carry_out(output)

    def _record(self, output: wanted.AnyOutput, at_ms: float) -> None:
        match output:
            case wanted.CallerSounded(audios=audios, at_ms=came_at_ms):
                began_ms = self.now_ms - at_ms
                self.channels.caller_audio(audios, [one_ms - began_ms for one_ms in came_at_ms])
            case wanted.AgentSounded(audio=audio):
                self.channels.agent_audio(audio, at_ms)
            case wanted.AgentSilenced():
                self.channels.cleared(at_ms)
            case wanted.CloseStream():
                self.blocks.append(self.channels.rest(at_ms))
        if at_ms > 1000 * (len(self.blocks) + 1):
            self._core_takes(given.Looked())
            self.blocks.append(self.channels.take(at_ms))


@pytest.mark.parametrize("name", ["hvac", "garage"])
def test_both_sides_are_where_the_phone_had_them_across_an_interruption(name: str) -> None:
    scenario, directory = shipped(name), load_businesses(BUSINESSES)
    prepare_voices(scenario, directory)
    play = RecordedPlay(Console(file=io.StringIO()), scenario, profile_of(scenario, directory))
    play.run()
    timeline = play.phone.timeline
    assert any(isinstance(seen, ClearReceived) for seen in timeline), "somebody was interrupted"
    began_ms = next(seen.at_ms for seen in timeline if isinstance(seen, StartSent))
    real = play.phone.recording.stereo()[round(began_ms * MS) :]
    recorded = np.frombuffer(b"".join(map(pcm, play.blocks)), "<i2").reshape(-1, 2)
    assert abs(len(recorded) - len(real)) <= SAME_MOMENT_MS * MS
    for side in (0, 1):
        # Where a line begins or is cut, a tenth of a second may hold a frame of it more or fewer.
        edges = len([seen for seen in timeline if isinstance(seen, ClearReceived)])
        assert len(differing(recorded[:, side], real[:, side], SAME_MOMENT_MS)) <= edges, side
        assert loud_ms(recorded[:, side]) == pytest.approx(loud_ms(real[:, side]), abs=SAME_MOMENT_MS)
        assert loud_ms(recorded[:, side]) > 3000
