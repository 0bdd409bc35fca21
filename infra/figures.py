"""The numbers that AWS and the program must agree on, and the limits of AWS they come from. Each is asserted on the templates."""

BRIDGE_PORT = 8000
"""Where ``frontdesk serve`` listens in its container."""
CONTAINER = "bridge"
"""The container's name, by which the service and its target groups know it."""
USER = "10001"
"""The user the image runs as; no root."""
WRITABLE = "/srv/data"
"""The image's only place that is written to; the task keeps recordings there until they are in the bucket."""
HEALTH_COMMAND = ("python", "-I", "/srv/frontdesk/healthcheck.py")
"""The image's own check: Amazon ECS does not read a Dockerfile's."""
HEALTH_PATH = "/healthz"
"""Never ``/readyz``: a full or draining process would be killed with its calls."""

STOP_TIMEOUT_S = 120
"""SIGTERM to SIGKILL; the most that Fargate allows (Amazon ECS, *ContainerDefinition*)."""
DRAIN_S = 110
"""What the bridge waits for calls after SIGTERM; what is left of the stop timeout is for handing them over."""
DEREGISTRATION_DELAY_S = 3600
"""How long a task that is to go keeps its open streams; the most that a target group allows (*TargetGroupAttribute*)."""
ALB_IDLE_S = 4000
"""After so much silence a connection is cut; the most that a load balancer allows (*LoadBalancerAttribute*)."""
BAKE_MARGIN_MIN = 5
"""By how much the old tasks outlive the longest call that can have begun on them."""
LONGEST_BAKE_MIN = 24 * 60
"""A stage of a blue/green deployment lasts a day at most (Amazon ECS, *Blue/green deployments*)."""

WEBHOOK_TIMEOUT_S = 14
"""Twilio waits 15 s for an answer (*Webhooks connection overrides*)."""
WEBHOOK_MEMORY_MB = 1769
"""One whole processor (AWS Lambda, *Configure memory*): what comes first in a call is imports and TLS."""
FALLBACK_TIMEOUT_S = 5
FALLBACK_MEMORY_MB = 256

METRICS_NAMESPACE = "Frontdesk"
"""Begins the namespace of the figures that bridge and webhooks write into their logs; the deployment's name follows."""
METRICS_INTERVAL_S = 60

WEBHOOK_PATHS = (
    "/incoming-call",
    "/api/realtime/incoming",
    "/api/twiml",
    "/stream-ended",
    "/stream-status",
    "/call-status",
    "/screen",
    "/dial-ended",
    "/voicemail",
    "/recording-status",
)
FALLBACK_PATH = "/fallback"
"""Its function shares nothing with the others: it answers when they cannot."""
BRIDGE_PATHS = ("/media-stream", "/media-stream/*", "/operator", "/calls", "/calls/*")
"""What the load balancer lets through. ``/metrics``, ``/readyz`` and the bridge's own webhooks are not among it."""
