"""``frontdesk leads``: what callers have left, for people, for spreadsheets and for scripts."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calls.cli_leads import leads_group
from calls.events import LeadCaptured
from calls.store.base import CallStore
from calls.store.blocking import run_with_store
from calls.store.sqlite import SqliteStore
from tests.calls.examples import HOSTILE, after_ms, event, new_call, said, sid

LEADS = [
    ("bobs-hvac", {"name": "Ann", "phone": "+15005550199", "reason": "no heat"}),
    ("dana-garage", {"name": "דנה", "phone": "03-5550100", "car": "Mazda"}),
    ("bobs-hvac", {"name": '=HYPERLINK("http://x")', "phone": "+1 500 555", "reason": "a, b\nc"}),
]


@pytest.fixture
def filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three calls, a minute apart, each with a lead among other events."""

    async def fill(store: CallStore) -> None:
        for number, (business, fields) in enumerate(LEADS, start=1):
            await store.open_call(new_call(number, business=business), after_ms(number * 60_000))
            lead = event(3, LeadCaptured(fields=fields), call=number)
            await store.append(
                [event(2, said("hello"), call=number), type(lead)(sid(number), 3, after_ms(number * 60_000), lead.body)]
            )

    run_with_store(SqliteStore(path), fill)
    monkeypatch.setenv("FRONTDESK_STORE", f"sqlite:{path}")
    return path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(leads_group, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def exported(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run("export", *arguments).stdout)))


def test_leads_are_listed_newest_first_with_what_was_left(filled: Path) -> None:
    lines = run("list").stdout.splitlines()
    assert [line[:16] for line in lines] == ["2026-01-01 12:03", "2026-01-01 12:02", "2026-01-01 12:01"]
    assert lines[2].split("  ")[1:] == ["bobs-hvac", "+15005550001", "name: Ann", "phone: +15005550199", "reason: no heat"]


def test_a_lead_as_json_says_whose_call_it_was(filled: Path) -> None:
    (lead,) = json.loads(run("list", "--limit", "1", "--business", "dana-garage", "--json").stdout)
    assert lead == {
        "call_sid": sid(2),
        "seq": 3,
        "at": "2026-01-01T12:02:00.000Z",
        "business_id": "dana-garage",
        "from": "+15005550001",
        "fields": LEADS[1][1],
    }


def test_the_table_for_spreadsheets_has_a_column_for_every_field(filled: Path) -> None:
    rows = exported()
    assert list(rows[0]) == ["at", "business_id", "call_sid", "from", "name", "phone", "reason", "car"]
    assert [(row["name"], row["car"]) for row in rows[:2]] == [("Ann", ""), ("דנה", "Mazda")]


def test_a_spreadsheet_calculates_nothing_and_telephone_numbers_stay_what_they_are(filled: Path) -> None:
    first, _, last = exported()
    assert (first["phone"], first["from"]) == ("+15005550199", "+15005550001")
    assert (last["name"], last["phone"], last["reason"]) == ('\'=HYPERLINK("http://x")', "'+1 500 555", "a, b c")


def test_a_field_that_is_called_like_a_fact_gets_a_column_of_its_own(path: Path) -> None:
    async def fill(store: CallStore) -> None:
        await store.open_call(new_call(), after_ms(0))
        await store.append([event(2, LeadCaptured(fields={"from": "Albany"}))])

    run_with_store(SqliteStore(path), fill)
    (row,) = exported("--store", f"sqlite:{path}")
    assert (row["from"], row["field_from"]) == ("+15005550001", "Albany")


@pytest.mark.parametrize(
    ("form", "decode"), [("json", json.loads), ("jsonl", lambda text: [json.loads(line) for line in text.splitlines()])]
)
def test_scripts_get_the_leads_as_they_are_oldest_first(filled: Path, form: str, decode: object) -> None:
    assert callable(decode)
    assert [lead["fields"] for lead in decode(run("export", "--format", form).stdout)] == [fields for _, fields in LEADS]


def test_leads_may_be_asked_for_from_a_moment_on(filled: Path) -> None:
    assert next(row["name"] for row in exported("--since", "2026-01-01T12:02:00")) == "דנה"
    assert len(exported("--since", "2026-01-01")) == 3
    assert exported("--since", "2026-01-02") == []


def test_an_export_to_a_file_is_told_of_beside_the_data(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    result = run("export", "--output", str(file))
    assert (result.stdout, result.stderr) == ("", f"Exported 3 leads to {file}.\n")
    assert len(file.read_text("utf-8").splitlines()) == 4


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_a_caller_says_leaves_its_line_or_cell(path: Path, name: str) -> None:
    async def fill(store: CallStore) -> None:
        await store.open_call(new_call(), after_ms(0))
        await store.append([event(2, LeadCaptured(fields={"name": name}))])

    run_with_store(SqliteStore(path), fill)
    store = ("--store", f"sqlite:{path}")
    assert run("list", *store).stdout.count("\n") == 1
    assert "\x1b" not in run("list", *store).stdout + run("export", *store).stdout
    assert json.loads(run("list", "--json", *store).stdout)[0]["fields"] == {"name": name}
    assert len(exported(*store)) == 1


def test_where_there_are_none_it_says_so(path: Path) -> None:
    async def nothing(store: CallStore) -> None:
        return None

    run_with_store(SqliteStore(path), nothing)
    store = ("--store", f"sqlite:{path}")
    assert (run("list", *store).stdout, run("list", *store).stderr) == ("", "There are no leads yet.\n")
    assert run("list", "--json", *store).stdout == "[]\n"
    assert run("export", *store).stdout == "at,business_id,call_sid,from\n"
    assert run("export", "--format", "jsonl", *store).stdout == ""


def test_both_formats_at_once_and_a_missing_store_are_refused(path: Path) -> None:
    assert run("list", "--json", "--jsonl", "--store", f"sqlite:{path}").exit_code == 2
    result = run("list", "--store", f"sqlite:{path}")
    assert (result.exit_code, path.exists()) == (3, False)
    assert "there is no call store" in result.stderr
