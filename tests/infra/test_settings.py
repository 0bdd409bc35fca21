"""A deployment's file: what may be chosen, and what a bad choice is answered with."""

from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings, SettingsError, read_settings, settings_of

ROOT = Path(__file__).parents[2]
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b"
GIVEN: dict[str, Any] = {
    "region": "eu-west-1",
    "zones": ["eu-west-1a", "eu-west-1b"],
    "media_domain": "media.phone.example",
    "media_certificate_arn": CERTIFICATE,
}


def test_what_has_to_be_chosen_is_enough() -> None:
    settings = settings_of(GIVEN)
    assert settings.zones == ("eu-west-1a", "eu-west-1b")
    assert settings.stream_origin == "wss://media.phone.example"
    assert settings.bake_min == 65


def test_the_file_that_is_there_to_be_copied_has_the_defaults() -> None:
    copied = read_settings(ROOT / "infra" / "deployment.toml")
    assert copied == settings_of({name: getattr(copied, name) for name in ("region", *GIVEN)} | {"zones": list(copied.zones)})


def test_the_file_that_is_there_to_be_copied_names_every_setting() -> None:
    text = (ROOT / "infra" / "deployment.toml").read_text("utf-8")
    assert {name for name in Settings.__dataclass_fields__ if f"{name} = " not in text} == set()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colour": "blue"}, "colour is no setting; those there are: name, region, "),
        ({"region": 7}, "region = 7 is not a text."),
        ({"least_tasks": "two"}, "least_tasks = 'two' is not a whole number."),
        ({"least_tasks": True}, "least_tasks = True is not a whole number."),
        ({"protected": 1}, "protected = 1 is not true or false."),
        ({"zones": "a"}, "zones is not a list of texts."),
        ({"zones": ["eu-west-1a"]}, "zones: a load balancer needs two or more zones of eu-west-1, such as eu-west-1a."),
        ({"zones": ["eu-west-1a", "us-east-1b"]}, "zones: a load balancer needs two or more zones of eu-west-1"),
        ({"name": "Front Desk"}, "name = 'Front Desk' is not 2 to 20 lower-case letters, digits and hyphens."),
        ({"region": "Irland"}, "region = 'Irland' is not an AWS region such as eu-central-1."),
        ({"media_domain": "https://x"}, "media_domain = 'https://x' is not a domain such as media.phone.example."),
        ({"media_certificate_arn": "mine"}, "media_certificate_arn = 'mine' is not the ARN of a certificate"),
        (
            {"media_certificate_arn": CERTIFICATE.replace("eu-west-1", "us-east-1")},
            "media_certificate_arn: the certificate is in us-east-1; it must be in eu-west-1.",
        ),
        ({"webhook_domain": "phone.example"}, "webhook_domain and webhook_certificate_arn go together: set both or neither."),
        (
            {"webhook_domain": "media.phone.example", "webhook_certificate_arn": CERTIFICATE},
            "webhook_domain and media_domain are the same; they lead to different places.",
        ),
        ({"public_url": "http://phone.example"}, "public_url = 'http://phone.example' is not a https address without query."),
        ({"stream_url": "https://phone.example"}, "stream_url = 'https://phone.example' is not a wss address without query."),
        ({"alarm_email": "nobody"}, "alarm_email = 'nobody' is not an e-mail address."),
        ({"task_cpu": 1000}, "task_cpu = 1000 is none of 256, 512, 1024, 2048, 4096."),
        ({"task_memory_mb": 1024}, "task_memory_mb = 1024 is not between 2048 and 8192 in steps of 1024."),
        ({"task_memory_mb": 2500}, "task_memory_mb = 2500 is not between 2048 and 8192 in steps of 1024."),
        ({"task_memory_mb": 2560}, "task_memory_mb = 2560 is not between 2048 and 8192 in steps of 1024."),
        ({"log_days": 31}, "log_days = 31 is none of 1, 3, 5, 7, 14, 30, "),
        ({"longest_call_min": 241}, "longest_call_min = 241 is not between 1 and 240."),
        ({"least_tasks": 0}, "least_tasks = 0 is not between 1 and 5000."),
        ({"least_tasks": 30}, "most_tasks = 20 is less than least_tasks = 30."),
    ],
)
def test_a_bad_setting_is_answered_with_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(GIVEN | changes)
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


def test_a_setting_that_has_to_be_chosen_is_asked_for() -> None:
    with pytest.raises(SettingsError, match=r"^media_domain is not set\. infra/deployment\.toml says what it is\.$"):
        settings_of({name: value for name, value in GIVEN.items() if name != "media_domain"})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing, broken = tmp_path / "missing.toml", tmp_path / "broken.toml"
    broken.write_text("name = ", "utf-8")
    with pytest.raises(SettingsError, match=r"missing\.toml cannot be read: No such file or directory; name another file"):
        read_settings(missing)
    with pytest.raises(SettingsError, match=r"broken\.toml is not TOML: "):
        read_settings(broken)


@pytest.mark.parametrize("address", ["http://127.0.0.1:4566", "https://phone.example/stage"])
def test_something_may_stand_in_front_of_the_api(address: str) -> None:
    assert settings_of(GIVEN | {"public_url": address}).public_url == address
