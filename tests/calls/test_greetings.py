"""Recorded greetings in the store, and what they are known by."""

from datetime import UTC, datetime

import msgspec
import pytest

from calls.business import Greeting, Hours, Outbound, Recording
from calls.events import timestamp
from calls.greetings import GreetingKey, RecordedGreeting, greeting_for, greetings_of
from calls.record import CallRecord
from calls.store import greetings_of as kept_in
from calls.store.base import CallStore
from tests.bridge.conversation.line import PROFILE, RECORD

KEY = GreetingKey(text="שלום 🙂 “Hi”", voice="alloy", model="m1", language="he")
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOP = msgspec.structs.replace(
    PROFILE,
    greeting=Greeting(text="Hello from {name}.", closed_text="We are closed."),
    hours=Hours(timezone="UTC", mon=("08:00-12:00",)),
    outbound=Outbound(greeting="{name} calling."),
)


def greeting(audio: bytes = b"\x00\xff" * 4000, key: GreetingKey = KEY) -> RecordedGreeting:
    return RecordedGreeting(key=key, audio=audio, rendered_at=AT)


async def test_what_is_kept_is_found_again_by_everybody(store: CallStore, other_store: CallStore) -> None:
    assert await kept_in(store).get(KEY) is None
    await kept_in(store).put(greeting())
    assert await kept_in(other_store).get(KEY) == greeting()
    assert greeting().duration_ms == 1000


async def test_a_recording_made_anew_takes_the_place_of_the_old_one(store: CallStore) -> None:
    await kept_in(store).put(greeting())
    await kept_in(store).put(greeting(b"\x01" * 80))
    found = await kept_in(store).get(KEY)
    assert found is not None
    assert found.audio == b"\x01" * 80


@pytest.mark.parametrize(
    "change",
    [{"text": "x"}, {"voice": "marin"}, {"model": "m2"}, {"language": "en"}, {"speed": 1.1}],
    ids=lambda one: next(iter(one)),
)
async def test_every_part_of_the_key_tells_recordings_apart(store: CallStore, change: dict[str, object]) -> None:
    await kept_in(store).put(greeting())
    assert await kept_in(store).get(msgspec.structs.replace(KEY, **change)) is None


def test_parts_of_the_key_cannot_be_taken_for_each_other() -> None:
    one = GreetingKey(text='a","b', voice="c", model="m", language="en")
    other = GreetingKey(text="a", voice='b","c', model="m", language="en")
    assert one.digest != other.digest


def call(hour: int, **changes: object) -> CallRecord:
    monday = datetime(2026, 1, 5, hour, tzinfo=UTC)
    return msgspec.structs.replace(RECORD, accepted_at=timestamp(monday), **changes)


def test_a_call_is_greeted_by_the_hour_and_by_who_placed_it() -> None:
    assert greeting_for(SHOP, call(9)) == "Hello from Acme."
    assert greeting_for(SHOP, call(23)) == "We are closed."
    assert greeting_for(SHOP, call(23, direction="outbound")) == "Acme calling."
    assert greeting_for(SHOP, None) == "Hello from Acme."


def test_every_greeting_a_call_may_get_is_among_those_that_are_recorded() -> None:
    recorded = msgspec.structs.replace(SHOP, recording=Recording(enabled=True, consent="This call is recorded."))
    for profile in (PROFILE, SHOP, recorded):
        for record in (call(9), call(23), call(9, direction="outbound")):
            assert greeting_for(profile, record) in greetings_of(profile).values()
