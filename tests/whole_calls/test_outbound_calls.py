"""Calls the business places: somebody's phone rings, a person or a machine picks up, and the AI speaks or does not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from calls.business import BusinessProfile
from calls.events import CallEnded, CallStarted, GreetingFinished
from calls.ids import CallSid
from calls.outbound import Errand
from frontdesk.cli import frontdesk
from frontdesk.stage import ACCOUNT_SID
from simulator.phone.policies import Callee
from simulator.phone.timeline import Said, WebhookPosted
from simulator.scenario import Caller, CallerStep
from tests.whole_calls.playing import CALLER, HANGS_UP, NUMBER, Call, Playing, business, of_kind, playing, scenario, spoken

CALLS_YOU = "Hello, this is Corner Shop, calling back."
MESSAGE = "Corner Shop here. Please call us back."
SHOP = business(
    outbound={"greeting": "Hello, this is {name}, calling back.", "machine_message": "{name} here. Please call us back."}
)
SAYS_HELLO = CallerStep(when="answered", after_ms=50, say="Hello?")


def person(*steps: CallerStep, **changes: Any) -> Callee:
    """Somebody who picks up quickly."""
    listens = {"after_ms": 50, "detection_ms": 300, "announcement_ms": 300}
    callee: dict[str, Any] = {**listens, "person": Caller(from_="", steps=steps, gives_up_after_s=20), **changes}
    return Callee(**callee)


class Office(Playing):
    """A stage on which the business calls."""

    async def calls(self, callee: Callee, **asked: str) -> tuple[Call, str]:
        """The call that was placed, and its SID."""
        cloud = self.stage.cloud
        cloud.callees[CALLER] = callee
        form = {"to": CALLER, "from_": NUMBER, "machine_detection": "Enable"} | asked
        told = self._stack.enter_context(self.stage.deployment.bus.subscribe())
        url = self.stage.deployment.url
        errand = Errand(on_machine="leave-message" if form["machine_detection"] == "DetectMessageEnd" else "hang-up")
        sid = await self._create(
            **form,
            url=f"{url}/incoming-call?{errand.query()}",
            fallback_url=f"{url}/fallback",
            status_callback=f"{url}/call-status",
        )
        return Call(lambda _: cloud.calls[sid], told, self.stage.deployment.store), sid

    async def _create(self, **asked: str) -> str:
        from twilio.rest import Client

        client = Client(ACCOUNT_SID, self.stage.cloud.auth_token)
        client.api.base_url = self.stage.cloud.rest_url
        try:
            call = await asyncio.to_thread(lambda: client.calls.create(**asked))
        finally:
            client.http_client.session.close()
        return str(call.sid)


@asynccontextmanager
async def office(folder: Path, profile: BusinessProfile = SHOP, *steps: CallerStep) -> AsyncIterator[Office]:
    async with playing(folder, scenario(*(steps or (HANGS_UP,))), profile=profile) as stage:
        yield Office(stage.stage, stage._stack, stage._first)


def asked(call: Call, purpose: str = "voice") -> dict[str, str]:
    """The first request of a kind that Twilio has made."""
    return next(post.params for post in call.observed(WebhookPosted) if post.purpose == purpose)


async def test_a_person_who_picks_up_is_greeted_by_the_business(tmp_path: Path) -> None:
    async with office(tmp_path) as stage:
        call, _ = await stage.calls(person(SAYS_HELLO, HANGS_UP))
        record = await call.over()
        (session,) = stage.stage.model.sessions
        instructions = next(
            event["session"]["instructions"] for _, event in session.received if event["type"] == "session.update"
        )
    voice = asked(call)
    assert (voice["From"], voice["To"], voice["Direction"]) == (NUMBER, CALLER, "outbound-api")
    assert (voice["AnsweredBy"], voice["CallStatus"]) == ("human", "in-progress")
    assert of_kind(record, CallStarted) == [
        CallStarted(business_id="corner-shop", from_=CALLER, to=NUMBER, channel="pstn", direction="outbound")
    ]
    assert of_kind(record, GreetingFinished)
    assert spoken(CALLS_YOU) in call.heard
    assert "You have placed this call" in instructions
    assert [ended.reason for ended in of_kind(record, CallEnded)] == ["caller_hung_up"]


async def test_a_call_without_detection_reaches_whoever_answers(tmp_path: Path) -> None:
    async with office(tmp_path) as stage:
        call, _ = await stage.calls(person(HANGS_UP), machine_detection="")
        await call.over()
    assert "AnsweredBy" not in asked(call)
    assert spoken(CALLS_YOU) in call.heard


@pytest.mark.parametrize(("answered_by", "detection"), [("machine", "Enable"), ("fax", "Enable"), ("fax", "DetectMessageEnd")])
async def test_a_machine_is_hung_up_on_without_a_word(tmp_path: Path, answered_by: str, detection: str) -> None:
    async with office(tmp_path) as stage:
        call, _ = await stage.calls(person(answered_by=answered_by), machine_detection=detection)
        record = await call.over()
        assert stage.stage.model.sessions == []
    assert call.observed(Said) == []
    assert [ended.reason for ended in of_kind(record, CallEnded)] == ["answering_machine"]


async def test_a_machine_gets_the_message_after_its_beep(tmp_path: Path) -> None:
    async with office(tmp_path) as stage:
        call, _ = await stage.calls(person(answered_by="machine"), machine_detection="DetectMessageEnd")
        record = await call.over()
        assert stage.stage.model.sessions == []
    assert asked(call)["AnsweredBy"] == "machine_end_beep"
    assert [said.text for said in call.observed(Said)] == [MESSAGE]
    assert [ended.reason for ended in of_kind(record, CallEnded)] == ["answering_machine"]


async def test_who_cannot_be_told_is_taken_for_a_person(tmp_path: Path) -> None:
    async with office(tmp_path) as stage:
        call, _ = await stage.calls(person(HANGS_UP, answered_by="unknown"))
        await call.over()
    assert spoken(CALLS_YOU) in call.heard


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed"])
async def test_a_call_nobody_takes_reaches_no_webhook_but_its_end(tmp_path: Path, outcome: str) -> None:
    async with office(tmp_path) as stage:
        call, sid = await stage.calls(person(outcome=outcome), timeout="1")
        await call.is_over()
        assert await stage.stage.deployment.store.get_call(CallSid(sid)) is None
    assert [post.purpose for post in call.observed(WebhookPosted)] == ["status"]
    assert asked(call, "status")["CallStatus"] == outcome


async def test_somebody_who_is_blocked_is_not_spoken_to(tmp_path: Path) -> None:
    async with office(tmp_path, business(blocked=[CALLER])) as stage:
        call, _ = await stage.calls(person())
        record = await call.over()
        assert stage.stage.model.sessions == []
    assert call.observed(Said) == []
    assert [ended.reason for ended in of_kind(record, CallEnded)] == ["blocked"]


async def test_a_business_that_is_closed_may_call_all_the_same(tmp_path: Path) -> None:
    closed = {
        "hours": {"when_closed": "fallback", "mon": ["00:00-00:01"]},
        "greeting": {"text": "Hello.", "closed_text": "Closed."},
    }
    async with office(tmp_path, business(**closed)) as stage:
        call, _ = await stage.calls(person(HANGS_UP))
        await call.over()
    assert spoken("Hello.") in call.heard


async def test_a_line_too_few_is_told_and_takes_no_message(tmp_path: Path) -> None:
    profile = business(limits={"max_concurrent": 1}, fallback={"mode": "voicemail"})
    waits = CallerStep(after_ms=8000, hang_up=True)
    async with office(tmp_path, profile, waits) as stage:
        first = stage.call()
        await first.records(GreetingFinished)
        call, _ = await stage.calls(person())
        record = await call.over()
        first.phone.hang_up()
        await first.over()
    assert [ended.reason for ended in of_kind(record, CallEnded)] == ["all_lines_busy"]
    assert len(call.observed(Said)) == 1
    assert "message" not in call.observed(Said)[0].text


@contextmanager
def on_stage(stage: Playing, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a command that uses the stage's carrier and bridge."""
    businesses = folder / "businesses"
    businesses.mkdir()
    text = f'id = "corner-shop"\nname = "Corner Shop"\nnumbers = ["{NUMBER}"]\nlanguage = "en"\nvoice = "alloy"\ninstructions = "-"\n'
    (businesses / "shop.toml").write_text(text, "utf-8")
    yield {
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": stage.stage.cloud.auth_token or "",
        "TWILIO_API_URL": stage.stage.cloud.rest_url,
        "PUBLIC_URL": stage.stage.deployment.url,
        "FRONTDESK_BUSINESSES": str(businesses),
    }


async def commanded(stage: Playing, folder: Path, *options: str) -> Result:
    with on_stage(stage, folder) as environ:
        arguments = ["call", CALLER, "--business", "corner-shop", "--yes", "--wait", *options]
        return await asyncio.to_thread(lambda: CliRunner(env=environ).invoke(frontdesk, arguments))


async def test_the_command_places_the_call_and_tells_how_it_went(tmp_path: Path) -> None:
    async with office(tmp_path) as stage:
        stage.stage.cloud.callees[CALLER] = person(HANGS_UP)
        result = await commanded(stage, tmp_path)
        (phone,) = stage.stage.cloud.calls.values()
        await phone.finished()
    assert (result.exit_code, result.stdout.strip()) == (0, phone.call_sid)
    assert "answered by a person" in result.stderr
    assert spoken(CALLS_YOU) in bytes(phone.machine.recording.heard)


async def test_the_command_leaves_its_own_message_on_a_machine(tmp_path: Path) -> None:
    words = "It's here & שלום <3"
    async with office(tmp_path, msgspec.structs.replace(SHOP)) as stage:
        stage.stage.cloud.callees[CALLER] = person(answered_by="machine")
        result = await commanded(stage, tmp_path, "--machine", "leave-message", "--text", words)
        (phone,) = stage.stage.cloud.calls.values()
        await phone.finished()
    assert [one.text for one in phone.machine.timeline if isinstance(one, Said)] == [words]
    assert (result.exit_code, "answered by a machine" in result.stderr) == (0, True)
