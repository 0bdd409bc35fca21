"""What the process tells about itself and where to: the settings of log, figures and traces."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import get_args

import msgspec

from frontdesk.logs import LEVELS, LogFormat
from webhooks.emf import NAMESPACE, NAMESPACES

INSTALL_OTEL = "pip install 'frontdesk[otel]'"
DEFAULT_INTERVAL_S = 60


class WatchUnusable(Exception):
    """A setting that cannot be used; ``str()`` names it and says what to do."""


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    log_level: int = LEVELS["info"]
    log_format: LogFormat = "auto"
    story: bool = True
    """Whether the log tells what happens in calls; not an environment's to say."""
    emf_interval_s: int | None = None
    """Seconds between two documents of figures for CloudWatch; ``None``: there are none."""
    emf_namespace: str = NAMESPACE
    """CloudWatch's, for those figures."""
    traces: bool = False
    """Whether a trace of each call is sent to an OpenTelemetry collector."""
    traces_endpoint: str | None = None
    """Where that is; ``None``: where the SDK looks by itself."""


def read_watch_settings(environ: Mapping[str, str]) -> WatchSettings:
    """The settings of the environment.

    Raises:
        WatchUnusable: the first one that cannot be used.
    """
    level = (environ.get("FRONTDESK_LOG_LEVEL") or "info").lower()
    if level not in LEVELS:
        raise WatchUnusable(f"FRONTDESK_LOG_LEVEL={level} is none of {', '.join(LEVELS)}.")
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None
    return WatchSettings(
        log_level=LEVELS[level],
        log_format=_log_format(environ),
        emf_interval_s=_emf_interval_s(environ),
        emf_namespace=_emf_namespace(environ),
        traces=_traces(environ, endpoint),
        traces_endpoint=endpoint,
    )


def _log_format(environ: Mapping[str, str]) -> LogFormat:
    wanted = (environ.get("FRONTDESK_LOG_FORMAT") or "auto").lower()
    for form in get_args(LogFormat):
        if wanted == form:
            return form  # type: ignore[no-any-return]
    raise WatchUnusable(f"FRONTDESK_LOG_FORMAT={wanted} is none of {', '.join(get_args(LogFormat))}.")


def _emf_interval_s(environ: Mapping[str, str]) -> int | None:
    form = (environ.get("FRONTDESK_METRICS") or "prometheus").lower()
    text = environ.get("FRONTDESK_METRICS_INTERVAL_S") or str(DEFAULT_INTERVAL_S)
    if form not in ("prometheus", "emf"):
        raise WatchUnusable(f"FRONTDESK_METRICS={form} is neither prometheus nor emf.")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 3600:
        raise WatchUnusable(f"FRONTDESK_METRICS_INTERVAL_S={text} is not a whole number between 1 and 3600.")
    return int(text) if form == "emf" else None


def _emf_namespace(environ: Mapping[str, str]) -> str:
    namespace = environ.get("FRONTDESK_METRICS_NAMESPACE") or NAMESPACE
    if not NAMESPACES.fullmatch(namespace):
        raise WatchUnusable(f"FRONTDESK_METRICS_NAMESPACE={namespace} is no namespace of CloudWatch; write {NAMESPACE}/NAME.")
    return namespace


def _traces(environ: Mapping[str, str], endpoint: str | None) -> bool:
    wanted = (environ.get("FRONTDESK_TRACES") or ("otlp" if endpoint else "off")).lower()
    if wanted not in ("otlp", "off"):
        raise WatchUnusable(f"FRONTDESK_TRACES={wanted} is neither otlp nor off.")
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise WatchUnusable(f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint} is no http or https address.")
    if wanted == "otlp" and not _has_exporter():
        raise WatchUnusable(f"Traces need OpenTelemetry, which is not installed: {INSTALL_OTEL}, or set FRONTDESK_TRACES=off.")
    return wanted == "otlp"


def _has_exporter() -> bool:
    try:
        return all(find_spec(f"opentelemetry.{name}") is not None for name in ("sdk.trace", "exporter.otlp.proto.http"))
    except ImportError:
        return False
