"""Goodbye: said before hanging up, heard in full, taken back only for words that mean something, and said once."""

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.phases import Phase
from calls import events
from calls.business import Closing, Limits
from tests.bridge.conversation.line import PROFILE, Line

HEBREW = msgspec.structs.replace(PROFILE, language="he", closing=Closing(text="תודה, להתראות."))


def says(line: Line, text: str, item: str = "c1") -> Line:
    line.turn_begins(item, 1000)
    line.turn_ends(item, 3000)
    line.caller_text(item, text)
    return line


def cancelled_reply(line: Line) -> None:
    """The automatic reply to the goodbye itself, which nobody has heard."""
    line.begin_speaking()
    line.response_done("cancelled")


def spoken_goodbye(line: Line, ms: float = 1000) -> None:
    line.speak("Thank you for calling, goodbye.", ms)
    line.wait(ms)
    line.echo_marks()


@pytest.mark.parametrize(
    ("profile", "text", "reason"),
    [
        (PROFILE, "No, that's all, thanks.", "that's all"),
        (HEBREW, "אין צורך, תודה.", "אין צורך"),
        (HEBREW, "no thanks", "no thanks"),
    ],
)
def test_an_end_phrase_is_answered_with_the_closing_and_then_the_call_is_completed(
    profile: object, text: str, reason: str
) -> None:
    line = says(Line(profile).greeted(), text)  # type: ignore[arg-type]
    assert line.phase is Phase.CLOSING
    assert line.events_of(events.ClosingStarted) == [events.ClosingStarted(reason="farewell", phrase=reason)]
    cancelled_reply(line)
    item, create = line.sent_to_model[-2:]
    assert item["item"]["role"] == "system"
    assert profile.closing_text in item["item"]["content"][0]["text"]  # type: ignore[attr-defined]
    assert create == {"type": "response.create", "response": {"tool_choice": "none"}}
    spoken_goodbye(line)
    assert [stored.disposition.action for stored in line.wanted(wanted.StoreDisposition)] == ["hang_up"]
    line.do(given.DispositionStored(ok=True))
    line.do(given.CallCompleted(ok=True))
    assert line.wanted(wanted.Release) == [wanted.Release("farewell", {})]
    assert len(line.wanted(wanted.CompleteCall)) == 1


@pytest.mark.parametrize("text", ["ביי ביי", "ביי ביי ביי ביי", "תודה רבה, ביי", "bye bye", "thanks, bye"])
def test_bye_bye_does_not_end_a_call(text: str) -> None:
    line = says(Line(HEBREW).greeted(), text)
    assert line.phase is Phase.CONVERSING
    assert line.creates == 2  # it is answered like anything else


def test_nothing_is_hung_up_before_the_last_mark_of_the_goodbye() -> None:
    line = says(Line().greeted(), "that's all")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000, deltas=4)
    line.wait(1000)
    for name in line.marks_sent[:-1]:
        line.mark(name)
    assert line.wanted(wanted.StoreDisposition) == []
    line.wait(2300)  # the last mark is lost
    assert len(line.wanted(wanted.StoreDisposition)) == 1


def test_an_automatic_reply_that_was_not_heard_yet_is_cancelled() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    response = line.begin_speaking()
    line.caller_text("c1", "that's all")
    assert line.sent_to_model[-1] == {"type": "response.cancel", "response_id": response}
    line.audio(500)
    assert line.played_ms == 1000  # the greeting's


def test_a_reply_whose_name_comes_after_it_was_given_up_is_cancelled_then() -> None:
    line = says(Line().greeted(), "that's all")
    response = line.begin_speaking()
    assert {"type": "response.cancel", "response_id": response} in line.sent_to_model


def test_a_reply_already_audible_plays_to_its_end_before_the_goodbye() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.audio(2000)
    line.caller_text("c1", "no thanks")
    assert line.phase is Phase.CLOSING
    creates = line.creates
    line.audio(500)
    line.text_done("You are welcome.")
    line.response_done()
    assert line.creates == creates + 1
    line.speak("Thank you for calling, goodbye.", 1000)
    line.wait(2600)
    assert line.wanted(wanted.StoreDisposition) == []
    line.wait(900)
    line.echo_marks()
    assert len(line.wanted(wanted.StoreDisposition)) == 1


def test_the_goodbye_cannot_be_barged_into() -> None:
    line = says(Line().greeted(), "that's all")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    line.loud(900)
    assert line.events_of(events.BargeInTriggered) == []


# --- the caller over the goodbye ---


@pytest.mark.parametrize(
    ("text", "reopened"),
    [("bye bye", False), ("thanks, you too", False), ("wait, one more thing", True), ("how much is it?", True), ("", False)],
)
def test_only_words_that_mean_something_take_the_goodbye_back(text: str, reopened: bool) -> None:
    line = says(Line().greeted(), "that's all")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    creates = line.creates
    line.turn_begins("c2", 4000)
    line.turn_ends("c2", 6000)
    line.caller_text("c2", text)
    line.wait(1000)
    line.echo_marks()
    assert (line.phase is Phase.CONVERSING) is reopened
    assert len(line.events_of(events.ClosingReopened)) == reopened
    assert line.creates == creates + reopened
    assert len(line.wanted(wanted.StoreDisposition)) == (not reopened)


def test_a_turn_still_open_after_the_goodbye_is_waited_for_and_may_reopen() -> None:
    line = says(Line().greeted(), "that's all")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    line.turn_begins("c2", 4000)
    line.wait(1000)
    line.echo_marks()
    line.wait(900)
    assert line.wanted(wanted.StoreDisposition) == []
    line.turn_ends("c2", 6000)
    line.wait(500)
    line.caller_text("c2", "wait, I forgot my address")
    assert line.phase is Phase.CONVERSING


def test_words_that_never_come_are_waited_for_a_second_and_a_half() -> None:
    line = says(Line().greeted(), "that's all")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    line.turn_begins("c2", 4000)
    line.turn_ends("c2", 6000)
    line.wait(1000)
    line.echo_marks()
    line.wait(1499)
    assert line.wanted(wanted.StoreDisposition) == []
    line.wait(2)
    assert len(line.wanted(wanted.StoreDisposition)) == 1


def test_a_reopened_call_can_be_ended_again() -> None:
    line = says(Line().greeted(), "that's all")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    line.turn_begins("c2", 4000)
    line.turn_ends("c2", 6000)
    line.caller_text("c2", "wait, are you open on Sunday?")
    line.wait(1000)
    line.echo_marks()
    line.speak("We are closed on Sunday.", 1000)
    line.wait(1000)
    line.echo_marks()
    says(line, "ok, nothing else", "c3")
    cancelled_reply(line)
    spoken_goodbye(line)
    assert len(line.wanted(wanted.StoreDisposition)) == 1
    assert len(line.events_of(events.ClosingStarted)) == 2


def test_mutual_goodbyes_end_the_call_once() -> None:
    line = says(Line().greeted(), "that's all, thanks")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    for number in range(2, 5):
        line.turn_begins(f"c{number}", number * 2000)
        line.turn_ends(f"c{number}", number * 2000 + 1500)
        line.caller_text(f"c{number}", "no thanks, bye bye")
    line.wait(1000)
    line.echo_marks()
    assert len(line.events_of(events.ClosingStarted)) == 1
    assert len(line.wanted(wanted.StoreDisposition)) == 1


# --- the clocks ---

CALM = msgspec.structs.replace(PROFILE, limits=Limits(silence_s=10))


def test_a_silent_caller_is_asked_twice_and_then_said_goodbye_to() -> None:
    line = Line(CALM).greeted()
    for _ in range(2):
        creates = line.creates
        line.wait(9999)
        assert line.creates == creates
        line.wait(2)
        assert line.creates == creates + 1
        line.speak("Are you still there?", 1000)
        line.wait(1000)
        line.echo_marks()
    line.wait(10_001)
    assert [closing.reason for closing in line.events_of(events.ClosingStarted)] == ["silence"]


def test_a_caller_who_speaks_is_not_counted_as_silent() -> None:
    line = Line(CALM).greeted()
    for number in range(5):
        line.wait(9000)
        says(line, "hm", f"c{number}")
        line.speak("Yes?", 500)
        line.wait(500)
        line.echo_marks()
    assert line.events_of(events.ClosingStarted) == []
    assert line.creates == 6


def test_silence_counts_from_the_end_of_the_playback() -> None:
    line = says(Line(CALM).greeted(), "tell me everything")
    line.speak("Well.", 30_000)
    line.play(30_100)
    creates = line.creates
    line.wait(9000)
    assert line.creates == creates


def test_a_line_on_which_nothing_arrives_for_ten_seconds_is_ended() -> None:
    line = Line().greeted()
    line.wait(10_001, dead_line=True)
    assert [closing.reason for closing in line.events_of(events.ClosingStarted)] == ["no_inbound_media"]
    spoken_goodbye(line)
    assert len(line.wanted(wanted.StoreDisposition)) == 1


# --- what is said around the goodbye ---


def test_words_said_just_before_the_goodbye_began_take_it_back() -> None:
    line = Line().greeted()
    line.turn_begins("c2", 1000)
    line.turn_ends("c2", 3000)
    line.turn_begins("c3", 3100)
    line.turn_ends("c3", 5500)
    line.caller_text("c2", "no thanks")  # late: the caller has spoken again by now
    assert line.phase is Phase.CLOSING
    line.caller_text("c3", "actually wait, can you send somebody on Tuesday morning?")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    line.wait(1000)
    line.echo_marks()
    assert line.phase is Phase.CONVERSING
    assert len(line.events_of(events.ClosingReopened)) == 1


def test_a_reply_still_being_generated_and_heard_is_not_cut_off_by_the_closings_deadline() -> None:
    line = Line().greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.begin_speaking()
    line.audio(1000)
    line.turn_begins("c2", 3500)
    line.turn_ends("c2", 5000)
    line.caller_text("c2", "no thanks")
    for _ in range(9):  # generated at the pace of speech
        line.wait(1000)
        line.audio(1000)
        line.echo_marks()
    assert line.events_of(events.ErrorHappened) == []
    line.text_done("A long answer.")
    line.response_done()
    assert line.sent_to_model[-1] == {"type": "response.create", "response": {"tool_choice": "none"}}


def test_a_closing_whose_end_the_model_never_reports_is_over_two_seconds_after_its_audio() -> None:
    line = says(Line().greeted(), "that's all")
    cancelled_reply(line)
    line.begin_speaking()
    line.audio(1000)
    line.text_done("Thank you for calling, goodbye.")
    line.wait(1000)
    line.echo_marks()
    line.wait(999)
    assert line.wanted(wanted.StoreDisposition) == []
    line.wait(2)
    assert len(line.wanted(wanted.StoreDisposition)) == 1
    assert line.events_of(events.ModelLost) == []


def test_time_that_runs_out_during_a_goodbye_makes_it_final() -> None:
    short = msgspec.structs.replace(PROFILE, limits=Limits(max_call_s=10, silence_s=60))
    line = Line(short).greeted()
    line.wait(8500)
    says(line, "that's all")
    cancelled_reply(line)
    line.speak("Thank you for calling, goodbye.", 1000)
    line.turn_begins("c2", 9000)
    line.turn_ends("c2", 11_000)
    line.caller_text("c2", "wait, one more question please")
    line.wait(1000)
    line.echo_marks()
    assert line.events_of(events.ClosingReopened) == []
    assert len(line.wanted(wanted.StoreDisposition)) == 1


def test_a_turn_that_begins_and_never_ends_does_not_stop_the_clocks_for_ever() -> None:
    line = Line(CALM).greeted()
    line.turn_begins("ghost", 1000)
    line.wait(60_000)
    creates = line.creates
    line.wait(11_000)
    assert line.creates == creates + 1  # still there?


def test_a_turn_after_one_that_never_ended_is_answered_and_tools_go_on() -> None:
    line = Line().greeted()
    line.turn_begins("ghost", 1000)
    says(line, "hello", "c1")
    assert line.creates == 2
    assert not line.core.ear.turns.caller_is_speaking
