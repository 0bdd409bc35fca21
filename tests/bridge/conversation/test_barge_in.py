"""Barge-in: who is given the floor, when, and what the model is told of it."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from bridge.conversation.barge_in import BargeInGate, Verdict
from bridge.conversation.g711 import codes_within, rms, rms_of_each
from bridge.conversation.phases import Phase
from calls import events
from calls.business import BargeIn
from tests.bridge.conversation.line import LOUDNESS_CODES, PROFILE, Line


def speaking(ms: float = 5000, line: Line | None = None) -> Line:
    """In mid-conversation, the AI's reply of that length all sent and playing."""
    line = (line or Line()).greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.caller_text("c1", "Tell me about your hours.")
    line.speak("We are open from nine to five on every day of the week but Sunday.", ms)
    return line


def of_kind(line: Line, kind: str) -> list[dict[str, Any]]:
    return [event for event in line.sent_to_model if event["type"] == kind]


def clears(line: Line) -> int:
    return sum(message["event"] == "clear" for message in line.sent_to_twilio)


# --- the gate alone: frames of (RMS, ms) → verdicts ---

HOLD = [(3000, 20)] * 9  # 180 ms
GRACE = [(3000, 20)] * 6  # 120 ms
QUIET = [(0, 20)]


@pytest.mark.parametrize(
    ("frames", "verdicts"),
    [
        (HOLD + GRACE, [Verdict.TRIGGERED, Verdict.CUT]),
        (HOLD[:-1] + QUIET * 9, []),
        (HOLD[:5] + QUIET + HOLD[:5] + QUIET * 9, []),
        ([(3000, 20)], []),
        (HOLD + QUIET * 6, [Verdict.TRIGGERED, Verdict.DISMISSED]),
        (HOLD + GRACE[:2] + QUIET * 4, [Verdict.TRIGGERED, Verdict.DISMISSED]),
        (HOLD + GRACE[:3] + QUIET * 3, [Verdict.TRIGGERED, Verdict.CUT]),  # exactly half is speech
        ([(200, 20)] * 100, []),  # not above 200
        ([(201, 20)] * 15, [Verdict.TRIGGERED, Verdict.CUT]),
        ([(3000, 300)], [Verdict.TRIGGERED]),  # one late packet of 300 ms counts as long as it is
        ([(3000, 10)] * 18 + [(3000, 10)] * 12, [Verdict.TRIGGERED, Verdict.CUT]),
    ],
)
def test_frames_decide_by_their_loudness_and_their_length(frames: list[tuple[float, float]], verdicts: list[Verdict]) -> None:
    gate = BargeInGate(BargeIn())
    decided = [gate.hear(loudness, ms, at * 20, armed=True) for at, (loudness, ms) in enumerate(frames)]
    assert [verdict for verdict in decided if verdict is not None] == verdicts


def test_a_noisy_line_raises_the_bar_and_a_loud_one_not_beyond_four_times() -> None:
    noisy, roaring = BargeInGate(BargeIn()), BargeInGate(BargeIn())
    for at in range(150):
        noisy.hear(150, 20, at * 20, armed=False)
        roaring.hear(5000, 20, at * 20, armed=False)
    assert noisy.threshold_rms == 375
    assert roaring.threshold_rms == 800
    assert all(noisy.hear(300, 20, 3000 + at * 20, armed=True) is None for at in range(50))
    assert noisy.hear(400, 300, 5000, armed=True) is Verdict.TRIGGERED


def test_the_bar_stands_still_while_a_burst_is_judged() -> None:
    gate = BargeInGate(BargeIn(hold_ms=4000))
    for at in range(150):
        gate.hear(100, 20, at * 20, armed=False)
    verdicts = [gate.hear(300, 20, 3000 + at * 20, armed=True) for at in range(200)]  # longer than the floor remembers
    assert Verdict.TRIGGERED in verdicts


def test_what_was_held_before_the_gate_was_armed_does_not_count() -> None:
    gate = BargeInGate(BargeIn())
    for at in range(8):
        gate.hear(3000, 20, at * 20, armed=False)
    assert gate.hear(3000, 20, 180, armed=True) is None


# --- the whole core ---


def test_a_caller_who_speaks_over_the_ai_has_the_floor_after_300_ms() -> None:
    line = speaking()
    line.quiet(1000)
    line.loud(300)
    assert clears(line) == 1
    (cut,) = line.events_of(events.BargeInCut)
    assert cut.reaction_ms == 300
    assert cut.heard_ms == 1300
    assert (cut.triggered_ms - cut.speech_ms, cut.clear_ms - cut.triggered_ms) == (180, 120)
    assert [event["audio_end_ms"] for event in of_kind(line, "conversation.item.truncate")] == [1300]


def test_the_greeting_is_never_cut() -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello.", 3000)
    line.loud(2900)
    assert clears(line) == 0
    assert line.events_of(events.BargeInTriggered) == []


def test_barge_in_can_be_turned_off_per_business() -> None:
    line = speaking(line=Line(msgspec.structs.replace(PROFILE, barge_in=BargeIn(enabled=False))))
    line.loud(1000)
    assert clears(line) == 0


@pytest.mark.parametrize(
    ("settings", "reaction_ms"),
    [(BargeIn(hold_ms=100, grace_ms=60), 160), (BargeIn(hold_ms=400, grace_ms=200), 600), (BargeIn(rms=5000), None)],
)
def test_the_rule_is_the_businesss(settings: BargeIn, reaction_ms: int | None) -> None:
    line = speaking(line=Line(msgspec.structs.replace(PROFILE, barge_in=settings)))
    line.loud(1000)
    assert [cut.reaction_ms for cut in line.events_of(events.BargeInCut)] == ([] if reaction_ms is None else [reaction_ms])


def test_a_cough_is_dismissed_and_the_turn_that_held_only_it_is_not_answered() -> None:
    line = speaking(1500)
    line.quiet(400)
    line.turn_begins("c2", 0)
    line.loud(200)
    line.quiet(700)
    line.wait(400)
    line.echo_marks()
    creates = line.creates
    line.turn_ends("c2", 4000)  # the detector took it for a long turn
    assert len(line.events_of(events.BargeInDismissed)) == 1
    assert clears(line) == 0
    assert line.creates == creates


def test_after_the_cut_the_callers_turn_is_answered_at_its_commit() -> None:
    line = speaking()
    line.quiet(1000)
    line.turn_begins("c2", 0)
    line.loud(600)
    creates = line.creates
    line.turn_ends("c2", 5000)
    assert line.creates == creates + 1


def test_silence_is_no_barge_in_and_neither_is_speech_once_the_ai_is_quiet() -> None:
    line = speaking(1000)
    line.quiet(1000)
    line.echo_marks()
    line.loud(1000)
    assert line.events_of(events.BargeInTriggered) == []


# --- false alarms ---


def test_after_a_cut_without_words_the_ai_goes_on_from_where_it_was_cut() -> None:
    line = speaking()
    line.quiet(2500)
    line.loud(300)
    creates = line.creates
    line.quiet(1900)
    assert line.creates == creates
    line.quiet(200)
    assert line.creates == creates + 1
    (item,) = [event["item"] for event in of_kind(line, "conversation.item.create") if event["item"]["role"] == "system"]
    assert "We are open from nine" in item["content"][0]["text"]
    assert len(line.events_of(events.BargeInResumed)) == 1
    line.quiet(5000)
    assert line.creates == creates + 1


def test_while_anybody_still_makes_a_sound_the_ai_does_not_go_on() -> None:
    line = speaking()
    line.quiet(1000)
    line.loud(300)
    for _ in range(5):
        line.quiet(1500)
        line.loud(100)
    assert line.events_of(events.BargeInResumed) == []


def test_an_open_turn_or_one_that_is_answered_keeps_the_ai_from_going_on() -> None:
    line = speaking()
    line.quiet(1000)
    line.turn_begins("c2", 0)
    line.loud(300)
    line.quiet(4000)
    line.turn_ends("c2", 5000)
    line.quiet(4000)
    assert line.events_of(events.BargeInResumed) == []


def test_a_business_may_want_the_ai_never_to_go_on() -> None:
    line = speaking(line=Line(msgspec.structs.replace(PROFILE, barge_in=BargeIn(resume_after_ms=0))))
    line.quiet(1000)
    line.loud(300)
    line.quiet(6000)
    assert line.events_of(events.BargeInResumed) == []


# --- the traces that break the others ---


@pytest.mark.parametrize("policy", ["echo", "drop", "late"])
class TestTracesThatBreakTheOthers:
    """Each with cleared marks echoed at once, dropped, or echoed late."""

    def cut(self, line: Line, policy: str) -> None:
        """The caller cuts in with 300 ms of speech; Twilio treats the cleared marks as the policy says."""
        outstanding = [name for name in line.marks_sent if name not in line.echoed]
        line.loud(300)
        assert clears(line) > 0
        if policy == "echo":
            for name in outstanding:
                line.mark(name)
        elif policy == "late":
            self.late = outstanding
        line.echoed.update(outstanding)

    def play(self, line: Line, ms: float) -> None:
        """Time passes and marks come back as their audio has been played."""
        line.play(ms)

    def test_a_burst_of_5_s_cut_after_1_s_is_truncated_at_1_s(self, policy: str) -> None:
        line = speaking(5000)
        self.play(line, 700)
        self.cut(line, policy)
        (truncate,) = of_kind(line, "conversation.item.truncate")
        assert truncate["audio_end_ms"] == pytest.approx(1000, abs=60)

    def test_of_two_queued_replies_the_audible_one_is_cut_where_it_was_and_the_next_at_0(self, policy: str) -> None:
        line = speaking(4000)
        line.core.voice.responses.want(line.reply_wish())
        line.do(line.tick())
        line.speak("And on Sunday we rest.", 2000)
        self.play(line, 700)
        self.cut(line, policy)
        truncates = [(event["item_id"], event["audio_end_ms"]) for event in of_kind(line, "conversation.item.truncate")]
        assert [item for item, _ in truncates] == ["item_a2", "item_a3"]
        assert truncates[0][1] == pytest.approx(1000, abs=60)
        assert truncates[1][1] == 0

    def test_a_cut_before_the_first_mark_is_truncated_by_the_time_since_sending(self, policy: str) -> None:
        line = speaking(5000)
        self.cut(line, policy)
        (truncate,) = of_kind(line, "conversation.item.truncate")
        assert truncate["audio_end_ms"] == pytest.approx(300, abs=60)

    def test_marks_of_a_clear_earn_nothing_for_the_second_cut(self, policy: str) -> None:
        line = speaking(5000)
        self.play(line, 700)
        self.cut(line, policy)
        line.turn_begins("c2", 0)
        line.turn_ends("c2", 4000)
        line.wait(500)
        line.speak("Sorry, go ahead.", 4000)
        if policy == "late":
            for name in self.late:
                line.mark(name)
        line.quiet(20)
        self.cut(line, policy)
        first, second = of_kind(line, "conversation.item.truncate")
        assert (first["item_id"], second["item_id"]) == ("item_a2", "item_a3")
        assert second["audio_end_ms"] == pytest.approx(320, abs=60)

    def test_a_reply_fully_generated_is_cleared_and_truncated_but_not_cancelled(self, policy: str) -> None:
        line = speaking(5000)
        self.play(line, 1000)
        self.cut(line, policy)
        assert of_kind(line, "response.cancel") == []
        assert len(of_kind(line, "conversation.item.truncate")) == 1

    def test_a_reply_still_being_generated_is_cancelled_and_its_late_audio_dropped(self, policy: str) -> None:
        line = Line().greeted()
        line.turn_begins("c1", 1000)
        line.turn_ends("c1", 3000)
        response = line.begin_speaking()
        line.audio(2000)
        self.play(line, 700)
        self.cut(line, policy)
        assert [event["response_id"] for event in of_kind(line, "response.cancel")] == [response]
        played_ms = line.played_ms
        line.audio(2000)
        line.text_done("too late")
        line.response_done("cancelled")
        assert line.played_ms == played_ms
        assert line.phase is Phase.CONVERSING

    def test_a_second_reply_cut_at_300_ms_counts_from_its_own_beginning(self, policy: str) -> None:
        line = speaking(60_000)
        for _ in range(61):
            self.play(line, 1000)
        line.turn_begins("c2", 0)
        line.turn_ends("c2", 4000)
        line.speak("Certainly.", 5000)
        self.cut(line, policy)
        (truncate,) = of_kind(line, "conversation.item.truncate")
        assert truncate["audio_end_ms"] == pytest.approx(300, abs=60)

    def test_one_loud_packet_of_20_ms_changes_nothing(self, policy: str) -> None:
        line = speaking(5000)
        self.play(line, 700)
        line.loud(20)
        line.quiet(1000)
        assert line.events_of(events.BargeInTriggered) == []
        assert clears(line) == 0
        assert policy


def test_refused_cancels_and_truncates_are_survived() -> None:
    line = speaking()
    line.quiet(1000)
    line.loud(300)
    for code in (
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "invalid_value",
        "unsupported_content_type",
    ):
        line.model({"type": "error", "error": {"type": "invalid_request_error", "code": code, "message": "no"}})
    line.turn_begins("c2", 0)
    line.turn_ends("c2", 4000)
    assert line.phase is Phase.CONVERSING
    assert line.sent_to_model[-1] == {"type": "response.create"}


def test_the_loudness_codes_of_these_tests_are_what_they_say() -> None:
    for wanted_rms, code in LOUDNESS_CODES.items():
        assert rms(bytes([code]) * 160) == pytest.approx(wanted_rms, rel=0.06, abs=8)


def test_the_ai_does_not_go_on_over_a_turn_that_is_still_open() -> None:
    line = speaking()
    line.quiet(1000)
    line.loud(200)
    line.turn_begins("c2", 0)
    line.loud(600)  # cut in the middle of it
    line.quiet(6000)  # the detector takes its time
    assert len(line.events_of(events.BargeInCut)) == 1
    assert line.events_of(events.BargeInResumed) == []


# --- frames that are plainly quiet are measured late ---


def mixed(loudness: list[int]) -> list[bytes]:
    """Frames with samples of many sizes, each as loud as it is told at the most."""
    chance = random.Random(1)
    codes = {peak: codes_within(peak) for peak in set(loudness)}
    return [bytes(chance.choices(codes[peak], k=chance.choice([160, 160, 56, 400]))) for peak in loudness]


@given(
    some.lists(
        some.tuples(some.sampled_from([0, 50, 150, 200, 260, 900, 4000]), some.integers(1, 60), some.booleans()), max_size=25
    ),
    some.sampled_from([BargeIn(), BargeIn(rms=60, hold_ms=40, grace_ms=60), BargeIn(enabled=False)]),
)
@settings(deadline=None)
def test_what_is_measured_late_decides_what_it_would_have_decided_measured_at_once(
    stretches: list[tuple[int, int, bool]], bars: BargeIn
) -> None:
    at_once, late = BargeInGate(bars), BargeInGate(bars)
    now_ms = 0.0
    for peak, count, armed in stretches:
        for audio in mixed([peak] * count):
            now_ms += len(audio) / 8
            loudness = late.loudness_of(audio)
            expected = at_once.hear(rms(audio), len(audio) / 8, now_ms, armed=armed)
            if loudness is None:
                assert (None if late.pass_quiet(audio) else late.hear_quiet(audio, armed=armed)) is expected
            else:
                assert late.hear(loudness, len(audio) / 8, now_ms, armed=armed) is expected
            assert (late.last_was_loud, late.hears_speech) == (at_once.last_was_loud, at_once.hears_speech)
        assert late.threshold_rms == at_once.threshold_rms
        assert late.burst == at_once.burst


@given(
    some.lists(some.tuples(some.sampled_from([0, 150, 200, 260, 900, 4000]), some.integers(1, 60)), max_size=15),
    some.sampled_from([BargeIn(), BargeIn(rms=60, hold_ms=40, grace_ms=60)]),
)
@settings(deadline=None)
def test_frames_that_can_decide_nothing_count_together_as_they_would_one_by_one(
    stretches: list[tuple[int, int]], bars: BargeIn
) -> None:
    one_by_one, together = BargeInGate(bars), BargeInGate(bars)
    loud_ms = now_ms = 0.0
    for peak, count in stretches:
        frames = mixed([peak] * count)
        for audio in frames:
            now_ms += len(audio) / 8
            assert one_by_one.hear(rms(audio), len(audio) / 8, now_ms, armed=False) is None
            loud_ms += len(audio) / 8 if one_by_one.last_was_loud else 0.0
        plainly_quiet = all(together.loudness_of(audio) is None for audio in frames)
        loud_ms -= together.overhear(frames, None if plainly_quiet else rms_of_each(frames))
        assert together.threshold_rms == one_by_one.threshold_rms
    assert loud_ms == 0
    assert not together.hears_speech


def test_a_frame_without_a_sample_above_the_bar_is_not_measured_and_one_with_a_single_one_is() -> None:
    gate = BargeInGate(BargeIn(rms=200))
    below, above = LOUDNESS_CODES[199], LOUDNESS_CODES[201]
    assert gate.loudness_of(bytes([below]) * 160) is None
    assert gate.loudness_of(bytes([above]) + bytes([below]) * 159) == rms(bytes([above]) + bytes([below]) * 159)
