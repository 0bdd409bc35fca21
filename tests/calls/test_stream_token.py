"""The token that binds a stream to its call."""

import pytest

from calls.ids import BusinessId
from calls.stream_token import LIFETIME_S, StreamToken, TokenRefused, mint, verify
from tests.calls.examples import sid

NOW_S = 1_767_268_800
BUSINESS = BusinessId("bobs-hvac")
TOKEN = StreamToken(call_sid=sid(), business_id=BUSINESS, issued_at_s=NOW_S, attempt=1)
TEXT = mint(TOKEN, "secret")


def refusal(text: str | None, *, call: int = 1, business: BusinessId | None = BUSINESS, now_s: float = NOW_S) -> str:
    with pytest.raises(TokenRefused) as caught:
        verify(text, "secret", call_sid=sid(call), business_id=business, now_s=now_s)
    assert str(caught.value) == f"stream token refused: {caught.value.reason}"
    return caught.value.reason


def test_a_token_reads_back_as_it_was_minted() -> None:
    assert verify(TEXT, "secret", call_sid=sid(), business_id=BUSINESS, now_s=NOW_S + 1) == TOKEN
    assert verify(TEXT, "secret", call_sid=sid(), business_id=None, now_s=NOW_S + 1) == TOKEN


def test_the_same_token_is_the_same_text() -> None:
    assert mint(TOKEN, "secret") == TEXT
    assert mint(TOKEN, "other") != TEXT


def test_a_token_fits_into_a_parameter_of_twilio() -> None:
    longest = StreamToken(call_sid=sid(), business_id=BusinessId("b" * 63), issued_at_s=NOW_S, attempt=99)
    assert len(mint(longest, "secret")) < 200


def test_it_is_good_for_its_lifetime_and_a_little_clock_skew() -> None:
    for now_s in (NOW_S - 5, NOW_S, NOW_S + LIFETIME_S):
        assert verify(TEXT, "secret", call_sid=sid(), business_id=BUSINESS, now_s=now_s) == TOKEN
    for now_s in (NOW_S - 6, NOW_S + LIFETIME_S + 1, NOW_S + 10**9):
        assert refusal(TEXT, now_s=now_s) == "expired"


@pytest.mark.parametrize("text", [None, ""])
def test_no_token_is_missing(text: str | None) -> None:
    assert refusal(text) == "missing"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "....",
        TEXT[:-1],
        TEXT + "x",
        TEXT.replace(".1.", ".2."),
        TEXT.replace("bobs", "eves"),
        mint(TOKEN, "other"),
        "שלום.😀.\x00",
        "x" * 100_000,
    ],
)
def test_whatever_was_not_signed_here_is_forged(text: str) -> None:
    assert refusal(text) == "forged"


def test_a_signed_text_that_is_no_token_is_forged() -> None:
    odd = StreamToken(call_sid=sid(), business_id=BusinessId("a.b"), issued_at_s=NOW_S, attempt=1)
    assert refusal(mint(odd, "secret")) == "forged"


def test_a_token_serves_its_own_call_and_business_only() -> None:
    assert refusal(TEXT, call=2) == "wrong_call"
    assert refusal(TEXT, business=BusinessId("danas")) == "wrong_business"


def test_each_attempt_and_each_second_has_a_nonce_of_its_own() -> None:
    assert TOKEN.nonce == f"{sid()}/1/{NOW_S}"
