"""Counting what a business's calls hold and cost, inside the transaction that opens one more."""

import sqlite3
from datetime import datetime

import msgspec

from calls.admission import Admission, Refusal
from calls.events import timestamp
from calls.ids import BusinessId
from calls.record import CallRecord

_LIVE = "SELECT record FROM calls WHERE business_id = ? AND started_at >= ? AND NOT ended"
_COST = "SELECT total(json_extract(record, '$.cost_usd')) FROM calls WHERE business_id = ? AND started_at >= ?"

_record_decoder = msgspec.json.Decoder(CallRecord)


def refusal_of(db: sqlite3.Connection, admission: Admission, business_id: BusinessId, at: datetime) -> Refusal | None:
    """Why the business takes no call more, ``None`` if it does."""
    live, cost_usd = 0, 0.0
    if admission.max_live is not None:
        since = timestamp(at - admission.longest)
        rows = db.execute(_LIVE, (business_id, since)).fetchall()
        live = sum(admission.counts(_record_decoder.decode(encoded), at) for (encoded,) in rows)
    if admission.max_cost_usd is not None:
        ((cost_usd,),) = db.execute(_COST, (business_id, timestamp(admission.day_began))).fetchall()
    return admission.decide(live, cost_usd)
