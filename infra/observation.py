"""What is watched: an alarm for each thing that somebody should get up for, and a dashboard to look at then.

Docs' runbook says of each alarm what it means and what to do.
"""

from typing import Any, NamedTuple

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.data import INDEXES, Data
from infra.media import Media
from infra.metrics import Figures
from infra.settings import Settings
from infra.webhooks import Webhooks

_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


class Watch(NamedTuple):
    """An alarm: ``of`` so many minutes, ``minutes`` were at or beyond ``threshold``."""

    name: str
    metric: cloudwatch.IMetric
    threshold: float
    says: str
    minutes: int = 1
    of: int = 1
    comparison: cloudwatch.ComparisonOperator = _AT_LEAST
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


class Observation(Stack):
    """Topic, alarms and dashboard."""

    def __init__(
        self, scope: Construct, id: str, settings: Settings, *, data: Data, webhooks: Webhooks, media: Media, **stack: Any
    ) -> None:
        super().__init__(scope, id, **stack)
        figures = Figures(settings)
        tells = actions.SnsAction(self._topic(settings))
        for watch in (*_of_calls(figures, settings), *_of_webhooks(figures, webhooks), *_of_the_rest(data, media)):
            alarm = self._alarm(settings, watch)
            alarm.add_alarm_action(tells)
            alarm.add_ok_action(tells)
        self._dashboard(settings, figures, data, webhooks, media)

    def _topic(self, settings: Settings) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", topic_name=f"{settings.name}-alarms", enforce_ssl=True)
        # A topic with a policy of its own has lost the one by which everything of the account may publish to it.
        of_this_account = {"StringEquals": {"aws:SourceAccount": self.account}}
        topic.grant_publish(iam.ServicePrincipal("cloudwatch.amazonaws.com", conditions=of_this_account))
        if settings.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        return topic

    def _alarm(self, settings: Settings, watch: Watch) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            watch.name,
            alarm_name=f"{settings.name}-{watch.name}",
            alarm_description=watch.says,
            metric=watch.metric,
            threshold=watch.threshold,
            comparison_operator=watch.comparison,
            evaluation_periods=watch.of,
            datapoints_to_alarm=watch.minutes,
            treat_missing_data=watch.missing,
        )

    def _dashboard(self, settings: Settings, figures: Figures, data: Data, hooks: Webhooks, media: Media) -> None:
        bridge, webhooks = figures.bridge, figures.webhooks
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=settings.name, default_interval=Duration.hours(3))
        dashboard.add_widgets(
            _graph("Calls", bridge("LiveCalls", "Sum"), bridge("CallsAccepted", "Sum"), webhooks("CallsOffered", "Sum")),
            _graph("Capacity used, %", bridge("CapacityUsed", "Average"), bridge("CapacityUsed", "Maximum")),
            _graph("Greeting latency, ms", bridge("GreetingLatency", "p50"), bridge("GreetingLatency", "p95")),
            _graph("Turn latency, ms", bridge("TurnLatency", "p50"), bridge("TurnLatency", "p95")),
        )
        dashboard.add_widgets(
            _graph("Model", bridge("ModelLosses", "Sum"), bridge("ModelBreakerOpen", "Maximum"), bridge("WarmSockets", "Sum")),
            _graph("Loop lag, ms", bridge("LoopLag", "Maximum")),
            _graph("Events", bridge("EventsWaiting", "Maximum"), bridge("EventsLost", "Sum"), bridge("BusUp", "Minimum")),
            _graph("Turned away", webhooks("CallsTurnedAway", "Sum"), bridge("StreamsRefused", "Sum")),
        )
        dashboard.add_widgets(
            _graph("Webhooks, ms", webhooks("WebhookLatency", "p50"), webhooks("WebhookLatency", "p99")),
            _graph("Webhooks, failures", webhooks("WebhooksFailed", "Sum"), webhooks("WebhooksRefused", "Sum"), _api_5xx(hooks)),
            _graph("Processor and memory, %", media.service.metric_cpu_utilization(), media.service.metric_memory_utilization()),
            _graph("Table", *(data.table.metric(name, statistic="Sum") for name in _UNITS)),
        )


_UNITS = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits")


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=6)


def _of_calls(figures: Figures, settings: Settings) -> list[Watch]:
    bridge, webhooks = figures.bridge, figures.webhooks
    breaching = cloudwatch.TreatMissingData.BREACHING
    too_full = max(85, settings.target_capacity_percent + 5)
    return [
        Watch("greeting-latency", bridge("GreetingLatency", "p95"), 1500, "Callers wait too long for the first word.", 3, 5),
        Watch("turn-latency", bridge("TurnLatency", "p95"), 3000, "Callers wait too long for answers.", 5, 10),
        Watch("model-losses", bridge("ModelLosses", "Sum"), 5, "Sockets to the model break in mid call.", 3, 5),
        Watch(
            "model-away",
            bridge("ModelBreakerOpen", "Maximum"),
            1,
            "Nothing connects to the model; callers hear the fallback.",
            2,
            3,
        ),
        Watch("events-lost", bridge("EventsLost", "Sum"), 1, "Events of calls could not be stored, ever."),
        Watch(
            "events-waiting",
            bridge("EventsWaiting", "Maximum"),
            1000,
            "The table takes events more slowly than calls make them.",
            3,
            5,
        ),
        Watch("loop-lag", bridge("LoopLag", "Maximum"), 100, "A task is too busy: audio is late, it takes no new calls.", 3, 5),
        Watch("capacity", bridge("CapacityUsed", "Average"), too_full, "More calls than scaling keeps up with.", 5, 5),
        Watch("bus", bridge("BusUp", "Minimum"), 1, "Operators do not see the calls of other tasks.", 5, 5, _BELOW),
        Watch("no-bridge", bridge("Accepting", "Sum"), 1, "No task takes calls.", 3, 3, _BELOW, breaching),
        Watch("turned-away", webhooks("CallsTurnedAway", "Sum"), 5, "Callers were turned away: lines, budget or capacity.", 3, 5),
    ]


def _of_webhooks(figures: Figures, hooks: Webhooks) -> list[Watch]:
    webhooks, a_minute = figures.webhooks, Duration.minutes(1)
    return [
        Watch("webhooks-failed", webhooks("WebhooksFailed", "Sum"), 1, "A handler failed; the caller heard a fallback.", 2, 5),
        Watch(
            "webhooks-refused",
            webhooks("WebhooksRefused", "Sum"),
            20,
            "Unsigned requests: somebody tries, or a token is wrong.",
            3,
            5,
        ),
        Watch("webhooks-slow", webhooks("WebhookLatency", "p99"), 5000, "Twilio gives up after 15 s.", 3, 5),
        Watch(
            "webhooks-crashed",
            hooks.live.metric_errors(period=a_minute),
            1,
            "The function itself failed, or ran out of time.",
            2,
            5,
        ),
        Watch(
            "webhooks-throttled", hooks.live.metric_throttles(period=a_minute), 1, "More requests than the account's concurrency."
        ),
        Watch(
            "fallback-asked",
            hooks.fallback.metric_invocations(period=a_minute),
            1,
            "Twilio could not get an answer from a webhook.",
        ),
        Watch("api-5xx", _api_5xx(hooks), 5, "The API answered Twilio with an error of its own.", 2, 5),
    ]


def _of_the_rest(data: Data, media: Media) -> list[Watch]:
    a_minute = Duration.minutes(1)
    unhealthy = cloudwatch.MathExpression(
        expression="b + g",
        using_metrics={
            "b": media.blue.metrics.unhealthy_host_count(period=a_minute),
            "g": media.green.metrics.unhealthy_host_count(period=a_minute),
        },
        period=a_minute,
        label="unhealthy tasks",
    )
    refused = media.balancer.metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, period=a_minute, statistic="Sum")
    return [
        Watch("table-throttled", _throttled(data), 1, "The table refuses requests; events wait.", 3, 5),
        Watch("balancer-5xx", refused, 5, "The load balancer has no task to lead to: streams do not reach a bridge.", 2, 5),
        Watch(
            "task-unhealthy",
            unhealthy,
            1,
            "A task does not answer; it will be replaced, and its calls carried on elsewhere.",
            3,
            3,
        ),
        Watch(
            "processor", media.service.metric_cpu_utilization(period=a_minute), 85, "Tasks are too small for their calls.", 5, 10
        ),
        Watch("memory", media.service.metric_memory_utilization(period=a_minute), 85, "Tasks run out of memory.", 5, 10),
    ]


def _throttled(data: Data) -> cloudwatch.MathExpression:
    """Of the table and its indexes: a key that is asked too often is most likely an index's. Filled up with zeros, since an alarm on
    DynamoDB's figures stays as it is while there are none (Amazon CloudWatch, *PutMetricAlarm*), and these are there only when one is
    refused."""
    found = {}
    for index in (None, *INDEXES):
        dimensions = {"TableName": data.table.table_name} | ({"GlobalSecondaryIndexName": index} if index else {})
        for name in ("ReadThrottleEvents", "WriteThrottleEvents"):
            found[f"{name[0].lower()}_{index or 'table'}"] = cloudwatch.Metric(
                namespace="AWS/DynamoDB", metric_name=name, dimensions_map=dimensions, statistic="Sum", period=Duration.minutes(1)
            )
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({id}, 0)" for id in found),
        using_metrics=found,
        period=Duration.minutes(1),
        label="throttled",
    )


def _api_5xx(hooks: Webhooks) -> cloudwatch.Metric:
    return hooks.api.metric_server_error(period=Duration.minutes(1), statistic="Sum")
