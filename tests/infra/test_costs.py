"""The arithmetic of the cost table, and that the page shows what it says."""

from pathlib import Path

import pytest

from infra.costs import CALLS_A_DAY, PRICES, Size, Traffic, elsewhere, monthly, nat_instead, price_list, table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "aws-stacks.md"


def test_a_deployment_that_nobody_calls_costs_what_stands_there_all_the_time() -> None:
    idle = monthly(Traffic(calls_a_day=0))
    assert idle["audio to the model and to Twilio"] == idle["logs"] == idle["table: records kept, and restorable"] == 0
    assert idle["tasks"] == pytest.approx(2 * 24 * 30.4 * (0.03238 + 2 * 0.00356))
    assert idle["secrets"] == pytest.approx(1.6)
    assert idle["bus"] == pytest.approx(0.1 * 730 * 0.084)


def test_tasks_follow_the_peak_by_day_and_are_the_least_by_night() -> None:
    traffic = Traffic(calls_a_day=100_000)
    assert traffic.at_peak == pytest.approx(100_000 * 180 / 36_000 * 1.5)
    assert Size().task_hours(traffic) == pytest.approx(30.4 * (13 * 10 + 2 * 14))


def test_what_comes_of_calls_grows_with_calls() -> None:
    few, many = monthly(Traffic(calls_a_day=1_000)), monthly(Traffic(calls_a_day=2_000))
    for line in ("audio to the model and to Twilio", "logs", "table: records kept, and restorable"):
        assert many[line] == pytest.approx(2 * few[line])
    assert many["tasks"] == few["tasks"], "two tasks carry both"


def test_audio_is_counted_in_gigabytes_of_a_call() -> None:
    audio = monthly(Traffic(calls_a_day=1, call_s=1_000_000 / 25))["audio to the model and to Twilio"]
    assert audio == pytest.approx(30.4 * 0.09), "a gigabyte a day"


def test_what_others_bill_is_by_the_minute_and_by_the_call() -> None:
    others = elsewhere(Traffic(calls_a_day=10))
    assert others["Twilio"] == pytest.approx(10 * 30.4 * 3 * 0.0125)
    assert others["OpenAI"] == pytest.approx(10 * 30.4 * 0.20)


def test_nat_gateways_cost_more_than_addresses_at_every_size() -> None:
    assert all(nat_instead(Traffic(calls_a_day=calls)) > 50 for calls in CALLS_A_DAY)


def test_every_price_says_where_it_is_from_and_is_used() -> None:
    assert all(price.source for price in PRICES.values())
    source = (Path(__file__).parents[2] / "infra" / "costs.py").read_text("utf-8")
    assert {name for name in PRICES if source.count(f'"{name}"') < 2} == set()


def test_the_page_shows_the_table_as_it_is_computed() -> None:
    page = PAGE.read_text("utf-8")
    assert table() in page
    assert price_list() in page
