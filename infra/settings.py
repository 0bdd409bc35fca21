"""What a deployment may choose, read from a TOML file. Every complaint is one sentence: what, where, what to do."""

import re
import tomllib
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.figures import BAKE_MARGIN_MIN, LONGEST_BAKE_MIN

LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""What CloudWatch Logs knows how to keep (*PutRetentionPolicy*)."""
MEMORY_MB = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192), 2048: (4096, 16384), 4096: (8192, 30720)}
"""By CPU units: the least and the most memory of a Fargate task (Amazon ECS, *Task size*); in between, steps of 1024."""
LONGEST_CALL_MIN = 240
"""What ``max_call_s`` of a business file allows."""

_NAME = re.compile(r"[a-z][a-z0-9-]{1,19}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
_CERTIFICATE = re.compile(r"arn:aws[a-z-]*:acm:(?P<region>[a-z0-9-]+):\d{12}:certificate/[A-Za-z0-9-]+")
_E_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class SettingsError(Exception):
    """A setting that cannot be used; ``str()`` names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A deployment. ``infra/deployment.toml`` says what each is."""

    name: str = "frontdesk"
    region: str
    zones: tuple[str, ...]
    media_domain: str
    media_certificate_arn: str
    webhook_domain: str = ""
    webhook_certificate_arn: str = ""
    public_url: str = ""
    stream_url: str = ""
    image: str = ""
    task_cpu: int = 1024
    task_memory_mb: int = 2048
    least_tasks: int = 2
    most_tasks: int = 20
    max_calls_per_task: int = 100
    target_capacity_percent: int = 60
    longest_call_min: int = 60
    record_calls: bool = False
    recordings_kept_days: int = 90
    log_days: int = 30
    webhooks_per_s: int = 100
    webhooks_burst: int = 200
    bus_most_gb: int = 1
    bus_most_ecpu_per_s: int = 5000
    alarm_email: str = ""
    protected: bool = True

    @property
    def bake_min(self) -> int:
        """Minutes for which the old tasks outlive a deployment."""
        return self.longest_call_min + BAKE_MARGIN_MIN

    @property
    def stream_origin(self) -> str:
        """Where Twilio opens media streams: ``STREAM_URL``."""
        return self.stream_url or f"wss://{self.media_domain}"


def read_settings(path: Path) -> Settings:
    """The deployment that the file describes.

    Raises:
        SettingsError: the first setting that cannot be used.
    """
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; name another file in DEPLOYMENT.") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not TOML: {error}.") from None
    return settings_of(given)


def settings_of(given: dict[str, Any]) -> Settings:
    """The deployment described so. Raises :class:`SettingsError`."""
    known = {field.name: field for field in fields(Settings)}
    for name in given:
        if name not in known:
            raise SettingsError(f"{name} is no setting; those there are: {', '.join(known)}.")
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            raise SettingsError(f"{name} is not set. infra/deployment.toml says what it is.")
    settings = Settings(**{name: _typed(known[name], value) for name, value in given.items()})
    _check_places(settings)
    _check_sizes(settings)
    return settings


def _typed(field: "Field[Any]", value: object) -> Any:
    if field.name == "zones":
        if not isinstance(value, list) or not all(isinstance(zone, str) for zone in value):
            raise SettingsError("zones is not a list of texts.")
        return tuple(value)
    wanted = {"str": str, "int": int, "bool": bool}[getattr(field.type, "__name__", str(field.type))]
    if type(value) is not wanted:
        what = {str: "a text", int: "a whole number", bool: "true or false"}[wanted]
        raise SettingsError(f"{field.name} = {value!r} is not {what}.")
    return value


def _check_places(settings: Settings) -> None:
    _matches(settings, "name", _NAME, "2 to 20 lower-case letters, digits and hyphens")
    _matches(settings, "region", _REGION, "an AWS region such as eu-central-1")
    if len(set(settings.zones)) < 2 or not all(zone[:-1] == settings.region for zone in settings.zones):
        raise SettingsError(f"zones: a load balancer needs two or more zones of {settings.region}, such as {settings.region}a.")
    _matches(settings, "media_domain", _DOMAIN, "a domain such as media.phone.example")
    _check_certificate(settings, "media_certificate_arn")
    if bool(settings.webhook_domain) != bool(settings.webhook_certificate_arn):
        raise SettingsError("webhook_domain and webhook_certificate_arn go together: set both or neither.")
    if settings.webhook_domain:
        _matches(settings, "webhook_domain", _DOMAIN, "a domain such as phone.example")
        _check_certificate(settings, "webhook_certificate_arn")
        if settings.webhook_domain == settings.media_domain:
            raise SettingsError("webhook_domain and media_domain are the same; they lead to different places.")
    _check_address(settings, "public_url", "https")
    _check_address(settings, "stream_url", "wss")
    if settings.alarm_email:
        _matches(settings, "alarm_email", _E_MAIL, "an e-mail address")


def _matches(settings: Settings, name: str, wanted: re.Pattern[str], what: str) -> None:
    value = getattr(settings, name)
    if not wanted.fullmatch(value):
        raise SettingsError(f"{name} = {value!r} is not {what}.")


def _check_certificate(settings: Settings, name: str) -> None:
    arn = getattr(settings, name)
    certificate = _CERTIFICATE.fullmatch(arn)
    if certificate is None:
        raise SettingsError(f"{name} = {arn!r} is not the ARN of a certificate of AWS Certificate Manager.")
    if certificate["region"] != settings.region:
        raise SettingsError(f"{name}: the certificate is in {certificate['region']}; it must be in {settings.region}.")


def _check_address(settings: Settings, name: str, scheme: str) -> None:
    parts = urlsplit(url := getattr(settings, name))
    on_this_machine = parts.hostname in ("localhost", "127.0.0.1", "::1") and parts.scheme == scheme.removesuffix("s")
    if url and (not parts.hostname or parts.query or parts.fragment or not (parts.scheme == scheme or on_this_machine)):
        raise SettingsError(f"{name} = {url!r} is not a {scheme} address without query.")


def _check_sizes(settings: Settings) -> None:
    if settings.task_cpu not in MEMORY_MB:
        raise SettingsError(f"task_cpu = {settings.task_cpu} is none of {', '.join(map(str, MEMORY_MB))}.")
    least, most = MEMORY_MB[settings.task_cpu]
    if not least <= settings.task_memory_mb <= most or settings.task_memory_mb % (512 if settings.task_cpu == 256 else 1024):
        raise SettingsError(f"task_memory_mb = {settings.task_memory_mb} is not between {least} and {most} in steps of 1024.")
    if settings.log_days not in LOG_DAYS:
        raise SettingsError(f"log_days = {settings.log_days} is none of {', '.join(map(str, LOG_DAYS))}.")
    for name, low, high in _RANGES:
        if not low <= (value := getattr(settings, name)) <= high:
            raise SettingsError(f"{name} = {value} is not between {low} and {high}.")
    if settings.most_tasks < settings.least_tasks:
        raise SettingsError(f"most_tasks = {settings.most_tasks} is less than least_tasks = {settings.least_tasks}.")


_RANGES = (
    ("least_tasks", 1, 5000),
    ("most_tasks", 1, 5000),
    ("max_calls_per_task", 1, 100_000),
    ("target_capacity_percent", 10, 90),
    ("longest_call_min", 1, min(LONGEST_CALL_MIN, LONGEST_BAKE_MIN - BAKE_MARGIN_MIN)),
    ("recordings_kept_days", 1, 3650),
    ("webhooks_per_s", 1, 10_000),
    ("webhooks_burst", 1, 5000),
    ("bus_most_gb", 1, 5000),
    ("bus_most_ecpu_per_s", 1000, 15_000_000),
)
