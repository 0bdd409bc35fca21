"""Commands: who may, who carries them out, and what is answered when nobody can."""

import asyncio
from typing import Any

import msgspec
import pytest

from bridge.operator.far_orders import NOT_MINE, Answer
from bridge.operator.orders import ENDED_WITHIN_S, Orders
from bridge.operator.tokens import OperatorKey
from calls.events import AnyEvent, CallEvent, OperatorCommand
from calls.ids import CallSid
from calls.operator import Action, Command
from calls.record import CallRecord, Disposition
from calls.store.base import StoreUnavailable
from tests.bridge.operator.doubles import ANA, VIC, Session, Sessions
from tests.bridge.operator.test_audience import record
from tests.calls.examples import event, sid
from tests.calls.virtual_loop import run_virtually


class Office:
    """Everything commands may need, as one object that notes what it was asked."""

    def __init__(self, *sessions: Session, stored: CallRecord | None = None, has_rest: bool = True) -> None:
        self.stored = stored
        self.rest_works = True
        self.is_away = False
        self.done: list[Any] = []
        self.asked: list[tuple[str, str, str]] = []
        self.owner_says: Answer | None = None
        self.orders = Orders(Sessions(*sessions), self, self, self, self, elsewhere=self, has_rest=has_rest)  # type: ignore[arg-type]

    async def get_call(self, call_sid: CallSid) -> CallRecord | None:
        if self.is_away:
            raise StoreUnavailable("it is away")
        return self.stored if self.stored is not None and self.stored.call_sid == call_sid else None

    async def set_disposition(self, call_sid: CallSid, disposition: Disposition) -> None:
        self.done.append(disposition)

    async def append_next(self, call_sid: CallSid, body: AnyEvent, at: Any) -> CallEvent:
        self.done.append(body)
        return event(7, body)

    async def complete(self, call_sid: CallSid) -> bool:
        self.done.append("completed")
        return self.rest_works

    async def call_over(self, call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        self.done.append(("over", status))

    def publish(self, happened: CallEvent) -> None:
        self.done.append(("published", happened.seq))

    async def ask(self, owner: str, key: OperatorKey, command: Command) -> Answer | None:
        """The bridge that owns the call."""
        self.asked.append((owner, key.name, command.action))
        return self.owner_says

    def why_silent(self, owner: str) -> str:
        return f"{owner} is silent"

    async def asks(self, action: Action, **fields: Any) -> Answer:
        return await self.orders.carry_out(ANA, Command(call_sid=sid(), action=action, **fields))


HANG_UP = Disposition(action="hang_up", reason="operator", by="ana")
NOTED = OperatorCommand(operator="ana", action="force_hangup")


async def test_the_session_of_the_call_carries_it_out_in_the_operators_name() -> None:
    session = Session()
    office = Office(session, Session(sid(2)))
    assert await office.asks("say", text="Hello.") == Answer(200, None)
    assert session.commands == [("ana", Command(call_sid=sid(), action="say", text="Hello."))]
    assert office.done == []


async def test_what_the_session_refuses_is_refused_in_its_words() -> None:
    session = Session()
    session.answer = "the call is being ended already"
    assert await Office(session).asks("mute") == Answer(409, "the call is being ended already")


@pytest.mark.parametrize("action", ["hangup", "force_hangup", "mute", "listen", "unlisten"])
async def test_a_viewer_may_command_nothing(action: Action) -> None:
    session = Session()
    answer = await Office(session).orders.carry_out(VIC, Command(call_sid=sid(), action=action))
    assert (answer.status, session.commands) == (403, [])
    assert "vic may only watch" in (answer.error or "")


async def test_a_session_that_breaks_is_answered_for() -> None:
    session = Session()
    session.breaks = True
    assert (await Office(session).asks("hangup")).status == 500


@pytest.mark.parametrize(
    ("stored", "status", "error"),
    [
        (None, 404, "there is no such call"),
        (record(ended_at="2026-01-01T12:00:00.000Z"), 409, "the call has ended"),
        (
            record(owner="bridge-7"),
            409,
            "bridge-7 is silent",
        ),
        (record(), 409, "no bridge owns the call yet"),
        (record(accepted_at="2026-01-01T12:00:00.000Z"), 409, "no bridge owns the call any more"),
    ],
)
async def test_a_call_without_a_session_is_told_apart(stored: CallRecord | None, status: int, error: str) -> None:
    office = Office(stored=stored)
    assert await office.asks("hangup") == Answer(status, error)
    assert office.done == []


async def test_a_store_that_is_away_is_told_too() -> None:
    office = Office()
    office.is_away = True
    assert (await office.asks("hangup")).status == 503


# --- a call that another bridge owns -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Answer(), Answer(403, "you are not known here"), Answer(409, "the AI is not on this call")])
async def test_what_the_owner_answers_is_the_answer(answer: Answer) -> None:
    office = Office(stored=record(owner="bridge-7"))
    office.owner_says = answer
    assert await office.asks("mute") == answer
    assert await office.asks("force_hangup") == answer
    assert office.asked == [("bridge-7", "ana", "mute"), ("bridge-7", "ana", "force_hangup")]
    assert office.done == []


async def test_an_owner_that_gave_the_call_up_is_believed_and_overruled_by_force() -> None:
    office = Office(stored=record(owner="bridge-7"))
    office.owner_says = NOT_MINE
    assert await office.asks("mute") == NOT_MINE
    assert await office.asks("force_hangup") == Answer()
    assert "completed" in office.done
    await office.orders.close()


async def test_a_call_that_is_served_here_is_asked_of_nobody() -> None:
    office = Office(Session(), stored=record(owner="bridge-7"))
    await office.asks("mute")
    assert office.asked == []


async def test_what_another_bridge_passes_on_is_done_if_the_call_is_served_here_and_the_operator_may() -> None:
    session = Session()
    orders = Office(session).orders
    mute = Command(call_sid=sid(), action="mute")
    assert await orders.carry_out_here(ANA, mute) == Answer()
    assert (await orders.carry_out_here(VIC, mute)).status == 403
    assert await orders.carry_out_here(ANA, Command(call_sid=sid(2), action="mute")) == NOT_MINE
    assert session.commands == [("ana", mute)]


# --- force_hangup over the head of a bridge that is gone -----------------------------------------------------------------------


async def test_a_call_that_nobody_owns_is_completed_and_ended_on_the_record() -> None:
    office = Office(stored=record())
    assert await office.asks("force_hangup") == Answer()
    assert office.done == [NOTED, ("published", 7), HANG_UP, "completed", ("over", "completed")]


async def test_a_disposition_that_was_decided_stays() -> None:
    decided = Disposition(action="dial", reason="escalated", to="+15005550010")
    office = Office(stored=msgspec.structs.replace(record(), disposition=decided))
    await office.asks("force_hangup")
    assert HANG_UP not in office.done


def test_of_a_call_that_another_owns_the_record_is_left_to_it_for_a_while() -> None:
    async def forced() -> None:
        office = Office(stored=record(owner="bridge-7"))
        assert await office.asks("force_hangup") == Answer()
        assert office.done == [HANG_UP, "completed"]
        await asyncio.sleep(ENDED_WITHIN_S + 1)
        assert office.done == [HANG_UP, "completed", NOTED, ("published", 7), ("over", "completed")]
        await office.orders.close()

    run_virtually(forced())


def test_nothing_is_waited_for_when_the_process_ends() -> None:
    async def forced() -> None:
        office = Office(stored=record(owner="bridge-7"))
        await office.asks("force_hangup")
        await office.orders.close()
        await asyncio.sleep(ENDED_WITHIN_S + 1)
        assert ("over", "completed") not in office.done

    run_virtually(forced())


async def test_a_twilio_that_does_not_answer_is_told() -> None:
    office = Office(stored=record())
    office.rest_works = False
    answer = await office.asks("force_hangup")
    assert answer.status == 409
    assert "Twilio could not be told" in (answer.error or "")
    assert ("over", "completed") not in office.done


async def test_without_an_account_twilio_cannot_be_told_and_nothing_is_noted() -> None:
    office = Office(stored=record(), has_rest=False)
    answer = await office.asks("force_hangup")
    assert "TWILIO_ACCOUNT_SID is not set" in (answer.error or "")
    assert office.done == []
