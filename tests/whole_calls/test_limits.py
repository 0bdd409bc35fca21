"""Messages no telephone sends: they are put on record, and the call goes on as long as that makes sense."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from calls.events import AgentTranscript, ErrorHappened
from calls.ids import CallSid
from tests.whole_calls.door import CALL_SID, OTHER_SID, door
from tests.whole_calls.playing import of_kind
from tests.whole_calls.raw_phone import Offered, RawPhone, heard_by_model

KIB = 1024
AFTERWARDS = bytes(range(160))

Oddity = Callable[[RawPhone, Offered], "dict[str, Any] | str | bytes"]
ODDITIES: dict[str, Oddity] = {
    "a message just over 64 KiB": lambda *_: "x" * (64 * KIB + 1),
    "a message of 1 MiB": lambda *_: "x" * (KIB * KIB),
    "a binary frame": lambda *_: b"\x7f" * 160,
    "a second start": lambda phone, offered: phone.start(OTHER_SID, offered.token, "MZ" + "8" * 32),
    "no JSON": lambda *_: "שלום 🙂 \x00",
    "an unknown event": lambda *_: {"event": "mood", "streamSid": "MZ", "mood": 3},
    "media of another stream": lambda *_: {"event": "media", "streamSid": "MZ" + "9" * 32, "media": {"payload": "AAAA"}},
    "media that is not base64": lambda phone, _: {"event": "media", "streamSid": phone.stream_sid, "media": {"payload": "?"}},
}


@pytest.mark.parametrize("oddity", ODDITIES)
async def test_an_odd_message_is_put_on_record_and_the_call_goes_on(tmp_path: Path, oddity: str) -> None:
    async with door(tmp_path) as opened:
        offered = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(offered.url) as phone:
            await phone.starts(CALL_SID, offered.token)
            await phone.hears("media")
            await phone.says(ODDITIES[oddity](phone, offered))
            await phone.speaks(AFTERWARDS)
            await phone.stops(CALL_SID)
            assert await phone.is_left() == 1000
        assert heard_by_model((await opened.sessions_when_closed())[0]) == AFTERWARDS
        assert await opened.twilio.hangs_up(CALL_SID) == 204
        events = await opened.over()
        assert [error.where for error in of_kind(events, ErrorHappened)] == ["twilio"]
        assert len(of_kind(events, AgentTranscript)) == 1


async def test_a_message_over_a_mebibyte_is_no_telephone_s_and_the_caller_gets_the_fallback(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        offered = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(offered.url) as phone:
            await phone.starts(CALL_SID, offered.token)
            await phone.hears("media")
            await phone.says("x" * (KIB * KIB + 1))
            assert await phone.is_left() == 1000
        record = await opened.deployment.store.get_call(CallSid(CALL_SID))
        assert record is not None
        assert record.disposition is not None
        assert (record.disposition.reason, record.disposition.say) == ("oversized_message", "Call later.")
        assert "Call later." in await opened.twilio.stream_ended(CALL_SID)
        assert [error.where for error in of_kind(await opened.events(), ErrorHappened)] == ["twilio"]


async def test_audio_before_start_is_nobody_s_and_the_stream_can_still_start(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        offered = await opened.twilio.rings(CALL_SID)
        with capture_logs() as logs:
            async with opened.twilio.stream(offered.url) as phone:
                await phone.speaks(b"\x55" * 160)
                await phone.starts(CALL_SID, offered.token)
                await phone.hears("media")
                await phone.speaks(AFTERWARDS)
                await phone.stops(CALL_SID)
                assert await phone.is_left() == 1000
        assert [line["detail"] for line in logs if line["event"] == "stream.twilio_error"] == [
            "a media message before start was dropped"
        ]
        assert heard_by_model((await opened.sessions_when_closed())[0]) == AFTERWARDS


async def test_pieces_of_any_length_reach_the_model_as_they_came_from_the_first_held_one_on(tmp_path: Path) -> None:
    pieces = [bytes((n * 7 + at) % 256 for at in range(length)) for n, length in enumerate([160] * 60 + [1, 80, 333, 1600, 160])]
    async with door(tmp_path) as opened:
        offered = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(offered.url) as phone:
            await phone.starts(CALL_SID, offered.token)
            for piece in pieces[:40]:  # at once: most of them before the token is checked and the greeting asked for
                await phone.speaks(piece)
            await phone.hears("media")
            for piece in pieces[40:]:
                await phone.speaks(piece)
            await phone.stops(CALL_SID)
            assert await phone.is_left() == 1000
        session = (await opened.sessions_when_closed())[0]
        assert heard_by_model(session) == b"".join(pieces)
        # nothing of it before the greeting was asked for
        kinds = [event["type"] for _, event in session.received]
        assert kinds[:3] == ["session.update", "conversation.item.create", "response.create"]
