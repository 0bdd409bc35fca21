"""The price table: dated, shipped with the package, and overridable.

``prices.toml`` beside this file holds it; ``FRONTDESK_PRICES`` names a file of the same shape whose entries are added to it or
take the place of those there.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import structlog

from calls.rate import Rate

_PER_MILLION = 1e-6
_MS_PER_MINUTE = 60_000
_DATE = re.compile(r"-20\d\d-\d\d-\d\d$")

Usd = Annotated[float, msgspec.Meta(ge=0)]
Kind = Literal["models", "transcription"]

log = structlog.get_logger()


class PricesUnusable(Exception):
    """A price table that cannot be used; ``str()`` is one sentence: which file, what, what to do."""


class TokenPrices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars for a million tokens of one kind."""

    input: Usd | None = None
    cached: Usd | None = None
    """Input that the API had in its cache; billed as ``input`` when not given."""
    output: Usd | None = None


class ModelPrices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs."""

    text: TokenPrices = TokenPrices()
    audio: TokenPrices = TokenPrices()
    image: TokenPrices = TokenPrices()
    minute: Usd | None = None
    """US dollars for a minute of audio; transcription models only."""

    def per_count(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Each count of a call's usage that has a price, with the price of one."""
        for kind in ("text", "audio", "image"):
            tokens: TokenPrices = getattr(self, kind)
            cached = tokens.cached if tokens.cached is not None else tokens.input
            for side, usd in (("input", tokens.input), ("input_cached", cached), ("output", tokens.output)):
                if usd is not None:
                    yield f"{prefix}{side}_{kind}", usd * _PER_MILLION
        if self.minute is not None:
            yield f"{prefix}ms", self.minute / _MS_PER_MINUTE


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price table as its file has it."""

    as_of: str = ""
    """The day the prices were looked up."""
    source: str = ""
    models: Mapping[str, ModelPrices] = {}
    transcription: Mapping[str, ModelPrices] = {}

    def laid_over(self, other: "PriceTable") -> "PriceTable":
        """This table, with whatever it lacks from ``other``."""
        return PriceTable(
            as_of=self.as_of or other.as_of,
            source=self.source or other.source,
            models={**other.models, **self.models},
            transcription={**other.transcription, **self.transcription},
        )

    def find(self, kind: Kind, name: str) -> ModelPrices | None:
        """The prices of a model, or of the one it is a dated snapshot of."""
        table: Mapping[str, ModelPrices] = getattr(self, kind)
        return table.get(name) or table.get(_DATE.sub("", name))


class Prices:
    """The price table in use, as the bridge asks it. A model it does not know is told to the log, once."""

    def __init__(self, table: PriceTable) -> None:
        self.table = table
        self._told: set[tuple[Kind, str]] = set()

    def rate_of(self, model: str, transcription_model: str) -> Rate:
        """What a call with these models is billed at."""
        usd: dict[str, float] = {}
        wanted: tuple[tuple[Kind, str, str], ...] = (
            ("models", model, ""),
            ("transcription", transcription_model, "transcription_"),
        )
        for kind, name, prefix in wanted:
            found = self.table.find(kind, name)
            if found is None:
                self._tell(kind, name)
            else:
                usd.update(found.per_count(prefix))
        return Rate(usd)

    def _tell(self, kind: Kind, name: str) -> None:
        if (kind, name) not in self._told:
            self._told.add((kind, name))
            log.warning(
                "prices.unknown_model",
                model=name,
                table=kind,
                meaning="the cost of its calls is unknown and limits on cost do not see it; add it in FRONTDESK_PRICES",
            )


@cache
def shipped_prices() -> PriceTable:
    """The table that comes with this version."""
    return _decoded(files("calls").joinpath("prices.toml").read_text("utf-8"), "the shipped price table")


def load_prices(path: Path | None = None) -> PriceTable:
    """The shipped table, with the entries of ``path`` laid over it.

    Raises:
        PricesUnusable: the file cannot be read, is no TOML, or has an entry that is no price.
    """
    if path is None:
        return shipped_prices()
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise PricesUnusable(f"{path} cannot be read: {error.strerror or error}; name another file or none") from None
    except UnicodeDecodeError:
        raise PricesUnusable(f"{path} is not UTF-8 text; save it as UTF-8") from None
    return _decoded(text, str(path)).laid_over(shipped_prices())


def _decoded(text: str, place: str) -> PriceTable:
    try:
        return msgspec.convert(tomllib.loads(text), PriceTable)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PricesUnusable(f"{place} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise PricesUnusable(f'{place}: {error}; a price is written [models."NAME"] text = {{ input = 4.0 }}') from None
