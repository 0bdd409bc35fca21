"""Who may open a stream, and with what: the handshake's signature, then the token in ``start``."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from calls.bus.memory import Subscription
from calls.events import CallStarted, GreetingFirstAudio
from calls.ids import BusinessId, CallSid
from calls.stream_token import LIFETIME_S, StreamToken, mint
from simulator.phone.policies import Policies
from simulator.phone.timeline import FirstMedia
from simulator.scenario import CallerStep
from tests.whole_calls.door import AUTH_TOKEN, CALL_SID, OTHER_SID, STREAM_SECRET, Door, door
from tests.whole_calls.playing import WITHIN_S, of_kind, playing, scenario


def signature(url: str, auth_token: str = AUTH_TOKEN) -> dict[str, str]:
    return {"X-Twilio-Signature": str(RequestValidator(auth_token).compute_signature(url, {}))}


FORGERIES: dict[str, Callable[[str], dict[str, str]]] = {
    "unsigned": lambda url: {},
    "signed with another account's token": lambda url: signature(url, "f" * 32),
    "signed for another path": lambda url: signature(url.replace("corner-shop", "other-shop")),
    "signed for another host": lambda url: signature(url.replace("127.0.0.1", "127.0.0.2")),
    "empty": lambda url: {"X-Twilio-Signature": ""},
    "no base64": lambda url: {"X-Twilio-Signature": "שלום".encode().decode("latin-1")},
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_handshake_that_twilio_did_not_sign_is_refused_and_no_model_is_asked(tmp_path: Path, forgery: str) -> None:
    async with door(tmp_path) as opened:
        offered = await opened.twilio.rings(CALL_SID)
        with capture_logs() as logs:
            assert await opened.twilio.refused(offered.url, FORGERIES[forgery](offered.url)) == 403
        assert [line["reason"] for line in logs if line["event"] == "stream.handshake_refused"] in (
            ["no_signature"],
            ["bad_signature"],
        )
        assert opened.model.sessions == []
        assert [type(event) for event in await opened.events()] == [CallStarted]
        offers, told = await opened.twilio.given_up(CALL_SID)
        assert offers == 2
        assert "Call later." in told


async def test_a_webhook_that_twilio_did_not_sign_opens_no_call(tmp_path: Path) -> None:
    leaves = scenario(CallerStep(when="agent_speaking", after_ms=60, hang_up=True))
    async with playing(tmp_path, leaves) as on_stage:
        call = on_stage.call(policies=Policies(forge=True))
        await call.phone.finished()
        assert await on_stage.stage.deployment.store.list_calls() == []
        assert on_stage.stage.model.sessions == []


async def test_a_handshake_signed_with_a_slash_at_the_end_is_accepted(tmp_path: Path) -> None:
    leaves = scenario(CallerStep(when="agent_speaking", after_ms=60, hang_up=True))
    async with playing(tmp_path, leaves) as on_stage:
        call = on_stage.call(policies=Policies(sign_with_slash=True))
        record = await call.over()
        assert len(call.observed(FirstMedia)) == 1
        assert len(of_kind(record, GreetingFirstAudio)) == 1


async def token_of(kind: str, opened: Door) -> str | None:
    """A token that must not be served for ``CALL_SID``."""
    offered = await opened.twilio.rings(CALL_SID)
    match kind:
        case "forged":
            return offered.token[:-1] + ("A" if offered.token[-1] != "A" else "B")
        case "expired":
            issued_at_s = int(time.time()) - LIFETIME_S - 10
            old = StreamToken(
                call_sid=CallSid(CALL_SID), business_id=BusinessId("corner-shop"), issued_at_s=issued_at_s, attempt=1
            )
            return mint(old, STREAM_SECRET)
        case "wrong_call":
            return (await opened.twilio.rings(OTHER_SID)).token
    return None


@pytest.mark.parametrize("kind", ["missing", "forged", "expired", "wrong_call"])
async def test_a_stream_without_a_good_token_is_left_before_the_model_hears_of_it(tmp_path: Path, kind: str) -> None:
    async with door(tmp_path) as opened:
        token = await token_of(kind, opened)
        url = (await opened.twilio.rings(CALL_SID)).url
        with capture_logs() as logs:
            async with opened.twilio.stream(url) as phone:
                await phone.starts(CALL_SID, token)
                await phone.speaks(b"\x12" * 160)
                assert await phone.is_left() == 1008
            sessions = await opened.sessions_when_closed()
        assert [session.received for session in sessions] == [[]] * len(sessions)
        assert [line["detail"] for line in logs if line["event"] == "stream.stream_refused"] == [kind]
        assert token is None or token not in str(logs)
        assert [type(event) for event in await opened.events()] == [CallStarted]
        offers, told = await opened.twilio.given_up(CALL_SID)
        assert offers == 2
        assert "Call later." in told


async def test_a_token_is_good_for_one_stream_only_and_the_first_one_goes_on(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        offered = await opened.twilio.rings(CALL_SID)
        with capture_logs() as logs:
            async with opened.twilio.stream(offered.url) as phone:
                await phone.starts(CALL_SID, offered.token)
                await phone.hears("media")
                async with opened.twilio.stream(offered.url) as replay:
                    await replay.starts(CALL_SID, offered.token)
                    assert await replay.is_left() == 1008
                await phone.speaks(b"\x12" * 160)
                await phone.stops(CALL_SID)
                assert await phone.is_left() == 1000
        assert [line["detail"] for line in logs if line["event"] == "stream.stream_refused"] == ["replayed"]
        assert offered.token not in str(logs)
        served, *replayed = sorted(await opened.sessions_when_closed(), key=lambda session: -len(session.received))
        assert served.received
        assert all(session.received == [] for session in replayed)


async def test_a_token_that_is_replayed_at_the_same_moment_is_served_once(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        offered = await opened.twilio.rings(CALL_SID)

        async def play() -> int:
            async with opened.twilio.stream(offered.url) as phone:
                await phone.starts(CALL_SID, offered.token)
                heard = asyncio.create_task(phone.is_left())
                done, _ = await asyncio.wait([heard, greeted], return_when=asyncio.FIRST_COMPLETED)
                if heard not in done:
                    await phone.stops(CALL_SID)
                return await heard

        with opened.deployment.bus.subscribe() as told:
            greeted = asyncio.create_task(_greeted(told))
            codes = await asyncio.wait_for(asyncio.gather(play(), play(), play()), WITHIN_S)
            await greeted
        assert sorted(codes) == [1000, 1008, 1008]
        assert await opened.twilio.hangs_up(CALL_SID) == 204
        assert len(of_kind(await opened.over(), GreetingFirstAudio)) == 1


async def _greeted(told: Subscription) -> None:
    while not isinstance((await told.get()).body, GreetingFirstAudio):
        continue
