"""``/incoming-call`` for callers who do not reach the AI: what they hear, what is on the record."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from calls.business import BusinessProfile, Fallback, Greeting, Hours, Limits
from calls.events import CallEnded
from calls.language import PHRASES, phrases_of
from calls.record import Disposition
from tests.webhooks.doubles import BOB, DANA, NOW, SID, BrokenLedger, Desk, MemoryLedger, call, disposed, said, tree, verbs
from webhooks.handlers import call_status, dial_ended, incoming_call

NOON_IN_LONDON = "Europe/London"
"""The tests' clock stands at noon there, on a Thursday."""


def changed(profile: BusinessProfile = BOB, **changes: Any) -> BusinessProfile:
    return msgspec.structs.replace(profile, **changes)


def answered(profile: BusinessProfile, ledger: Any = None, **params: str) -> tuple[Desk, Any]:
    desk = Desk(profiles=[profile], ledger=ledger if ledger is not None else MemoryLedger())
    return desk, incoming_call.handler(desk.context, call(To=profile.numbers[0], CallStatus="ringing", **params))


# --- blocked ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", ["+15005550001", "whatsapp:+15005550001"])
def test_a_blocked_caller_is_not_answered_so_that_the_call_costs_nothing(caller: str) -> None:
    _, answer = answered(changed(blocked=("+15005550001",)), From=caller)
    (reject,) = tree(answer)
    assert (reject.tag, reject.attrib) == ("Reject", {"reason": "rejected"})


def test_a_blocked_call_is_on_record_and_over() -> None:
    desk, _ = answered(changed(blocked=("anonymous",)), From="anonymous")
    assert desk.ledger.kinds() == ["call.started", "call.ended"]
    assert desk.ledger.written[-1].body == CallEnded(reason="blocked", duration_ms=0)


def test_a_blocked_caller_is_rejected_again_when_twilio_asks_again() -> None:
    desk, first = answered(changed(blocked=("+15005550001",)))
    assert str(incoming_call.handler(desk.context, call())) == str(first)
    assert desk.ledger.kinds() == ["call.started", "call.ended"]


def test_a_blocked_caller_is_rejected_without_a_store_too() -> None:
    _, answer = answered(changed(blocked=("+15005550001",)), BrokenLedger())
    assert verbs(answer) == ["Reject"]


def test_others_are_let_through() -> None:
    _, answer = answered(changed(blocked=("+15005550001", "anonymous")), From="+15005550002")
    assert verbs(answer) == ["Connect"]


# --- opening hours ---------------------------------------------------------------------------------------------------------


def closed_now(when_closed: Any = "fallback", **changes: Any) -> BusinessProfile:
    hours = Hours(timezone=NOON_IN_LONDON, thu=("13:00-17:00",), when_closed=when_closed)
    return changed(hours=hours, **changes)


def test_outside_its_hours_a_business_may_leave_callers_to_its_fallback() -> None:
    desk, answer = answered(closed_now(greeting=Greeting(closed_text="{name} opens at one.")))
    assert verbs(answer) == ["Say", "Say", "Dial"]
    assert said(answer) == f"Bob's HVAC opens at one. {BOB.fallback_text}"
    assert desk.ledger.records[SID].disposition == Disposition(action="dial", reason="closed", to="+15005550010", timeout_s=20)


def test_without_words_for_it_the_fallback_says_all() -> None:
    _, answer = answered(closed_now())
    assert verbs(answer) == ["Say", "Dial"]


def test_within_its_hours_the_ai_answers() -> None:
    desk = Desk(profiles=[closed_now()])
    desk.now = NOW + timedelta(hours=1)
    assert verbs(incoming_call.handler(desk.context, call())) == ["Connect"]


def test_the_ai_answers_at_all_hours_where_the_business_wants_it() -> None:
    _, answer = answered(closed_now("answer"))
    assert verbs(answer) == ["Connect"]


# --- lines and budgets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", PHRASES)
def test_when_all_lines_are_busy_the_caller_is_told_so_in_their_language(language: str) -> None:
    profile = changed(language=language, limits=Limits(max_concurrent=2), fallback=Fallback(mode="hangup", text="Later."))
    desk, answer = answered(profile, MemoryLedger(live=2))
    assert verbs(answer) == ["Say", "Say", "Hangup"]
    assert said(answer) == f"{phrases_of(language).busy} Later."
    assert desk.ledger.records[SID].disposition == Disposition(action="hang_up", reason="all_lines_busy")


def test_the_last_line_is_taken() -> None:
    _, answer = answered(changed(limits=Limits(max_concurrent=2)), MemoryLedger(live=1))
    assert verbs(answer) == ["Connect"]


def test_a_busy_business_that_takes_messages_takes_this_one() -> None:
    desk, answer = answered(changed(DANA, limits=Limits(max_concurrent=1)), MemoryLedger(live=1))
    assert verbs(answer) == ["Say", "Say", "Record", "Hangup"]
    assert said(answer).startswith(phrases_of("he").busy)
    assert desk.ledger.records[SID].disposition == Disposition(action="voicemail", reason="all_lines_busy")


def test_when_the_day_s_money_is_spent_callers_get_the_fallback() -> None:
    profile = changed(limits=Limits(max_cost_usd_per_day=5.0))
    desk, answer = answered(profile, MemoryLedger(cost_usd=5.0))
    assert (verbs(answer), said(answer)) == (["Say", "Dial"], BOB.fallback_text)
    assert desk.ledger.records[SID].disposition == Disposition(
        action="dial", reason="over_budget", to="+15005550010", timeout_s=20
    )
    assert verbs(answered(profile, MemoryLedger(cost_usd=4.99))[1]) == ["Connect"]


def test_what_live_calls_have_cost_so_far_counts_towards_the_day() -> None:
    desk = Desk(profiles=[changed(limits=Limits(max_cost_usd_per_day=5.0))], ledger=MemoryLedger(cost_usd=4.0))
    context = desk.context
    object.__setattr__(context, "running_cost_usd", lambda business_id: 1.0 if business_id == "bobs-hvac" else 0.0)
    assert verbs(incoming_call.handler(context, call())) == ["Say", "Dial"]


def test_without_a_limit_for_the_day_nothing_is_too_much() -> None:
    _, answer = answered(BOB, MemoryLedger(cost_usd=1e9))
    assert verbs(answer) == ["Connect"]


def test_twilio_asking_again_hears_the_same_refusal() -> None:
    desk, first = answered(changed(limits=Limits(max_concurrent=1)), MemoryLedger(live=1))
    desk.ledger.live = 0
    assert str(incoming_call.handler(desk.context, call())) == str(first)
    assert desk.ledger.kinds() == ["call.started"]


def test_the_record_says_why_the_call_ended() -> None:
    desk, _ = answered(changed(limits=Limits(max_concurrent=1)), MemoryLedger(live=1))
    call_status.handler(desk.context, call(CallStatus="completed", CallDuration="9"))
    assert desk.ledger.written[-1].body == CallEnded(reason="all_lines_busy", duration_ms=9000)


def test_a_refusal_is_logged_without_the_caller() -> None:
    desk, _ = answered(changed(limits=Limits(max_concurrent=1)), MemoryLedger(live=1))
    assert desk.lines == [("info", "a caller was turned away", {"call_sid": SID, "reason": "all_lines_busy"})]


def test_a_caller_who_was_turned_away_does_not_get_to_the_ai_when_the_human_does_not_answer() -> None:
    assert BOB.escalation is not None
    profile = changed(escalation=msgspec.structs.replace(BOB.escalation, no_answer="ai"))
    desk = Desk(profiles=[profile])
    desk.opened(disposition=msgspec.structs.replace(disposed("dial"), reason="all_lines_busy"))
    assert verbs(dial_ended.handler(desk.context, call(DialCallStatus="no-answer"))) == ["Say", "Record", "Hangup"]
