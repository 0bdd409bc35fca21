"""Leads across calls, as every store finds them."""

import pytest

from calls.events import AnyEvent, LeadCaptured
from calls.ids import BusinessId
from calls.store import leads_of, retention_of
from calls.store.base import CallStore
from calls.store.leads import Lead, LeadStore
from tests.calls.examples import HOSTILE, START, after_ms, event, new_call, said, sid


@pytest.fixture
def leads(store: CallStore) -> LeadStore:
    return leads_of(store)


async def call_with(store: CallStore, *fields: dict[str, str], call: int = 1, business: str = "bobs-hvac") -> None:
    await store.open_call(new_call(call, business=business), START)
    bodies: list[AnyEvent] = [said("hello"), *(LeadCaptured(fields=each) for each in fields)]
    at = after_ms(call * 60_000)
    made = [event(seq, body, call=call) for seq, body in enumerate(bodies, start=2)]
    await store.append([type(one)(one.call_sid, one.seq, at, one.body) for one in made])


def named(found: list[Lead]) -> list[str]:
    return [lead.fields["name"] for lead in found]


async def test_a_lead_says_whose_call_it_was(store: CallStore, leads: LeadStore) -> None:
    await call_with(store, {"name": "דנה"})
    assert await leads.leads() == [
        Lead(
            call_sid=sid(),
            seq=3,
            at="2026-01-01T12:01:00.000Z",
            business_id=BusinessId("bobs-hvac"),
            from_="+15005550001",
            fields={"name": "דנה"},
        )
    ]


async def test_the_newest_come_first_and_of_one_call_the_last(store: CallStore, leads: LeadStore) -> None:
    await call_with(store, {"name": "old"}, {"name": "corrected"}, call=1)
    await call_with(store, {"name": "new"}, call=3)
    await call_with(store, {"name": "between"}, call=2)
    assert named(await leads.leads()) == ["new", "between", "corrected", "old"]
    assert named(await leads.leads(limit=2)) == ["new", "between"]
    assert await leads.leads(limit=0) == []


async def test_leads_are_narrowed_to_a_business_and_to_a_time(store: CallStore, leads: LeadStore) -> None:
    await call_with(store, {"name": "a"}, call=1)
    await call_with(store, {"name": "b"}, call=2, business="dana-garage")
    await call_with(store, {"name": "c"}, call=3)
    assert named(await leads.leads(business_id=BusinessId("bobs-hvac"))) == ["c", "a"]
    assert named(await leads.leads(since=after_ms(120_000))) == ["c", "b"]
    assert named(await leads.leads(business_id=BusinessId("bobs-hvac"), since=after_ms(60_001))) == ["c"]
    assert await leads.leads(business_id=BusinessId("nobody")) == []


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
async def test_what_a_caller_left_comes_back_as_it_was(store: CallStore, leads: LeadStore, text: str) -> None:
    await call_with(store, {"name": text})
    assert named(await leads.leads()) == [text]


async def test_a_lead_goes_with_its_call(store: CallStore, leads: LeadStore) -> None:
    await call_with(store, {"name": "Ann"})
    await store.end_call(sid(), "farewell", after_ms(1))
    assert await retention_of(store).delete([sid()], after_ms(2)) == 1
    assert await leads.leads() == []
    assert await leads.leads(business_id=BusinessId("bobs-hvac")) == []


async def test_a_great_many_leads_at_once_are_all_kept(store: CallStore, leads: LeadStore) -> None:
    await call_with(store, *({"name": str(number)} for number in range(130)))
    assert named(await leads.leads(limit=1000)) == [str(number) for number in reversed(range(130))]
    assert len(await store.events(sid())) == 132
