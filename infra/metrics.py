"""The figures that bridge and webhooks write into their logs, as CloudWatch knows them."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.figures import METRICS_INTERVAL_S, METRICS_NAMESPACE


def bridge(name: str, statistic: str) -> cloudwatch.Metric:
    """A figure of all bridge tasks together."""
    return _of("bridge", name, statistic)


def webhooks(name: str, statistic: str) -> cloudwatch.Metric:
    """A figure of the webhooks."""
    return _of("webhooks", name, statistic)


def _of(service: str, name: str, statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"Service": service},
        statistic=statistic,
        period=Duration.seconds(METRICS_INTERVAL_S),
    )
