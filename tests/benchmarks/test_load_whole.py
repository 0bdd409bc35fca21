"""A whole step of the sweep, over real sockets: one call through the bridge and one through the bare relay."""

import pytest

from benchmarks.load import round as steps
from benchmarks.load import sweep
from benchmarks.load.step import FRONTDESK, RELAY, Step
from benchmarks.load.sweep import Plan, Progress


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "tls"])
def test_a_call_is_measured_through_the_bridge_and_through_the_relay(with_tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "SETTLE_S", 0.0)  # so that the greeting is counted
    monkeypatch.setattr(steps, "ARRIVE_S", 0.3)
    monkeypatch.setattr(sweep, "WARM_UP_S", 0.1)
    monkeypatch.setattr(sweep, "WARM_UP_CALLS", 1)
    done: list[Step] = []
    monkeypatch.setattr(sweep, "BESIDE", (1,))
    sweep.run(Plan(calls=(1,), seconds=1.5, refines=False, with_tls=with_tls), Progress(done=done.append))
    assert [(step.program, step.beside) for step in done] == [
        (FRONTDESK, False),
        (RELAY, False),
        (FRONTDESK, True),
        (RELAY, True),
    ]
    for step in done:
        assert (step.lost, step.lost_audio_ms, step.refusal, step.dropped) == (0, 0, "", 0)
        assert 0 < step.frames <= 50 * step.lasted_s + 1
        assert step.greeting.n == 1
        assert step.agent.n > 0
    assert done[0].loop_lag_ms is not None
