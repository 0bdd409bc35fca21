import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench import Lost, Seen
from benchmarks.greeting import greeted
from benchmarks.shops import QUICK_FROM, number_of, open_shops, shop_of
from benchmarks.traces import LONG, LONGER, TRACES
from benchmarks.turns_and_cuts import hang_up_ms, is_right, passing_ms, reaction_ms, truncate_errors_ms, turn_delays_ms
from calls.business_files import load_businesses
from simulator import voice
from simulator.model.server import SentAudio, SessionLog
from simulator.phone.mouth import noise
from simulator.phone.playout import SILENCE
from simulator.phone.timeline import (
    CallEnded,
    ClearReceived,
    FirstMedia,
    MarkEchoed,
    MediaReceived,
    Observation,
    StartSent,
    StepBegan,
)

DIALLED_MS = 50_000.0
OPENED_S = 50.1
"""A tenth of a second after dialling, on the loop's clock."""
QUEUED = next(trace for trace in TRACES if trace.queued)
BEFORE_MARK = next(trace for trace in TRACES if trace.before_mark)
GENERATED = next(trace for trace in TRACES if "4 s still playing" in trace.name)


def seen(
    timeline: list[Observation], received: list[tuple[float, dict[str, Any]]], *deltas: SentAudio, caller: bytes = b""
) -> Seen:
    session = SessionLog(model="m", headers={}, opened_at_s=OPENED_S, received=received, sent_audio=list(deltas))
    return Seen(timeline, DIALLED_MS, caller, session)


def audio(item_id: str, length_ms: int, at_ms: float = 0) -> SentAudio:
    return SentAudio(at_ms=at_ms, response_id=f"of {item_id}", item_id=item_id, length=length_ms * 8)


def played(at_ms: float, length_ms: int, buffered_ms: float) -> MediaReceived:
    return MediaReceived(at_ms=at_ms, length=length_ms * 8, buffered_ms=buffered_ms)


def truncate(item_id: str, audio_end_ms: int) -> tuple[float, dict[str, Any]]:
    return 1900.0, {"type": "conversation.item.truncate", "item_id": item_id, "audio_end_ms": audio_end_ms}


CLEAR = ClearReceived(at_ms=2000, dropped_ms=0, marks=())
A_THEN_B: list[Observation] = [played(1000, 3000, 3000), played(1000, 2000, 5000), CLEAR]


def cut_call(*received: tuple[float, dict[str, Any]]) -> Seen:
    return seen(A_THEN_B, list(received), audio("A", 3000), audio("B", 2000))


def test_the_model_s_own_time_is_taken_off_the_greeting() -> None:
    timeline: list[Observation] = [
        StartSent(at_ms=101, stream_sid="MZ", custom_parameters={}),
        FirstMedia(at_ms=610, after_start_ms=509),
    ]
    call = seen(timeline, [(5.0, {"type": "response.create"})], audio("A", 300, at_ms=505))
    one = greeted(call)
    assert (one.wire_ms, one.model_ms, one.added_ms) == (509, 500, 9)
    # start at 101 and the session's opening at 100 after dialling: asked for at 105, heard 5 ms after it was sent
    assert (one.asking_ms, one.passing_ms) == pytest.approx((4, 5))


def test_a_call_that_was_never_greeted_is_lost_and_says_what_the_model_got() -> None:
    with pytest.raises(Lost, match=r"session\.update"):
        greeted(seen([], [(1.0, {"type": "session.update"})]))


def test_the_error_of_a_truncate_counts_in_both_directions() -> None:
    for said_ms, error_ms in ((1007, 7), (990, 10)):
        audible, queued = truncate_errors_ms(cut_call(truncate("A", said_ms), truncate("B", 0)))
        assert (audible, queued) == ([error_ms], [0])


def test_truncating_the_reply_in_the_queue_instead_of_the_audible_one_is_wrong() -> None:
    assert is_right(QUEUED, cut_call(truncate("A", 1000), truncate("B", 0)))
    assert not is_right(QUEUED, cut_call(truncate("B", 700)))
    assert not is_right(QUEUED, cut_call(truncate("B", 0), truncate("A", 1000)))


def test_truncating_one_item_more_than_was_cut_is_wrong() -> None:
    assert not is_right(QUEUED, cut_call(truncate("A", 1000), truncate("B", 0), truncate("greeting", 900)))


def test_cancelling_a_reply_that_was_already_generated_is_wrong() -> None:
    call = seen([played(1000, 3000, 3000), CLEAR], [truncate("A", 1000)], audio("A", 3000))
    assert is_right(GENERATED, call)
    call.session.received.append((1900.0, {"type": "response.cancel"}))
    assert not is_right(GENERATED, call)


def test_a_cut_after_a_mark_came_back_does_not_show_what_a_cut_before_it_does() -> None:
    call = seen([played(1000, 3000, 3000), CLEAR], [truncate("A", 1000)], audio("A", 3000))
    confirmed = MarkEchoed(at_ms=1200, name="0.1", why="played")
    assert is_right(BEFORE_MARK, call)
    assert not is_right(BEFORE_MARK, replace(call, timeline=[played(1000, 3000, 3000), confirmed, CLEAR]))


def test_a_call_in_which_nothing_was_cut_is_wrong() -> None:
    assert not is_right(GENERATED, seen([played(1000, 3000, 3000)], [], audio("A", 3000)))


def test_the_reaction_counts_from_the_first_loud_sample_of_the_interruption() -> None:
    earlier = StepBegan(at_ms=200, index=0, what="*noise*")
    begins = StepBegan(at_ms=1700, index=1, what="*noise*")
    track = bytearray((SILENCE,)) * (2200 * 8)
    track[300 * 8 : 500 * 8] = noise(200, 2000, seed=2)
    track[1705 * 8 : 2205 * 8] = noise(500, 2000, seed=1)
    call = seen([earlier, played(1000, 3000, 3000), begins, CLEAR], [], audio("A", 3000), caller=bytes(track))
    assert reaction_ms(call) == pytest.approx(295, abs=1)
    assert reaction_ms(replace(call, timeline=[earlier, begins])) is None


def test_a_hang_up_over_the_last_words_is_negative() -> None:
    goodbye = played(1000, 2000, 2000)
    for ended_ms, after_ms in ((3004, 4), (2990, -10)):
        ended = CallEnded(at_ms=ended_ms, reason="completed over REST", status="completed")
        assert hang_up_ms(seen([goodbye, ended], [])) == after_ms


def test_a_caller_who_hung_up_was_not_hung_up_on() -> None:
    ended = CallEnded(at_ms=3004, reason="the caller hung up", status="completed")
    assert hang_up_ms(seen([played(1000, 2000, 2000), ended], [])) is None


def test_each_turn_and_each_item_has_its_delay() -> None:
    call = seen(
        [played(1000, 500, 500), played(4000, 500, 500)],
        [(10.0, {"type": "response.create"}), (3003.0, {"type": "response.create"})],
        audio("A", 500, at_ms=899),
        audio("B", 500, at_ms=3898),
    )
    call.session.committed_ms.append(3000.0)
    assert turn_delays_ms(call) == [3]
    assert passing_ms(call) == pytest.approx([1, 2])


def test_the_shops_are_businesses_one_for_each_caller(tmp_path: Path) -> None:
    open_shops(tmp_path, 2)
    shops = {business.id: business for business in load_businesses(tmp_path)}
    assert list(shops) == [shop_of(0), shop_of(1), shop_of(QUICK_FROM), shop_of(QUICK_FROM + 1)]
    assert [shop.model for shop in shops.values()] == list(shops)
    assert [(shop.barge_in.hold_ms, shop.barge_in.grace_ms) for shop in shops.values()] == [(180, 120)] * 2 + [(40, 40)] * 2
    assert shops[shop_of(1)].numbers == (number_of(1),)


def test_the_same_seed_gives_the_same_callers() -> None:
    for trace in TRACES:
        assert trace.caller(random.Random(7)) == trace.caller(random.Random(7))


def test_the_lines_are_as_long_as_the_traces_need() -> None:
    assert voice.duration_ms(voice.speak(LONG)) > 5000
    assert voice.duration_ms(voice.speak(LONGER)) > 3400 + 200 + 300 + 4000
