"""``FRONTDESK_PRICES``: a price table of one's own, read and checked at start."""

from pathlib import Path

import pytest

from calls.prices import shipped_prices
from frontdesk.settings import SettingsError, read_settings

NEEDED = {"OPENAI_API_KEY": "key", "TWILIO_AUTH_TOKEN": "token"}


def test_without_it_the_shipped_prices_hold() -> None:
    assert read_settings(NEEDED).prices == shipped_prices()
    assert read_settings({**NEEDED, "FRONTDESK_PRICES": ""}).prices == shipped_prices()


def test_its_entries_are_laid_over_the_shipped_ones(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text("[models.mine]\ntext = { input = 1.0 }\n")
    prices = read_settings({**NEEDED, "FRONTDESK_PRICES": str(own)}).prices
    assert set(prices.models) == {*shipped_prices().models, "mine"}


def test_a_table_that_cannot_be_used_keeps_the_server_from_starting() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({**NEEDED, "FRONTDESK_PRICES": "nowhere.toml"})
    assert str(refused.value) == (
        "FRONTDESK_PRICES: nowhere.toml cannot be read: No such file or directory; name another file or none"
    )
