"""What is known of one call, and how it reads as a conversation."""

import random
from datetime import timedelta
from typing import Any

import pytest

from console import story as story_module
from console.facts import Tool, facts_of, with_row
from console.protocol import Event, Levels, Partial, PhaseChanged, safe
from console.story import MAX_CHARS, MAX_EVENTS, MAX_PARTIALS, MAX_TEXT, Story
from console.transcript import Line, lines_of, plain_text
from tests.console import examples
from tests.console.fake_bridge import START
from tests.console.scripted import Clock, call

SID = "CA" + "a" * 32


def event(seq: int, kind: str, **fields: Any) -> Event:
    """An event a second after the one before it."""
    return Event(SID, seq, START + timedelta(seconds=seq), kind, fields)


def ai(seq: int, item_id: str, text: str, *, heard_ms: int = 1000, unheard: str = "", previous: str | None = None) -> Event:
    return event(seq, "agent.transcript", **examples.ai(item_id, text, heard_ms, previous=previous, unheard=unheard))


def caller(seq: int, item_id: str, text: str, *, previous: str | None = None) -> Event:
    return event(seq, "caller.transcript", **examples.caller(item_id, text, previous=previous))


def agent_says(item_id: str, text: str, heard_chars: int, *, over: bool = False) -> Partial:
    return Partial(call_sid=SID, side="agent", item_id=item_id, text=text, heard_chars=heard_chars, over=over)


def caller_says(item_id: str, text: str, *, over: bool = False) -> Partial:
    return Partial(call_sid=SID, side="caller", item_id=item_id, text=text, heard_chars=len(text), over=over)


def story(*messages: Event | Partial | Levels | PhaseChanged) -> Story:
    told = Story(SID)
    for message in messages:
        told.take(message)
    return told


def words(told: Story) -> list[str]:
    return [f"{line.voice}: {line.words}" for line in lines_of(told)]


def line(told: Story) -> Line:
    """The only line there is."""
    (only,) = lines_of(told)
    return only


# --- what it takes


def test_what_a_dead_bridge_had_told_and_never_stored_gives_way_to_what_is_stored_under_its_numbers() -> None:
    resumed = Event(SID, 3, START + timedelta(seconds=9), "call.resumed", {"ms": 800})
    told = story(
        event(1, "call.started"), event(2, "greeting.requested"), event(3, "dtmf", digit="1"), event(4, "closing.started")
    )
    for message in (resumed, resumed):
        told.take(message)
    assert [(one.seq, one.kind) for one in told.events] == [(1, "call.started"), (2, "greeting.requested"), (3, "call.resumed")]
    assert told.phase == "conversing"


def test_a_story_in_any_order_twice_over_is_the_same_story() -> None:
    events = examples.events(examples.FURNACE)
    straight, shuffled = Story(examples.FURNACE), Story(examples.FURNACE)
    for one in events:
        straight.take(one)
    twice = [*events, *events]
    random.Random(7).shuffle(twice)
    for one in twice:
        shuffled.take(one)
    assert lines_of(shuffled) == lines_of(straight)
    assert facts_of(shuffled) == facts_of(straight)
    assert shuffled.barge_ins == 1


def test_an_event_known_already_changes_nothing() -> None:
    told = story(caller(1, "c1", "Hello"))
    before = told.revision
    told.take(caller(1, "c1", "Something else"))
    assert told.revision == before
    assert words(told) == ["caller: Hello"]


def test_what_is_about_another_call_is_passed_over() -> None:
    told = Story("CA" + "b" * 32)
    for message in (caller(1, "c", "x"), caller_says("c", "x"), Levels(SID, 1, 2), PhaseChanged(SID, "closing", True)):
        told.take(message)
    assert (told.revision, told.levels, lines_of(told)) == (0, None, [])


def test_a_gap_is_where_to_ask_from() -> None:
    told = story(event(1, "call.started"), event(2, "dtmf", digit="1"), event(5, "dtmf", digit="5"))
    assert (told.contiguous_seq, told.last_seq) == (2, 5)
    told.take(event(3, "dtmf", digit="3"))
    told.take(event(4, "dtmf", digit="4"))
    assert told.contiguous_seq == 5


def test_levels_are_kept_without_counting_as_a_change() -> None:
    told = story(event(1, "call.started"))
    before = told.revision
    told.take(Levels(SID, 300, 40))
    assert told.levels == Levels(SID, 300, 40)
    assert told.revision == before


@pytest.mark.parametrize(
    ("messages", "phase"),
    [
        ((), "connecting"),
        ((event(1, "greeting.requested", mode="live"),), "greeting"),
        ((event(1, "greeting.requested", mode="live"), event(2, "greeting.finished", heard_ms=1)), "conversing"),
        ((event(1, "closing.started", reason="farewell"),), "closing"),
        ((event(1, "closing.started", reason="farewell"), event(2, "closing.reopened")), "conversing"),
        ((event(1, "greeting.requested", mode="live"), PhaseChanged(SID, "closing", False)), "closing"),
        ((PhaseChanged(SID, "greeting", False), event(1, "greeting.finished", heard_ms=1)), "conversing"),
        ((event(1, "call.ended", reason="farewell"), PhaseChanged(SID, "conversing", False)), "ended"),
        ((event(2, "closing.started", reason="x"), event(1, "greeting.finished", heard_ms=1)), "closing"),
        ((event(9, "dtmf", digit="1"), event(2, "greeting.finished", heard_ms=1), event(1, "greeting.requested")), "conversing"),
        (
            (PhaseChanged(SID, "closing", False), event(9, "dtmf", digit="1"), event(2, "greeting.finished", heard_ms=1)),
            "closing",
        ),
    ],
)
def test_the_phase_is_what_was_told_last(messages: tuple[Event | PhaseChanged, ...], phase: str) -> None:
    assert story(*messages).phase == phase


def test_muting_is_known_from_events_and_from_live_messages() -> None:
    told = story(event(1, "operator.command", operator="ann", action="mute"))
    assert told.muted
    told.take(PhaseChanged(SID, "conversing", False))
    assert not told.muted


# --- bounds


def test_only_so_many_events_are_kept_and_the_rest_is_said_to_be_gone() -> None:
    told = story(event(1, "call.started", **{"from": "+1", "business_id": "b"}))
    for seq in range(2, MAX_EVENTS + 1000):
        told.take(caller(seq, f"i{seq}", f"line {seq}"))
    assert len(told.events) <= MAX_EVENTS + 100
    assert told.dropped_through > 0
    assert lines_of(told)[-1].words == f"line {MAX_EVENTS + 999}"
    assert facts_of(told).caller == "+1", "who calls is not forgotten"


def test_a_dropped_event_does_not_come_back() -> None:
    told = Story(SID)
    for seq in range(1, MAX_EVENTS + 500):
        told.take(caller(seq, f"i{seq}", "x"))
    before = told.revision
    told.take(caller(told.dropped_through, "late", "late"))
    assert told.revision == before
    assert told.contiguous_seq == told.last_seq


def test_a_flood_of_long_texts_is_bounded_by_characters() -> None:
    told = Story(SID)
    nested = {f"k{number}": {f"n{inner}": "x" * 5000 for inner in range(50)} for number in range(50)}
    for seq in range(1, 1000):
        told.take(event(seq, "caller.transcript", item_id=str(seq), text="ש" * 100_000, **nested))
    chars = sum(len(str(kept.fields)) for kept in told.events)
    assert chars < 2 * MAX_CHARS
    assert len(told.events) > 10


def test_the_events_that_last_cannot_be_flooded_with_either() -> None:
    told = Story(SID)
    for seq in range(1, 3000):
        told.take(event(seq, "lead.captured", fields={"name": "x" * 3000}))
    assert sum(len(str(kept.fields)) for kept in told.events) < 2 * MAX_CHARS


def test_only_so_many_unsettled_lines_are_kept() -> None:
    told = Story(SID)
    for number in range(MAX_PARTIALS + 50):
        told.take(agent_says(f"i{number}", "x" * 8000, 0))
    assert len(told.sayings) == MAX_PARTIALS
    assert all(len(saying.partial.text) <= MAX_TEXT for saying in told.sayings.values())


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "x", [1, [2]], {"a": {"b": "c"}}, {"": None}, 10**30, "\x1b[31m", -1])
@pytest.mark.parametrize("kind", [*sorted(story_module._PHASES), *sorted(story_module._LASTING), "agent.transcript", "barge_in.cut",
                                  "tool.called", "tool.finished", "operator.command", "error", "model.lost", "dtmf",
                                  "something.new"])  # fmt: skip
def test_fields_of_any_type_are_taken(kind: str, value: Any) -> None:
    names = ("text", "item_id", "previous_item_id", "heard_ms", "interrupted", "unheard", "fields", "usage", "reason", "name",
             "action", "speech_ms", "reaction_ms", "ms", "ok", "message", "duration_ms", "cost_usd")  # fmt: skip
    told = story(event(1, kind, **dict.fromkeys(names, value)), agent_says("x", "y", 9999))
    for shown in lines_of(told):
        assert "\x1b" not in shown.words + shown.unheard + shown.mark
    facts_of(told)


# --- the order


def test_a_caller_transcribed_late_stands_before_the_answer() -> None:
    told = story(ai(1, "a1", "Hello"), ai(2, "a2", "On Tuesday", previous="c1"), caller(3, "c1", "When?", previous="a1"))
    assert words(told) == ["agent: Hello", "caller: When?", "agent: On Tuesday"]


def test_what_happened_stands_between_the_lines_by_its_number() -> None:
    told = story(
        caller(1, "c1", "Book it"), event(2, "tool.called", name="book", arguments="{}"), event(3, "tool.finished", name="book",
        ms=40, ok=True), ai(4, "a1", "Done", previous="c1"),
    )  # fmt: skip
    assert words(told) == ["caller: Book it", "note: tool: book {}", "note: tool done: book ok, 40 ms", "agent: Done"]


@pytest.mark.parametrize(
    "previous",
    [{"a": "b", "b": "c", "c": "a"}, {"a": "a", "b": "b", "c": "c"}, {"a": "zzz", "b": "zzz", "c": None}, {"a": "c", "b": None}],
)
def test_whatever_is_said_to_come_before_what_every_line_is_shown_once(previous: dict[str, str | None]) -> None:
    told = story(*(caller(seq, item, item.upper(), previous=previous.get(item)) for seq, item in enumerate("abc", 1)))
    assert sorted(words(told)) == ["caller: A", "caller: B", "caller: C"]


def test_a_line_being_said_stays_last_whatever_happens_meanwhile() -> None:
    told = story(caller(1, "c1", "Hi"), agent_says("a1", "Hello there", 5), event(2, "dtmf", digit="5"))
    assert words(told) == ["caller: Hi", "note: key pressed: 5", "agent: Hello"]


def test_a_line_thrown_away_stays_where_it_was() -> None:
    told = story(caller(1, "c1", "Hi"), agent_says("a1", "Gone", 0, over=True), caller(2, "c2", "Well"))
    assert [shown.state for shown in lines_of(told)] == ["heard", "never heard", "heard"]


# --- heard, cut, never heard


def test_a_line_of_the_ai_while_it_is_said_is_split_where_the_caller_is() -> None:
    shown = line(story(agent_says("a", "Hello there, caller", 5)))
    assert (shown.state, shown.words, shown.unheard, shown.mark) == ("being said", "Hello", "there, caller", "▸ being said")


def test_a_line_of_which_nothing_is_heard_yet_says_so() -> None:
    assert line(story(agent_says("a", "Hello", 0))).mark == "▸ about to say"


def test_the_line_itself_takes_the_place_of_what_was_being_said() -> None:
    told = story(agent_says("a", "Hello there", 5), ai(1, "a", "Hello there"))
    assert [(shown.state, shown.words, shown.unheard) for shown in lines_of(told)] == [("heard", "Hello there", "")]


def test_a_cut_line_tells_what_was_heard_when_it_was_cut_and_what_never_was() -> None:
    told = story(
        ai(2, "a", "I can come on", heard_ms=1240, unheard="Tuesday at nine"),
        event(
            1, "barge_in.cut", item_id="a", heard_ms=1240, reaction_ms=312, speech_ms=1, triggered_ms=2, clear_ms=3, truncate_ms=3
        ),
    )
    shown = line(told)
    assert (shown.state, shown.words, shown.unheard) == ("cut", "I can come on", "Tuesday at nine")
    assert shown.mark == "⟂ cut at 1.2 s (312 ms after the caller began)"


def test_what_was_never_heard_is_known_from_the_live_line_if_the_event_does_not_tell() -> None:
    cut = event(1, "agent.transcript", item_id="a", text="I can", heard_ms=400, interrupted=True)
    assert line(story(agent_says("a", "I can come on Tuesday", 5), cut)).unheard == "come on Tuesday"


def test_a_line_the_caller_heard_nothing_of_is_never_heard() -> None:
    shown = line(story(agent_says("a", "Hello", 0, over=True)))
    assert (shown.state, shown.words, shown.unheard, shown.mark) == ("never heard", "", "Hello", "never heard")


def test_an_event_with_nothing_heard_is_never_heard_either() -> None:
    assert line(story(ai(1, "a", "", heard_ms=0, unheard="Hello"))).state == "never heard"


@pytest.mark.parametrize(
    ("partial", "state"),
    [
        (agent_says("a", "Hello there", 5), "cut"),
        (agent_says("a", "Hello", 5), "heard"),
        (agent_says("a", "Hello", 0), "never heard"),
        (caller_says("c", "Hello"), "heard"),
    ],
)
def test_when_the_call_ends_nothing_is_being_said_any_more(partial: Partial, state: str) -> None:
    told = story(partial, event(1, "call.ended", reason="caller_hung_up", duration_ms=1))
    assert lines_of(told)[0].state == state


def test_a_line_that_is_over_is_not_opened_again() -> None:
    told = story(agent_says("a", "Hello there", 5, over=True), agent_says("a", "Hello there", 11))
    assert line(told).state == "cut"


def test_a_caller_in_mid_word_is_shown_as_speaking() -> None:
    shown = line(story(caller_says("c", "I have a")))
    assert (shown.state, shown.words, shown.mark) == ("being said", "I have a", "speaking …")


@pytest.mark.parametrize(
    ("heard_chars", "heard", "rest"),
    [(0, "", "one two"), (2, "on", "e two"), (3, "one", "two"), (4, "one", "two"), (6, "one", "two"), (7, "one two", "")],
)
def test_what_is_heard_ends_with_a_word(heard_chars: int, heard: str, rest: str) -> None:
    shown = line(story(agent_says("a", "one two", heard_chars)))
    assert (shown.words, shown.unheard) == (heard, rest)


def test_words_beyond_the_text_are_no_words() -> None:
    assert line(story(agent_says("a", "Hi", 9_999))).words == "Hi"


def test_the_states_differ_in_words_and_not_in_colour_alone() -> None:
    told = story(
        ai(1, "h", "heard"), ai(2, "c", "cut", unheard="rest"), agent_says("n", "never", 0, over=True), agent_says("b", "be", 1)
    )
    assert len({shown.mark for shown in lines_of(told)}) == 4


# --- notes and plain text


def test_errors_leads_and_operators_are_told_apart() -> None:
    told = story(
        event(1, "error", where="model", message="odd"), event(2, "lead.captured", fields={"name": "Ann"}),
        event(3, "operator.command", operator="ann", action="whisper"), event(4, "tool.finished", name="x", ms=1, ok=False),
        event(5, "something.new", words="?"),
    )  # fmt: skip
    assert [(shown.tone, shown.words) for shown in lines_of(told)] == [
        ("bad", "error: model: odd"),
        ("good", "lead: name: Ann"),
        ("operator", "operator: ann: whisper"),
        ("bad", "tool done: x failed, 1 ms"),
        ("", "something.new"),
    ]


def test_the_transcript_as_text_says_what_was_never_heard() -> None:
    told = story(caller(1, "c", "Hi", previous=None), ai(3, "a", "I can", unheard="come on Tuesday", previous="c"))
    assert plain_text(lines_of(told)) == ("   0:00 caller: Hi\n   0:02 AI: I can [⟂ cut at 1.0 s] (never heard: come on Tuesday)")


@pytest.mark.parametrize("hostile", [text for text in examples.HOSTILE if len(text) < 1000])
def test_what_strangers_say_is_shown_as_it_came_over_and_nothing_more(hostile: str) -> None:
    assert line(story(caller(1, "c", hostile))).words == safe(hostile)


# --- figures


def test_the_figures_of_a_whole_call() -> None:
    told = Story(examples.FURNACE)
    for one in examples.events(examples.FURNACE):
        told.take(one)
    facts = facts_of(told)
    assert (facts.business_id, facts.caller, facts.phase) == ("bobs-hvac", "+15005550001", "ended")
    assert (facts.greeting_latency_ms, facts.turn_latency_ms, facts.barge_ins, facts.errors) == (420, 1310, 1, 0)
    assert facts.lead == {"name": "Ann", "phone": "+15005550001", "reason": "furnace"}
    assert [(tool.name, tool.ok, tool.ms) for tool in facts.tools] == [("create_lead", True, 240)]
    assert (facts.end_reason, facts.duration_ms, facts.cost_usd) == ("farewell", 26_000, 0.0512)
    assert facts.usage["output_audio"] == 480
    assert facts.age_s(examples.NOW) == 26


def test_answers_of_tools_go_to_the_oldest_that_still_runs() -> None:
    told = story(
        event(1, "tool.called", name="sms", arguments="1"), event(2, "tool.called", name="sms", arguments="2"),
        event(3, "tool.finished", name="sms", ms=5, ok=True), event(4, "tool.finished", name="unknown", ms=6, ok=False),
    )  # fmt: skip
    assert facts_of(told).tools == (
        Tool(name="sms", arguments="1", ok=True, ms=5),
        Tool(name="sms", arguments="2"),
        Tool(name="unknown", arguments="", ok=False, ms=6),
    )


def test_before_any_event_the_list_of_calls_tells_who_it_is() -> None:
    from console.board import Board
    from tests.console.scripted import connected

    board = Board()
    listed = call(7, cost_usd=0.5, greeting_latency_ms=900, barge_ins=2, muted=True)
    board.take(connected(listed).snapshot, Clock()())
    facts = with_row(facts_of(Story(listed.call_sid)), board.rows[listed.call_sid])
    assert (facts.caller, facts.phase, facts.owner, facts.muted) == ("+15005550007", "conversing", "bridge-1", True)
    assert (facts.cost_usd, facts.greeting_latency_ms, facts.barge_ins) == (0.5, 900, 2)
    assert facts.age_s(Clock()()) == 113


def test_a_call_nothing_is_known_of_has_no_age() -> None:
    assert facts_of(Story(SID)).age_s(examples.NOW) is None


def test_a_summary_tells_what_an_ended_call_was_about() -> None:
    told = story(
        event(1, "call.started", business_id="b", direction="outbound"),
        event(2, "call.ended", reason="farewell"),
        event(3, "call.summary", summary="The furnace is cold.", outcome={"urgent": True, "visits": 2}),
    )
    facts = facts_of(told)
    assert (facts.phase, facts.outbound, facts.summary) == ("ended", True, "The furnace is cold.")
    assert facts.outcome == {"urgent": "True", "visits": "2"}
    assert lines_of(told)[-1].words == "summary: The furnace is cold."


def test_an_appointment_that_was_moved_says_from_when() -> None:
    told = story(event(1, "appointment.booked", starts_at="2026-01-03T09:00", summary="Boiler", moved_from="2026-01-02T09:00"))
    assert facts_of(told).appointments == ("2026-01-03T09:00 Boiler (moved from 2026-01-02T09:00)",)
