"""The recordings at hand: none is waited for, none is made twice, a new one in the store is noticed."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bridge import greetings as under_test
from bridge.greeting_render import NotRendered
from bridge.greetings import Greetings
from bridge.settings import ModelEndpoint
from calls.business import BusinessProfile, Greeting
from calls.greetings import GreetingKey, RecordedGreeting, key_of
from calls.store.base import StoreUnavailable
from tests.bridge.conversation.line import PROFILE, RECORD

ENDPOINT = ModelEndpoint(url="ws://127.0.0.1:9/x", api_key="k", default_model="m1")
SHOP = msgspec.structs.replace(PROFILE, greeting=Greeting(text="Hello.", mode="recorded"))
KEY = key_of(SHOP, "Hello.", "m1")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Shelf:
    """A store of recordings in memory."""

    def __init__(self) -> None:
        self.kept: dict[GreetingKey, RecordedGreeting] = {}
        self.is_away = False

    async def get(self, key: GreetingKey) -> RecordedGreeting | None:
        if self.is_away:
            raise StoreUnavailable("away")
        return self.kept.get(key)

    async def put(self, greeting: RecordedGreeting) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        self.kept[greeting.key] = greeting


class Studio:
    """Makes recordings, or does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        self.fails = False
        monkeypatch.setattr(under_test, "render", self.render)

    async def render(self, _: ModelEndpoint, profile: BusinessProfile, text: str) -> RecordedGreeting:
        self.made.append(text)
        await asyncio.sleep(0)
        if self.fails:
            raise NotRendered("no")
        return recording(len(self.made), key_of(profile, text, "m1"))


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Studio:
    return Studio(monkeypatch)


def recording(take: int, key: GreetingKey = KEY) -> RecordedGreeting:
    return RecordedGreeting(key=key, audio=bytes([take]) * 800, rendered_at=NOON + timedelta(hours=take))


def played(greetings: Greetings, profile: BusinessProfile = SHOP) -> bytes | None:
    line = greetings.recording_for(profile, RECORD)
    return line.audio if line is not None else None


async def rest(greetings: Greetings) -> None:
    while greetings.under_way:  # noqa: ASYNC110  (a test may look on)
        await asyncio.sleep(0)


async def test_a_live_greeting_has_no_recording_and_none_is_made(studio: Studio) -> None:
    greetings = Greetings(Shelf(), ENDPOINT)
    assert played(greetings, PROFILE) is None
    assert (greetings.under_way, studio.made) == (0, [])


async def test_what_is_missing_is_made_once_for_many_calls_and_kept(studio: Studio) -> None:
    shelf = Shelf()
    greetings = Greetings(shelf, ENDPOINT)
    assert [played(greetings) for _ in range(3)] == [None] * 3
    await rest(greetings)
    assert studio.made == ["Hello."]
    assert played(greetings) == shelf.kept[KEY].audio


async def test_what_another_process_has_made_is_taken_and_not_made_again(studio: Studio) -> None:
    shelf = Shelf()
    greetings = Greetings(shelf, ENDPOINT)
    await shelf.put(recording(7))
    assert played(greetings) is None  # nobody waits for the store
    await rest(greetings)
    assert (played(greetings), studio.made) == (recording(7).audio, [])


async def test_what_is_in_the_store_at_the_start_is_there_for_the_first_call(studio: Studio) -> None:
    shelf = Shelf()
    await shelf.put(recording(7))
    greetings = Greetings(shelf, ENDPOINT)
    await greetings.load([SHOP, PROFILE])
    assert played(greetings) == recording(7).audio


async def test_a_recording_made_anew_is_noticed_a_minute_later(studio: Studio) -> None:
    now_s = [0.0]
    shelf = Shelf()
    await shelf.put(recording(1))
    greetings = Greetings(shelf, ENDPOINT, clock_s=lambda: now_s[0])
    await greetings.load([SHOP])
    await shelf.put(recording(2))
    now_s[0] = 59
    assert played(greetings) == recording(1).audio
    assert greetings.under_way == 0
    now_s[0] = 60
    assert played(greetings) == recording(1).audio  # looked for behind this call
    await rest(greetings)
    assert played(greetings) == recording(2).audio


async def test_one_that_cannot_be_made_is_tried_three_times_in_all(studio: Studio) -> None:
    studio.fails = True
    greetings = Greetings(Shelf(), ENDPOINT)
    for _ in range(6):
        assert played(greetings) is None
        await rest(greetings)
    assert len(studio.made) == 3


async def test_a_store_that_is_away_keeps_no_recording_from_being_made_and_used(studio: Studio) -> None:
    shelf = Shelf()
    shelf.is_away = True
    greetings = Greetings(shelf, ENDPOINT)
    await greetings.load([SHOP])
    assert played(greetings) is None
    await rest(greetings)
    assert played(greetings) is not None


@pytest.mark.parametrize("change", [{"voice": "marin"}, {"model": "m2"}, {"language": "he"}, {"name": "Other"}])
async def test_a_change_of_voice_model_language_or_text_makes_another(studio: Studio, change: dict[str, str]) -> None:
    before = msgspec.structs.replace(SHOP, greeting=Greeting(text="Hello, {name}.", mode="recorded"))
    greetings = Greetings(Shelf(), ENDPOINT)
    for profile in (before, msgspec.structs.replace(before, **change)):
        assert played(greetings, profile) is None
        await rest(greetings)
        assert played(greetings, profile) is not None
    assert len(studio.made) == 2


async def test_closing_gives_up_what_is_under_way(studio: Studio) -> None:
    greetings = Greetings(Shelf(), ENDPOINT)
    played(greetings)
    await greetings.close()
    assert greetings.under_way == 0
