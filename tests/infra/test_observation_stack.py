"""Every alarm looks at a figure that somebody writes."""

import json
from pathlib import Path

from frontdesk.emf import FIGURES, LAG
from frontdesk.emf import NAMESPACE as BRIDGE_NAMESPACE
from tests.infra.templates import Deployment, Json
from webhooks.emf import NAMESPACE as WEBHOOK_NAMESPACE

OF_THE_BRIDGE = {figure.name for figure in FIGURES} | {LAG, "GreetingLatency", "TurnLatency"}
OF_THE_WEBHOOKS = {"WebhookLatency", "WebhooksRefused", "WebhooksFailed", "CallsOffered", "CallsTurnedAway"}


def alarms(deployment: Deployment) -> dict[str, Json]:
    """All alarms, those that roll deployments back included, by name."""
    found = [alarm for template in deployment.all() for alarm in template.all("AWS::CloudWatch::Alarm")]
    return {alarm["AlarmName"].removeprefix(f"{deployment.name}-"): alarm for alarm in found}


def test_there_is_an_alarm_for_what_callers_notice(either: Deployment) -> None:
    assert {
        "greeting-latency",
        "turn-latency",
        "model-losses",
        "model-away",
        "loop-lag",
        "events-lost",
        "no-bridge",
        "webhooks-failed",
        "fallback-asked",
        "turned-away",
    } <= alarms(either).keys()


def test_every_alarm_on_our_own_figures_looks_at_one_that_is_written(either: Deployment) -> None:
    own = [alarm for alarm in alarms(either).values() if alarm.get("Namespace") == "Frontdesk"]
    assert {BRIDGE_NAMESPACE, WEBHOOK_NAMESPACE} == {"Frontdesk"}
    assert len(own) >= 14
    for alarm in own:
        (dimension,) = alarm["Dimensions"]
        written = {"bridge": OF_THE_BRIDGE, "webhooks": OF_THE_WEBHOOKS}[dimension["Value"]]
        assert (dimension["Name"], alarm["MetricName"] in written) == ("Service", True), alarm["AlarmName"]


def test_greeting_latency_is_watched_at_its_95th_percentile(either: Deployment) -> None:
    alarm = alarms(either)["greeting-latency"]
    assert (alarm["MetricName"], alarm["ExtendedStatistic"]) == ("GreetingLatency", "p95")


def test_silence_of_every_task_is_an_alarm_of_its_own(either: Deployment) -> None:
    assert {
        name: alarm["TreatMissingData"] for name, alarm in alarms(either).items() if alarm["TreatMissingData"] == "breaching"
    } == {"no-bridge": "breaching"}


def test_every_alarm_says_in_a_sentence_what_it_means(either: Deployment) -> None:
    assert all(alarm["AlarmDescription"].endswith(".") for alarm in alarms(either).values())


def test_somebody_is_told_of_every_alarm_and_of_its_end(least: Deployment, most: Deployment) -> None:
    for deployment in (least, most):
        for alarm in deployment.stack("observation").all("AWS::CloudWatch::Alarm"):
            assert alarm["AlarmActions"] == alarm["OKActions"] != []
    assert not least.stack("observation").resources("AWS::SNS::Subscription")
    assert most.stack("observation").one("AWS::SNS::Subscription")["Endpoint"] == "somebody@phone.example"


def test_the_dashboard_shows_what_the_alarms_are_about(either: Deployment) -> None:
    body = json.dumps(either.stack("observation").one("AWS::CloudWatch::Dashboard")["DashboardBody"])
    for figure in ("GreetingLatency", "TurnLatency", "ModelLosses", "LoopLag", "LiveCalls", "CapacityUsed"):
        assert figure in body


def test_the_runbook_has_every_alarm(either: Deployment) -> None:
    runbook = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
    assert {name for name in alarms(either) if f"`{name}`" not in runbook} == set()
