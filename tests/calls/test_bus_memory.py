"""Live events within one process."""

import asyncio

from calls.bus.memory import MemoryBus, Subscription
from tests.calls.examples import event


async def test_every_subscriber_gets_every_event_in_order() -> None:
    bus = MemoryBus()
    with bus.subscribe() as first, bus.subscribe() as second:
        for seq in (1, 2, 3):
            bus.publish(event(seq))
        for subscription in (first, second):
            assert [(await subscription.get()).seq for _ in range(3)] == [1, 2, 3]


async def test_a_subscription_begins_and_ends_with_its_block() -> None:
    bus = MemoryBus()
    bus.publish(event(1))
    with bus.subscribe() as subscription:
        bus.publish(event(2))
    bus.publish(event(3))
    assert (await subscription.get()).seq == 2
    assert subscription._queue.empty()


async def test_a_slow_reader_loses_the_oldest_and_can_see_how_many() -> None:
    subscription = Subscription(backlog=3)
    for seq in range(1, 6):
        subscription.offer(event(seq))
    assert subscription.dropped == 2
    assert [(await subscription.get()).seq for _ in range(3)] == [3, 4, 5]


async def test_a_slow_reader_takes_nothing_from_the_others() -> None:
    bus = MemoryBus()
    with bus.subscribe() as slow, bus.subscribe() as quick:
        for seq in range(1, 2001):
            bus.publish(event(seq))
            assert (await quick.get()).seq == seq
    assert (quick.dropped, slow.dropped) == (0, 1000)


async def test_a_subscription_can_be_read_in_a_loop() -> None:
    bus = MemoryBus()
    with bus.subscribe() as subscription:
        bus.publish(event(1))
        bus.publish(event(2))
        read = []
        async for one in subscription:
            read.append(one.seq)
            if one.seq == 2:
                break
    assert read == [1, 2]


def test_what_is_published_to_nobody_is_kept_for_nobody() -> None:
    bus = MemoryBus()
    bus.publish(event(1))
    with bus.subscribe() as late:
        bus.publish(event(2))
        assert (late.dropped, late._queue.qsize()) == (0, 1)


async def test_a_batch_is_all_there_is_to_read_and_at_least_one() -> None:
    bus = MemoryBus()
    with bus.subscribe() as subscription:
        waiting = asyncio.create_task(subscription.batch())
        await asyncio.sleep(0)
        assert not waiting.done()
        bus.publish(event(1))
        assert [one.seq for one in await waiting] == [1]
        for seq in (2, 3, 4):
            bus.publish(event(seq))
        assert [one.seq for one in await subscription.batch()] == [2, 3, 4]


async def test_a_subscriber_says_how_far_it_may_fall_behind() -> None:
    bus = MemoryBus()
    with bus.subscribe(backlog=5) as subscription:
        for seq in range(1, 8):
            bus.publish(event(seq))
        assert (subscription.dropped, [one.seq for one in await subscription.batch()]) == (2, [3, 4, 5, 6, 7])
