"""What every store promises (``calls.store.base.CallStore``)."""

import msgspec
import pytest

from calls import events
from calls.events import timestamp
from calls.ids import BusinessId
from calls.record import Disposition
from calls.store.base import CallStore, SequenceConflict, StoreError
from calls.stream_token import TokenRefused
from tests.calls.examples import HOSTILE, ONE_OF_EACH, START, after_ms, answered, event, new_call, said, sid

HANG_UP = Disposition(action="hang_up", reason="farewell", say="להתראות")


async def seqs(store: CallStore, call: int = 1) -> list[int]:
    return [one.seq for one in await store.events(sid(call))]


async def accepted(store: CallStore, call: int = 1) -> None:
    opened = await store.open_call(new_call(call), START)
    await store.claim_stream(opened.token, "bridge-1", START)


async def test_opening_a_call_writes_its_first_event(store: CallStore) -> None:
    opened = await store.open_call(new_call(), START)

    assert opened.event is not None
    assert (opened.event.seq, opened.event.kind) == (1, "call.started")
    assert await store.events(sid()) == [opened.event]
    assert opened.record == await store.get_call(sid())
    assert (opened.record.phase, opened.record.last_seq, opened.record.started_at) == ("connecting", 1, timestamp(START))
    assert (opened.token.attempt, opened.token.issued_at_s) == (1, int(START.timestamp()))


async def test_a_repeated_webhook_gets_the_same_token_and_writes_nothing(store: CallStore) -> None:
    first = await store.open_call(new_call(), START)
    again = await store.open_call(new_call(), after_ms(59_000))

    assert again.token == first.token
    assert again.event is None
    assert await seqs(store) == [1]


async def test_a_token_that_ran_out_unused_is_replaced_by_a_later_one_of_the_same_attempt(store: CallStore) -> None:
    first = await store.open_call(new_call(), START)
    again = await store.open_call(new_call(), after_ms(61_000))

    assert (again.token.attempt, again.token.issued_at_s) == (1, first.token.issued_at_s + 61)
    assert (await store.claim_stream(again.token, "bridge-1", after_ms(62_000))).owner == "bridge-1"


async def test_a_used_token_is_not_replaced(store: CallStore) -> None:
    first = await store.open_call(new_call(), START)
    await store.claim_stream(first.token, "bridge-1", START)

    again = await store.open_call(new_call(), after_ms(120_000))

    assert again.token == first.token
    with pytest.raises(TokenRefused, match="replayed"):
        await store.claim_stream(again.token, "bridge-2", after_ms(120_000))


async def test_a_webhook_that_is_repeated_after_the_end_finds_the_call_over(store: CallStore) -> None:
    await store.open_call(new_call(), START)
    await store.end_call(sid(), "caller_hung_up", after_ms(1000))

    again = await store.open_call(new_call(), after_ms(2000))

    assert (again.event, again.record.ended) == (None, True)
    assert await seqs(store) == [1, 2]


async def test_claiming_the_stream_makes_the_bridge_its_owner(store: CallStore) -> None:
    opened = await store.open_call(new_call(), START)
    record = await store.claim_stream(opened.token, "bridge-1", after_ms(900))

    assert record == await store.get_call(sid())
    assert (record.owner, record.accepted_at, record.released_at) == ("bridge-1", timestamp(after_ms(900)), None)


async def test_an_older_token_of_the_attempt_uses_up_the_newer_one(store: CallStore) -> None:
    older = (await store.open_call(new_call(), START)).token
    newer = (await store.open_call(new_call(), after_ms(61_000))).token

    await store.claim_stream(older, "bridge-1", after_ms(61_000))
    with pytest.raises(TokenRefused, match="replayed"):
        await store.claim_stream(newer, "bridge-2", after_ms(61_000))


async def test_a_stream_of_an_unknown_or_ended_call_cannot_be_claimed(store: CallStore) -> None:
    token = (await store.open_call(new_call(), START)).token
    await store.end_call(sid(), "completed", after_ms(10))

    for refused in (token, msgspec.structs.replace(token, call_sid=sid(9)), msgspec.structs.replace(token, attempt=2)):
        with pytest.raises(TokenRefused) as caught:
            await store.claim_stream(refused, "bridge-1", after_ms(20))
        assert caught.value.reason == "unknown_call"


async def test_appended_events_are_read_back_in_order_and_counted_into_the_record(store: CallStore) -> None:
    await accepted(store)
    appended = [
        event(2, events.GreetingRequested(mode="live")),
        event(3, events.GreetingFirstAudio(latency_ms=420)),
        event(4, events.GreetingFinished(heard_ms=2000)),
        event(5, said("שלום")),
    ]
    await store.append(appended)

    assert (await store.events(sid()))[1:] == appended
    assert await store.events(sid(), after=4) == appended[-1:]
    record = await store.get_call(sid())
    assert record is not None
    assert (record.phase, record.last_line, record.greeting_latency_ms, record.last_seq) == ("conversing", "שלום", 420, 5)
    assert record.owner == "bridge-1"


async def test_every_kind_of_event_comes_back_as_it_went_in(store: CallStore) -> None:
    await accepted(store)
    appended = [event(seq, body) for seq, body in enumerate(ONE_OF_EACH[1:], start=2)]
    await store.append(appended)

    assert (await store.events(sid()))[1:] == appended


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_any_text_comes_back_as_it_went_in(store: CallStore, text: str) -> None:
    opened = await store.open_call(new_call(from_=text), START)
    await store.append([event(2, said(text)), event(3, answered(text))])

    assert [one.body for one in await store.events(sid(), after=1)] == [said(text), answered(text)]
    record = await store.get_call(sid())
    assert record is not None
    assert (record.from_, record.last_line) == (text, text)
    assert opened.record.from_ == text


@pytest.mark.parametrize("wrong", [[1], [3], [2, 4], [2, 2], [3, 2]])
async def test_events_that_do_not_follow_are_refused_all_together(store: CallStore, wrong: list[int]) -> None:
    await accepted(store, call=1)
    await accepted(store, call=2)

    with pytest.raises(SequenceConflict) as conflict:
        await store.append([event(2, call=2), *(event(seq) for seq in wrong)])

    assert (conflict.value.call_sid, conflict.value.last_seq) == (sid(1), 1)
    assert await seqs(store, 1) == await seqs(store, 2) == [1]
    record = await store.get_call(sid(2))
    assert record is not None
    assert record.last_seq == 1


async def test_events_of_many_calls_are_stored_in_one_go(store: CallStore) -> None:
    for call in range(1, 6):
        await accepted(store, call)
    await store.append([event(seq, call=call) for seq in (2, 3) for call in range(1, 6)])

    assert [await seqs(store, call) for call in range(1, 6)] == [[1, 2, 3]] * 5


async def test_appending_nothing_is_fine(store: CallStore) -> None:
    await store.append([])
    assert await store.list_calls() == []


async def test_an_unknown_or_ended_call_takes_no_events(store: CallStore) -> None:
    with pytest.raises(SequenceConflict) as unknown:
        await store.append([event(1)])
    assert unknown.value.last_seq == 0

    await accepted(store)
    await store.end_call(sid(), "completed", after_ms(10))
    with pytest.raises(SequenceConflict) as ended:
        await store.append([event(3)])
    assert ended.value.last_seq == 2
    assert await store.append_next(sid(), events.Dtmf(digit="1"), after_ms(20)) is None
    assert await store.append_next(sid(9), events.Dtmf(digit="1"), after_ms(20)) is None
    assert await seqs(store) == [1, 2]


async def test_append_next_takes_the_number_behind_the_last(store: CallStore) -> None:
    await accepted(store)
    await store.append([event(2), event(3)])

    appended = await store.append_next(sid(), events.TransferStarted(to="+15005550010"), after_ms(50))

    assert appended is not None
    assert appended.seq == 4
    assert (await store.events(sid()))[-1] == appended


async def test_a_call_ends_once_with_what_its_record_adds_up_to(store: CallStore) -> None:
    await accepted(store)
    cut = events.BargeInCut(item_id="i", heard_ms=1, reaction_ms=1, speech_ms=1, triggered_ms=1, clear_ms=1, truncate_ms=1)
    await store.append([event(2, events.GreetingFirstAudio(latency_ms=420)), event(3, cut), event(4, cut)])
    await store.release_stream(sid(), "bridge-1", {"input_text": 10, "output_audio": 5}, after_ms(100))

    ended = await store.end_call(sid(), "farewell", after_ms(61_500))

    assert ended is not None
    assert ended.body == events.CallEnded(
        reason="farewell",
        duration_ms=61_500,
        greeting_latency_ms=420,
        barge_ins=2,
        usage={"input_text": 10, "output_audio": 5},
    )
    assert await store.end_call(sid(), "again", after_ms(70_000)) is None
    record = await store.get_call(sid())
    assert record is not None
    assert (record.phase, record.end_reason, record.duration_ms, record.owner) == ("ended", "farewell", 61_500, None)
    assert record.ended_at == timestamp(after_ms(61_500))


async def test_a_given_duration_is_kept_and_none_is_negative(store: CallStore) -> None:
    await accepted(store, 1)
    await accepted(store, 2)
    given = await store.end_call(sid(1), "completed", after_ms(5000), duration_ms=7000)
    early = await store.end_call(sid(2), "completed", after_ms(-5000))

    assert given is not None
    assert early is not None
    assert [given.flat()["duration_ms"], early.flat()["duration_ms"]] == [7000, 0]


async def test_ending_an_unknown_call_does_nothing(store: CallStore) -> None:
    assert await store.end_call(sid(9), "completed", START) is None


async def test_a_disposition_is_readable_once_set(store: CallStore, other_store: CallStore) -> None:
    await accepted(store)
    await store.set_disposition(sid(), HANG_UP)

    record = await other_store.note_action(sid(), after_ms(100))

    assert record is not None
    assert (record.disposition, record.action_requested_at) == (HANG_UP, timestamp(after_ms(100)))
    assert record == await store.get_call(sid())


async def test_an_action_for_an_unknown_call_has_no_record(store: CallStore) -> None:
    assert await store.note_action(sid(9), START) is None


async def test_releasing_the_stream_twice_counts_its_usage_once(store: CallStore) -> None:
    await accepted(store)
    for _ in range(2):
        await store.release_stream(sid(), "bridge-1", {"input_text": 10}, after_ms(100))

    record = await store.get_call(sid())
    assert record is not None
    assert (record.owner, record.released_at, record.usage) == (None, timestamp(after_ms(100)), {"input_text": 10})


async def test_usage_reaches_the_record_of_a_call_that_a_webhook_has_ended(store: CallStore) -> None:
    await accepted(store)
    await store.end_call(sid(), "completed", after_ms(50))
    await store.release_stream(sid(), "bridge-1", {"input_text": 10}, after_ms(100))

    record = await store.get_call(sid())
    assert record is not None
    assert record.usage == {"input_text": 10}


async def test_only_the_owner_releases_a_stream(store: CallStore) -> None:
    await accepted(store)
    with pytest.raises(StoreError, match="owned by bridge-1, not by bridge-2"):
        await store.release_stream(sid(), "bridge-2", {}, START)


async def test_an_unknown_call_has_neither_disposition_nor_owner(store: CallStore) -> None:
    with pytest.raises(StoreError, match="there is no call"):
        await store.set_disposition(sid(9), HANG_UP)
    with pytest.raises(StoreError, match="there is no call"):
        await store.release_stream(sid(9), "bridge-1", {}, START)
    assert await store.get_call(sid(9)) is None
    assert await store.events(sid(9)) == []


async def test_calls_are_listed_newest_first_by_business_and_life(store: CallStore) -> None:
    for number, business in enumerate(["a", "b", "a", "b"], start=1):
        await store.open_call(new_call(number, business=business), after_ms(number * 1000))
    await store.end_call(sid(3), "completed", after_ms(9000))

    async def listed(limit: int = 50, business: str | None = None, *, live: bool = False) -> list[str]:
        business_id = BusinessId(business) if business else None
        return [record.call_sid for record in await store.list_calls(limit=limit, business_id=business_id, live=live)]

    assert await listed() == [sid(4), sid(3), sid(2), sid(1)]
    assert await listed(2) == [sid(4), sid(3)]
    assert await listed(business="a") == [sid(3), sid(1)]
    assert await listed(live=True) == [sid(4), sid(2), sid(1)]
    assert await listed(business="a", live=True) == [sid(1)]
    assert await listed(business="'; DROP TABLE calls; --") == []


async def test_an_open_store_answers_a_check(store: CallStore) -> None:
    await store.check()
