"""Both sides' lines: placed by the item chain, whatever order their texts come in; the AI's as far as it was heard."""

import pytest

from bridge.conversation.transcript import Transcript, heard_part
from calls.events import AgentTranscript, CallerTranscript


def texts(lines: list[AgentTranscript | CallerTranscript]) -> list[str]:
    return [line.text for line in lines]


def test_the_callers_text_that_comes_after_the_reply_began_still_stands_before_it() -> None:
    transcript = Transcript()
    transcript.place("c1", None, "caller")
    transcript.place("a1", "c1", "agent")
    transcript.agent_text_done("a1", "Sure.")
    transcript.agent_over("a1", 500, 500, 1000)
    assert transcript.due(1000) == []
    transcript.caller_said("c1", "Can you come?", 1200)
    assert texts(transcript.due(1200)) == ["Can you come?", "Sure."]


def test_a_line_waits_two_seconds_for_an_earlier_one_and_then_names_its_predecessor() -> None:
    transcript = Transcript()
    transcript.place("c1", None, "caller")
    transcript.place("a1", "c1", "agent")
    transcript.agent_text_done("a1", "Sure.")
    transcript.agent_over("a1", 500, 500, 1000)
    assert transcript.wake_at_ms == 3000
    assert transcript.due(2999) == []
    (late,) = transcript.due(3000)
    assert (late.text, late.previous_item_id) == ("Sure.", "c1")
    transcript.caller_said("c1", "Can you come?", 9000)
    (caller,) = transcript.due(9000)
    assert (caller.item_id, caller.previous_item_id) == ("c1", None)


def test_turns_whose_transcription_is_empty_or_fails_hold_nothing_up() -> None:
    transcript = Transcript()
    for item, previous in (("c1", None), ("c2", "c1"), ("a1", "c2")):
        transcript.place(item, previous, "caller" if item[0] == "c" else "agent")
    transcript.caller_said("c1", "   ", 10)
    transcript.caller_unheard("c2")
    transcript.agent_text_done("a1", "Hello.")
    transcript.agent_over("a1", 100, 100, 20)
    assert texts(transcript.due(20)) == ["Hello."]


def test_items_placed_late_move_to_where_the_chain_says() -> None:
    transcript = Transcript()
    transcript.caller_said("c2", "second", 0)
    transcript.caller_said("c1", "first", 0)
    transcript.place("c1", "root", "caller")
    transcript.place("c2", "c1", "caller")
    assert texts(transcript.due(0)) == ["first", "second"]


def test_an_item_of_the_bridges_own_making_is_nobodys_line() -> None:
    transcript = Transcript()
    transcript.hide("fd")
    transcript.place("fd", None, "caller")
    transcript.caller_said("fd", "Say hello.", 0)
    transcript.place("a1", "fd", "agent")
    transcript.agent_text_done("a1", "Hello.")
    transcript.agent_over("a1", 100, 100, 0)
    assert [(line.text, line.previous_item_id) for line in transcript.due(0)] == [("Hello.", None)]


def test_what_was_never_heard_is_no_line() -> None:
    transcript = Transcript()
    transcript.place("a1", None, "agent")
    transcript.agent_text("a1", "You will never know.")
    transcript.agent_over("a1", 0, 4000, 0)
    assert transcript.due(9999, last_call=True) == []


def test_a_repeated_transcription_is_one_line() -> None:
    transcript = Transcript()
    transcript.caller_said("c1", "once", 0)
    transcript.caller_said("c1", "twice", 0)
    assert texts(transcript.due(0)) == ["once"]
    transcript.caller_said("c1", "thrice", 5)
    assert transcript.due(5) == []


def test_the_last_call_hands_out_everything_that_has_text() -> None:
    transcript = Transcript()
    transcript.place("c1", None, "caller")
    transcript.place("a1", "c1", "agent")
    transcript.agent_text_done("a1", "one two three four")
    transcript.agent_over("a1", 1000, 2000, 0)
    (line,) = transcript.due(0, last_call=True)
    assert isinstance(line, AgentTranscript)
    assert (line.text, line.interrupted, line.heard_ms) == ("one two", True, 1000)


def test_function_calls_have_a_place_and_hold_nothing_up() -> None:
    transcript = Transcript()
    transcript.place("f1", None, "")
    transcript.place("a1", "f1", "agent")
    transcript.agent_text_done("a1", "Done.")
    transcript.agent_over("a1", 10, 10, 0)
    assert texts(transcript.due(0)) == ["Done."]


@pytest.mark.parametrize(
    ("text", "heard_ms", "sent_ms", "heard"),
    [
        ("one two three", 0, 3000, ""),
        ("one two three", 3000, 3000, "one two three"),
        ("one two three", 1700, 3000, "one two"),
        ("one two three", 1500, 3000, "one"),
        ("שלום לך חבר", 2000, 3000, "שלום לך"),
        ("👋 hello", 500, 1000, "👋"),
        ("  padded  ", 10, 10, "padded"),
        ("word", 999, 1000, ""),
        ("anything", 5, 0, ""),
        ("", 5, 10, ""),
        ("one  two", 500, 1000, "one"),
        ("one two", 300, 700, "one"),
        ("one two", 299, 700, ""),
    ],
)
def test_the_heard_part_ends_at_the_last_whole_word(text: str, heard_ms: float, sent_ms: float, heard: str) -> None:
    assert heard_part(text, heard_ms, sent_ms) == heard
