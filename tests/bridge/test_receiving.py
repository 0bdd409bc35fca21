"""The check that the documentation gives to businesses, run on what Frontdesk really posts."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from calls.outbox import signature
from tests.calls.examples import HOSTILE, START

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "receive-events.md"
NOW = START.timestamp()
SECRET = "s3cret"
BODY = '{"id": "CA1/2", "name": "דנה 👋"}'.encode()

Check = Callable[..., bool]


@pytest.fixture(scope="module")
def check() -> Check:
    """The function on the page."""
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Check] = {}
    exec(snippet, names)
    return names["is_from_frontdesk"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_frontdesk_signs_is_accepted(check: Check, text: str) -> None:
    assert check(signature(SECRET, text.encode(), START), text.encode(), SECRET, NOW)


@pytest.mark.parametrize(("late_s", "accepted"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_recorded_message_is_good_for_five_minutes(check: Check, late_s: float, accepted: bool) -> None:
    assert check(signature(SECRET, BODY, START), BODY, SECRET, NOW + late_s) is accepted


def test_another_body_secret_or_time_is_refused(check: Check) -> None:
    header = signature(SECRET, BODY, START)
    assert not check(header, BODY + b" ", SECRET, NOW)
    assert not check(header, BODY, "another", NOW)
    assert not check(header.replace(f"t={int(NOW)}", f"t={int(NOW) + 1}"), BODY, SECRET, NOW)


@pytest.mark.parametrize(
    "header", ["", "t=", "v1=", "t=,v1=", "t=x,v1=y", "nonsense", "t=1=2,v1=é", f"t={int(NOW)}", f"t={int(NOW)},v1=שלום"]
)
def test_anything_else_is_refused_and_raises_nothing(check: Check, header: str) -> None:
    assert not check(header, BODY, SECRET, NOW)
