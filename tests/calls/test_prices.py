"""What usage costs: the formula, the shipped table, and a table of one's own."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from calls.business import BusinessProfile
from calls.events import Usage
from calls.prices import Prices, PricesUnusable, load_prices, shipped_prices
from calls.rate import NO_PRICES, Rate

FLAGSHIP = "gpt-realtime-2.1"
MINI = "gpt-realtime-2.1-mini"
WHISPER = "gpt-realtime-whisper"

BILLED: list[tuple[str, str, Usage, float]] = [
    # A second turn as the small model reports it: 140 read, of which 51 are the caller's audio; 27 of the 54 written were thought.
    ("a recorded turn", MINI, {"input_text": 89, "input_audio": 51, "output_text": 54, "output_audio": 60}, 0.001893),
    (
        "the same on the flagship",
        FLAGSHIP,
        {"input_text": 89, "input_audio": 51, "output_text": 54, "output_audio": 60},
        0.007124,
    ),
    ("text in", FLAGSHIP, {"input_text": 1_000_000}, 4.0),
    ("text in, all cached", FLAGSHIP, {"input_text": 1_000_000, "input_cached_text": 1_000_000}, 0.4),
    ("cached is a part, not an addition", FLAGSHIP, {"input_audio": 1_000_000, "input_cached_audio": 250_000}, 24.1),
    (
        "each kind has its own cache",
        MINI,
        {"input_text": 1_000_000, "input_audio": 1_000_000, "input_cached_audio": 1_000_000},
        0.9,
    ),
    ("more cached than read", FLAGSHIP, {"input_text": 100, "input_cached_text": 100_000_000}, 40.0),
    ("audio out", FLAGSHIP, {"output_audio": 1_000_000}, 64.0),
    ("images", MINI, {"input_image": 1_000_000, "input_cached_image": 500_000}, 0.44),
    ("a minute of the caller's words", MINI, {"transcription_ms": 60_000}, 0.017),
    ("nothing", FLAGSHIP, {}, 0.0),
    ("counts of nothing", FLAGSHIP, {"input_text": 0, "output_hologram": 0}, 0.0),
]


@pytest.mark.parametrize(("model", "usage", "usd"), [case[1:] for case in BILLED], ids=[case[0] for case in BILLED])
def test_usage_costs_what_the_table_says(model: str, usage: Usage, usd: float) -> None:
    assert Prices(shipped_prices()).rate_of(model, WHISPER).cost_usd(usage) == pytest.approx(usd, abs=1e-9)


@pytest.mark.parametrize(
    ("transcription", "usage", "usd"),
    [
        ("gpt-4o-transcribe", {"transcription_input_audio": 1_000_000, "transcription_output_text": 100_000}, 7.0),
        ("gpt-4o-mini-transcribe", {"transcription_input_audio": 1_000_000, "transcription_input_text": 1_000_000}, 4.25),
        ("gpt-4o-mini-transcribe-2025-12-15", {"transcription_ms": 60_000}, 0.003),
        ("whisper-1", {"transcription_ms": 30_000}, 0.003),
    ],
)
def test_transcription_is_billed_by_the_minute_or_by_the_token(transcription: str, usage: Usage, usd: float) -> None:
    assert Prices(shipped_prices()).rate_of(FLAGSHIP, transcription).cost_usd(usage) == pytest.approx(usd)


def test_a_dated_snapshot_costs_what_its_model_costs() -> None:
    prices = Prices(shipped_prices())
    assert prices.rate_of("gpt-realtime-2.1-2026-05-07", WHISPER) == prices.rate_of(FLAGSHIP, WHISPER)


def test_every_model_a_business_gets_by_default_has_a_price() -> None:
    profile = BusinessProfile(id="a", name="A", numbers=("client:a",), language="en", voice="alloy", instructions="Hi.")
    assert shipped_prices().find("transcription", profile.audio.transcription_model) is not None
    assert shipped_prices().find("models", FLAGSHIP) is not None


def test_the_shipped_table_says_when_and_where_its_prices_were_looked_up() -> None:
    assert shipped_prices().as_of >= "2026"
    assert "openai" in shipped_prices().source.lower()


def test_an_unknown_model_has_unknown_cost_and_is_told_once() -> None:
    prices = Prices(shipped_prices())
    with capture_logs() as logs:
        rates = [prices.rate_of("gpt-9", WHISPER) for _ in range(3)]
    assert [one["model"] for one in logs if one["event"] == "prices.unknown_model"] == ["gpt-9"]
    assert rates[0].cost_usd({"input_text": 1}) is None
    assert rates[0].cost_usd({"transcription_ms": 60_000}) == pytest.approx(0.017)


def test_a_part_of_the_cost_is_not_passed_off_as_the_cost() -> None:
    rate = Prices(shipped_prices()).rate_of(FLAGSHIP, "somebody-elses-ears")
    usage = {"input_text": 1_000_000, "transcription_ms": 60_000}
    assert rate.cost_usd(usage) is None
    assert rate.at_least_usd(usage) == pytest.approx(4.0)
    assert NO_PRICES.cost_usd(usage) is None
    assert Rate({}).cost_usd({}) == 0.0


def table(folder: Path, text: str) -> Path:
    file = folder / "prices.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_table_of_ones_own_adds_and_replaces(tmp_path: Path) -> None:
    own = table(
        tmp_path,
        'as_of = "2027-01-01"\n[models."gpt-realtime-2.1"]\ntext = { input = 1 }\n[models.mine]\naudio = { output = 2.0 }\n',
    )
    prices = Prices(load_prices(own))
    assert prices.table.as_of == "2027-01-01"
    assert prices.rate_of(FLAGSHIP, WHISPER).cost_usd({"input_text": 1_000_000}) == 1.0
    assert prices.rate_of(FLAGSHIP, WHISPER).cost_usd({"output_text": 1}) is None, "its entry is the whole of it"
    assert prices.rate_of("mine", WHISPER).cost_usd({"output_audio": 500_000}) == 1.0
    assert prices.rate_of(MINI, WHISPER) == Prices(shipped_prices()).rate_of(MINI, WHISPER)


def test_cached_tokens_without_a_price_of_their_own_cost_what_others_do(tmp_path: Path) -> None:
    own = table(tmp_path, "[models.mine]\ntext = { input = 3.0 }\n")
    rate = Prices(load_prices(own)).rate_of("mine", WHISPER)
    assert rate.cost_usd({"input_text": 1_000_000, "input_cached_text": 400_000}) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models", "is not TOML"),
        ("[models.x]\ntext = { input = -1 }", "input"),
        ("[models.x]\ntext = 4", "text"),
        ("[models.x]\nvideo = { input = 1 }", "video"),
        ("prices = 1", "prices"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PricesUnusable) as refused:
        load_prices(table(tmp_path, text))
    sentence = str(refused.value)
    assert sentence.startswith(str(tmp_path / "prices.toml"))
    assert words in sentence
    assert "\n" not in sentence


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PricesUnusable, match="cannot be read: No such file"):
        load_prices(tmp_path / "none.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PricesUnusable, match="UTF-8"):
        load_prices(tmp_path / "binary")


def test_a_price_given_as_text_is_no_price(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {"4.00": "input", "free": "input"}
    for value in wrong:
        with pytest.raises(PricesUnusable):
            load_prices(table(tmp_path, f'[models.x]\ntext = {{ input = "{value}" }}'))
