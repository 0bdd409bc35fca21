"""``/fallback``: what Twilio asks for when another webhook could not be had."""

import pytest

from tests.webhooks.doubles import SID, BrokenLedger, Desk, call, disposed, verbs
from webhooks.handlers import fallback

ASKED = "https://phone.example/stream-ended"


def failed(url: str = ASKED, code: str = "11200") -> dict[str, object]:
    return call(ErrorCode=code, ErrorUrl=url)


def test_a_call_whose_task_died_with_the_question_what_comes_next_goes_on() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    assert verbs(fallback.handler(desk.context, failed())) == ["Connect"]
    assert desk.ledger.records[SID].resumed == "lost"


def test_what_was_decided_is_done() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial", to="+15005550010"))
    assert verbs(fallback.handler(desk.context, failed())) == ["Dial"]


def test_it_is_remembered_which_stream_was_over() -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    fallback.handler(desk.context, failed())
    desk.ledger.change(SID, owner="bridge-2")
    fallback.handler(desk.context, failed(f"{ASKED}?attempt=2"))
    desk.ledger.change(SID, owner="bridge-3")
    fallback.handler(desk.context, failed(f"{ASKED}?attempt=2"))
    assert (desk.ledger.tokens[SID].attempt, desk.ledger.records[SID].owner) == (3, "bridge-3")


def test_a_stream_that_nobody_took_is_not_offered_for_ever() -> None:
    desk = Desk()
    desk.opened()
    assert verbs(fallback.handler(desk.context, failed(f"{ASKED}?tries=1"))) == ["Connect"]
    assert verbs(fallback.handler(desk.context, failed(f"{ASKED}?tries=2"))) == ["Say", "Dial"]


@pytest.mark.parametrize(
    ("url", "code"),
    [("https://phone.example/dial-ended", "11200"), (ASKED, "12100"), (ASKED, ""), ("", "11200"), ("http://[", "11200")],
)
def test_any_other_failure_ends_the_call_after_a_sentence(url: str, code: str) -> None:
    desk = Desk()
    desk.opened(owner="bridge-1")
    assert verbs(fallback.handler(desk.context, failed(url, code))) == ["Say", "Hangup"]


def test_without_a_store_the_business_s_fallback_is_left() -> None:
    assert verbs(fallback.handler(Desk(ledger=BrokenLedger()).context, failed())) == ["Say", "Dial"]


def test_without_anything_there_is_a_sentence() -> None:
    assert verbs(fallback.handler(None, failed())) == ["Say", "Hangup"]
