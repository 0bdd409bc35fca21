"""Tools: answered once, whatever the model asks for; one response after all of them; and those that end the call."""

import json
from typing import Any

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.phases import Phase
from bridge.conversation.tools import declared_tools
from calls import events
from calls.business import Closing, HttpTool, McpTool, Tools
from tests.bridge.conversation.line import PROFILE, Line

WEATHER = HttpTool(name="weather", description="Weather", url="https://w.example", timeout_s=5, filler="One moment, let me look.")
SHOP = msgspec.structs.replace(
    PROFILE,
    tools=Tools(builtin=("create_lead", "end_call", "get_current_time"), lead_fields=("name", "phone"), http=(WEATHER,)),
)
LEAD = {"name": "Anna Smith", "phone": "555 0100"}


def asked(line: Line | None = None) -> Line:
    """The caller has said something and the model begins its response."""
    line = (line or Line(SHOP)).greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.caller_text("c1", "something")
    line.begin_speaking()
    return line


def outputs_sent(line: Line) -> list[Any]:
    items = [event["item"] for event in line.sent_to_model if event["type"] == "conversation.item.create"]
    return [(item["call_id"], json.loads(item["output"])) for item in items if item["type"] == "function_call_output"]


def test_a_tool_is_run_once_although_three_events_announce_it() -> None:
    line = asked()
    line.call_tool("weather", {"city": "Oslo"})
    line.response_done()
    assert line.wanted(wanted.RunTool) == [wanted.RunTool("call_1", "weather", {"city": "Oslo"})]
    assert line.events_of(events.ToolCalled) == [events.ToolCalled(name="weather", arguments='{"city": "Oslo"}')]


def test_one_response_follows_once_all_outputs_are_in_and_the_response_is_done() -> None:
    line = asked()
    line.call_tool("weather", {"city": "Oslo"}, call="call_1")
    line.call_tool("weather", {"city": "Rome"}, call="call_2")
    creates = line.creates
    line.do(given.ToolFinished("call_1", '{"t": 3}', ok=True))
    assert line.creates == creates
    line.response_done()
    assert line.creates == creates
    line.wait(300)
    line.do(given.ToolFinished("call_2", '{"t": 21}', ok=True))
    assert line.creates == creates + 1
    assert outputs_sent(line) == [("call_1", {"t": 3}), ("call_2", {"t": 21})]
    assert [(done.name, done.ms, done.ok) for done in line.events_of(events.ToolFinished)] == [
        ("weather", 0, True),
        ("weather", 300, True),
    ]


def test_outputs_that_are_in_before_the_response_is_done_wait_for_it() -> None:
    line = asked()
    line.call_tool("get_current_time", {})
    line.do(given.ToolFinished("call_1", "{}", ok=True))
    creates = line.creates
    line.response_done()
    assert line.creates == creates + 1


def test_while_a_tool_works_audio_and_barge_in_go_on() -> None:
    line = asked()
    line.audio(5000)
    line.call_tool("weather", {"city": "Oslo"})
    line.response_done()
    line.loud(300)
    assert len(line.events_of(events.BargeInCut)) == 1
    sent = len(line.sent_to_model)
    line.media()
    assert line.sent_to_model[sent]["type"] == "input_audio_buffer.append"


def test_a_slow_tool_is_covered_with_its_line_once() -> None:
    line = asked()
    line.call_tool("weather", {"city": "Oslo"})
    line.response_done()
    creates = line.creates
    line.wait(999)
    assert line.creates == creates
    line.wait(2)
    assert line.creates == creates + 1
    assert "One moment, let me look." in json.dumps(line.sent_to_model[-2:])
    line.speak("One moment, let me look.", 800)
    line.wait(1500)
    line.echo_marks()
    assert line.creates == creates + 1
    line.do(given.ToolFinished("call_1", "{}", ok=True))
    assert line.creates == creates + 2


def test_a_tool_that_takes_too_long_is_answered_with_an_error_and_its_late_answer_dropped() -> None:
    line = asked()
    line.call_tool("weather", {"city": "Oslo"})
    line.response_done()
    line.wait(1001)
    line.speak("One moment, let me look.", 500)
    line.wait(6100)
    line.echo_marks()
    ((call, output),) = outputs_sent(line)
    assert (call, "too long" in output["error"]) == ("call_1", True)
    line.do(given.ToolFinished("call_1", '{"t": 3}', ok=True))
    assert len(outputs_sent(line)) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("wether", {}, "no tool named"),
        ("", {}, "no tool named"),
        ("book_appointment", {}, "no tool named"),
        ("weather", "{", "not valid JSON"),
        ("weather", "[]", "not a JSON object"),
        ("weather", '"x"', "not a JSON object"),
        ("weather", '{"city": "' + "x" * 100_000 + '"}', "characters long"),
        ("create_lead", {"name": "Anna"}, "missing"),
        ("create_lead", {"name": "Anna", "phone": 5550100}, "missing"),
        ("create_lead", {"name": "Anna", "phone": "  "}, "missing"),
        ("create_lead", {**LEAD, "card": "4111"}, "no field 'card'"),
    ],
)
def test_a_call_the_model_got_wrong_is_answered_with_an_error_it_can_recover_from(
    name: str, arguments: Any, complaint: str
) -> None:
    line = asked()
    line.call_tool(name, arguments)
    creates = line.creates
    line.response_done()
    ((_, output),) = outputs_sent(line)
    assert complaint in output["error"]
    assert line.creates == creates + 1
    assert [done.ok for done in line.events_of(events.ToolFinished)] == [False]
    assert line.phase is Phase.CONVERSING


def test_tools_a_business_did_not_ask_for_are_neither_declared_nor_run() -> None:
    assert declared_tools(PROFILE) == []
    line = asked(Line())
    line.call_tool("end_call", {})
    line.response_done()
    assert line.phase is Phase.CONVERSING


def test_all_kinds_of_tools_are_declared_in_the_apis_shape() -> None:
    tools = declared_tools(
        msgspec.structs.replace(
            SHOP, tools=msgspec.structs.replace(SHOP.tools, mcp=(McpTool(server_label="cal", server_url="https://m.example"),))
        )
    )
    assert [(tool["type"], tool.get("name", tool.get("server_label"))) for tool in tools] == [
        ("function", "create_lead"),
        ("function", "end_call"),
        ("function", "get_current_time"),
        ("function", "weather"),
        ("mcp", "cal"),
    ]
    assert tools[0]["parameters"]["required"] == ["name", "phone"]


def test_after_an_mcp_call_that_nothing_was_said_about_the_model_is_asked_to_go_on() -> None:
    line = asked()
    creates = line.creates
    call = {"id": "m1", "type": "mcp_call", "name": "find_slot", "arguments": "{}"}
    line.model({"type": "response.output_item.done", "response_id": line.current_response, "item": call})
    line.response_done(output=[call])
    assert line.creates == creates + 1
    assert line.kinds[-2:] == ["tool.called", "tool.finished"]
    assert line.phase is Phase.CONVERSING


def test_an_mcp_call_whose_result_the_model_told_at_once_asks_for_no_further_response() -> None:
    line = asked()
    line.audio(1000)
    line.text_done("Tuesday at nine is free.")
    creates = line.creates
    line.response_done(output=[{"id": "m1", "type": "mcp_call", "name": "find_slot", "arguments": "{}"}])
    line.play(1200)
    assert line.creates == creates


# --- tools that end the call ---


def test_a_complete_lead_is_recorded_and_the_call_closed_after_what_the_model_says_about_it() -> None:
    line = asked()
    line.audio(1000)
    line.text_done("Thank you, we will call you back.")
    line.call_tool("create_lead", LEAD)
    line.response_done()
    assert line.events_of(events.LeadCaptured) == [events.LeadCaptured(fields=LEAD)]
    assert [closing.reason for closing in line.events_of(events.ClosingStarted)] == ["lead_captured"]
    assert line.sent_to_model[-1] == {"type": "response.create", "response": {"tool_choice": "none"}}


def test_a_lead_completed_in_silence_is_followed_by_one_ordinary_reply_and_then_the_closing() -> None:
    line = asked()
    line.call_tool("create_lead", LEAD)
    creates = line.creates
    line.response_done()
    assert line.creates == creates + 1
    assert line.phase is Phase.CONVERSING
    line.speak("Noted.", 500)
    assert line.phase is Phase.CLOSING
    assert line.sent_to_model[-1] == {"type": "response.create", "response": {"tool_choice": "none"}}


def test_a_business_may_go_on_after_a_lead() -> None:
    line = asked(Line(msgspec.structs.replace(SHOP, closing=Closing(hang_up_after_lead=False))))
    line.call_tool("create_lead", LEAD)
    line.response_done()
    line.speak("Noted. Anything else?", 500)
    assert line.phase is Phase.CONVERSING


def test_the_words_spoken_with_end_call_are_the_closing_and_no_response_follows() -> None:
    line = asked()
    line.audio(1000)
    line.text_done("Goodbye.")
    line.call_tool("end_call", {})
    creates = line.creates
    line.response_done()
    assert line.phase is Phase.CLOSING
    line.wait(999)
    assert line.wanted(wanted.StoreDisposition) == []
    line.wait(1)
    line.echo_marks()
    assert [stored.disposition.reason for stored in line.wanted(wanted.StoreDisposition)] == ["end_call"]
    assert line.creates == creates


def test_end_call_without_a_word_is_followed_by_one_reply_that_is_the_closing() -> None:
    line = asked()
    line.call_tool("end_call", {})
    creates = line.creates
    line.response_done()
    assert line.creates == creates + 1
    line.speak("Goodbye.", 600)
    assert line.phase is Phase.CLOSING
    line.wait(600)
    line.echo_marks()
    assert len(line.wanted(wanted.StoreDisposition)) == 1
    assert line.creates == creates + 1


def test_a_caller_who_cuts_in_takes_back_what_a_tool_decided() -> None:
    line = asked()
    line.call_tool("end_call", {})
    line.response_done()
    line.begin_speaking()
    line.audio(3000)
    line.turn_begins("c2", 5000)
    line.loud(300)
    line.response_done("cancelled")
    line.turn_ends("c2", 8000)
    line.speak("Of course.", 500)
    assert line.phase is Phase.CONVERSING
