"""The figures that bridge and webhooks write into their logs, as CloudWatch knows them."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.figures import METRICS_INTERVAL_S, METRICS_NAMESPACE
from infra.settings import Settings


def namespace_of(settings: Settings) -> str:
    """``FRONTDESK_METRICS_NAMESPACE``: one for each deployment, since one must not be scaled, nor thought healthy, by another's calls."""
    return f"{METRICS_NAMESPACE}/{settings.name}"


class Figures:
    """The figures of one deployment."""

    def __init__(self, settings: Settings) -> None:
        self._namespace = namespace_of(settings)

    def bridge(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A figure of all bridge tasks together."""
        return self._of("bridge", name, statistic)

    def webhooks(self, name: str, statistic: str) -> cloudwatch.Metric:
        """A figure of the webhooks."""
        return self._of("webhooks", name, statistic)

    def _of(self, service: str, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map={"Service": service},
            statistic=statistic,
            period=Duration.seconds(METRICS_INTERVAL_S),
        )
