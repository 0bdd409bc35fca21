"""The environment, read and checked once at start. Every complaint is one sentence: what, where, what to do."""

import os
import secrets
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bridge.dialects import DIALECTS, Dialect
from bridge.handshake_headers import HeadersUnusable, parse_headers
from bridge.operator.tokens import OperatorKey, TokensUnusable, parse_tokens
from bridge.settings import BridgeSettings, ModelEndpoint, TwilioAccount
from calls.bus import DEFAULT_URL as DEFAULT_BUS
from calls.bus import BusAddress, parse_bus
from calls.bus.base import BusUnusable
from calls.prices import PricesUnusable, PriceTable, load_prices, shipped_prices
from calls.recordings.place import Place, PlaceUnusable, parse_place
from calls.store import DEFAULT_URL as DEFAULT_STORE
from frontdesk.watch_settings import WatchSettings, WatchUnusable, read_watch_settings

DEFAULT_MODEL = "gpt-realtime-2.1"
DEFAULT_MODEL_URL = "wss://api.openai.com/v1/realtime"
DEFAULT_MAX_CALLS = 100
DEFAULT_MAX_LAG_MS = 100
DEFAULT_WARM_SOCKETS = 4
DEFAULT_WARM_MAX_AGE_S = 900


class SettingsError(Exception):
    """A setting that cannot be used; ``str()`` names it and says what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``frontdesk serve`` runs on."""

    host: str
    port: int
    public_url: str
    businesses: Path | None
    """The folder of business files; ``None``: they are read from the store, where they have been applied to it."""
    store: str
    bridge: BridgeSettings
    bus: BusAddress = BusAddress()
    """Where the processes of the deployment tell each other of live calls."""
    watch: WatchSettings = WatchSettings()
    """What the process tells about itself, and where to."""
    recordings: Place | None = None
    """Where calls are recorded to; ``None``: they are not."""
    prices: PriceTable = msgspec.field(default_factory=shipped_prices)


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the environment, defaults filled in.

    Raises:
        SettingsError: the first one that cannot be used.
    """
    host = environ.get("HOST", "") or "127.0.0.1"
    port = _number(environ, "PORT", 8000, least=0, most=65535)
    public_url = _public_url(environ, host, port)
    verify = _verify_twilio(environ, host)
    auth_token = environ.get("TWILIO_AUTH_TOKEN") or None
    if verify and auth_token is None:
        raise SettingsError(
            "TWILIO_AUTH_TOKEN is not set, so requests from Twilio cannot be checked. Set it, or, for a simulator on this "
            "machine, set FRONTDESK_VERIFY_TWILIO=off."
        )
    return Settings(
        host=host,
        port=port,
        public_url=public_url,
        businesses=_businesses(environ),
        store=environ.get("FRONTDESK_STORE") or DEFAULT_STORE,
        bridge=BridgeSettings(
            owner=f"bridge-{secrets.token_hex(6)}",
            model=model_endpoint(environ),
            twilio=TwilioAccount(
                account_sid=environ.get("TWILIO_ACCOUNT_SID") or None,
                auth_token=auth_token,
                api_url=(environ.get("TWILIO_API_URL") or "https://api.twilio.com").rstrip("/"),
            ),
            stream_origin=_stream_origin(environ, public_url),
            stream_token_secret=environ.get("STREAM_TOKEN_SECRET") or secrets.token_urlsafe(32),
            verify_twilio=verify,
            max_calls=_number(environ, "FRONTDESK_MAX_CALLS", DEFAULT_MAX_CALLS, least=1, most=100_000),
            drain_s=_number(environ, "FRONTDESK_DRAIN_S", 110, least=0, most=86_400),
            max_lag_ms=_number(environ, "FRONTDESK_MAX_LAG_MS", DEFAULT_MAX_LAG_MS, least=10, most=10_000),
            ecs_agent_uri=_ecs_agent_uri(environ),
            warm_sockets=_number(environ, "FRONTDESK_WARM_SOCKETS", DEFAULT_WARM_SOCKETS, least=0, most=1000),
            warm_max_age_s=_number(environ, "FRONTDESK_WARM_MAX_AGE_S", DEFAULT_WARM_MAX_AGE_S, least=10, most=3000),
            operators=_operators(environ),
        ),
        bus=_bus(environ),
        watch=_watch(environ),
        recordings=_recordings(environ),
        prices=_prices(environ),
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _public_url(environ: Mapping[str, str], host: str, port: int) -> str:
    url = (environ.get("PUBLIC_URL") or "").rstrip("/")
    if not url:
        if not is_loopback(host):
            raise SettingsError(
                f"PUBLIC_URL is not set, and HOST={host} can be reached from outside. "
                "Set PUBLIC_URL to the https address Twilio uses."
            )
        return f"http://{host}:{port}"
    parts = urlsplit(url)
    plain_allowed = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or plain_allowed) or parts.query or parts.fragment:
        raise SettingsError(f"PUBLIC_URL={url} is not an https address without query. Set it to the origin Twilio uses.")
    return url


def _stream_origin(environ: Mapping[str, str], public_url: str) -> str:
    url = (environ.get("STREAM_URL") or "").rstrip("/")
    if not url:
        return "ws" + public_url.removeprefix("http")
    parts = urlsplit(url)
    plain_allowed = parts.scheme == "ws" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "wss" or plain_allowed) or parts.query or parts.fragment:
        raise SettingsError(f"STREAM_URL={url} is not a wss address without query. Twilio opens media streams over wss only.")
    return url


def _verify_twilio(environ: Mapping[str, str], host: str) -> bool:
    value = (environ.get("FRONTDESK_VERIFY_TWILIO") or "on").lower()
    if value not in ("on", "off"):
        raise SettingsError(f"FRONTDESK_VERIFY_TWILIO={value} is neither on nor off.")
    if value == "off" and not is_loopback(host):
        raise SettingsError(
            f"FRONTDESK_VERIFY_TWILIO=off is for this machine only, and HOST={host} can be reached from outside. "
            "Leave it on, or bind to 127.0.0.1."
        )
    return value == "on"


def default_model(environ: Mapping[str, str]) -> str:
    """The model of a business whose file names none."""
    return environ.get("OPENAI_REALTIME_MODEL") or DEFAULT_MODEL


def model_endpoint(environ: Mapping[str, str]) -> ModelEndpoint:
    """Where the model is reached. Raises :class:`SettingsError`."""
    url = environ.get("OPENAI_REALTIME_URL") or DEFAULT_MODEL_URL
    parts = urlsplit(url)
    plain_allowed = parts.scheme == "ws" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "wss" or plain_allowed):
        raise SettingsError(f"OPENAI_REALTIME_URL={url} is not a wss address.")
    api_key = environ.get("OPENAI_API_KEY") or ""
    if not api_key:
        raise SettingsError("OPENAI_API_KEY is not set, so there is nobody to answer the phone. Set it to your OpenAI key.")
    return ModelEndpoint(
        url=url,
        api_key=api_key,
        default_model=default_model(environ),
        dialect=_dialect(environ),
        extra_headers=_headers(environ),
    )


def _dialect(environ: Mapping[str, str]) -> Dialect:
    name = environ.get("OPENAI_REALTIME_DIALECT") or "openai"
    if name not in DIALECTS:
        raise SettingsError(f"OPENAI_REALTIME_DIALECT={name} is none of {', '.join(DIALECTS)}.")
    if name.startswith("azure") and not environ.get("OPENAI_REALTIME_URL"):
        raise SettingsError(f"OPENAI_REALTIME_DIALECT={name} needs OPENAI_REALTIME_URL, the address of your Azure resource.")
    return DIALECTS[name]


def _headers(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    try:
        return parse_headers(environ.get("OPENAI_REALTIME_HEADERS") or "", environ)
    except HeadersUnusable as unusable:
        raise SettingsError(f"OPENAI_REALTIME_HEADERS: {unusable}") from None


def _businesses(environ: Mapping[str, str]) -> Path | None:
    folder = environ.get("FRONTDESK_BUSINESSES")
    if not folder and (environ.get("FRONTDESK_STORE") or DEFAULT_STORE).startswith("dynamodb:"):
        return None
    return Path(folder or "businesses")


def _operators(environ: Mapping[str, str]) -> tuple[OperatorKey, ...]:
    try:
        return parse_tokens(environ.get("OPERATOR_TOKENS") or "")
    except TokensUnusable as unusable:
        raise SettingsError(f"OPERATOR_TOKENS: {unusable}") from None


def _ecs_agent_uri(environ: Mapping[str, str]) -> str | None:
    uri = environ.get("ECS_AGENT_URI") or None
    if uri is not None and (urlsplit(uri).scheme != "http" or not urlsplit(uri).hostname):
        raise SettingsError(
            f"ECS_AGENT_URI={uri} is not an http address. Amazon ECS sets it itself; leave it as it is, or unset."
        )
    return uri


def _bus(environ: Mapping[str, str]) -> BusAddress:
    try:
        return parse_bus(environ.get("FRONTDESK_BUS") or DEFAULT_BUS)
    except BusUnusable as unusable:
        raise SettingsError(f"FRONTDESK_BUS={unusable}.") from None


def _watch(environ: Mapping[str, str]) -> WatchSettings:
    try:
        return read_watch_settings(environ)
    except WatchUnusable as unusable:
        raise SettingsError(str(unusable)) from None


def _recordings(environ: Mapping[str, str]) -> Place | None:
    try:
        return parse_place(environ.get("FRONTDESK_RECORDINGS") or "off")
    except PlaceUnusable as unusable:
        raise SettingsError(f"FRONTDESK_RECORDINGS: {unusable}.") from None


def _prices(environ: Mapping[str, str]) -> PriceTable:
    name = environ.get("FRONTDESK_PRICES")
    try:
        return load_prices(Path(name) if name else None)
    except PricesUnusable as unusable:
        raise SettingsError(f"FRONTDESK_PRICES: {unusable}") from None


def _number(environ: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = environ.get(name) or str(default)
    try:
        number = int(text)
    except ValueError:
        raise SettingsError(f"{name}={text} is not a whole number.") from None
    if not least <= number <= most:
        raise SettingsError(f"{name}={text} is not between {least} and {most}.")
    return number
