"""Who had a call before does not know that it is gone: its connection to Twilio hangs, and nobody has told it."""

import asyncio
from pathlib import Path

from calls.events import CallEnded, CallResumed
from calls.ids import CallSid
from tests.whole_calls.door import CALL_SID, door
from tests.whole_calls.playing import WITHIN_S, of_kind
from tests.whole_calls.raw_phone import Offered


async def test_a_session_that_has_not_noticed_makes_way_for_the_call_s_further_stream(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        first_offer = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(first_offer.url) as first:
            await first.starts(CALL_SID, first_offer.token)
            await first.hears("mark")
            further = Offered(CALL_SID, await opened.twilio.stream_ended(CALL_SID))
            assert further.token != first_offer.token
            async with opened.twilio.stream(further.url) as second:
                await second.starts(CALL_SID, further.token)
                await second.hears("media")
                assert await first.is_left() == 1001
                record = await opened.deployment.store.get_call(CallSid(CALL_SID))
                assert record is not None
                assert (record.owner, record.unreleased, record.ended) == ("door", (), False)
                await second.stops(CALL_SID)
                assert await opened.twilio.hangs_up(CALL_SID) == 204
                await second.is_left()
        bodies = await opened.over()
        events = await opened.deployment.store.events(CallSid(CALL_SID))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len(of_kind(bodies, CallResumed)) == len(of_kind(bodies, CallEnded)) == 1


async def test_of_two_streams_with_one_token_the_second_is_left_and_the_first_goes_on(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        offer = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(offer.url) as first, opened.twilio.stream(offer.url) as second:
            await first.starts(CALL_SID, offer.token)
            await first.hears("mark")
            await second.starts(CALL_SID, offer.token, "MZ" + "8" * 32)
            assert await second.is_left() == 1008
            record = await opened.deployment.store.get_call(CallSid(CALL_SID))
            assert record is not None
            assert record.owner == "door"
            await first.stops(CALL_SID)
            async with asyncio.timeout(WITHIN_S):
                assert await opened.twilio.hangs_up(CALL_SID) == 204
            await first.is_left()
        bodies = await opened.over()
    assert of_kind(bodies, CallResumed) == []
