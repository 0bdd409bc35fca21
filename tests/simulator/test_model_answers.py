import pytest

from simulator.model.answers import LONGEST_LINE, Answers, quotation
from simulator.model.conversation import Item
from simulator.scenario import Mind, Reply, ToolCall

MIND = Mind(
    replies=(
        Reply(hears="furnace", say="How old is it?", call=(ToolCall(name="note"),), after_tools="Noted."),
        Reply(hears="silent", call=(ToolCall(name="note"),), after_tools="Only afterwards."),
        Reply(hears="חימום", say="בן כמה הוא?"),
    ),
    otherwise="Pardon?",
)


def text(content: str, role: str = "user") -> Item:
    return Item(body={"id": content, "type": "message", "role": role, "content": [{"type": "input_text", "text": content}]})


def turn(heard: str) -> Item:
    return Item(body={"id": heard, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}, heard=heard)


def said(line: str, *, cut: bool = False) -> Item:
    body = {"id": line, "type": "message", "role": "assistant", "content": []}
    return Item(body=body, spoken=line, spoken_bytes=800, cut=cut)


def output(call_id: str) -> Item:
    return Item(body={"id": f"of {call_id}", "type": "function_call_output", "call_id": call_id, "output": "ok"})


@pytest.mark.parametrize(
    ("instruction", "sentence"),
    [
        ('Greet the caller with exactly this: "Hi, this is Bob."', "Hi, this is Bob."),
        ("Say “Thank you, goodbye.” and nothing else.", "Thank you, goodbye."),
        ("Dis «Bonjour à tous.»", "Bonjour à tous."),
        ("Sag „Guten Tag.“", "Guten Tag."),
        ('אמרי בדיוק: "שלום, הגעתם לצה"ל, במה אפשר לעזור?"', 'שלום, הגעתם לצה"ל, במה אפשר לעזור?'),
        ("אמרי ״שלום לכם״", "שלום לכם"),
        ('Say: "He said "yes" to it."', 'He said "yes" to it.'),
        ('Not "this" but "this longer one" please', "this longer one"),
        ('Say "two\nlines."', "two\nlines."),
        ("The caller can't hear you, don't worry.", None),
        ('5" pipe and 6" pipe', None),
        ('""', None),
        ("", None),
    ],
)
def test_the_quoted_sentence_is_found(instruction: str, sentence: str | None) -> None:
    assert quotation(instruction) == sentence


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([], "Pardon?"),
        ([text('Say "Hi."')], "Hi."),
        ([text('Say "Hi."', "system")], "Hi."),
        ([turn("My furnace is cold."), text('Say "Goodbye."', "system")], "Goodbye."),
        ([text('Say "Hi."'), said("Hi."), turn("My FURNACE is cold.")], "How old is it?"),
        ([turn("my furnace"), text("The caller is a regular.", "system")], "How old is it?"),
        ([text("The furnace is cold.")], "How old is it?"),
        ([turn("החימום לא עובד")], "בן כמה הוא?"),
        ([turn("my"), turn("furnace")], "How old is it?"),
        ([turn("my furnace"), said("How", cut=True), turn("you know")], "How old is it?"),
        ([turn("my furnace"), said("How old is it?"), turn("Ten years.")], "Pardon?"),
        ([turn("")], "Pardon?"),
        ([turn("silent")], "Only afterwards."),
        ([turn("my furnace"), output("unknown")], "Pardon?"),
    ],
)
def test_the_newest_item_decides(items: list[Item], line: str) -> None:
    assert Answers(MIND).next(items, ()).say == line


def test_functions_are_called_only_when_declared() -> None:
    assert [call.name for call in Answers(MIND).next([turn("furnace")], {"note"}).calls] == ["note"]
    assert Answers(MIND).next([turn("furnace")], {"other"}).calls == ()


def test_a_reply_follows_up_on_its_own_calls() -> None:
    answers = Answers(MIND)
    answer = answers.next([turn("furnace")], {"note"})
    answers.called("call_1", answer.reply)
    assert answers.next([turn("furnace"), output("call_1")], {"note"}).say == "Noted."


def test_instructions_of_the_response_come_before_everything() -> None:
    assert Answers(MIND).next([turn("furnace")], (), 'Say "Only this."').say == "Only this."
    assert Answers(MIND).next([turn("furnace")], (), "Be kind.").say == "How old is it?"


@pytest.mark.parametrize(
    ("quoted", "line"),
    [
        ("Our technician will", "come tomorrow at nine."),
        ("Our technician will…", "come tomorrow at nine."),
        ("Our technician will come tomorrow at nine.", "Our technician will come tomorrow at nine."),
        ("Are you still there?", "Are you still there?"),
    ],
)
def test_a_line_that_was_cut_off_is_taken_up_where_it_ended(quoted: str, line: str) -> None:
    items = [said("Our technician will come tomorrow at nine.", cut=True), text(f'You were cut off after "{quoted}".', "system")]
    assert Answers(MIND).next(items, ()).say == line


def test_a_line_that_was_cut_off_after_a_sentence_is_taken_up_with_the_next() -> None:
    whole, asks = "We close at five. Anything else?", text('You were cut off after "We close at five."', "system")
    assert Answers(MIND).next([said(whole, cut=True), asks], ()).say == "Anything else?"
    retold = Answers(Mind(replies=(Reply(hears="close", say=whole),)))
    assert retold.next([text("We close at five.", "assistant"), asks], ()).say == "Anything else?"


def test_a_sentence_that_was_asked_for_in_another_session_is_said_again_when_asked_for_again() -> None:
    again = "We were cut off for a moment."
    items = [text("How old is", "assistant"), text(again, "assistant"), text(f'Say "{again}"', "system")]
    assert Answers(MIND).next(items, ()).say == again


def test_a_line_that_was_not_cut_off_may_be_quoted_again() -> None:
    items = [said("Are you still there? Hello?"), text('Say "Are you still there?"', "system")]
    assert Answers(MIND).next(items, ()).say == "Are you still there?"


def test_a_sentence_without_end_is_cut() -> None:
    assert len(Answers(MIND).next([text('Say "' + "word " * 100_000 + '"')], ()).say) == LONGEST_LINE
