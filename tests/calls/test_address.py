"""The forms of address that Twilio's voice webhooks use."""

import pytest

from calls.address import channel_of, is_dialable, is_e164, masked, normalise


@pytest.mark.parametrize(
    ("address", "channel"),
    [
        ("+15005550006", "pstn"),
        ("anonymous", "pstn"),
        ("", "pstn"),
        ("שלום", "pstn"),
        ("whatsapp:+15005550006", "whatsapp"),
        ("WhatsApp:+15005550006", "whatsapp"),
        ("sip:bob@hvac.example", "sip"),
        ("SIPS:bob@hvac.example", "sip"),
        ("client:bob", "client"),
        ("tel:+15005550006", "pstn"),
    ],
)
def test_the_prefix_tells_the_network(address: str, channel: str) -> None:
    assert channel_of(address) == channel


@pytest.mark.parametrize(
    ("number", "full"),
    [
        ("+15005550006", True),
        ("+972355500", True),
        ("+012345678", False),
        ("15005550006", False),
        ("+1500555000612345678", False),
        ("+1 500 555 0006", False),
        ("+15005550006\n", False),
        ("", False),
    ],
)
def test_a_full_number_has_a_plus_and_seven_to_fifteen_digits(number: str, full: bool) -> None:
    assert is_e164(number) is full


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        (" +15005550006 ", "+15005550006"),
        ("WhatsApp: +15005550006", "whatsapp:+15005550006"),
        ("SIP:Bob@HVAC.Example;transport=tls", "sip:Bob@hvac.example"),
        ("sip:bob@hvac.example?X-A=1", "sip:bob@hvac.example"),
        ("CLIENT:Bob", "client:Bob"),
        ("anonymous", "anonymous"),
    ],
)
def test_two_spellings_of_an_address_are_compared_in_one_form(address: str, normal: str) -> None:
    assert normalise(address) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("address", "dialable"),
    [
        ("+15005550010", True),
        ("client:ann", True),
        ("sip:ann@hvac.example", True),
        ("sips:ann@hvac.example", True),
        ("client:", False),
        (f"client:{'a' * 257}", False),
        ("sip:@hvac.example", False),
        ("sip:ann", False),
        ("whatsapp:+15005550010", False),
        ("911", False),
        ("", False),
    ],
)
def test_a_person_is_dialled_by_number_client_or_sip(address: str, dialable: bool) -> None:
    assert is_dialable(address) is dialable


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("+15005550006", "+*********06"),
        ("whatsapp:+15005550006", "whatsapp:+*********06"),
        ("client:ann", "client:a***"),
        ("sip:ann@hvac.example", "sip:a***@hvac.example"),
        ("", ""),
    ],
)
def test_a_log_shows_only_the_end_of_a_number_and_the_start_of_a_name(address: str, shown: str) -> None:
    assert masked(address) == shown


@pytest.mark.parametrize("target", ["sip:a b@c", "sip:x@y\r\nz", "sip:@y", "sip:a@b@c", "client:a\nb", "client:\x00", "client:"])
def test_what_could_end_a_line_or_names_nobody_cannot_be_dialled(target: str) -> None:
    assert not is_dialable(target)
