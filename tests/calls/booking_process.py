"""A process that books, started by ``test_appointments_races``: ``booking_process STORE NUMBER START PER_SLOT``.

It says ``ready``, waits for a line, then tries to book every hour from START on, one after the other, and prints what it got: a line
of zeros and ones.
"""

import asyncio
import sys
from datetime import datetime, timedelta

from calls.store import appointments_of, open_store
from calls.store.appointments import SlotTaken
from tests.calls.booking import appointment

HOURS = 20


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def book(url: str, number: int, start: datetime, per_slot: int) -> str:
    store = open_store(url)
    await store.open()
    calendar = appointments_of(store)
    tell("ready")
    await asyncio.to_thread(sys.stdin.readline)
    got = ""
    for hour in range(HOURS):
        try:
            await calendar.book(appointment(number * 1000 + hour, starts_at=start + timedelta(hours=hour)), per_slot)
            got += "1"
        except SlotTaken:
            got += "0"
    await store.close()
    return got


if __name__ == "__main__":
    url, number, start, per_slot = sys.argv[1:]
    tell(asyncio.run(book(url, int(number), datetime.fromisoformat(start), int(per_slot))))
