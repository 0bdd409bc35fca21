"""A past call played again in its own time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.facts import facts_of
from console.replay import SPEEDS, STEP_MS, Mark, Replay
from console.transcript import lines_of
from console.widgets.replay_bar import bar
from tests.console import examples

SID = examples.FURNACE


def furnace() -> Replay:
    return Replay(SID, examples.events(SID))


def words(replay: Replay) -> list[str]:
    return [line.words for line in lines_of(replay.story) if line.voice != "note"]


def test_at_the_beginning_only_the_call_has_come() -> None:
    replay = furnace()
    assert [event.kind for event in replay.story.events] == ["call.started"]
    assert (replay.position_ms, replay.duration_ms, replay.playing) == (0, 26_000, False)


def test_time_passes_only_while_playing() -> None:
    replay = furnace()
    replay.advance(1_000)
    assert replay.position_ms == 0
    replay.toggle()
    replay.advance(1_000)
    assert replay.position_ms == 1_000


@pytest.mark.parametrize(("speed", "position_ms"), [(1, 500), (2, 1_000), (8, 4_000)])
def test_speed_multiplies_time(speed: int, position_ms: float) -> None:
    replay = furnace()
    replay.toggle()
    replay.change_speed(SPEEDS.index(speed))
    replay.advance(500)
    assert (replay.speed, replay.position_ms) == (speed, position_ms)


def test_speed_stays_within_its_three_steps() -> None:
    replay = furnace()
    replay.change_speed(-1)
    assert replay.speed == 1
    for _ in range(5):
        replay.change_speed(1)
    assert replay.speed == 8


def test_playing_stops_at_the_end_and_starts_over_from_there() -> None:
    replay = furnace()
    replay.toggle()
    replay.advance(1_000_000)
    assert (replay.position_ms, replay.playing, replay.at_end) == (26_000, False, True)
    replay.toggle()
    assert (replay.position_ms, replay.playing) == (0, True)


def test_a_line_appears_when_it_was_heard() -> None:
    replay = furnace()
    replay.go_to(7_099)
    assert "My furnace stopped working and it's freezing in here." not in words(replay)
    replay.go_to(7_100)
    assert words(replay)[-2] == "My furnace stopped working and it's freezing in here."


def test_a_line_of_the_ai_grows_while_it_was_heard() -> None:
    replay = furnace()
    # Heard from 6.9 s to 9.5 s.
    grown = []
    for at_ms in (6_899, 7_550, 8_200, 9_499, 9_500):
        replay.go_to(at_ms)
        grown.append([line for line in lines_of(replay.story) if line.voice == "agent"][1:])
    assert grown[0] == []
    assert [line.state for lines in grown[1:] for line in lines] == ["being said"] * 3 + ["heard"]
    lengths = [len(lines[0].words) for lines in grown[1:]]
    assert lengths == sorted(lengths)
    assert lengths[0] > 0


def test_a_cut_line_is_generated_in_full_while_it_grows() -> None:
    replay = furnace()
    replay.go_to(14_000)
    growing = lines_of(replay.story)[-1]
    assert growing.state == "being said"
    assert growing.unheard.endswith("within the hour.")


def test_seeking_goes_five_seconds_and_stays_within_the_call() -> None:
    replay = furnace()
    replay.seek(STEP_MS)
    assert replay.position_ms == 5_000
    replay.seek(-2 * STEP_MS)
    assert replay.position_ms == 0
    replay.seek(1e9)
    assert replay.position_ms == 26_000


def test_the_moments_worth_going_to() -> None:
    assert furnace().marks == [Mark(15_198, "barge-in")]
    trouble = Replay(examples.TROUBLE, examples.events(examples.TROUBLE))
    assert trouble.marks == [Mark(2_500, "error"), Mark(3_500, "error")]


def test_jumping_goes_to_the_next_moment_of_its_kind_and_back() -> None:
    replay = Replay(examples.TROUBLE, examples.events(examples.TROUBLE))
    assert replay.jump("error", back=False)
    assert replay.position_ms == 2_500
    assert replay.jump("error", back=False)
    assert not replay.jump("error", back=False)
    assert replay.position_ms == 3_500
    assert replay.jump("error", back=True)
    assert replay.position_ms == 2_500
    assert not replay.jump("barge-in", back=False)


@given(st.lists(st.floats(min_value=-5_000, max_value=30_000), max_size=8))
def test_however_one_gets_to_a_moment_it_shows_the_same(way: list[float]) -> None:
    wandering, straight = furnace(), furnace()
    for at_ms in [*way, 15_000]:
        wandering.go_to(at_ms)
    straight.go_to(15_000)
    assert lines_of(wandering.story) == lines_of(straight.story)
    assert facts_of(wandering.story) == facts_of(straight.story)


def test_at_its_end_a_replay_shows_what_the_call_came_to() -> None:
    replay = furnace()
    replay.go_to(replay.duration_ms)
    assert facts_of(replay.story).end_reason == "farewell"
    assert len(replay.story.events) == len(examples.events(SID))


def test_a_call_without_events_is_over_at_once() -> None:
    replay = Replay(SID, [])
    replay.toggle()
    replay.advance(1_000)
    assert (replay.duration_ms, replay.playing, replay.marks, replay.jump("error", back=False)) == (0, False, [], False)
    assert bar(replay, 40).plain.startswith(" ■ END")


def test_events_out_of_step_are_played_by_their_numbers() -> None:
    events = [examples.event(SID, seq, "dtmf", ms=ms, digit=str(seq)) for seq, ms in ((1, 0), (2, 900), (3, 400), (4, 1_000))]
    replay = Replay(SID, events[::-1])
    replay.go_to(900)
    assert [event.seq for event in replay.story.events] == [1, 2, 3]


def test_events_of_another_call_are_left_out() -> None:
    assert Replay(SID, examples.events(examples.GARAGE)).duration_ms == 0


@pytest.mark.parametrize("width", [1, 10, 30, 60, 200])
def test_the_bar_fits_its_width(width: int) -> None:
    replay = furnace()
    for at_ms in (0, 13_000, 26_000):
        replay.go_to(at_ms)
        line = bar(replay, width)
        assert line.cell_len <= max(width, 45)
        assert "●" in line.plain


def test_the_bar_marks_interruptions_and_errors_with_signs() -> None:
    assert "⟂" in bar(furnace(), 80).plain
    assert bar(Replay(examples.TROUBLE, examples.events(examples.TROUBLE)), 80).plain.count("✗") == 2


def test_the_bar_says_in_words_how_it_stands() -> None:
    replay = furnace()
    assert "HELD" in bar(replay, 80).plain
    replay.toggle()
    replay.change_speed(1)
    replay.advance(3_000)
    assert "PLAYING ×2" in bar(replay, 80).plain
    assert "0:06 / 0:26" in bar(replay, 80).plain
