"""The log holds neither secrets nor callers' numbers."""

import pytest

from frontdesk.logs import keep_private


@pytest.mark.parametrize("key", ["token", "signature", "authorization", "auth_token", "api_key", "secret"])
def test_secrets_are_blanked(key: str) -> None:
    assert keep_private(None, "info", {key: "hunter2", "event": "x"}) == {key: "…", "event": "x"}


@pytest.mark.parametrize("key", ["from", "from_", "to", "caller", "called", "address"])
def test_numbers_keep_their_last_two_digits_however_often_they_are_masked(key: str) -> None:
    once = keep_private(None, "info", {key: "+15005550006"})
    assert once == {key: "+*********06"}
    assert keep_private(None, "info", once) == {key: "+*********06"}
