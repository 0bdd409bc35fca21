"""One line of figures a request, for a Lambda function: CloudWatch takes them from the log (*Embedded metric format*).

The function prints :func:`document` for each :class:`webhooks.context.Answered`; there is nothing to set up and nothing to wait for.
"""

import json
import re
from typing import Any

from webhooks.context import Answered

NAMESPACE = "Frontdesk"
NAMESPACES = re.compile(r"(?!AWS/)[A-Za-z0-9][A-Za-z0-9./_#-]{0,254}")
"""What CloudWatch takes for one (Amazon CloudWatch, *PutMetricData*), less the colon."""
SERVICE = "webhooks"


def document(answered: Answered, namespace: str = NAMESPACE) -> str:
    """The line, without its end. ``CallsOffered`` and ``CallsTurnedAway`` are there for ``/incoming-call`` only."""
    figures: dict[str, tuple[str, float]] = {
        "WebhookLatency": ("Milliseconds", answered.ms),
        "WebhooksRefused": ("Count", float(answered.status == 403)),
        "WebhooksFailed": ("Count", float("failed" in answered.facts)),
    }
    if answered.path.endswith("incoming-call") and answered.status == 200:
        figures["CallsOffered"] = ("Count", 1.0)
        figures["CallsTurnedAway"] = ("Count", float("refused" in answered.facts))
    told: dict[str, Any] = {name: value for name, (_, value) in figures.items()}
    return json.dumps({"_aws": _metadata(answered, figures, namespace), "Service": SERVICE, "Path": answered.path, **told})


def _metadata(answered: Answered, figures: dict[str, tuple[str, float]], namespace: str) -> dict[str, Any]:
    metrics = [{"Name": name, "Unit": unit} for name, (unit, _) in figures.items()]
    return {
        "Timestamp": round(answered.began_at.timestamp() * 1000),
        "CloudWatchMetrics": [{"Namespace": namespace, "Dimensions": [["Service"]], "Metrics": metrics}],
    }
