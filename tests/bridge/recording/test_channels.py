"""Both sides of a call in one line of time, block by block."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge.heard_audio import NETWORK_PAUSE_MS
from bridge.recording.channels import LONGEST_PIECE_MS, Block, Channels, pcm
from simulator import g711

FRAME_MS = 20


def audio(length_ms: int, code: int = 1) -> bytes:
    return bytes([code]) * (8 * length_ms)


def sample(code: int) -> int:
    return int(g711.decode(bytes([code]))[0])


def line(*blocks: Block) -> NDArray[np.int16]:
    """The blocks as samples; they follow each other without a gap."""
    for before, after in pairwise(blocks):
        assert after.first == before.first + before.frames
    return np.frombuffer(b"".join(map(pcm, blocks)), "<i2").reshape(-1, 2)


def spans(channel: NDArray[np.int16], code: int) -> list[tuple[float, float]]:
    """Where a channel has that sample, in ms."""
    there = np.concatenate([[False], channel == sample(code), [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(there)) / 8
    return [(float(begin), float(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def talk(channels: Channels, from_ms: int, to_ms: int, code: int = 1, late_ms: float = 0) -> None:
    """The caller speaks; each piece arrives when it has been said."""
    for at_ms in range(from_ms + FRAME_MS, to_ms + 1, FRAME_MS):
        channels.caller_audio([audio(FRAME_MS, code)], [at_ms + late_ms])


def test_the_caller_stands_where_they_spoke_and_the_ai_where_it_was_heard() -> None:
    channels = Channels()
    talk(channels, 0, 400)
    channels.agent_audio(audio(300, 2), 100)  # three pieces at once, as a model sends them
    channels.agent_audio(audio(300, 3), 100)
    talk(channels, 400, 1000)
    both = line(channels.rest(1000))
    assert spans(both[:, 0], 1) == [(0, 1000)]
    assert spans(both[:, 1], 2) == [(100, 400)]
    assert spans(both[:, 1], 3) == [(400, 700)]


def test_what_was_cleared_is_not_in_it_and_what_follows_is_heard_at_once() -> None:
    channels = Channels()
    channels.agent_audio(audio(5000, 2), 0)
    first = channels.take(1000)
    channels.cleared(1200)
    channels.agent_audio(audio(100, 3), 1500)
    both = line(first, channels.rest(2000))
    assert spans(both[:, 1], 2) == [(0, 1200)]
    assert spans(both[:, 1], 3) == [(1500, 1600)]


def test_audio_that_the_network_delayed_is_waited_for_and_stays_in_its_place() -> None:
    channels = Channels()
    talk(channels, 0, 500)
    blocks = [channels.take(1000)]  # half a second is missing
    assert blocks[0].frames == 500 * 8
    talk(channels, 500, 1200, late_ms=300)
    blocks.append(channels.take(1500))
    both = line(*blocks, channels.rest(1500))
    assert spans(both[:, 0], 1) == [(0, 1200)]


def test_a_beginning_that_came_late_does_not_make_the_rest_late() -> None:
    channels = Channels()
    for _ in range(4):
        channels.caller_audio([audio(FRAME_MS)], [100])  # all of it at once
    talk(channels, 80, 600)
    both = line(channels.take(600), channels.rest(700))
    assert spans(both[:, 0], 1) == [(0, 600)]


def test_what_was_handed_out_stays_where_it_is() -> None:
    channels = Channels()
    channels.caller_audio([audio(FRAME_MS)], [120])
    blocks = [channels.take(120)]
    talk(channels, 20, 600)
    both = line(*blocks, channels.rest(1000))
    assert spans(both[:, 0], 1) == [(100, 700)]


def test_a_caller_who_is_gone_for_long_keeps_nothing_waiting() -> None:
    channels = Channels()
    talk(channels, 0, 200)
    channels.agent_audio(audio(3000, 2), 0)
    blocks = [channels.take(200 + LONGEST_PIECE_MS + NETWORK_PAUSE_MS + 1)]
    assert blocks[0].frames == int((200 + NETWORK_PAUSE_MS + 1) * 8)
    talk(channels, 2000, 2200)
    both = line(*blocks, channels.rest(3000))
    assert spans(both[:, 0], 1) == [(0, 200), (2000, 2200)]
    assert spans(both[:, 1], 2) == [(0, 3000)]


def test_the_moment_at_which_a_pause_becomes_one_costs_no_audio() -> None:
    for asked_after_ms in range(NETWORK_PAUSE_MS - 60, NETWORK_PAUSE_MS + 200, 7):
        channels = Channels()
        talk(channels, 0, 200)
        blocks = [channels.take(200 + asked_after_ms)]
        talk(channels, 200, 300, late_ms=asked_after_ms)
        both = line(*blocks, channels.rest(5000))
        assert np.count_nonzero(both[:, 0] == sample(1)) == 300 * 8, asked_after_ms


def test_a_stream_without_any_audio_is_silence() -> None:
    channels = Channels()
    both = line(channels.take(1000), channels.rest(2000))
    assert both.shape == (16_000, 2)
    assert not both.any()


def test_nothing_is_handed_out_twice() -> None:
    channels = Channels()
    talk(channels, 0, 100)
    assert channels.take(100).frames == 800
    assert channels.take(100).frames == 0
    assert channels.rest(100).frames == 0


@given(
    gaps=st.lists(st.floats(0.0, 400.0), min_size=1, max_size=40),
    looks=st.lists(st.floats(0.0, 90.0), min_size=1, max_size=20),
)
def test_every_sample_is_in_it_once_whenever_one_looks(gaps: list[float], looks: list[float]) -> None:
    channels, now_ms, due_ms, sent = Channels(), 0.0, 0.0, 0
    blocks: list[Block] = []
    for gap_ms in gaps:
        now_ms += gap_ms
        channels.agent_audio(audio(60, 2), now_ms)
        sent += 480
        while due_ms < now_ms:
            due_ms += 1 + looks[len(blocks) % len(looks)]
            blocks.append(channels.take(now_ms))
    both = line(*blocks, channels.rest(now_ms + 60 * len(gaps) + 1))
    assert np.count_nonzero(both[:, 1] == sample(2)) == sent


@pytest.mark.parametrize("code", [0x00, 0x7F, 0x80, 0xFE, 0xFF])
def test_samples_are_those_of_g711(code: int) -> None:
    channels = Channels()
    channels.agent_audio(audio(1, code), 0)
    assert line(channels.rest(1))[:, 1].tolist() == [sample(code)] * 8
