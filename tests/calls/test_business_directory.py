"""Finding the business a call is for."""

import pytest

from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory


def business(name: str, *numbers: str) -> BusinessProfile:
    return BusinessProfile(id=name, name=name, numbers=numbers, language="en", voice="alloy", instructions="-")


DIRECTORY = BusinessDirectory(
    [
        business("phone", "+15005550001"),
        business("chat", "whatsapp:+15005550002"),
        business("both", "+15005550003", "whatsapp:+15005550003"),
        business("split-phone", "+15005550004"),
        business("split-chat", "whatsapp:+15005550004"),
        business("web", "sip:Desk@HVAC.example", "client:desk"),
    ]
)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("+15005550001", "phone"),
        (" +15005550001 ", "phone"),
        ("15005550001", "phone"),
        (" 15005550001", "phone"),
        ("whatsapp:+15005550001", "phone"),
        ("whatsapp:+15005550002", "chat"),
        ("WhatsApp:+15005550002", "chat"),
        ("whatsapp:15005550002", "chat"),
        ("+15005550002", "chat"),
        ("+15005550003", "both"),
        ("whatsapp:+15005550003", "both"),
        ("+15005550004", "split-phone"),
        ("whatsapp:+15005550004", "split-chat"),
        ("sip:Desk@hvac.example", "web"),
        ("sip:Desk@hvac.example:5060;transport=udp", "web"),
        ("sips:Desk@hvac.EXAMPLE", "web"),
        ("sip:desk@hvac.example", None),
        ("client:desk", "web"),
        ("client:Desk", None),
        ("desk", None),
        ("+15005550009", None),
        ("whatsapp:+15005550009", None),
        ("whatsapp:", None),
        ("client:", None),
        ("sip:", None),
        ("", None),
        ("שלום 😀 \x00", None),
        ("+" * 100_000, None),
    ],
)
def test_an_address_leads_to_its_business(address: str, found: str | None) -> None:
    profile = DIRECTORY.find(address)
    assert (profile and profile.id) == found


def test_a_business_is_found_by_its_id() -> None:
    profile = DIRECTORY.get("chat")
    assert profile is not None
    assert profile.numbers == ("whatsapp:+15005550002",)
    assert DIRECTORY.get("gone") is None
    assert [one.id for one in DIRECTORY] == ["phone", "chat", "both", "split-phone", "split-chat", "web"]
    assert len(DIRECTORY) == 6
