"""What the DynamoDB store costs the process that carries audio. ``python -m benchmarks.dynamodb [--json FILE]``, two minutes.

Processor time is the process's own, for each step as a call takes it, against an emulator on this machine: how long DynamoDB itself
takes is not measured. Lag is that of an event loop that does nothing else, while threads append to calls at a steady rate; how long a
thread may keep the interpreter from it is ``sys.setswitchinterval``.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

from benchmarks.lag import LoopLag
from calls.admission import Admission
from calls.events import CallerTranscript, CallEvent
from calls.ids import BusinessId, CallSid
from calls.record import Disposition
from calls.store.base import NewCall, OpenedCall
from calls.store.dynamodb import DynamoStore
from calls.store.dynamodb_table import DynamoTable
from tests.servers import aws_emulator, aws_environment

TIMES = 60
CALLS_IN_A_BATCH = 10
APPENDS_PER_S = 20
LAG_S = 8.0
SWITCH_MS = (5.0, 1.0, 0.5)
TERMS = Admission(otherwise=Disposition(action="voicemail", reason="all_lines_busy"), max_live=1_000, max_cost_usd=10_000.0)


def sid(number: int) -> CallSid:
    """A call's id."""
    return CallSid(f"CA{number:032x}")


def said(call_sid: CallSid, seq: int) -> CallEvent:
    """A line of a conversation."""
    return CallEvent(call_sid, seq, datetime.now(UTC), CallerTranscript(item_id="item_1", text="I need a plumber. " * 5))


class Caller:
    """Does to the store what a bridge does, with ever new calls."""

    def __init__(self, store: DynamoStore) -> None:
        self._store = store
        self._opened: dict[CallSid, OpenedCall] = {}
        self._last: dict[CallSid, int] = {}

    async def open(self, number: int, terms: Admission | None = None) -> None:
        """``/incoming-call``."""
        business = BusinessId(f"business-{number % 10}")
        call = NewCall(
            call_sid=sid(number), business_id=business, from_="+15005550001", to="+15005550006", channel="pstn", admission=terms
        )
        self._opened[call.call_sid] = await self._store.open_call(call, datetime.now(UTC))
        self._last[call.call_sid] = 1

    async def claim(self, number: int) -> None:
        """The stream's ``start``."""
        await self._store.claim_stream(self._opened[sid(number)].token, "bridge-1", datetime.now(UTC))

    async def append(self, *numbers: int, count: int = 3) -> None:
        """One batch of the journal."""
        events = [said(sid(number), self._last[sid(number)] + n) for number in numbers for n in range(1, count + 1)]
        for number in numbers:
            self._last[sid(number)] += count
        await self._store.append(events)

    async def read(self, number: int) -> None:
        """A webhook asks for the record."""
        await self._store.get_call(sid(number))

    async def end(self, number: int) -> None:
        """The call is over."""
        await self._store.end_call(sid(number), "farewell", datetime.now(UTC))


async def cpu_ms(step: Callable[[int], Awaitable[None]]) -> float:
    """Processor time of one step, on average."""
    began_s = process_time()
    for number in range(TIMES):
        await step(number)
    return (process_time() - began_s) * 1000 / TIMES


async def steps(caller: Caller) -> dict[str, float]:
    """Processor time of each step."""
    batch = tuple(range(CALLS_IN_A_BATCH))
    return {
        "open a call": await cpu_ms(caller.open),
        "open a call, lines and cost counted": await cpu_ms(lambda number: caller.open(number + 1000, TERMS)),
        "claim its stream": await cpu_ms(caller.claim),
        "append 3 events": await cpu_ms(caller.append),
        f"append 1 event to each of {CALLS_IN_A_BATCH} calls": await cpu_ms(lambda _: caller.append(*batch, count=1)),
        "read its record": await cpu_ms(caller.read),
        "end it": await cpu_ms(caller.end),
    }


async def lag_ms(caller: Caller, appends_per_s: int) -> dict[str, float]:
    """How late the loop is while so many batches of three events a second are appended."""
    loop = asyncio.get_running_loop()
    async with LoopLag() as lag:
        ends_s = loop.time() + LAG_S
        while loop.time() < ends_s:
            if appends_per_s:
                await caller.append(2000)
            await asyncio.sleep(1 / (appends_per_s or 10))
    late_ms = sorted(lag.late_ms)
    return {"p50": late_ms[len(late_ms) // 2], "p99": late_ms[len(late_ms) * 99 // 100], "max": late_ms[-1]}


async def measured() -> dict[str, object]:
    """All figures."""
    store = DynamoStore(DynamoTable("benchmark"))
    await store.open()
    caller = Caller(store)
    await caller.open(2000)
    figures: dict[str, object] = {"cpu_ms": await steps(caller)}
    for switch_ms in SWITCH_MS:
        sys.setswitchinterval(switch_ms / 1000)
        for rate in (0, APPENDS_PER_S):
            figures[f"lag_ms, {rate} appends/s, switch interval {switch_ms:g} ms"] = await lag_ms(caller, rate)
    await store.close()
    return figures


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    wanted: Path | None = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder, aws_emulator(Path(folder)) as url:
        os.environ.update(aws_environment(url))
        figures = asyncio.run(measured())
    for name, figure in figures.items():
        print(name)
        for row, value in figure.items() if isinstance(figure, dict) else ():
            print(f"    {row:45}{value:8.2f}")
    if wanted is not None:
        wanted.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
