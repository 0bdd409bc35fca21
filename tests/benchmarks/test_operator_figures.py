"""The readings of the operators' benchmark: how late every delta and every frame is."""

import pytest

from benchmarks.bench import Seen
from benchmarks.operators import CASES, SETTLING_FRAMES, agent_delays_ms, caller_delays_ms, order_of
from benchmarks.readings import UnreadableCall, above_quickest_ms, arrivals_of, runs_of
from simulator.model.server import SentAudio, SessionLog
from simulator.phone.timeline import MediaReceived


def delta(at_ms: float, length_ms: int) -> SentAudio:
    return SentAudio(at_ms=at_ms, response_id="r", item_id="i", length=length_ms * 8)


def received(at_ms: float, length_ms: int) -> MediaReceived:
    return MediaReceived(at_ms=at_ms, length=length_ms * 8, buffered_ms=length_ms)


def test_a_delta_has_arrived_when_the_first_piece_of_it_has() -> None:
    timeline = [received(1000, 100), received(1040, 200), received(1050, 300)]
    arrived = arrivals_of(runs_of(timeline), [delta(1, 300), delta(2, 300)])
    assert [(sent.at_ms, at_ms) for sent, at_ms in arrived] == [(1, 1000), (2, 1050)]


def test_audio_that_no_delta_accounts_for_is_not_read_as_if_it_were() -> None:
    with pytest.raises(UnreadableCall):
        arrivals_of(runs_of([received(1000, 300), received(1300, 300)]), [delta(1, 300)])


def test_the_delay_of_a_delta_is_taken_on_the_clock_both_ends_share() -> None:
    session = SessionLog(model="m", headers={}, opened_at_s=50.1, sent_audio=[delta(900, 300), delta(950, 300)])
    call = Seen([received(1002, 300), received(1057, 300)], 50_000.0, b"", session)
    assert agent_delays_ms(call) == pytest.approx([2, 7])


def test_frames_are_compared_with_the_quickest_of_their_call() -> None:
    assert above_quickest_ms([105, 121, 145, 160], 20) == [5, 1, 5, 0]


def test_the_frames_of_a_call_s_beginning_do_not_count() -> None:
    waited = [(0.0, {"type": "input_audio_buffer.append"})] * SETTLING_FRAMES
    frames = [(5000.0 + 20 * nth + (nth == 3) * 8, {"type": "input_audio_buffer.append"}) for nth in range(5)]
    others = [(5001.0, {"type": "response.create"})]
    session = SessionLog(model="m", headers={}, received=[*waited, *frames, *others])
    assert caller_delays_ms(Seen([], 0, b"", session)) == [0, 0, 0, 8, 0]


def test_the_cases_take_turns_at_being_first() -> None:
    order = order_of(4, CASES)
    assert sorted(order, key=CASES.index) == [case for case in CASES for _ in range(4)]
    assert {order[turn * len(CASES)] for turn in range(4)} == set(CASES)
