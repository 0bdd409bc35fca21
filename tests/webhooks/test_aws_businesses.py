"""Businesses that a Lambda function reads from the store."""

from dataclasses import dataclass, field

import pytest

from calls.ids import BusinessId
from calls.store.base import StoreUnavailable
from calls.store.businesses import Applied, BusinessText
from tests.webhooks.lambda_runtime import ROOT
from webhooks.aws_businesses import LOOK_EVERY_S, NOT_SOONER_THAN_S, StoredBusinesses

BOB = (ROOT / "businesses" / "bobs-hvac.toml").read_text("utf-8")
NUMBER = "+15005550006"
ID = BusinessId("bobs-hvac")


@dataclass
class AppliedTexts:
    """A store of business files that can be away."""

    texts: tuple[str, ...] = (BOB,)
    version: int = 1
    is_away: bool = False
    looks: int = 0
    reads: int = 0

    def read_version(self) -> int:
        self.looks += 1
        self._answer()
        return self.version

    def read(self) -> Applied:
        self.reads += 1
        self._answer()
        businesses = tuple(BusinessText(business_id=ID, text=text, applied_at="2026-01-01") for text in self.texts)
        return Applied(version=self.version, businesses=businesses)

    def apply(self, text: str) -> None:
        self.texts, self.version = (text,), self.version + 1

    def _answer(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the store is away")


@dataclass
class Office:
    """Businesses with a clock that is set."""

    store: AppliedTexts = field(default_factory=AppliedTexts)
    now_s: float = 1000.0
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.businesses = StoredBusinesses(
            self.store, "dynamodb:t", now_s=lambda: self.now_s, log=lambda _, event, /, **__: self.lines.append(event)
        )

    def name(self, address: str = NUMBER) -> str | None:
        found = self.businesses.find(address)
        return found.name if found is not None else None


def test_businesses_are_found_by_number_and_by_id() -> None:
    office = Office()
    assert office.name() == "Bob's HVAC Service"
    assert office.businesses.get(ID) is office.businesses.find(NUMBER)
    assert (office.name("+15005550099"), office.businesses.get(BusinessId("nobody"))) == (None, None)
    assert (office.store.reads, office.store.looks) == (1, 0)


def test_what_is_applied_later_is_there_after_half_a_minute() -> None:
    office = Office()
    office.name()
    office.store.apply(BOB.replace("Bob's HVAC Service", "Bob and Daughters"))
    office.now_s += LOOK_EVERY_S - 1
    assert office.name() == "Bob's HVAC Service"
    office.now_s += 1
    assert office.name() == "Bob and Daughters"


def test_the_store_is_asked_for_no_more_than_its_version_while_that_stays() -> None:
    office = Office()
    for _ in range(4):
        office.name()
        office.name()
        office.now_s += LOOK_EVERY_S
    assert (office.store.reads, office.store.looks) == (1, 3)


def test_a_store_that_goes_away_leaves_businesses_as_they_are() -> None:
    office = Office()
    office.name()
    office.store.is_away = True
    office.now_s += LOOK_EVERY_S
    assert office.name() == "Bob's HVAC Service"
    assert office.name() == "Bob's HVAC Service"
    assert (office.lines, office.store.looks) == (["businesses.not_read"], 1)


def test_a_store_that_is_away_at_first_is_not_waited_for_again_and_again() -> None:
    office = Office(AppliedTexts(is_away=True))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            office.name()
    assert office.store.reads == 1
    office.store.is_away = False
    office.now_s += NOT_SOONER_THAN_S
    assert office.name() == "Bob's HVAC Service"


def test_what_could_not_be_read_ahead_is_read_by_the_first_who_asks() -> None:
    office = Office(AppliedTexts(is_away=True))
    with pytest.raises(StoreUnavailable):
        office.businesses.read_ahead()
    office.store.is_away = False
    assert office.name() == "Bob's HVAC Service"
    assert office.store.reads == 2


def test_a_function_that_was_started_before_anything_was_applied_finds_it_with_the_next_call() -> None:
    store = AppliedTexts(texts=(), version=0)
    office = Office(store)
    office.businesses.read_ahead()
    assert (office.name(), office.name()) == (None, None)
    store.texts, store.version = (BOB,), 1
    assert office.name() == "Bob's HVAC Service"
    reads = store.reads
    office.name()
    assert store.reads == reads


def test_a_store_that_goes_away_before_anything_was_applied_is_not_waited_for_again_and_again() -> None:
    store = AppliedTexts(texts=(), version=0)
    office = Office(store)
    office.name()
    store.is_away = True
    looks = store.looks
    assert [office.name() for _ in range(3)] == [None] * 3
    assert store.looks == looks + 1
    store.is_away, store.texts, store.version = False, (BOB,), 1
    office.now_s += NOT_SOONER_THAN_S
    assert office.name() == "Bob's HVAC Service"


def test_what_was_read_ahead_is_not_read_again() -> None:
    office = Office()
    office.businesses.read_ahead()
    assert office.name() == "Bob's HVAC Service"
    assert office.store.reads == 1


def test_a_file_that_cannot_be_used_leaves_its_business_as_it_was() -> None:
    office = Office()
    office.name()
    office.store.apply("id = ")
    office.now_s += LOOK_EVERY_S
    assert office.name() == "Bob's HVAC Service"
    assert office.lines == ["businesses.unusable"]


def test_variables_that_only_the_bridge_has_are_no_reason_for_a_business_not_to_be_answered_for() -> None:
    tool = '[[tools.http]]\nname = "w"\ndescription = "d"\nmethod = "GET"\nurl = "https://w.example/${KEY_ONLY_OF_THE_BRIDGE}"\n'
    parameters = 'parameters = { type = "object", properties = {} }\n'
    office = Office(AppliedTexts(texts=(f"{BOB}\n{tool}{parameters}",)))
    assert office.name() == "Bob's HVAC Service"
    assert office.lines == []


def test_a_store_with_no_usable_business_is_told_to_the_log() -> None:
    office = Office(AppliedTexts(texts=("id = ",)))
    assert office.name() is None
    assert office.lines == ["businesses.unusable", "businesses.none"]
