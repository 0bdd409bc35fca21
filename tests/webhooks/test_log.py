"""What a function writes into its log, with nothing but the standard library."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from calls.log_context import About
from tests.webhooks.doubles import PUBLIC_URL, SID, Desk
from tests.webhooks.test_dispatch import AUTH, PARAMS, post, sign
from webhooks.context import Answered, log_answered
from webhooks.dispatch import dispatch
from webhooks.log import line

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_line_has_the_shape_of_the_bridge_s_and_holds_no_number() -> None:
    with About(call_sid=SID):
        told = json.loads(line("warning", "שלום +15005550001", NOW, caller="+15005550001", token="x", why=None, odd={1}))
    assert told == {
        "event": "שלום +*********01",
        "call_sid": SID,
        "caller": "+*********01",
        "token": "…",
        "odd": "{1}",
        "level": "warning",
        "timestamp": "2026-01-01T12:00:00.000000Z",
    }


def test_a_request_is_told_with_its_call_its_business_and_what_became_of_it() -> None:
    desk = Desk()
    dispatch(desk.context, AUTH, post())
    [told] = desk.answered
    assert (told.path, told.status, told.call_sid) == ("/incoming-call", 200, PARAMS["CallSid"])
    assert told.facts == {"call_sid": PARAMS["CallSid"], "business_id": "bobs-hvac"}
    assert told.ms >= 0


def test_a_request_on_the_human_s_leg_is_told_as_the_caller_s_call() -> None:
    desk, leg, query = Desk(), {"CallSid": "CA" + "f" * 32}, f"for_call={SID}"
    dispatch(desk.context, AUTH, post("/screen", leg, raw_query=query, signature=sign(f"{PUBLIC_URL}/screen?{query}", leg)))
    assert [told.call_sid for told in desk.answered] == [SID]


def test_what_is_known_of_one_request_is_not_told_of_the_next() -> None:
    desk = Desk()
    dispatch(desk.context, AUTH, post())
    dispatch(desk.context, AUTH, post("/call-status", params={"CallStatus": "completed"}))
    assert desk.answered[1].facts == {}


@pytest.mark.parametrize("sid", ["", "CA' OR 1=1", "+15005550001", "CA" + "é" * 8, "x" * 10_000])
def test_what_is_no_sid_is_not_told_as_one(sid: str) -> None:
    desk = Desk()
    dispatch(desk.context, AUTH, post("/call-status", params={"CallSid": sid}))
    assert "call_sid" not in desk.answered[0].facts


@pytest.mark.parametrize(("status", "lines"), [(200, 1), (204, 1), (403, 0)])
def test_a_function_writes_a_line_a_request_unless_it_has_said_why_not(
    capsys: pytest.CaptureFixture[str], status: int, lines: int
) -> None:
    log_answered(Answered(path="/call-status", status=status, began_at=NOW, ms=1.0, call_sid=SID, facts={}))
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_neither_structlog_nor_any_other_heavy_library_is_loaded_for_it() -> None:
    program = (
        "import sys, webhooks.dispatch, webhooks.emf; print({'structlog', 'rich', 'quart', 'boto3', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
