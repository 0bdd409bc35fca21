"""``frontdesk call``: what Twilio is asked for, what is refused before, and how the call is told of."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.exceptions import ConnectionError as Unreachable
from twilio.base.exceptions import TwilioRestException

from calls.business import BusinessProfile, Hours
from calls.outbound import MAX_MESSAGE_CHARS, Errand, OnMachine, errand_of
from frontdesk.outbound import GIVES_UP_AFTER, Progress, doubts, follow, has_reached_somebody
from simulator.phone.policies import Callee
from tests.frontdesk.telephony import CALLEE, ORIGIN, OURS, SHOP, Desk, a_desk, code_of

BOLD = "Your part has arrived. שלום! 👋 & <b>"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as desk:
        yield desk


def errand_in(url: str) -> Errand:
    name, _, parameter = url.partition("?")[2].partition("=")
    assert name == "outbound"
    return errand_of(parameter)


async def test_a_call_is_asked_for_with_every_address_it_needs(desk: Desk) -> None:
    result = await desk.run("call", "+1 (500) 555-0100", "--business", "corner-shop", "--yes")
    (created,) = desk.cloud.created
    asked = dict(created.params)
    assert (code_of(result), result.stdout.strip()) == (0, created.sid)
    assert errand_in(asked.pop("Url")) == Errand(on_machine="hang-up")
    assert asked == {
        "To": CALLEE,
        "From": OURS,
        "FallbackUrl": f"{ORIGIN}/fallback",
        "StatusCallback": f"{ORIGIN}/call-status",
        "MachineDetection": "Enable",
    }


@pytest.mark.parametrize(
    ("options", "detection", "errand"),
    [
        (["--machine", "talk"], None, Errand(on_machine="talk")),
        (
            ["--machine", "leave-message", "--text", BOLD],
            "DetectMessageEnd",
            Errand(on_machine="leave-message", message=BOLD),
        ),
    ],
)
async def test_what_a_machine_is_to_get_travels_with_the_call(
    desk: Desk, options: list[str], detection: str | None, errand: Errand
) -> None:
    await desk.run("call", CALLEE, "--business", "corner-shop", "--from", "+15005550007", "--yes", *options)
    (created,) = desk.cloud.created
    assert created.params.get("MachineDetection") == detection
    assert errand_in(created.params["Url"]) == errand
    assert created.params["From"] == "+15005550007"


@given(st.builds(Errand, on_machine=st.sampled_from(["hang-up", "leave-message", "talk"]), message=st.none() | st.text()))
def test_every_errand_survives_its_journey_in_an_address(errand: Errand) -> None:
    try:
        query = errand.query()
    except UnicodeEncodeError:
        return  # half a character is none, and no command line has one
    assert errand_of(query.removeprefix("outbound=")) == errand
    assert query.isascii()
    assert not set(query) & set(" +%&#?/")


@pytest.mark.parametrize("parameter", ["", "garbage", "====", "e30", "bnVsbA", "שלום", "eyJvbl9tYWNoaW5lIjoieCJ9", "A" * 100_000])
def test_an_errand_nobody_can_read_is_to_hang_up(parameter: str) -> None:
    assert errand_of(parameter) == Errand(on_machine="hang-up")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["5550100"], 2, "no number that can be called"),
        (["911"], 2, "no number that can be called"),
        (["sip:a@b"], 2, "no number that can be called"),
        (["+1500\x1b[2J"], 2, "no number that can be called"),
        ([OURS], 2, "own number"),
        (["+15005550666"], 1, "has blocked"),
        ([CALLEE, "--from", "+15005559999"], 2, "not a number of corner-shop"),
        ([CALLEE, "--text", "Hi"], 2, "--machine leave-message"),
        ([CALLEE, "--machine", "leave-message"], 2, "nothing to leave"),
        ([CALLEE, "--machine", "leave-message", "--text", " "], 2, "characters"),
        ([CALLEE, "--machine", "leave-message", "--text", "x" * (MAX_MESSAGE_CHARS + 1)], 2, "characters"),
    ],
)
async def test_what_cannot_be_called_is_refused_before_twilio_is_asked(
    desk: Desk, arguments: list[str], code: int, words: str
) -> None:
    result = await desk.run("call", *arguments, "--business", "corner-shop", "--yes")
    assert (code_of(result), words in result.stderr, desk.cloud.created) == (code, True, [])
    assert "\x1b" not in result.stderr


async def test_a_business_that_is_not_there_calls_nobody(desk: Desk) -> None:
    assert code_of(await desk.run("call", CALLEE, "--business", "nobody", "--yes")) == 4


async def test_nobody_is_called_who_was_not_said_yes_to(desk: Desk) -> None:
    assert code_of(await desk.run("call", CALLEE, "--business", "corner-shop")) == 2
    assert desk.cloud.created == []


async def test_a_message_of_the_business_is_enough_to_leave_one(tmp_path: Path) -> None:
    async with a_desk(tmp_path, SHOP + '\n[outbound]\nmachine_message = "This is {name}."\n') as desk:
        result = await desk.run("call", CALLEE, "--business", "corner-shop", "--machine", "leave-message", "--yes")
        assert code_of(result) == 0
        assert errand_in(desk.cloud.created[0].params["Url"]) == Errand(on_machine="leave-message")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (10004, 3, "as many calls at a time"),
        (21210, 1, "not one of this Twilio account"),
        (21211, 1, "not valid"),
        (21215, 1, "Geo permissions"),
        (21219, 1, "trial account"),
        (20429, 3, "too much at a time"),
        (21999, 1, "Twilio says no: Unable to create record: The call cannot be made, error 21999"),
    ],
)
async def test_what_twilio_refuses_is_told_with_its_remedy(desk: Desk, error: int, code: int, words: str) -> None:
    desk.cloud.calls_fail[CALLEE] = error
    result = await desk.run("call", CALLEE, "--business", "corner-shop", "--yes")
    assert (code_of(result), words in result.stderr) == (code, True)
    assert desk.cloud.created == []


async def test_wrong_credentials_are_told(desk: Desk) -> None:
    result = await desk.run("call", CALLEE, "--business", "corner-shop", "--yes", TWILIO_AUTH_TOKEN="wrong")
    assert (code_of(result), "does not accept" in result.stderr) == (1, True)


async def test_a_number_the_account_does_not_have_calls_nobody(desk: Desk) -> None:
    desk.cloud.own("+15005550007")
    result = await desk.run("call", CALLEE, "--business", "corner-shop", "--yes")
    assert (code_of(result), "not one of this Twilio account" in result.stderr) == (1, True)


async def test_a_call_nobody_takes_is_followed_to_its_end(desk: Desk) -> None:
    desk.cloud.callees[CALLEE] = Callee(outcome="busy", after_ms=50)
    result = await desk.run("call", CALLEE, "--business", "corner-shop", "--yes", "--wait", "--json")
    told = json.loads(result.stdout)
    assert (code_of(result), told["status"], told["answered_by"]) == (1, "busy", None)
    assert "nobody was reached" in result.stderr


async def test_an_answer_that_does_not_come_is_not_taken_for_a_refusal(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.MonkeyPatch.context() as quick:
        port = silent.getsockname()[1]
        quick.setattr("frontdesk.twilio_api.WITHIN_S", 0.2)
        result = await desk.run("call", CALLEE, "--business", "corner-shop", "--yes", TWILIO_API_URL=f"http://127.0.0.1:{port}")
    assert (code_of(result), "may have been placed" in result.stderr) == (1, True)


# --- following a call ------------------------------------------------------------------------------------------------------


class Told:
    """Twilio's answers to one question after the other, and the time between."""

    def __init__(self, *answers: tuple[str, str | None] | Exception) -> None:
        self._answers: Iterator[tuple[str, str | None] | Exception] = iter(answers)
        self.lines: list[str] = []
        self.slept_s: list[float] = []

    def calls(self, _sid: str) -> "Told":
        return self

    def fetch(self) -> Any:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        status, answered_by = answer
        return msgspec.defstruct("Fetched", ["status", "answered_by", "duration"])(status, answered_by, "34")

    def follow(self) -> Progress:
        client: Any = self
        return follow(client, "CA1", self.lines.append, self.slept_s.append)


def test_what_becomes_of_a_call_is_said_once_each() -> None:
    told = Told(
        ("queued", None),
        ("ringing", None),
        ("ringing", None),
        ("in-progress", None),
        ("in-progress", "human"),
        ("completed", "human"),
    )
    assert told.follow() == Progress(call_sid="CA1", status="completed", answered_by="human", duration_s=34)
    assert told.lines == ["ringing", "answered", "answered by a person", "ended after 34 s, answered by a person"]
    assert len(told.slept_s) == 5


def test_a_question_twilio_does_not_answer_is_asked_again() -> None:
    unknown = TwilioRestException(404, "/", code=20404)
    told = Told(unknown, Unreachable(), TwilioRestException(503, "/"), ("ringing", None), *[Unreachable()] * 4, ("busy", None))
    assert told.follow().status == "busy"
    assert told.lines == ["ringing", "busy"]


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([Unreachable()] * GIVES_UP_AFTER, Unreachable),
        ([TwilioRestException(401, "/", code=20003)], TwilioRestException),
    ],
)
def test_a_twilio_that_stays_away_or_says_no_ends_the_following(errors: list[Exception], raised: type[Exception]) -> None:
    told = Told(*errors)
    with pytest.raises(raised):
        told.follow()


@pytest.mark.parametrize(
    ("status", "answered_by", "on_machine", "reached"),
    [
        ("completed", "human", "hang-up", True),
        ("completed", "unknown", "hang-up", True),
        ("completed", None, "talk", True),
        ("completed", "machine_start", "hang-up", False),
        ("completed", "machine_end_beep", "leave-message", True),
        ("completed", "fax", "leave-message", False),
        ("busy", None, "hang-up", False),
        ("no-answer", None, "talk", False),
        ("canceled", None, "hang-up", False),
    ],
)
def test_somebody_was_reached_or_the_message_left(
    status: str, answered_by: str | None, on_machine: OnMachine, reached: bool
) -> None:
    progress = Progress(call_sid="CA1", status=status, answered_by=answered_by)
    assert has_reached_somebody(progress, Errand(on_machine=on_machine)) is reached


def test_a_business_that_is_closed_is_a_doubt() -> None:
    profile = BusinessProfile(
        id="a",
        name="A",
        numbers=("+15005550006",),
        language="en",
        voice="alloy",
        instructions="-",
        hours=Hours(mon=("09:00-10:00",)),
    )
    assert doubts(profile, datetime(2026, 11, 23, 9, 30, tzinfo=UTC)) == []
    assert doubts(profile, datetime(2026, 11, 23, 10, 30, tzinfo=UTC)) == ["A is closed now"]
