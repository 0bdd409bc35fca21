"""The environment: defaults, and one plain sentence for what cannot be used."""

import pytest

from frontdesk.settings import SettingsError, is_loopback, read_settings

LEAST = {"OPENAI_API_KEY": "k", "TWILIO_AUTH_TOKEN": "t"}


def test_the_least_that_is_needed_gives_the_documented_defaults() -> None:
    settings = read_settings(LEAST)
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert settings.store == "sqlite:frontdesk.db"
    assert str(settings.businesses) == "businesses"
    assert settings.bridge.model.address_of(None) == "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
    assert settings.bridge.stream_origin == "ws://127.0.0.1:8000"
    assert settings.bridge.twilio.api_url == "https://api.twilio.com"
    assert settings.bridge.verify_twilio
    assert settings.bridge.drain_s == 110
    assert settings.bus.url == "memory:"


@pytest.mark.parametrize(
    ("store", "folder", "expected"),
    [
        ("dynamodb:calls", "", "None"),
        ("dynamodb:calls", "shops", "shops"),
        ("sqlite:calls.db", "", "businesses"),
        ("sqlite:calls.db", "shops", "shops"),
    ],
)
def test_businesses_are_read_from_a_dynamodb_store_unless_a_folder_is_named(store: str, folder: str, expected: str) -> None:
    settings = read_settings({**LEAST, "FRONTDESK_STORE": store, "FRONTDESK_BUSINESSES": folder})
    assert str(settings.businesses) == expected


def test_every_process_has_a_name_and_a_token_secret_of_its_own() -> None:
    one, other = read_settings(LEAST), read_settings(LEAST)
    assert one.bridge.owner != other.bridge.owner
    assert one.bridge.stream_token_secret != other.bridge.stream_token_secret
    assert read_settings({**LEAST, "STREAM_TOKEN_SECRET": "s"}).bridge.stream_token_secret == "s"


@pytest.mark.parametrize(
    ("public", "stream", "origin"),
    [
        ("https://phone.example.com", "", "wss://phone.example.com"),
        ("https://phone.example.com/", "", "wss://phone.example.com"),
        ("https://example.com/phone", "", "wss://example.com/phone"),
        ("https://hooks.example.com", "wss://media.example.com/", "wss://media.example.com"),
        ("http://127.0.0.1:9", "ws://localhost:8", "ws://localhost:8"),
    ],
)
def test_the_stream_origin_follows_public_url_unless_it_is_named(public: str, stream: str, origin: str) -> None:
    assert read_settings({**LEAST, "PUBLIC_URL": public, "STREAM_URL": stream}).bridge.stream_origin == origin


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is not set"),
        ({"TWILIO_AUTH_TOKEN": ""}, "TWILIO_AUTH_TOKEN is not set"),
        ({"PORT": "eight"}, "PORT=eight is not a whole number"),
        ({"PORT": "70000"}, "PORT=70000 is not between"),
        ({"HOST": "0.0.0.0"}, "PUBLIC_URL is not set"),
        ({"PUBLIC_URL": "phone.example.com"}, "is not an https address"),
        ({"PUBLIC_URL": "http://phone.example.com"}, "is not an https address"),
        ({"PUBLIC_URL": "https://phone.example.com?x=1"}, "is not an https address"),
        ({"STREAM_URL": "https://media.example.com"}, "is not a wss address"),
        ({"STREAM_URL": "ws://media.example.com"}, "is not a wss address"),
        ({"OPENAI_REALTIME_URL": "http://127.0.0.1"}, "is not a wss address"),
        ({"OPENAI_REALTIME_DIALECT": "klingon"}, "OPENAI_REALTIME_DIALECT=klingon is none of openai, azure, preview"),
        ({"OPENAI_REALTIME_DIALECT": "azure"}, "OPENAI_REALTIME_DIALECT=azure needs OPENAI_REALTIME_URL"),
        ({"OPENAI_REALTIME_HEADERS": "x-a: ${NOBODY}"}, "OPENAI_REALTIME_HEADERS: x-a wants the environment variable NOBODY"),
        ({"FRONTDESK_VERIFY_TWILIO": "maybe"}, "neither on nor off"),
        ({"FRONTDESK_VERIFY_TWILIO": "off", "HOST": "0.0.0.0", "PUBLIC_URL": "https://x.example"}, "for this machine only"),
        ({"FRONTDESK_MAX_CALLS": "0"}, "FRONTDESK_MAX_CALLS=0 is not between"),
        ({"FRONTDESK_MAX_LAG_MS": "9"}, "FRONTDESK_MAX_LAG_MS=9 is not between 10 and 10000"),
        ({"ECS_AGENT_URI": "169.254.170.2/api"}, "ECS_AGENT_URI=169.254.170.2/api is not an http address"),
        ({"FRONTDESK_BUS": "rabbit://u:pw@bus"}, r"FRONTDESK_BUS=rabbit://\*\*\*@bus names no bus; write memory:"),
        ({"FRONTDESK_RECORDINGS": "/var/calls"}, "FRONTDESK_RECORDINGS: '/var/calls' names no place for recordings"),
        ({"OPERATOR_TOKENS": "ana:boss:correct horse"}, "OPERATOR_TOKENS: the role of ana is neither viewer nor operator"),
        ({"OPERATOR_TOKENS": "ana:operator:short"}, "OPERATOR_TOKENS: the token of ana is shorter than 8 characters"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence_that_names_it(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        read_settings({**LEAST, **environ})


def test_another_endpoint_is_addressed_as_it_wants_to_be_and_its_secrets_are_not_printed() -> None:
    settings = read_settings(
        LEAST
        | {
            "OPENAI_API_KEY": "k3y-of-azure",
            "OPENAI_REALTIME_URL": "wss://shop.openai.azure.com/openai/v1/realtime",
            "OPENAI_REALTIME_DIALECT": "azure",
            "OPENAI_REALTIME_MODEL": "my-deployment",
            "OPENAI_REALTIME_HEADERS": "X-Gateway: ${GATEWAY}",
            "GATEWAY": "open sesame",
        }
    )
    model = settings.bridge.model
    assert model.address_of(None) == "wss://shop.openai.azure.com/openai/v1/realtime?model=my-deployment"
    assert model.headers() == {"api-key": "k3y-of-azure", "X-Gateway": "open sesame"}
    assert "sesame" not in repr(settings)
    assert "k3y" not in repr(settings)


def test_operators_are_read_with_their_roles_and_nobody_is_one_unless_named() -> None:
    settings = read_settings({**LEAST, "OPERATOR_TOKENS": "ana:operator:correct horse, vic:viewer:battery staple"})
    assert [(key.name, key.role) for key in settings.bridge.operators] == [("ana", "operator"), ("vic", "viewer")]
    assert read_settings(LEAST).bridge.operators == ()
    assert "horse" not in repr(settings)


def test_unsigned_requests_are_accepted_on_loopback_only_and_then_no_token_is_needed() -> None:
    settings = read_settings({"OPENAI_API_KEY": "k", "FRONTDESK_VERIFY_TWILIO": "off"})
    assert not settings.bridge.verify_twilio


@pytest.mark.parametrize(
    ("host", "expected"),
    [(host, True) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")]
    + [(host, False) for host in ("0.0.0.0", "x.y", "")],
)
def test_loopback_is_told_from_what_others_reach(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
