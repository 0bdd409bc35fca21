"""The leads that calls have brought, in the DynamoDB store. Implements :class:`calls.store.leads.LeadStore`.

A lead is an event of its call; beside the event it has an item of its own, which goes with the call, and by which it is found: those
of a business in one index, those of all in another, by time.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from calls.events import CallEvent, LeadCaptured, timestamp
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord
from calls.store.base import StoreError
from calls.store.dynamodb_events import partition
from calls.store.dynamodb_schema import GSI1, GSI3, TTL
from calls.store.dynamodb_table import DynamoTable, Item, Put
from calls.store.leads import Lead

_ALL = "LEADS"
_FIRST, _LAST = "0", "9~"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Lead)


def rows_for(events: Iterable[CallEvent], record_of: Mapping[CallSid, CallRecord], ttl: int | None = None) -> list[Put]:
    """The items of the leads among the events, for the transaction that stores the events. ``ttl``: that of the call's other items."""
    found = ((event, event.body) for event in events)
    return [
        Put(_item(_lead(event, body, record_of[event.call_sid]), ttl)) for event, body in found if isinstance(body, LeadCaptured)
    ]


class DynamoLeads:
    """The leads in an open table."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def leads(self, *, business_id: BusinessId | None = None, since: datetime | None = None, limit: int = 50) -> list[Lead]:
        """See :meth:`calls.store.leads.LeadStore.leads`."""
        return await self._table.run(self._leads, business_id, since, limit)

    def _leads(self, business_id: BusinessId | None, since: datetime | None, limit: int) -> list[Lead]:
        pk, index = (_ALL, GSI3) if business_id is None else (f"{_ALL}#{business_id}", GSI1)
        first = _FIRST if since is None else timestamp(since)
        seen = self._table.query(pk, index=index, between=(first, _LAST), descending=True, limit=max(limit, 0))
        items = self._table.batch_get([(item["pk"], item["sk"]) for item in seen])
        return sorted((_decoded(item) for item in items.values()), key=_newest_first)[: max(limit, 0)]


def _lead(event: CallEvent, body: LeadCaptured, record: CallRecord) -> Lead:
    return Lead(
        call_sid=event.call_sid,
        seq=event.seq,
        at=timestamp(event.at),
        business_id=record.business_id,
        from_=record.from_,
        fields=body.fields,
    )


def _item(lead: Lead, ttl: int | None) -> Item:
    at = f"{lead.at}#{lead.call_sid}#{lead.seq:010d}"
    places = {GSI1.pk: f"{_ALL}#{lead.business_id}", GSI1.sk: at, GSI3.pk: _ALL, GSI3.sk: at}
    key = {"pk": partition(lead.call_sid), "sk": f"LEAD#{lead.seq:010d}"}
    item: Item = {**key, "lead": _encoder.encode(lead).decode(), **places}
    return item if ttl is None else {**item, TTL: ttl}


def _newest_first(lead: Lead) -> tuple[float, str, int]:
    return -datetime.fromisoformat(lead.at).timestamp(), lead.call_sid, -lead.seq


def _decoded(item: Item) -> Lead:
    try:
        return _decoder.decode(item["lead"])
    except msgspec.MsgspecError as error:
        raise StoreError(f"the call store holds a lead this version of Frontdesk cannot read: {error}") from None
