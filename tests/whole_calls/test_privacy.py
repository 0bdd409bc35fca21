"""What is said on a call, and who calls, stays out of the log: at every level, and when things go wrong."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import msgspec
import pytest
import structlog

from bridge.conversation.transcript import Transcript
from calls.events import CallerTranscript, CallEvent
from calls.store.sqlite import SqliteStore
from frontdesk.logs import set_up_logs
from frontdesk.watch_settings import WatchSettings
from simulator.scenario import CallerStep, Reply, Scenario, ToolCall
from tests.whole_calls.playing import HANGS_UP, NUMBER, Playing, business, of_kind, playing, scenario

TALKS, BREAKS_THE_CORE, BREAKS_THE_STORE = "+19175550142", "+19175550263", "+19175550384"
NUMBERS = (TALKS, BREAKS_THE_CORE, BREAKS_THE_STORE)
SAYS = {
    TALKS: "Mallory, my rooftop is leaking.",
    BREAKS_THE_CORE: "Mallory, my boiler exploded.",
    BREAKS_THE_STORE: "Mallory, my boat capsized.",
}
SECRETS = ("mallory", "marker", "rooftop", "leaking", "boiler", "exploded", "capsized", "plumber")
DIGITS_AT_A_TIME = 7
"""More of a number than a time or a port may look like by chance."""
LEVELS = ("debug", "info", "warning", "error")


def calls_from(number: str) -> Scenario:
    """A caller who leaves a lead, asks for what no service answers, and hangs up."""
    called = scenario(CallerStep(after_ms=60, say=SAYS[number]), HANGS_UP, caller=number, name=number)
    lead = ToolCall(name="create_lead", arguments={"name": "Mallory Marker", "reason": "a leaking rooftop"})
    tools = (lead, ToolCall(name="weather", arguments={"city": "Marker"}))
    reply = Reply(hears="Mallory", call=tools, after_tools="The plumber comes.")
    return msgspec.structs.replace(called, mind=msgspec.structs.replace(called.mind, replies=(reply,)))


SHOP = business(
    tools={
        "builtin": ["create_lead"],
        "lead_fields": ["name", "reason"],
        "http": [{"name": "weather", "description": "The weather", "url": "http://127.0.0.1:9/"}],  # nobody listens there
    },
    closing={"hang_up_after_lead": False},
)


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """Where the log goes; afterwards it goes where it went before."""
    root, twilio = logging.getLogger(), logging.getLogger("twilio")
    handlers, levels = root.handlers[:], (root.level, twilio.level)
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    twilio.setLevel(levels[1])


@pytest.fixture
def things_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """One caller's words trip a defect of the core, another's a store that quotes what it was given."""
    said, append = Transcript.caller_said, SqliteStore.append

    def caller_said(self: Transcript, item_id: str, text: str, now_ms: float) -> None:
        if "exploded" in text:
            raise ValueError(f"{text} says {BREAKS_THE_CORE}")
        said(self, item_id, text, now_ms)

    async def refuse(self: SqliteStore, events: Sequence[CallEvent], owner: str | None = None) -> None:
        if any("capsized" in line.text for line in of_kind([event.body for event in events], CallerTranscript)):
            raise RuntimeError(f"{events} of {BREAKS_THE_STORE}")
        await append(self, events, owner)

    monkeypatch.setattr(Transcript, "caller_said", caller_said)
    monkeypatch.setattr(SqliteStore, "append", refuse)


async def strangers_call(on_stage: Playing) -> None:
    """Requests about a caller that nobody signed, and one to a number of nobody."""
    form = {"CallSid": "CA1", "From": TALKS, "To": NUMBER}
    async with aiohttp.ClientSession() as session:
        for path in ("/incoming-call", f"/call-status?Caller={TALKS.replace('+', '%2B')}"):
            async with session.post(on_stage.stage.deployment.url + path, data=form) as response:
                assert response.status == 403


def a_task_nobody_looks_at_fails() -> None:
    error = ValueError(f"{SAYS[TALKS]} says {TALKS}")
    context = {"message": "Task exception was never retrieved", "exception": error, "future": repr(error)}
    asyncio.get_running_loop().call_exception_handler(context)


def digits_of(number: str) -> set[str]:
    digits = number.removeprefix("+")
    return {digits[at : at + DIGITS_AT_A_TIME] for at in range(len(digits) - DIGITS_AT_A_TIME + 1)}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.usefixtures("things_break")
async def test_neither_words_nor_numbers_get_into_the_log(tmp_path: Path, log_stream: io.StringIO, level: str) -> None:
    set_up_logs(level=getattr(logging, level.upper()), stream=log_stream)
    callers = [calls_from(number) for number in NUMBERS]
    async with playing(tmp_path, *callers, profile=SHOP, watch=WatchSettings()) as on_stage:
        calls = [on_stage.call(caller) for caller in callers]
        await strangers_call(on_stage)
        a_task_nobody_looks_at_fails()
        records = await asyncio.gather(*(call.over() for call in calls))
    assert [line.text for line in of_kind(records[0], CallerTranscript)] == [SAYS[TALKS]], "there was something to be leaked"

    log = log_stream.getvalue()
    assert [secret for secret in SECRETS if secret in log.lower()] == []
    assert [digits for number in NUMBERS for digits in digits_of(number) if digits in log] == []
    lines = [json.loads(line) for line in log.splitlines()]
    told = {line["event"] for line in lines}
    assert told >= {"call.core_failed", "journal.events_lost", "Task exception was never retrieved"}
    assert ("greeting.first_audio" in told, "webhook.answered" in told) == (level in ("debug", "info"),) * 2
    assert ("webhook refused" in told, "tool.failed" in told) == (level != "error", level != "error")
    assert all(LEVELS.index(line["level"]) >= LEVELS.index(level) for line in lines)
    failed = next(line for line in lines if line["event"] == "call.core_failed")
    assert "ValueError" in failed["exception"], "what went wrong, and where, is told all the same"
