"""What the process tells about itself: the settings, and one sentence for each that cannot be used."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from calls.log_context import About
from frontdesk import watch_settings
from frontdesk.logs import LogFormat, set_up_logs
from frontdesk.settings import SettingsError, read_settings
from frontdesk.watch_settings import WatchSettings, read_watch_settings

BASE = {"OPENAI_API_KEY": "key", "TWILIO_AUTH_TOKEN": "token"}


def test_by_default_only_the_log_tells() -> None:
    assert read_settings(BASE).watch == WatchSettings()


def test_everything_can_be_had() -> None:
    environ = {
        "FRONTDESK_LOG_LEVEL": "DEBUG",
        "FRONTDESK_LOG_FORMAT": "json",
        "FRONTDESK_METRICS": "emf",
        "FRONTDESK_METRICS_INTERVAL_S": "10",
        "FRONTDESK_METRICS_NAMESPACE": "Frontdesk/cell-07",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    }
    assert read_watch_settings(environ) == WatchSettings(
        log_level=logging.DEBUG,
        log_format="json",
        emf_interval_s=10,
        emf_namespace="Frontdesk/cell-07",
        traces=True,
        traces_endpoint="http://collector:4318",
    )


@pytest.mark.parametrize(
    ("environ", "traces"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "FRONTDESK_TRACES": "off"}, False),
        ({"FRONTDESK_TRACES": "otlp"}, True),
    ],
)
def test_traces_are_on_where_there_is_somewhere_to_send_them_to(environ: dict[str, str], traces: bool) -> None:
    assert read_watch_settings(environ).traces is traces


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FRONTDESK_LOG_LEVEL", "loud", "FRONTDESK_LOG_LEVEL=loud is none of debug, info, warning, error."),
        ("FRONTDESK_LOG_FORMAT", "xml", "FRONTDESK_LOG_FORMAT=xml is none of json, console, auto."),
        ("FRONTDESK_METRICS", "statsd", "FRONTDESK_METRICS=statsd is neither prometheus nor emf."),
        ("FRONTDESK_METRICS_INTERVAL_S", "0", "FRONTDESK_METRICS_INTERVAL_S=0 is not a whole number between 1 and 3600."),
        ("FRONTDESK_METRICS_INTERVAL_S", "٣", "FRONTDESK_METRICS_INTERVAL_S=٣ is not a whole number between 1 and 3600."),
        ("FRONTDESK_METRICS_INTERVAL_S", "9" * 5000, f"FRONTDESK_METRICS_INTERVAL_S={'9' * 5000} is not a whole number"),
        (
            "FRONTDESK_METRICS_NAMESPACE",
            "AWS/Frontdesk",
            "FRONTDESK_METRICS_NAMESPACE=AWS/Frontdesk is no namespace of CloudWatch; write Frontdesk/NAME.",
        ),
        ("FRONTDESK_METRICS_NAMESPACE", "מוקד", "FRONTDESK_METRICS_NAMESPACE=מוקד is no namespace of CloudWatch"),
        ("FRONTDESK_METRICS_NAMESPACE", "x" * 256, f"FRONTDESK_METRICS_NAMESPACE={'x' * 256} is no namespace of CloudWatch"),
        ("FRONTDESK_TRACES", "zipkin", "FRONTDESK_TRACES=zipkin is neither otlp nor off."),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4318",
            "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318 is no http or https address.",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as failed:
        read_settings({**BASE, name: value})
    assert str(failed.value).startswith(says)


def test_a_missing_extra_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_settings, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'frontdesk\[otel\]'"):
        read_settings({**BASE, "FRONTDESK_TRACES": "otlp"})
    assert read_settings(BASE).watch.traces is False


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Where the log goes; afterwards it goes where it went before."""
    root, twilio = logging.getLogger(), logging.getLogger("twilio")
    handlers, levels = root.handlers[:], (root.level, twilio.level)
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    twilio.setLevel(levels[1])


def test_a_line_carries_what_it_is_about_unless_it_says_so_itself(out: io.StringIO) -> None:
    set_up_logs(stream=out)
    with About(call_sid="CA1", owner="bridge-1"):
        structlog.get_logger().info("one")
        structlog.get_logger().info("two", call_sid="CA2")
        structlog.get_logger().info("three", call_sid=None)
        logging.getLogger("websockets").warning("four")
    structlog.get_logger().info("five")
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line.get("call_sid") for line in told] == ["CA1", "CA2", "CA1", "CA1", None]
    assert [line.get("owner") for line in told] == ["bridge-1"] * 4 + [None]


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("auto", True), ("console", False)])
def test_the_form_of_the_log_can_be_chosen(out: io.StringIO, form: LogFormat, is_json: bool) -> None:
    set_up_logs(form=form, stream=out)
    structlog.get_logger().info("hello", call_sid="CA1")
    logging.getLogger("websockets").warning("שלום")
    for line in out.getvalue().splitlines():
        assert line.startswith("{") is is_json
        assert "\x1b" not in line, "no colours where there is no terminal"


def test_what_is_below_the_level_is_not_told(out: io.StringIO) -> None:
    set_up_logs(level=logging.WARNING, stream=out)
    structlog.get_logger().info("one")
    structlog.get_logger().warning("two")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["two"]
