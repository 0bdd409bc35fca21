"""``frontdesk outbox``: what waits, what is dead, and what becomes of it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calls.cli_outbox import outbox_group
from calls.outbox import Posting
from calls.store import outbox_of
from calls.store.base import CallStore
from calls.store.blocking import run_with_store
from calls.store.sqlite import SqliteStore
from tests.calls.examples import START, new_call, sid

WAITING, DEAD, FAILING = (f"{sid(number)}/1" for number in (1, 2, 3))


@pytest.fixture
def filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three messages: one that waits, one that is dead, one that has failed once."""

    async def fill(store: CallStore) -> None:
        for number in (1, 2, 3):
            await store.open_call(new_call(number, business=f"shop-{number}"), START + timedelta(seconds=number))
        outbox = outbox_of(store)
        postings = {one.key: one for one in await outbox.take("here", START + timedelta(hours=1), 10)}
        await outbox.failed(postings[DEAD], "here", "answered with status 410", None)
        await outbox.failed(postings[FAILING], "here", "no answer within 10 s", START + timedelta(hours=2))
        await outbox.give_back("here")

    run_with_store(SqliteStore(path, wants=lambda _business, _kind: True), fill)
    monkeypatch.setenv("FRONTDESK_STORE", f"sqlite:{path}")
    return path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(outbox_group, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def left(path: Path) -> dict[str, str]:
    async def look(store: CallStore) -> dict[str, str]:
        return {one.id: one.state for one in await outbox_of(store).list()}

    return run_with_store(SqliteStore(path, read_only=True), look)


def due(path: Path) -> list[Posting]:
    async def take(store: CallStore) -> list[Posting]:
        return await outbox_of(store).take("a process", datetime.now(UTC), 10)

    return run_with_store(SqliteStore(path), take)


def test_everything_that_is_not_posted_is_listed_with_why(filled: Path) -> None:
    assert [line.split("  ") for line in run("list").stdout.splitlines()] == [
        [WAITING, "shop-1", "call.started", "not tried yet", "next try 2026-01-01 12:00:01"],
        [DEAD, "shop-2", "call.started", "tried 1×", "dead", "answered with status 410"],
        [FAILING, "shop-3", "call.started", "tried 1×", "next try 2026-01-01 14:00:00", "no answer within 10 s"],
    ]


def test_the_list_may_be_of_the_dead_of_one_business_and_for_scripts(filled: Path) -> None:
    (dead,) = json.loads(run("list", "--dead", "--json").stdout)
    assert dead == {
        "id": DEAD,
        "business_id": "shop-2",
        "kind": "call.started",
        "state": "dead",
        "attempts": 1,
        "next_try_at": None,
        "give_up_at": "2026-01-04T12:00:02.000Z",
        "last_error": "answered with status 410",
    }
    assert [json.loads(line)["id"] for line in run("list", "--business", "shop-3", "--jsonl").stdout.splitlines()] == [FAILING]
    assert len(run("list", "--limit", "2").stdout.splitlines()) == 2


def test_the_dead_are_posted_again_when_asked_for(filled: Path) -> None:
    result = run("retry", "--dead")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "1 message will be posted.\n")
    (again,) = [one for one in due(filled) if one.key == DEAD]
    assert again.attempts == 0
    assert again.give_up_at > datetime.now(UTC) + timedelta(days=2)


def test_messages_that_are_named_are_posted_at_once(filled: Path) -> None:
    assert run("retry", DEAD, FAILING).stderr == "2 messages will be posted.\n"
    assert left(filled) == dict.fromkeys((WAITING, DEAD, FAILING), "waiting")


def test_what_is_dropped_is_forgotten(filled: Path) -> None:
    assert run("drop", "--dead").stderr == "1 message dropped.\n"
    assert run("drop", WAITING).stderr == "1 message dropped.\n"
    assert left(filled) == {FAILING: "waiting"}


def test_a_name_of_nothing_is_said_to_be_so_and_the_others_are_done(filled: Path) -> None:
    result = run("drop", f"{sid(1)}/9", WAITING)
    assert (result.exit_code, result.stderr) == (4, "Error: 1 of these are not in the outbox; 1 dropped\n")
    assert WAITING not in left(filled)


@pytest.mark.parametrize("name", ["", "CA1", "CA1/", "CA1/x", "CA1/-1", "CA1/" + "9" * 30, "CA1/²", "\x1b[31m"])
def test_what_cannot_be_a_name_is_refused(filled: Path, name: str) -> None:
    result = run("retry", "--", name)
    assert (result.exit_code, len(left(filled))) == (2, 3)
    assert "names no message" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_it_has_to_be_said_what_is_meant(filled: Path, command: str) -> None:
    for arguments in ((), (WAITING, "--dead")):
        result = run(command, *arguments)
        assert result.exit_code == 2
        assert "Name the messages, or give --dead." in result.stderr
    assert len(left(filled)) == 3


def test_an_empty_outbox_is_good_news(filled: Path) -> None:
    run("drop", WAITING, DEAD, FAILING)
    assert (run("list").stdout, run("list").stderr) == ("", "Everything is posted.\n")
    assert run("list", "--dead").stderr == "Nothing is dead.\n"
    assert run("list", "--json").stdout == "[]\n"


@pytest.mark.parametrize("arguments", [("list",), ("retry", "--dead"), ("drop", "--dead")])
def test_a_missing_store_is_not_made(path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--store", f"sqlite:{path}")
    assert (result.exit_code, path.exists()) == (3, False)
    assert "there is no call store" in result.stderr
