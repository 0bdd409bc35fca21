"""Who may come in."""

from hashlib import sha256

import pytest

from bridge.operator.tokens import TokensUnusable, holder_of, parse_tokens

ANA, VIC = "correct horse battery", "staple:with:colons"
BOTH = f"ana:operator:{ANA}, vic:viewer:{VIC}"


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


def test_every_entry_is_a_name_a_role_and_a_token_that_may_hold_colons() -> None:
    keys = parse_tokens(BOTH)
    assert [(key.name, key.role) for key in keys] == [("ana", "operator"), ("vic", "viewer")]
    assert [holder_of(keys, bearer(token)) for token in (ANA, VIC)] == list(keys)


def test_a_digest_stands_for_its_token() -> None:
    digest = sha256(ANA.encode()).hexdigest()
    for written in (digest, digest.upper()):
        (key,) = parse_tokens(f"ana:operator:sha256:{written}")
        assert holder_of([key], bearer(ANA)) == key
        assert holder_of([key], bearer(f"sha256:{written}")) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        bearer(ANA[:-1]),
        bearer(ANA + "x"),
        bearer(ANA.upper()),
        ANA.encode(),
        b"Basic " + ANA.encode(),
        b"Bearer \xff\xfe",
        bearer(f"ana:operator:{ANA}"),
    ],
)
def test_nobody_comes_in_with_anything_else(header: bytes | None) -> None:
    assert holder_of(parse_tokens(BOTH), header) is None


def test_the_scheme_is_read_in_any_case_and_spaces_do_not_matter() -> None:
    keys = parse_tokens(BOTH)
    for header in (b"bearer " + ANA.encode(), b"  BEARER   " + ANA.encode() + b" "):
        assert holder_of(keys, header) == keys[0]


def test_a_token_may_be_in_any_script() -> None:
    keys = parse_tokens("ana:operator:סיסמה-ארוכה-מאוד")
    assert holder_of(keys, bearer("סיסמה-ארוכה-מאוד")) == keys[0]


def test_nothing_set_lets_nobody_in() -> None:
    assert parse_tokens("") == parse_tokens(" , ") == ()
    assert holder_of((), bearer(ANA)) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ana", "entry 1 is not name:role:token"),
        (f"{BOTH},{ANA}-more", "entry 3 is not name:role:token"),
        ("ana:operator", "entry 1 is not name:role:token"),
        (f":operator:{ANA}", "entry 1 is not name:role:token"),
        (f"a\x1bb:operator:{ANA}", "the name of entry 1 is not printable"),
        (f"{'n' * 65}:operator:{ANA}", "longer than 64 characters"),
        (f"ana:admin:{ANA}", "the role of ana is neither viewer nor operator"),
        (f"ana:Operator:{ANA}", "the role of ana is neither"),
        ("ana:operator:", "the token of ana is shorter than 8 characters"),
        ("ana:operator:1234567", "the token of ana is shorter than 8 characters"),
        ("ana:operator:sha256:", "the sha256: of ana is not 64 hexadecimal digits"),
        (f"ana:operator:sha256:{'g' * 64}", "the sha256: of ana is not 64"),
        (f"ana:operator:sha256:{'0' * 63}", "the sha256: of ana is not 64"),
        (f"ana:operator:{ANA},ana:viewer:{VIC}", "the name ana is used twice"),
        (f"ana:operator:{ANA},vic:viewer:sha256:{sha256(ANA.encode()).hexdigest()}", "ana and vic have the same token"),
    ],
)
def test_a_wrong_entry_is_named_and_its_token_is_not(text: str, complaint: str) -> None:
    with pytest.raises(TokensUnusable) as raised:
        parse_tokens(text)
    assert complaint in str(raised.value)
    assert ANA not in str(raised.value)
    assert str(raised.value).count(". ") == 0


def test_a_key_shows_neither_its_token_nor_its_digest() -> None:
    (key,) = parse_tokens(f"ana:operator:{ANA}")
    assert repr(key) == str(key) == "OperatorKey('ana', 'operator')"
