"""``frontdesk appointments``: looking at the calendar from the command line, and changing it."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calls.appointments import Appointment
from calls.cli_appointments import appointments_group
from calls.store import appointments_of
from calls.store.base import CallStore
from calls.store.blocking import run_with_store
from calls.store.sqlite import SqliteStore
from tests.calls.booking import appointment
from tests.calls.examples import HOSTILE

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# These commands have the time of the machine, so the appointments are far from it on either side.
LONG_AGO = datetime(2020, 6, 1, 14, 0, tzinfo=UTC)
FAR_AHEAD = datetime(2060, 6, 1, 14, 0, tzinfo=UTC)
APPOINTMENTS = (
    appointment(1, starts_at=LONG_AGO),
    appointment(2, starts_at=FAR_AHEAD),
    appointment(3, starts_at=FAR_AHEAD + DAY, name="דנה כהן", reason="טיפול", business_id="dana-garage"),
    appointment(4, starts_at=FAR_AHEAD + 2 * DAY, status="cancelled", sequence=1),
    # the second of June in New York, the third in UTC
    appointment(5, starts_at=FAR_AHEAD + DAY + 13 * HOUR, name="Ben"),
)


def fill(path: Path, appointments: Iterable[Appointment]) -> None:
    async def book(store: CallStore) -> None:
        for one in appointments:
            await appointments_of(store).book(one, per_slot=10)

    run_with_store(SqliteStore(path), book)


def stored(path: Path, appointment_id: str) -> Appointment:
    async def get(store: CallStore) -> Appointment | None:
        return await appointments_of(store).get(appointment_id)

    found = run_with_store(SqliteStore(path), get)
    assert found is not None
    return found


@pytest.fixture
def filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fill(path, APPOINTMENTS)
    monkeypatch.setenv("FRONTDESK_STORE", f"sqlite:{path}")
    return path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(appointments_group, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(code: int, *arguments: str) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr


def listed(*options: str) -> list[str]:
    result = run("list", "--json", *options)
    assert result.exit_code == 0
    return [one["appointment_id"][-1] for one in json.loads(result.stdout)]


# list and show


def test_the_list_has_those_to_come_as_the_clock_at_the_business_shows_them(filled: Path) -> None:
    heading, *lines = run("list").stdout.splitlines()
    assert heading.split() == ["APPOINTMENT", "WHEN", "BUSINESS", "NAME", "PHONE", "STATUS", "REASON"]
    assert lines[0].split() == [
        "00000002", "Tue", "2060-06-01", "10:00", "corner-shop", "Anna", "Smith", "+15005550001", "booked", "a", "leak",
    ]  # fmt: skip
    assert [line.split()[0][-1] for line in lines] == ["2", "3", "5"]
    assert "דנה כהן" in lines[1]


def test_the_list_is_narrowed_by_day_business_and_state(filled: Path) -> None:
    assert listed() == ["2", "3", "5"]
    assert listed("--past") == ["1", "2", "3", "5"]
    assert listed("--cancelled") == ["2", "3", "5", "4"]
    assert listed("--business", "dana-garage") == ["3"]
    assert listed("--from", "2060-06-02", "--to", "2060-06-02") == ["3", "5"]
    assert listed("--from", "2060-06-03") == []
    assert listed("--from", "2020-06-01", "--to", "2020-06-01") == ["1"]
    assert listed("--to", "2030-01-01") == []
    assert listed("--to", "2030-01-01", "--past") == ["1"]


def test_a_line_of_json_is_an_appointment(filled: Path) -> None:
    first, *_ = run("list", "--jsonl").stdout.splitlines()
    one = json.loads(first)
    assert (one["starts_at"], one["ends_at"]) == ("2060-06-01T14:00:00Z", "2060-06-01T15:00:00Z")
    assert (one["timezone"], one["name"], one["status"], one["sequence"]) == ("America/New_York", "Anna Smith", "booked", 0)


def test_an_empty_list_is_said_on_stderr_and_is_no_failure(filled: Path) -> None:
    result = run("list", "--business", "nobody", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "[]\n", "There are no such appointments.\n")


def test_one_appointment_is_shown_in_lines_as_json_and_as_a_calendar_file(filled: Path) -> None:
    lines = run("show", "0000-0002").stdout.splitlines()
    assert lines[:2] == ["appointment_id = 00000002", "business_id = corner-shop"]
    assert json.loads(run("show", "00000002", "--json").stdout)["reason"] == "a leak"
    calendar = run("show", "00000004", "--ics").stdout_bytes.decode()
    assert calendar.startswith("BEGIN:VCALENDAR\r\n")
    assert "METHOD:CANCEL\r\n" in calendar


def test_an_appointment_that_is_not_there_is_not_found(filled: Path) -> None:
    for command in (
        ["show", "99999999"],
        ["cancel", "99999999"],
        ["move", "99999999", "2060-06-01T10:00"],
        ["export", "99999999"],
    ):
        assert "there is no appointment '99999999'" in refused(4, *command)


def test_a_store_that_is_not_there_is_named_and_not_made(path: Path) -> None:
    for command in (["list"], ["export"], ["show", "1"], ["cancel", "1", "--yes"], ["move", "1", "2060-06-01T10:00", "--yes"]):
        assert f"there is no call store at {path}" in refused(3, *command, "--store", f"sqlite:{path}")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_nothing_a_caller_said_reaches_the_terminal_as_a_command(path: Path, text: str) -> None:
    fill(path, [appointment(1, starts_at=FAR_AHEAD, name=text, reason=text)])
    for command in (["list"], ["list", "--json"], ["show", "00000001"], ["export", "--format", "csv"]):
        output = run(*command, "--store", f"sqlite:{path}").stdout
        assert not any(char in output for char in "\x00\x07\x1b\x7f\x9b\u202e\u2066\r")


# export


def test_the_export_is_a_calendar_file_of_those_to_come(filled: Path, tmp_path: Path) -> None:
    calendar = run("export").stdout_bytes.decode()
    assert calendar.count("BEGIN:VEVENT\r\n") == 3
    assert "METHOD:CANCEL" not in calendar
    file = tmp_path / "calendar.ics"
    result = run("export", "--cancelled", "--output", str(file))
    assert (result.stdout, result.stderr) == ("", f"Exported 4 appointments to {file}.\n")
    written = file.read_bytes().decode()
    assert written.replace("\r\n", "").find("\n") == -1
    assert written.count("METHOD:CANCEL\r\n") == 1


def test_the_export_in_rows_has_what_callers_gave_in_a_form_no_spreadsheet_calculates(path: Path) -> None:
    fill(path, [appointment(1, starts_at=FAR_AHEAD, name='=HYPERLINK("x")', reason="a, b\nc")])
    (row,) = csv.DictReader(io.StringIO(run("export", "--format", "csv", "--store", f"sqlite:{path}").stdout))
    assert (row["appointment_id"], row["name"], row["reason"]) == ("00000001", '\'=HYPERLINK("x")', "a, b c")
    assert (row["phone"], row["starts_at"]) == ("+15005550001", "2060-06-01T14:00:00Z")


def test_the_export_as_json_is_what_the_list_has(filled: Path) -> None:
    expected = json.loads(run("list", "--json").stdout)
    assert json.loads(run("export", "--format", "json").stdout) == expected
    assert [json.loads(line) for line in run("export", "--format", "jsonl").stdout.splitlines()] == expected


def test_each_appointment_gets_a_file_of_its_own(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "calendar" / "new"
    result = run("export", "--cancelled", "--each", str(folder))
    assert (result.exit_code, result.stderr) == (0, f"Exported 4 appointments to {folder}.\n")
    assert sorted(file.name for file in folder.iterdir()) == [f"0000000{number}.ics" for number in (2, 3, 4, 5)]
    assert b"UID:00000003@dana-garage.frontdesk.invalid\r\n" in (folder / "00000003.ics").read_bytes()
    (tmp_path / "file").write_text("")
    assert f"cannot write to {tmp_path}/file/x" in refused(1, "export", "--each", f"{tmp_path}/file/x")
    assert "--each writes calendar files of its own" in refused(2, "export", "--each", str(folder), "--format", "csv")


def test_named_appointments_are_exported_whenever_they_are(filled: Path) -> None:
    calendar = run("export", "00000001", "00000004").stdout
    assert [line[4:12] for line in calendar.splitlines() if line.startswith("UID:")] == ["00000001", "00000004"]


# cancel and move


def test_an_appointment_is_cancelled_once(filled: Path) -> None:
    result = run("cancel", "00000002", "--yes", "--json")
    assert json.loads(result.stdout)["status"] == "cancelled"
    assert result.stderr == "00000002 (Anna Smith, 2060-06-01T10:00) is cancelled.\n"
    assert stored(filled, "00000002").sequence == 1
    again = run("cancel", "00000002")
    assert (again.exit_code, again.stderr) == (0, "00000002 (Anna Smith, 2060-06-01T10:00) was cancelled before.\n")
    assert stored(filled, "00000002").sequence == 1


def test_where_nobody_can_be_asked_nothing_is_changed_without_yes(filled: Path) -> None:
    assert "There is nobody to ask here: give --yes." in refused(2, "cancel", "00000002")
    assert "There is nobody to ask here: give --yes." in refused(2, "move", "00000002", "2060-06-02T10:00", "--anyway")
    assert stored(filled, "00000002").sequence == 0


def test_an_appointment_is_moved_anyway_to_whatever_time_there_is(filled: Path) -> None:
    result = run("move", "00000002", "2060-06-05T22:30", "--anyway", "--yes")
    assert (result.exit_code, result.stderr) == (0, "00000002 (Anna Smith, 2060-06-01T10:00) is moved to 2060-06-05T22:30.\n")
    moved = stored(filled, "00000002")
    assert (moved.local_start, moved.sequence, moved.ends_at - moved.starts_at) == ("2060-06-05T22:30", 1, HOUR)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ("soon", "'soon' is not a date and time; write it like 2026-11-23T10:00"),
        ("2060-03-14T02:30", "2060-03-14T02:30 does not exist: the clocks of America/New_York jump over it that night"),
        ("9999-12-31T23:59", "9999-12-31T23:59 is too far away"),
        ("2060-06-05T10:00Z", "2060-06-05T10:00Z is not local time"),
    ],
)
def test_a_time_that_does_not_exist_is_refused_even_anyway(filled: Path, start: str, sentence: str) -> None:
    assert sentence in refused(1, "move", "00000002", start, "--anyway", "--yes")
    assert stored(filled, "00000002").sequence == 0


def test_what_is_cancelled_cannot_be_moved(filled: Path) -> None:
    assert "was cancelled; it cannot be moved" in refused(1, "move", "00000004", "2060-06-05T10:00", "--anyway", "--yes")


FILE = """
id = "corner-shop"
name = "Corner Shop"
numbers = ["+15005550006"]
language = "en"
voice = "alloy"
instructions = "You answer the phone."
[tools]
builtin = ["book_appointment"]
[appointments]
duration_min = 30
[hours]
timezone = "America/New_York"
"""


def test_without_anyway_the_business_has_to_be_open_and_have_room(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "businesses"
    folder.mkdir()
    options = ("--businesses", str(folder), "--yes")
    assert "holds no business file" in refused(1, "move", "00000002", "2060-06-02T10:00", *options)
    hours = "".join(f'{day} = ["00:00-24:00"]\n' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
    (folder / "shop.toml").write_text(FILE + hours)
    tomorrow = f"{datetime.now(UTC).date() + 3 * DAY}T10:00"
    far = refused(1, "move", "00000002", "2060-06-02T10:00", *options)
    assert "that is too far ahead; appointments can be made 30 days ahead; give --anyway to move it all the same" in far
    assert run("move", "00000002", tomorrow, *options).exit_code == 0
    moved = stored(filled, "00000002")
    assert (moved.local_start, moved.ends_at - moved.starts_at) == (tomorrow, HOUR / 2)
    full = refused(1, "move", "00000005", tomorrow, *options)
    assert full == "Error: as many appointments as there is room for take place then already\n"
    assert "there is no business dana-garage in" in refused(4, "move", "00000003", tomorrow, *options)
