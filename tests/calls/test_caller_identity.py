"""Who is the same caller, and who may be anybody."""

import pytest

from calls.caller_identity import identity_of


@pytest.mark.parametrize(
    ("address", "identity"),
    [
        ("+15005550001", "+15005550001"),
        ("whatsapp:+15005550001", "+15005550001"),
        (" +15005550001 ", "+15005550001"),
        ("client:anna", "client:anna"),
        ("sip:anna@Phones.Example;transport=tls", "sip:anna@phones.example"),
    ],
)
def test_a_caller_is_known_by_their_address(address: str, identity: str) -> None:
    assert identity_of(address) == identity


@pytest.mark.parametrize(
    "address",
    ["", "anonymous", "Anonymous", "unknown", "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253",
     "whatsapp:", "client:", "client:Anonymous", "sip:anonymous@anonymous.invalid", "5005550001"],
)  # fmt: skip
def test_a_caller_who_hides_may_be_anybody(address: str) -> None:
    assert identity_of(address) is None
