"""A call changes hands: whoever had it before can neither harm nor lose anything."""

import pytest

from calls import events
from calls.events import timestamp
from calls.record import CallRecord, Disposition
from calls.store.base import RESUMES, CallStore, SequenceConflict, StoreError
from calls.stream_token import StreamToken, TokenRefused
from tests.calls.examples import START, after_ms, event, new_call, sid

HANG_UP = Disposition(action="hang_up", reason="no_inbound_media")


async def record_of(store: CallStore) -> CallRecord:
    record = await store.get_call(sid())
    assert record is not None
    return record


async def owned(store: CallStore) -> None:
    """A call that ``bridge-1`` serves."""
    opened = await store.open_call(new_call(), START)
    await store.claim_stream(opened.token, "bridge-1", after_ms(100))


async def further_stream(store: CallStore, at_ms: int = 1000) -> StreamToken:
    """Twilio has asked what comes after the stream, and is told: another one."""
    await store.note_action(sid(), after_ms(at_ms))
    opened = await store.resume_call(sid(), "lost", after_ms(at_ms))
    assert opened is not None
    return opened.token


async def carried_on(store: CallStore) -> None:
    """The same call, which ``bridge-2`` now serves."""
    await owned(store)
    await store.claim_stream(await further_stream(store), "bridge-2", after_ms(1200))


async def test_a_further_stream_is_awaited_until_it_is_claimed(store: CallStore) -> None:
    await owned(store)
    token = await further_stream(store)
    awaiting = await record_of(store)
    assert (awaiting.owner, awaiting.awaits_stream, awaiting.resumed) == (None, True, "lost")
    assert awaiting.action_requested_at == timestamp(after_ms(1000))

    claimed = await store.claim_stream(token, "bridge-2", after_ms(1200))
    assert (claimed.owner, claimed.awaits_stream, claimed.action_requested_at) == ("bridge-2", False, None)
    assert claimed.accepted_at == timestamp(after_ms(100))


async def test_a_first_stream_that_was_let_go_is_not_awaited(store: CallStore) -> None:
    await owned(store)
    await store.release_stream(sid(), "bridge-1", {}, after_ms(500))
    assert not (await record_of(store)).awaits_stream
    await further_stream(store)
    assert (await record_of(store)).awaits_stream


async def test_asked_twice_the_store_gives_the_same_further_stream(store: CallStore) -> None:
    await owned(store)
    first, second = await further_stream(store), await further_stream(store)
    assert (first.attempt, second.attempt) == (2, 2)
    assert (await record_of(store)).unreleased == ("bridge-1",)


async def test_asked_again_about_a_stream_that_another_has_followed_nothing_is_taken_from_whoever_has_that(
    store: CallStore,
) -> None:
    await carried_on(store)
    before = await record_of(store)

    again = await store.resume_call(sid(), "lost", after_ms(1300), after=1)

    assert again is not None
    assert again.token.attempt == 2
    assert await record_of(store) == before
    with pytest.raises(TokenRefused, match="replayed"):
        await store.claim_stream(again.token, "bridge-3", after_ms(1400))
    await store.append([event(2)], "bridge-2")


async def test_asked_about_the_last_stream_the_store_gives_another(store: CallStore) -> None:
    await carried_on(store)
    third = await store.resume_call(sid(), "lost", after_ms(5000), after=2)
    assert third is not None
    assert third.token.attempt == 3
    assert (await record_of(store)).owner is None


async def test_the_record_says_when_a_further_stream_was_first_asked_for(store: CallStore) -> None:
    await owned(store)
    assert (await record_of(store)).resumed_at is None
    await further_stream(store, 1234)
    token = await further_stream(store, 2000)
    claimed = await store.claim_stream(token, "bridge-2", after_ms(2100))
    assert claimed.resumed_at == timestamp(after_ms(1234))


async def test_of_two_bridges_one_gets_the_further_stream(store: CallStore, other_store: CallStore) -> None:
    await owned(store)
    token = await further_stream(store)
    await store.claim_stream(token, "bridge-2", after_ms(1200))
    with pytest.raises(TokenRefused, match="replayed"):
        await other_store.claim_stream(token, "bridge-3", after_ms(1200))


async def test_a_call_gets_so_many_further_streams_and_no_more(store: CallStore) -> None:
    await owned(store)
    for attempt in range(2, RESUMES + 2):
        token = await further_stream(store)
        assert token.attempt == attempt
        await store.claim_stream(token, f"bridge-{attempt}", after_ms(1200))
    assert await store.resume_call(sid(), "lost", after_ms(5000)) is None


async def test_what_the_bridge_before_writes_late_is_kept_until_another_one_has_the_call(store: CallStore) -> None:
    await owned(store)
    token = await further_stream(store)
    await store.append([event(2)], "bridge-1")

    claimed = await store.claim_stream(token, "bridge-2", after_ms(1200))
    assert claimed.last_seq == 2
    with pytest.raises(SequenceConflict):
        await store.append([event(3)], "bridge-1")
    await store.append([event(3)], "bridge-2")
    assert [one.seq for one in await store.events(sid())] == [1, 2, 3]


async def test_a_bridge_that_has_lost_the_call_does_not_decide_over_the_caller(store: CallStore) -> None:
    await owned(store)
    await further_stream(store)
    with pytest.raises(StoreError, match="owned by nobody, not by bridge-1"):
        await store.set_disposition(sid(), HANG_UP, "bridge-1")
    assert (await record_of(store)).disposition is None


async def test_nor_once_another_one_has_it(store: CallStore) -> None:
    await carried_on(store)
    with pytest.raises(StoreError, match="owned by bridge-2, not by bridge-1"):
        await store.set_disposition(sid(), HANG_UP, "bridge-1")
    await store.set_disposition(sid(), HANG_UP, "bridge-2")
    assert (await record_of(store)).disposition == HANG_UP


@pytest.mark.parametrize("when", ["before the further stream is claimed", "after it is claimed", "after that one is over"])
async def test_what_the_bridge_before_has_used_is_added_once_and_changes_nothing_else(store: CallStore, when: str) -> None:
    await owned(store)
    token = await further_stream(store)
    if when != "before the further stream is claimed":
        await store.claim_stream(token, "bridge-2", after_ms(1200))
    if when == "after that one is over":
        await store.release_stream(sid(), "bridge-2", {"input_text": 1}, after_ms(1300), 0.5)
    before = await record_of(store)

    await store.release_stream(sid(), "bridge-1", {"input_text": 10}, after_ms(2000), 0.25)

    after = await record_of(store)
    assert after.usage == {"input_text": before.usage.get("input_text", 0) + 10}
    assert after.cost_usd == (before.cost_usd or 0) + 0.25
    assert (after.owner, after.released_at, after.unreleased) == (before.owner, before.released_at, ())


async def test_said_twice_what_it_has_used_counts_once(store: CallStore) -> None:
    await owned(store)
    await further_stream(store)
    for _ in range(2):
        await store.release_stream(sid(), "bridge-1", {"input_text": 10}, after_ms(2000))
    assert (await record_of(store)).usage == {"input_text": 10}


async def test_the_usage_of_a_carried_on_call_that_has_ended_is_complete(store: CallStore) -> None:
    await carried_on(store)
    await store.end_call(sid(), "completed", after_ms(3000))
    await store.release_stream(sid(), "bridge-1", {"input_text": 10}, after_ms(3100))
    await store.release_stream(sid(), "bridge-2", {"input_text": 5}, after_ms(3200))
    assert (await record_of(store)).usage == {"input_text": 15}


async def test_a_call_that_has_ended_is_not_resumed(store: CallStore) -> None:
    await owned(store)
    await store.end_call(sid(), "completed", after_ms(900))
    assert await store.resume_call(sid(), "lost", after_ms(1000)) is None


async def test_a_disposition_that_was_stored_is_taken_back_with_the_stream(store: CallStore) -> None:
    await owned(store)
    await store.set_disposition(sid(), Disposition(action="dial", reason="transferred"), "bridge-1")
    await store.release_stream(sid(), "bridge-1", {}, after_ms(500))
    await further_stream(store)
    assert (await record_of(store)).disposition is None


async def test_the_first_event_of_a_further_stream_follows_what_webhooks_wrote_meanwhile(store: CallStore) -> None:
    await owned(store)
    token = await further_stream(store)
    await store.append_next(sid(), events.ErrorHappened(where="media stream", message="31921"), after_ms(1100))
    claimed = await store.claim_stream(token, "bridge-2", after_ms(1200))
    await store.append([event(claimed.last_seq + 1)], "bridge-2")
    assert [one.seq for one in await store.events(sid())] == [1, 2, 3]
