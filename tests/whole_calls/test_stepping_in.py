"""An operator steps into whole calls: what the caller hears, what is dialled, what is on the record."""

from pathlib import Path

from calls.events import (
    AgentTranscript,
    AnyEvent,
    CallEnded,
    CallerTranscript,
    GreetingFinished,
    OperatorCommand,
    TransferStarted,
)
from calls.operator import Action, Command
from simulator.phone.policies import Human, Policies
from simulator.phone.timeline import HumanAnswered
from simulator.scenario import CallerStep
from tests.whole_calls.playing import HUMAN, Call, Playing, business, of_kind, playing, scenario, spoken

LISTENS = CallerStep(after_ms=20_000, hang_up=True)
PERSON = Human(after_ms=300, says="Dana here.", talks_ms=1500)
STAFFED = business(escalation={"to": HUMAN, "announce": "I will get Dana."})
LONG = "We have green tea and black tea and white tea and herbs from all over the world."


def act(on_stage: Playing, call: Call, action: Action, text: str | None = None) -> str | None:
    session = on_stage.stage.deployment.bridge.streams.session_of(call.sid)
    assert session is not None
    return session.command("dana", Command(call_sid=call.sid, action=action, text=text))


def lines(record: list[AnyEvent]) -> list[str]:
    return [said.text for said in of_kind(record, AgentTranscript)]


async def test_a_polite_hangup_lets_the_caller_hear_the_whole_goodbye(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(LISTENS)) as on_stage:
        call = on_stage.call()
        await call.records(GreetingFinished)
        assert act(on_stage, call, "hangup") is None
        record = await call.over()

    goodbye = spoken("Goodbye.")
    assert call.heard_ms(goodbye) == len(goodbye) / 8
    assert [event.reason for event in of_kind(record, CallEnded)] == ["operator"]
    assert [(event.operator, event.action) for event in of_kind(record, OperatorCommand)] == [("dana", "hangup")]


async def test_a_forced_hangup_ends_the_call_in_the_middle_of_a_word(tmp_path: Path) -> None:
    asks = CallerStep(after_ms=250, say="Do you sell tea?")
    async with playing(tmp_path, scenario(asks, LISTENS, replies={"tea": LONG})) as on_stage:
        call = on_stage.call()
        await call.records(CallerTranscript)
        assert act(on_stage, call, "force_hangup") is None
        record = await call.over()

    assert "Goodbye." not in lines(record)
    assert [event.reason for event in of_kind(record, CallEnded)] == ["operator"]


async def test_an_escalated_caller_is_told_and_then_talks_to_a_human(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(LISTENS), profile=STAFFED) as on_stage:
        call = on_stage.call(policies=Policies(humans={HUMAN: PERSON}))
        await call.records(GreetingFinished)
        assert act(on_stage, call, "escalate") is None
        record = await call.over()

    announcement = spoken("I will get Dana.")
    assert call.heard_ms(announcement) == len(announcement) / 8
    assert [answered.address for answered in call.observed(HumanAnswered)] == [HUMAN]
    assert [event.to for event in of_kind(record, TransferStarted)] == [HUMAN]
    assert [event.reason for event in of_kind(record, CallEnded)] == ["transferred"]


async def test_the_ai_says_an_operators_line_while_it_is_muted_and_nothing_of_its_own(tmp_path: Path) -> None:
    asks = CallerStep(after_ms=700, say="Do you sell tea?")
    async with playing(tmp_path, scenario(asks, LISTENS, replies={"tea": LONG})) as on_stage:
        call = on_stage.call()
        await call.records(GreetingFinished)
        assert act(on_stage, call, "mute") is None
        await call.records(CallerTranscript)
        assert act(on_stage, call, "say", "One moment, I will look.") is None
        await call.records(AgentTranscript, lambda said: said.text == "One moment, I will look.")
        assert act(on_stage, call, "hangup") is None
        record = await call.over()

    assert lines(record) == ["Hello.", "One moment, I will look.", "Goodbye."]


async def test_a_whisper_reaches_the_model_once_and_never_the_caller(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(LISTENS)) as on_stage:
        call = on_stage.call()
        await call.records(GreetingFinished)
        assert act(on_stage, call, "whisper", "the boiler is an ÖkoTherm 3 🙂") is None
        assert act(on_stage, call, "hangup") is None
        record = await call.over()
        session = await on_stage.model_closed()

    told = [event for _, event in session.received if "ÖkoTherm 3 🙂" in str(event)]
    assert [(event["type"], event["item"]["role"]) for event in told] == [("conversation.item.create", "system")]
    assert lines(record) == ["Hello.", "Goodbye."]
