"""A whole call whose record is kept in DynamoDB is the call it is with SQLite."""

import asyncio
from pathlib import Path

import pytest

from calls.events import AgentTranscript, CallerTranscript, CallEvent
from calls.record import CallRecord
from simulator.scenario import CallerStep
from tests.calls.dynamodb import Dynamo
from tests.whole_calls.playing import HANGS_UP, playing, scenario

TURNS = {"Are you open?": "Yes, we are.", "Do you sell tea?": "Green and black."}
TWO_TURNS = scenario(*(CallerStep(say=line, after_ms=250) for line in TURNS), HANGS_UP, replies=TURNS)


async def played(folder: Path, store: str | None) -> tuple[list[CallEvent], CallRecord]:
    """The record of one call."""
    async with playing(folder, TWO_TURNS, store=store) as stage:
        events = await stage.call().events_when_over()
        (record,) = await stage.stage.deployment.store.list_calls()
    return events, record


def lines(events: list[CallEvent]) -> set[str]:
    """What was said."""
    return {event.body.text for event in events if isinstance(event.body, AgentTranscript | CallerTranscript)}


async def test_a_call_on_dynamodb_has_the_record_it_has_on_sqlite(
    dynamodb: Dynamo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dynamodb.environ.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "sqlite").mkdir()

    (told, record), (as_usual, _) = await asyncio.gather(
        played(tmp_path, "dynamodb:whole-calls"), played(tmp_path / "sqlite", None)
    )

    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    assert {event.kind for event in told} == {event.kind for event in as_usual}
    assert lines(told) == lines(as_usual) >= set(TURNS)
    assert (record.phase, record.owner, record.last_seq) == ("ended", None, told[-1].seq)
    assert record.greeting_latency_ms is not None
