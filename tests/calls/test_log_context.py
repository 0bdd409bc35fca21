"""What a log line is about reaches everything that was begun for it, and nothing else."""

import asyncio

from calls.log_context import About, known_facts, note


def test_a_line_outside_of_any_work_is_about_nothing() -> None:
    note(call_sid="CA1")
    assert known_facts() == {}


def test_what_is_found_out_later_is_known_to_a_task_that_was_begun_before() -> None:
    async def told() -> dict[str, str]:
        known = asyncio.Event()

        async def reader() -> dict[str, str]:
            await known.wait()
            return dict(known_facts())

        with About(owner="bridge-1", business_id=None):
            reading = asyncio.create_task(reader())
            await asyncio.create_task(finds_out())
            known.set()
        return await reading

    async def finds_out() -> None:
        note(call_sid="CA1")

    assert asyncio.run(told()) == {"owner": "bridge-1", "call_sid": "CA1"}


async def test_two_calls_at_a_time_do_not_hear_of_each_other() -> None:
    async def call(sid: str) -> dict[str, str]:
        with About(owner="bridge-1"):
            await asyncio.sleep(0)
            note(call_sid=sid)
            await asyncio.sleep(0)
            return dict(await asyncio.to_thread(lambda: dict(known_facts())))

    told = await asyncio.gather(*(call(f"CA{n}") for n in range(20)))
    assert told == [{"owner": "bridge-1", "call_sid": f"CA{n}"} for n in range(20)]
    assert known_facts() == {}


async def test_work_for_a_call_that_begins_in_somebody_elses_task_is_told_as_the_calls() -> None:
    call = About(call_sid="CA1")

    async def later() -> dict[str, str]:
        return dict(known_facts())

    with About(operator="ana"):
        with call, call:
            task = asyncio.create_task(later())
        assert known_facts() == {"operator": "ana"}
    assert await task == {"call_sid": "CA1"}
