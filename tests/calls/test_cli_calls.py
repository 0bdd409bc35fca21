"""``frontdesk calls``: reading the store from the command line."""

import csv
import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calls import events
from calls.cli import calls_group
from calls.events import AnyEvent
from calls.store.base import CallStore
from calls.store.blocking import run_with_store
from calls.store.sqlite import SqliteStore
from tests.calls.examples import HOSTILE, after_ms, answered, event, new_call, said, sid

CONVERSATION: tuple[AnyEvent, ...] = (
    events.GreetingFirstAudio(latency_ms=420),
    answered("Hi, this is Bob's", item="a1", heard_ms=2100),
    answered("When did it", item="a2", previous="c1", heard_ms=640, cut=True),
    said("שלום, החימום לא עובד", item="c1", previous="a1"),
    said("yesterday", item="c2", previous="a2"),
)


def filled(path: Path, calls: int = 3, bodies: tuple[AnyEvent, ...] = CONVERSATION) -> None:
    async def fill(store: CallStore) -> None:
        for number in range(1, calls + 1):
            business = "bobs-hvac" if number % 2 else "dana-garage"
            opened = await store.open_call(new_call(number, business=business), after_ms(number * 60_000))
            await store.append([event(seq, body, call=number) for seq, body in enumerate(bodies, start=2)])
            if number == 1:
                await store.claim_stream(opened.token, "bridge-1", after_ms(100))
                await store.end_call(sid(1), "farewell", after_ms(90_000))

    run_with_store(SqliteStore(path), fill)


@pytest.fixture
def filled_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    filled(path)
    monkeypatch.setenv("FRONTDESK_STORE", f"sqlite:{path}")
    return path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(calls_group, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(code: int, *arguments: str) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr


# calls trace


def test_the_trace_shows_what_a_call_consisted_of_and_how_long_it_took(filled_path: Path) -> None:
    result = run("trace", sid(1))
    assert (result.exit_code, result.stderr) == (0, "")
    parts = {line.split("━")[-1].split()[0]: line for line in result.stdout.splitlines() if "━" in line}
    assert parts.keys() >= {"call", "stream", "hang_up"}
    assert "reason=farewell" in parts["call"]
    assert parts["call"].split("ms")[1].strip() == "30000"
    for said_by_somebody in ("החימום", "yesterday", "+1500"):
        assert said_by_somebody not in result.stdout


def test_the_trace_as_json_has_each_part_once(filled_path: Path) -> None:
    spans = json.loads(run("trace", sid(1), "--json").stdout)
    [call] = [span for span in spans if span["parent"] is None]
    assert (call["key"], call["facts"]["reason"], call["ok"]) == ("call", "farewell", True)
    assert len({span["key"] for span in spans}) == len(spans)


def test_the_trace_of_a_call_that_goes_on_says_so(filled_path: Path) -> None:
    assert run("trace", sid(2)).stdout.endswith("The call is not over; what is going on has no line yet.\n")


def test_there_is_no_trace_of_an_unknown_call(filled_path: Path) -> None:
    assert "there is no call" in refused(4, "trace", "CAFF")


# calls list


def test_the_list_has_a_line_for_each_call_newest_first(filled_path: Path) -> None:
    result = run("list")
    heading, *lines = result.stdout.splitlines()

    assert (result.exit_code, result.stderr) == (0, "")
    assert heading.split() == ["CALL", "STARTED", "(UTC)", "BUSINESS", "FROM", "PHASE", "GREETING", "CUTS", "LAST", "LINE"]
    assert [line.split()[0] for line in lines] == [sid(3), sid(2), sid(1)]
    assert lines[2].split() == [
        sid(1), "2026-01-01", "12:01:00", "bobs-hvac", "+15005550001", "ended", "420", "ms", "0", "yesterday",
    ]  # fmt: skip


def test_the_list_as_json_has_the_fields_of_the_operator_api(filled_path: Path) -> None:
    calls = json.loads(run("list", "--json").stdout)
    assert [call["call_sid"] for call in calls] == [sid(3), sid(2), sid(1)]
    assert (calls[2]["from"], calls[2]["phase"], calls[2]["greeting_latency_ms"]) == ("+15005550001", "ended", 420)
    assert [json.loads(line) for line in run("list", "--jsonl").stdout.splitlines()] == calls


def test_the_list_is_narrowed_by_business_life_and_number(filled_path: Path) -> None:
    def listed(*options: str) -> list[str]:
        return [call["call_sid"] for call in json.loads(run("list", "--json", *options).stdout)]

    assert listed("--business", "bobs-hvac") == [sid(3), sid(1)]
    assert listed("--live") == [sid(3), sid(2)]
    assert listed("--limit", "1") == [sid(3)]
    assert listed("--business", "dana-garage", "--live") == [sid(2)]


def test_an_empty_list_is_said_on_stderr_and_is_no_failure(path: Path) -> None:
    filled(path, calls=0)
    store = f"sqlite:{path}"
    for option, stdout in (("--json", "[]\n"), ("--jsonl", "")):
        result = run("list", option, "--store", store)
        assert (result.exit_code, result.stdout, result.stderr) == (0, stdout, "There are no calls yet.\n")
    assert run("list", "--live", "--store", store).stderr == "There are no such calls.\n"


def test_a_store_that_is_not_there_is_named_and_not_made(path: Path) -> None:
    for command in (["list"], ["list", "--json"], ["show", "CA1"], ["export", "--all"]):
        sentence = refused(3, *command, "--store", f"sqlite:{path}")
        assert sentence.startswith(f"Error: there is no call store at {path}; it is made when the first call comes in.")
    assert list(path.parent.iterdir()) == []


def test_a_store_of_another_kind_is_refused() -> None:
    assert "names no call store; use sqlite:PATH or dynamodb:TABLE" in refused(3, "list", "--store", "postgres://localhost")


def test_a_file_that_is_no_store_is_refused(path: Path) -> None:
    path.write_text("notes\n" * 500)
    assert "it is not a SQLite database" in refused(3, "list", "--store", f"sqlite:{path}")


def test_a_damaged_record_is_a_failure_in_one_sentence(filled_path: Path) -> None:
    with closing(sqlite3.connect(filled_path)) as db, db:
        db.execute("UPDATE calls SET record = '[]'")
    assert "holds a record this version of Frontdesk cannot read" in refused(1, "list")


def test_calls_can_be_listed_while_another_process_writes(filled_path: Path) -> None:
    with closing(sqlite3.connect(filled_path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE calls SET business_id = 'half-written'")
        assert len(json.loads(run("list", "--json").stdout)) == 3
        assert run("list", "--business", "half-written", "--json").stdout == "[]\n"
        writer.execute("ROLLBACK")


def test_two_formats_at_once_are_refused(filled_path: Path) -> None:
    assert "not both" in refused(2, "list", "--json", "--jsonl")
    assert "not both" in refused(2, "show", sid(1), "--json", "--jsonl")


# calls show


def test_a_call_is_shown_with_its_facts_its_conversation_and_the_rest(filled_path: Path) -> None:
    lines = run("show", sid(1)).stdout.splitlines()

    facts = dict(line.split(maxsplit=1) for line in lines[: lines.index("")])
    assert facts["Call"] == sid(1)
    assert facts["From"] == "+15005550001 (pstn)"
    assert facts["Ended"] == "2026-01-01 12:01:30 UTC, farewell, 30.0 s"
    assert facts["Greeting"] == "first audio after 420 ms"

    begin, end = lines.index("Conversation"), lines.index("Events")
    assert [line.split(" ms  ", 1)[1] for line in lines[begin + 1 : end - 1]] == [
        "agent   Hi, this is Bob's  [heard 2100 ms]",
        "caller  שלום, החימום לא עובד",
        "agent   When did it  [cut after 640 ms]",
        "caller  yesterday",
    ]
    assert [line.split()[2] for line in lines[end + 1 :]] == ["call.started", "greeting.first_audio", "call.ended"]
    assert lines[end + 2].endswith("latency_ms=420")
    assert lines[-1].split()[:2] == ["30000", "ms"]


def test_all_events_are_shown_in_stored_order(filled_path: Path) -> None:
    lines = run("show", sid(2), "--events").stdout.splitlines()
    kinds = [
        "call.started",
        "greeting.first_audio",
        "agent.transcript",
        "agent.transcript",
        "caller.transcript",
        "caller.transcript",
    ]
    assert [line.split()[2] for line in lines] == kinds
    assert 'text="שלום, החימום לא עובד"' in lines[4]


def test_a_call_as_json_holds_record_and_flat_events(filled_path: Path) -> None:
    shown = json.loads(run("show", sid(2), "--json").stdout)
    assert shown["call"]["call_sid"] == sid(2)
    assert [one["seq"] for one in shown["events"]] == [1, 2, 3, 4, 5, 6]
    assert [json.loads(line) for line in run("show", sid(2), "--jsonl").stdout.splitlines()] == shown["events"]
    assert shown["events"][4]["text"] == "שלום, החימום לא עובד"


def test_the_beginning_of_a_sid_is_enough_if_it_names_one_call(path: Path) -> None:
    async def fill(store: CallStore) -> None:
        for one in (0x1 << 124, 0x2 << 124, 0x21 << 120):
            await store.open_call(new_call(one), after_ms(0))

    run_with_store(SqliteStore(path), fill)
    store = ("--store", f"sqlite:{path}")

    assert json.loads(run("show", "CA1", "--json", *store).stdout)["call"]["call_sid"] == sid(0x1 << 124)
    assert json.loads(run("show", "CA20", "--json", *store).stdout)["call"]["call_sid"] == sid(0x2 << 124)
    assert "CA2 begins the SIDs of 2 calls" in refused(2, "show", "CA2", *store)
    assert "there is no call 'CA9'; `frontdesk calls list` shows" in refused(4, "show", "CA9", *store)
    for odd in ("", "%", "CA_", "שלום"):
        assert "there is no call" in refused(4, "show", odd, *store)
    assert "\\x1b[31m" in refused(4, "show", "\x1b[31m", *store)


def test_a_call_in_which_nothing_happened_says_so(path: Path) -> None:
    filled(path, calls=2, bodies=())
    shown = run("show", sid(2), "--store", f"sqlite:{path}").stdout
    assert "nobody has said anything" in shown


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_a_caller_s_words_are_never_obeyed_and_never_cut(path: Path, text: str) -> None:
    filled(path, calls=1, bodies=(said(text, item="c"), answered(text, item="a", previous="c")))
    store = ("--store", f"sqlite:{path}")

    for command in (("list",), ("show", sid(1)), ("show", sid(1), "--events"), ("show", sid(1), "--json"), ("export", "--all")):
        out = run(*command, *store).stdout
        assert not {char for char in out if char != "\n" and (ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0)}
        assert not set(out) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
        assert "…" not in out
    exported = [json.loads(line) for line in run("export", "--all", *store).stdout.splitlines()]
    assert [one["text"] for one in exported if "text" in one] == [text, text]


# calls export


def test_an_export_is_one_flat_event_a_line_oldest_call_first(filled_path: Path) -> None:
    lines = [json.loads(line) for line in run("export", "--all").stdout.splitlines()]
    assert [one["call_sid"] for one in lines] == [sid(1)] * 7 + [sid(2)] * 6 + [sid(3)] * 6
    assert [one["seq"] for one in lines] == [*range(1, 8), *range(1, 7), *range(1, 7)]
    assert all(one["type"] == "event" for one in lines)


def test_named_calls_are_exported_in_the_order_given(filled_path: Path) -> None:
    lines = [json.loads(line) for line in run("export", sid(3), sid(1)).stdout.splitlines()]
    assert list(dict.fromkeys(one["call_sid"] for one in lines)) == [sid(3), sid(1)]


def test_an_export_as_json_is_one_array_of_calls(filled_path: Path) -> None:
    exported = json.loads(run("export", "--all", "--format", "json").stdout)
    assert [one["call"]["call_sid"] for one in exported] == [sid(1), sid(2), sid(3)]
    assert exported[0] == json.loads(run("show", sid(1), "--json").stdout)


def test_an_export_as_csv_has_a_heading_and_a_row_for_each_event(filled_path: Path) -> None:
    heading, *rows = csv.reader(io.StringIO(run("export", sid(2), "--format", "csv").stdout))
    assert heading == ["call_sid", "seq", "at", "kind", "text", "fields"]
    assert [row[3] for row in rows][-1] == "caller.transcript"
    assert rows[4][4] == "שלום, החימום לא עובד"


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_a_file_gets_the_same_bytes_as_stdout(filled_path: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "export"
    result = run("export", "--all", "--format", form, "--output", str(target))
    assert (result.stdout, result.stderr) == ("", f"Exported 3 calls to {target}.\n")
    assert target.read_bytes() == run("export", "--all", "--format", form).stdout_bytes


def test_an_empty_store_exports_to_nothing(path: Path) -> None:
    filled(path, calls=0)
    store = ("--store", f"sqlite:{path}")
    assert run("export", "--all", *store).stdout == ""
    assert json.loads(run("export", "--all", "--format", "json", *store).stdout) == []


def test_an_export_names_calls_or_takes_all(filled_path: Path) -> None:
    assert "give --all" in refused(2, "export")
    assert "give --all" in refused(2, "export", "--all", sid(1))
    assert "there is no call 'CA9'" in refused(4, "export", sid(1), "CA9")


def test_a_failed_export_leaves_the_file_that_was_there(filled_path: Path, tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.write_text("precious")
    assert run("export", "CA9", "--output", str(target)).exit_code == 4
    with closing(sqlite3.connect(filled_path)) as db, db:
        db.execute("UPDATE events SET body = '{}' WHERE seq = 3")
    assert run("export", "--all", "--output", str(target)).exit_code == 1
    assert target.read_text() == "precious"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("export")] == ["export"]


def test_a_target_that_cannot_be_written_is_named(filled_path: Path, tmp_path: Path) -> None:
    assert "cannot write" in refused(1, "export", "--all", "--output", str(tmp_path / "no" / "export"))


# as a process


def test_help_teaches_with_examples_and_loads_nothing_heavy() -> None:
    for command in ([], ["list"], ["show"], ["export"]):
        assert "Examples:" in run(*command, "--help").stdout
    program = (
        "import sys; from calls.cli import calls_group\n"
        "try: calls_group(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'rich', 'aiosqlite', 'sqlite3', 'asyncio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def test_a_reader_that_goes_away_is_no_traceback(filled_path: Path) -> None:
    filled_path.unlink()
    filled(filled_path, calls=40, bodies=(said("x" * 9000),))
    program = "from calls.cli import calls_group; calls_group(['export', '--all'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as exporting:
        assert exporting.stdout is not None
        assert exporting.stderr is not None
        exporting.stdout.readline()
        exporting.stdout.close()
        assert "Traceback" not in exporting.stderr.read()
