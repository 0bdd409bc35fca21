"""Every alarm looks at a figure that somebody writes."""

import json
from pathlib import Path

from frontdesk.emf import FIGURES, LAG
from frontdesk.settings import read_settings
from infra.costs import Size
from infra.figures import WEBHOOK_TIMEOUT_S
from tests.infra.templates import Deployment, Json

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
        "balancer-5xx",
    } <= alarms(either).keys()


def test_every_alarm_on_our_own_figures_looks_at_one_that_is_written(either: Deployment) -> None:
    own = [alarm for alarm in alarms(either).values() if alarm.get("Namespace") == f"Frontdesk/{either.name}"]
    assert len(own) >= 14
    for alarm in own:
        (dimension,) = alarm["Dimensions"]
        written = {"bridge": OF_THE_BRIDGE, "webhooks": OF_THE_WEBHOOKS}[dimension["Value"]]
        assert (dimension["Name"], alarm["MetricName"] in written) == ("Service", True), alarm["AlarmName"]


def test_thresholds_are_those_of_the_program(either: Deployment) -> None:
    found = {name: alarm["Threshold"] for name, alarm in alarms(either).items()}
    settings = read_settings({"OPENAI_API_KEY": "key", "TWILIO_AUTH_TOKEN": "token"})
    assert found["loop-lag"] == settings.bridge.max_lag_ms, "from there on a bridge takes no new calls"
    assert found["webhooks-slow"] < WEBHOOK_TIMEOUT_S * 1000 < 15_000
    assert found["greeting-latency"] < found["deployment-slow"]
    policy = either.stack("media").one("AWS::ApplicationAutoScaling::ScalingPolicy")["TargetTrackingScalingPolicyConfiguration"]
    assert found["capacity"] > policy["TargetValue"], "scaling would hold it in alarm"


def test_figures_are_written_where_the_alarms_look_and_apart_from_those_of_other_deployments(either: Deployment) -> None:
    (container,) = either.stack("media").one("AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    function = either.stack("webhooks").one("AWS::Lambda::Function", "Function")["Environment"]["Variables"]
    of_the_task = {pair["Name"]: pair["Value"] for pair in container["Environment"]}
    assert of_the_task["FRONTDESK_METRICS_NAMESPACE"] == function["FRONTDESK_METRICS_NAMESPACE"] == f"Frontdesk/{either.name}"
    assert of_the_task["FRONTDESK_METRICS"] == "emf"
    own = [alarm for alarm in alarms(either).values() if alarm.get("Namespace") == f"Frontdesk/{either.name}"]
    assert {alarm["Period"] for alarm in own} == {int(of_the_task["FRONTDESK_METRICS_INTERVAL_S"])}, "none looks at a gap"
    shown = json.dumps(either.stack("observation").one("AWS::CloudWatch::Dashboard")["DashboardBody"])
    assert f"Frontdesk/{either.name}" in shown
    assert '"Frontdesk\\"' not in shown


def test_a_table_that_refuses_is_noticed_by_whichever_index_it_is(either: Deployment) -> None:
    sought = alarms(either)["table-throttled"]["Metrics"]
    table = either.stack("data").one("AWS::DynamoDB::Table")
    indexes = {index["IndexName"] for index in table["GlobalSecondaryIndexes"]}
    found = [query["MetricStat"]["Metric"] for query in sought if "MetricStat" in query]
    assert len(sought) <= 10, "an alarm looks at ten metrics at most"
    for name in ("ReadThrottleEvents", "WriteThrottleEvents"):
        dimensions = [
            {pair["Name"]: pair["Value"] for pair in metric["Dimensions"]} for metric in found if metric["MetricName"] == name
        ]
        assert {each.get("GlobalSecondaryIndexName") for each in dimensions} == {None, *indexes}
        assert all("TableName" in each for each in dimensions)
    (expression,) = [query["Expression"] for query in sought if "Expression" in query]
    assert expression.count("FILL(") == len(found), "without zeros the alarm would not end"


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


def test_alarms_may_publish_to_the_topic_that_has_a_policy_of_its_own(either: Deployment) -> None:
    statements = either.stack("observation").one("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    (allowed,) = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert (allowed["Action"], allowed["Principal"]) == ("sns:Publish", {"Service": "cloudwatch.amazonaws.com"})
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert [statement["Condition"] for statement in statements if statement["Effect"] == "Deny"] == [
        {"Bool": {"aws:SecureTransport": "false"}}
    ]


def test_what_is_watched_is_as_much_as_the_cost_table_counts(either: Deployment) -> None:
    assert Size().alarms == len(alarms(either))
    assert Size().metrics == len(OF_THE_BRIDGE) + len(OF_THE_WEBHOOKS)


def test_the_dashboard_shows_what_the_alarms_are_about(either: Deployment) -> None:
    body = json.dumps(either.stack("observation").one("AWS::CloudWatch::Dashboard")["DashboardBody"])
    for figure in ("GreetingLatency", "TurnLatency", "ModelLosses", "LoopLag", "LiveCalls", "CapacityUsed"):
        assert figure in body


def test_the_runbook_has_every_alarm(either: Deployment) -> None:
    runbook = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
    assert {name for name in alarms(either) if f"`{name}`" not in runbook} == set()
