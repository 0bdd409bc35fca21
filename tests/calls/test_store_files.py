"""The SQLite store's file: what is made, and what is said when it cannot be."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from calls.store import open_store
from calls.store.base import StoreError, StoreUnavailable
from calls.store.sqlite import SqliteStore
from calls.store.sqlite_errors import explained
from calls.store.sqlite_schema import VERSION
from tests.calls.examples import START, event, new_call, sid


async def refusal(store: SqliteStore) -> str:
    """The sentence of a store that must not open."""
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    return str(caught.value)


async def made(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.open_call(new_call(), START)
    await store.close()


def written(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def removed(path: Path) -> None:
    path.unlink()


def exists(path: Path) -> bool:
    return path.exists()


def run_sql(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db, db:
        return db.execute(sql).fetchall()


async def test_opening_makes_a_file_in_write_ahead_mode_with_its_version(path: Path) -> None:
    await made(path)
    assert run_sql(path, "PRAGMA journal_mode") == [("wal",)]
    assert run_sql(path, "PRAGMA user_version") == [(VERSION,)]
    assert run_sql(path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_new_store_is_its_owners_alone(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.open_call(new_call(), START)
    files = sorted(path.parent.glob(f"{path.name}*"))
    assert len(files) == 3
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
    await store.close()


async def test_what_was_stored_is_there_after_reopening(path: Path) -> None:
    await made(path)
    store = SqliteStore(path)
    await store.open()
    assert [record.call_sid for record in await store.list_calls()] == [sid()]
    await store.close()


async def test_a_newer_file_is_left_alone(path: Path) -> None:
    await made(path)
    run_sql(path, f"PRAGMA user_version = {VERSION + 1}")
    for store in (SqliteStore(path), SqliteStore(path, read_only=True)):
        assert "written by a newer Frontdesk" in await refusal(store)
    assert run_sql(path, "PRAGMA user_version") == [(VERSION + 1,)]


async def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    run_sql(path, "CREATE TABLE notes (text)")
    assert "is not a Frontdesk call store" in await refusal(SqliteStore(path))
    assert run_sql(path, "SELECT name FROM sqlite_master") == [("notes",)]


async def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    written(path, b"these are my notes, not a database\n" * 100)
    sentence = await refusal(SqliteStore(path))
    assert str(path) in sentence
    assert "not a SQLite database" in sentence


async def test_an_empty_file_becomes_a_store(path: Path) -> None:
    written(path, b"")
    await made(path)
    store = SqliteStore(path, read_only=True)
    await store.open()
    assert len(await store.events(sid())) == 1
    await store.close()


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    sentence = await refusal(SqliteStore(tmp_path / "no" / "calls.db"))
    assert f"the folder {tmp_path / 'no'} does not exist" in sentence


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert "it is a folder" in await refusal(SqliteStore(tmp_path))


async def test_reading_only_neither_makes_a_file_nor_writes(path: Path) -> None:
    assert "there is no call store at" in await refusal(SqliteStore(path, read_only=True))
    assert not exists(path)

    await made(path)
    store = SqliteStore(path, read_only=True)
    await store.open()
    await store.check()
    assert len(await store.events(sid())) == 1
    with pytest.raises(StoreUnavailable, match="open for reading only"):
        await store.open_call(new_call(2), START)
    await store.close()


async def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    store = SqliteStore(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="is not open"):
            await store.get_call(sid())
        with pytest.raises(StoreUnavailable, match="is not open"):
            await store.append([event(1)])
        await store.open()
        await store.close()


async def test_a_check_notices_that_the_file_is_gone(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.check()
    removed(path)
    with pytest.raises(StoreUnavailable, match="there is no call store"):
        await store.check()
    await store.close()


async def test_a_record_of_another_shape_is_an_error_of_the_store(path: Path) -> None:
    await made(path)
    run_sql(path, "UPDATE calls SET record = '{}'")
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StoreError, match="holds a record this version"):
        await store.get_call(sid())
    with pytest.raises(StoreError, match="holds a record this version"):
        await store.note_action(sid(), START)
    await store.close()


async def test_text_that_is_no_unicode_is_an_error_of_the_store(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StoreError, match="cannot hold this"):
        await store.open_call(new_call(from_="\ud800"), START)
    assert await store.list_calls() == []
    await store.close()


def sqlite_error(code: int, name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SQLITE_BUSY", "another process has kept it locked for more than 5 s"),
        ("SQLITE_BUSY_SNAPSHOT", "another process has kept it locked"),
        ("SQLITE_READONLY_DBMOVED", "cannot be written; make the file and its folder writable"),
        ("SQLITE_FULL", "the disk is full"),
        ("SQLITE_IOERR_WRITE", "writing the disk failed"),
        ("SQLITE_CORRUPT_VTAB", "the file is damaged"),
        ("SQLITE_CANTOPEN", "there is no such file, and none can be made there"),
        ("SQLITE_ERROR", "SQLITE_ERROR"),
    ],
)
def test_an_error_of_sqlite_becomes_a_sentence_about_the_file(path: Path, name: str, words: str) -> None:
    error = explained(sqlite_error(1, name), path)
    assert isinstance(error, StoreUnavailable)
    assert str(path) in str(error)
    assert words in str(error)


def test_a_broken_constraint_is_no_reason_to_try_again(path: Path) -> None:
    error = sqlite3.IntegrityError("UNIQUE constraint failed")
    assert not isinstance(explained(error, path), StoreUnavailable)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("dynamodb:", "names no table; write dynamodb:TABLE"),
        ("dynamodb", "names no table; write dynamodb:TABLE"),
        ("postgres://localhost", "names no call store; use sqlite:PATH or dynamodb:TABLE"),
        ("calls.db", "names no call store; use sqlite:PATH or dynamodb:TABLE"),
        ("sqlite:", "names no call store; use sqlite:PATH or dynamodb:TABLE"),
        ("", "names no call store; use sqlite:PATH or dynamodb:TABLE"),
    ],
)
def test_a_setting_that_names_no_store_is_refused(url: str, words: str) -> None:
    with pytest.raises(StoreUnavailable, match=words):
        open_store(url)


async def test_a_setting_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, file in ((f"sqlite:{tmp_path}/Anrufe ü?#%.db", "Anrufe ü?#%.db"), ("sqlite:here.db", "here.db")):
        store = open_store(url)
        await store.open()
        await store.close()
        assert (tmp_path / file).is_file()


def test_asking_for_the_interface_loads_no_driver() -> None:
    program = "import sys, calls.store.base, calls.cli; print({'aiosqlite', 'rich', 'sqlite3', 'structlog'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
