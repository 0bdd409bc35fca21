"""``send_sms`` as the core sees it: what the model is offered, and that the shell has the time it needs."""

import json
from typing import Any

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.tools import declared_tools
from calls.business import Sms, Tools
from tests.bridge.conversation.line import PROFILE, Line

SHOP = msgspec.structs.replace(PROFILE, tools=Tools(builtin=("send_sms",)))


def declared(**changes: Any) -> dict[str, Any]:
    (tool,) = declared_tools(msgspec.structs.replace(SHOP, **changes))
    return tool


def asked() -> Line:
    line = Line(SHOP).greeted()
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.caller_text("c1", "text me that")
    line.begin_speaking()
    line.call_tool("send_sms", {"text": "Thursday at nine."})
    line.response_done()
    return line


def outputs_sent(line: Line) -> list[Any]:
    items = [event["item"] for event in line.sent_to_model if event["type"] == "conversation.item.create"]
    return [json.loads(item["output"]) for item in items if item["type"] == "function_call_output"]


@pytest.mark.parametrize(("sms", "properties"), [(Sms(), ["text"]), (Sms(allow=("+15005550077",)), ["text", "to"])])
def test_the_model_may_name_a_receiver_only_where_the_business_allows_any(sms: Sms, properties: list[str]) -> None:
    tool = declared(sms=sms)
    assert (tool["name"], list(tool["parameters"]["properties"]), tool["parameters"]["required"]) == (
        "send_sms",
        properties,
        ["text"],
    )
    assert "+15005550077" not in json.dumps(tool)


def test_the_shell_sends_it_and_its_answer_goes_to_the_model() -> None:
    line = asked()
    assert line.wanted(wanted.RunTool) == [wanted.RunTool("call_1", "send_sms", {"text": "Thursday at nine."})]
    creates = line.creates
    line.do(given.ToolFinished("call_1", '{"error": "that number has opted out"}', ok=False))
    assert outputs_sent(line) == [{"error": "that number has opted out"}]
    assert line.creates == creates + 1


def test_it_is_given_its_five_seconds_before_the_call_goes_on_without_it() -> None:
    line = asked()
    line.wait(1100)
    assert "“One moment, please.”" in json.dumps(line.sent_to_model, ensure_ascii=False)
    line.speak("One moment, please.", 700)
    line.play(700)
    line.wait(5100)
    assert outputs_sent(line) == []
    line.wait(200)
    assert "too long" in outputs_sent(line)[0]["error"]
