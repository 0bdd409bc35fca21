"""The bounded queue between the socket and who reads it."""

import asyncio

import pytest

from console.inbox import Inbox, Overrun


async def rest(inbox: Inbox[str]) -> list[str]:
    inbox.close()
    found = []
    while (item := await inbox.get()) is not None:
        found.append(item)
    return found


async def test_what_has_no_key_is_kept_in_order() -> None:
    inbox: Inbox[str] = Inbox(10, 100)
    for item in "abc":
        inbox.put(item)
    assert await rest(inbox) == ["a", "b", "c"]


async def test_what_has_a_key_takes_the_place_of_what_still_waits_under_it() -> None:
    inbox: Inbox[str] = Inbox(10, 100)
    inbox.put("old", key="level")
    inbox.put("event")
    inbox.put("new", key="level")
    assert await rest(inbox) == ["new", "event"]


async def test_what_has_been_read_is_not_replaced() -> None:
    inbox: Inbox[str] = Inbox(10, 100)
    inbox.put("first", key="level")
    assert await inbox.get() == "first"
    inbox.put("second", key="level")
    assert await rest(inbox) == ["second"]


@pytest.mark.parametrize(("items", "size"), [(4, 1), (2, 40)], ids=["by number", "by size"])
async def test_it_overruns(items: int, size: int) -> None:
    inbox: Inbox[str] = Inbox(4, 100)
    for number in range(items):
        inbox.put(str(number), size)
    with pytest.raises(Overrun):
        inbox.put("too much", size)
    assert await rest(inbox) == [str(number) for number in range(items)]


async def test_what_is_replaced_makes_room() -> None:
    inbox: Inbox[str] = Inbox(4, 100)
    for number in range(50):
        inbox.put(str(number), 90, key="line")
    assert (len(inbox), inbox.waiting_bytes) == (1, 90)


async def test_what_must_get_through_gets_through_when_it_is_full() -> None:
    inbox: Inbox[str] = Inbox(1, 100)
    inbox.put("a")
    inbox.put("lost", key="lost", force=True)
    assert await rest(inbox) == ["a", "lost"]


async def test_a_reader_waits_for_the_next_item() -> None:
    inbox: Inbox[str] = Inbox(4, 100)
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    assert not reading.done()
    inbox.put("a")
    assert await reading == "a"


async def test_a_new_start_waits_until_half_of_it_has_been_read() -> None:
    inbox: Inbox[str] = Inbox(4, 100)
    for item in "abcd":
        inbox.put(item)
    waiting = asyncio.create_task(inbox.half_empty())
    await inbox.get()
    await asyncio.sleep(0)
    assert not waiting.done()
    await inbox.get()
    await waiting


async def test_closing_ends_a_reader_who_waits() -> None:
    inbox: Inbox[str] = Inbox(4, 100)
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.close()
    assert await reading is None
