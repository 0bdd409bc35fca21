"""Counting what a business's calls hold and cost, in a DynamoDB table.

A business has a gate: an item that names its calls since they were opened until they end. A call is let through on the condition that
nobody has been since the gate was read, in the same transaction that opens it. What calls have cost is added up in one item for every
quarter of an hour in which calls began: the days of all time zones begin on one (IANA, *Time Zone Database*).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from calls.admission import Refusal
from calls.events import timestamp
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord
from calls.store.base import NewCall
from calls.store.dynamodb_rows import read_record, row_key
from calls.store.dynamodb_schema import TTL
from calls.store.dynamodb_table import DynamoTable
from calls.store.dynamodb_writes import Condition, Update, Write, when

_GATE = "GATE"
_COST = "COST#"
_QUARTER_S = 15 * 60
_COST_KEPT = timedelta(days=8)


class Decision(NamedTuple):
    """Whether a call is let through, and what is to be written with it so that this stays true."""

    refusal: Refusal | None
    write: Write


def decide(table: DynamoTable, call: NewCall, at: datetime, version: str) -> Decision:
    """Decides as :meth:`calls.admission.Admission.decide` does. Somebody who opens a call at the same moment has the write fail on
    its condition; then it is to be decided again.

    Args:
        version: a name nothing else has.
    """
    admission, business_id, call_sid = call.admission, call.business_id, call.call_sid
    if admission is None or admission.refusal is not None:
        refusal = None if admission is None else admission.refusal
        return Decision(refusal, _added(business_id, call_sid, version))
    cost_usd = 0.0 if admission.max_cost_usd is None else _cost_since(table, business_id, admission.day_began)
    gate = table.get(_partition(business_id), _GATE) or {}
    named: set[CallSid] = gate.get("calls", set())
    records = _records(table, named)
    live = sum(admission.counts(record, at) for record in records.values())
    kept = {sid for sid, record in records.items() if not record.ended and _age(record, at) <= admission.longest}
    condition = when("#v = :was", was=gate["v"]) if "v" in gate else when("attribute_not_exists(#v)")
    return Decision(admission.decide(live, cost_usd), _replaced(business_id, {*kept, call_sid}, version, condition))


def left(record: CallRecord) -> Write:
    """A call has ended: its business's gate no longer names it."""
    return Update(_partition(record.business_id), _GATE, "DELETE #calls :left", {"left": {record.call_sid}})


def spent(before: CallRecord, after: CallRecord, expiry: Callable[[timedelta], int]) -> Write | None:
    """Adds what a call has cost since ``before``; ``None`` if that is nothing. ``expiry``: see
    :meth:`calls.store.dynamodb_table.DynamoTable.expiry`."""
    more_usd = round((after.cost_usd or 0.0) - (before.cost_usd or 0.0), 6)
    if not more_usd:
        return None
    began_s = int(datetime.fromisoformat(after.started_at).timestamp())
    quarter = datetime.fromtimestamp(began_s - began_s % _QUARTER_S, datetime.fromisoformat(after.started_at).tzinfo)
    values = {"more": more_usd, "until": expiry(_COST_KEPT)}
    return Update(_partition(after.business_id), _COST + timestamp(quarter), f"ADD #usd :more SET #{TTL} = :until", values)


def _cost_since(table: DynamoTable, business_id: BusinessId, since: datetime) -> float:
    quarters = table.query(_partition(business_id), between=(_COST + timestamp(since), f"{_COST}~"))
    return sum(float(quarter["usd"]) for quarter in quarters)


def _records(table: DynamoTable, call_sids: set[CallSid]) -> dict[CallSid, CallRecord]:
    found = table.batch_get([row_key(call_sid) for call_sid in call_sids])
    records = map(read_record, found.values())
    return {record.call_sid: record for record in records}


def _age(record: CallRecord, at: datetime) -> timedelta:
    return at - datetime.fromisoformat(record.started_at)


def _added(business_id: BusinessId, call_sid: CallSid, version: str) -> Write:
    values = {"version": version, "calls": {call_sid}}
    return Update(_partition(business_id), _GATE, "SET #v = :version ADD #calls :calls", values)


def _replaced(business_id: BusinessId, call_sids: set[CallSid], version: str, condition: Condition) -> Write:
    values = {"version": version, "calls": call_sids}
    return Update(_partition(business_id), _GATE, "SET #v = :version, #calls = :calls", values, condition)


def _partition(business_id: BusinessId) -> str:
    return f"BUSINESS#{business_id}"
