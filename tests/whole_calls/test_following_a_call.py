"""One call can be followed from its webhook to its hang-up: in the log, and as a trace."""

import asyncio
import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import structlog

from calls.events import CallerTranscript
from calls.log_context import About
from calls.operator import Command
from frontdesk.logs import set_up_logs
from frontdesk.watch_settings import WatchSettings
from simulator.scenario import CallerStep
from tests.frontdesk.collector import Collector, facts_of, tree_of
from tests.whole_calls.playing import HANGS_UP, Call, business, playing, scenario

ASKS = CallerStep(after_ms=60, say="When are you open?")
SAYS = {"open": "From nine to five."}
SHOP = business(tools={"builtin": ["create_lead"], "lead_fields": ["name"]})


@pytest.fixture
def log_stream() -> Any:
    """Where the log goes; afterwards it goes where it went before."""
    root, twilio = logging.getLogger(), logging.getLogger("twilio")
    handlers, levels = root.handlers[:], (root.level, twilio.level)
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    twilio.setLevel(levels[1])


def lines_of(log_stream: io.StringIO, call: Call) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    return [line for line in lines if line.get("call_sid") == call.sid]


async def test_every_line_of_two_calls_at_a_time_says_which_it_is_about(tmp_path: Path, log_stream: io.StringIO) -> None:
    set_up_logs(stream=log_stream, level=logging.DEBUG)
    callers = [scenario(ASKS, HANGS_UP, replies=SAYS, caller=f"+1500555010{n}") for n in range(2)]
    async with playing(tmp_path, *callers, profile=SHOP, watch=WatchSettings()) as on_stage:
        calls = [on_stage.call(caller) for caller in callers]
        await asyncio.gather(*(call.over() for call in calls))
        owner = on_stage.stage.deployment.bridge.streams._services.settings.owner
    for call in calls:
        lines = lines_of(log_stream, call)
        told = [line["event"] for line in lines]
        assert set(told[:2]) == {"webhook.answered", "call.started"}
        for milestone in ("call.started", "stream.accepted", "greeting.first_audio", "turn.first_audio", "stream.over"):
            assert told.count(milestone) == 1
        assert told.index("stream.accepted") < told.index("stream.over") < told.index("call.ended")
        in_the_stream = [line for line in lines if line["event"] in ("stream.accepted", "greeting.first_audio", "stream.over")]
        assert {(line["owner"], line["business_id"]) for line in in_the_stream} == {(owner, "corner-shop")}
    of_calls = sum(len(lines_of(log_stream, call)) for call in calls)
    about_none = [line for line in log_stream.getvalue().splitlines() if "call_sid" not in line]
    assert of_calls + len(about_none) == len(log_stream.getvalue().splitlines())
    assert [line for line in about_none if "corner-shop" in line or "stream" in line] == []


async def test_what_an_operator_sets_off_is_told_as_the_calls(tmp_path: Path, log_stream: io.StringIO) -> None:
    set_up_logs(stream=log_stream)
    caller = scenario(ASKS, CallerStep(after_ms=20_000, hang_up=True), replies=SAYS)
    async with playing(tmp_path, caller, profile=SHOP, watch=WatchSettings()) as on_stage:
        call = on_stage.call(caller)
        await call.records(CallerTranscript)
        session = on_stage.stage.deployment.bridge.streams.session_of(call.sid)
        assert session is not None
        with About(request="of ana"):
            assert session.command("ana", Command(call_sid=call.sid, action="hangup")) is None
        await call.over()
    told = {line["event"]: line for line in lines_of(log_stream, call)}
    assert told["closing.started"].keys() >= {"owner", "business_id"}
    assert told["stream.over"].keys() >= {"owner", "business_id"}
    assert [line for line in told.values() if "request" in line] == []


async def test_the_trace_of_a_whole_call_arrives_at_a_collector(tmp_path: Path) -> None:
    caller = scenario(ASKS, HANGS_UP, replies=SAYS)
    async with Collector().listening() as collector:
        watch = WatchSettings(story=False, traces=True, traces_endpoint=collector.url)
        async with playing(tmp_path, caller, profile=SHOP, watch=watch) as on_stage:
            call = on_stage.call(caller)
            await call.over()
    tree = tree_of(collector.spans)
    assert tree[""] == {"call"}
    assert tree["call"] >= {"webhook /incoming-call", "webhook /call-status", "connect", "stream", "hang_up"}
    assert tree["stream"] >= {"model.connect", "greeting", "turn"}
    assert len({span.trace_id for span in collector.spans}) == 1
    [root] = [span for span in collector.spans if span.name == "call"]
    assert facts_of(root)["reason"] == "caller_hung_up"
    told = repr(collector.spans)
    assert caller.caller.from_.lstrip("+") not in told
    assert "nine to five" not in told
    starts = {span.name: span.start_time_unix_nano for span in collector.spans}
    assert starts["call"] <= starts["connect"] <= starts["stream"] <= starts["greeting"] <= starts["turn"] <= starts["hang_up"]
