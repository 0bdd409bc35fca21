"""``frontdesk businesses``: checking and reading business files from the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calls.cli_businesses import businesses_group
from tests.calls.test_business_files import HEAD, written

SHIPPED = Path(__file__).parents[2] / "businesses"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "businesses"
    folder.mkdir()
    monkeypatch.setenv("FRONTDESK_BUSINESSES", str(folder))
    return folder


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(businesses_group, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_sound_files_pass(folder: Path) -> None:
    written(folder, HEAD)
    result = run("check")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "1 file: 0 errors, 0 warnings.\n")


def test_warnings_are_told_and_pass(folder: Path) -> None:
    written(folder, HEAD.replace("alloy", "onyx"))
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{folder}/bobs.toml:5: warning: voice: ")
    assert result.stderr == "1 file: 0 errors, 1 warning.\n"


def test_errors_fail_with_a_line_each(folder: Path) -> None:
    written(folder, HEAD + "temperature = 1\n", "a.toml")
    written(folder, HEAD + 'x = "\\u001b[31m"\n', "b.toml")
    result = run("check")
    assert result.exit_code == 1
    assert [line.split(":")[2].strip() for line in result.stdout.splitlines()] == ["temperature", "id", "numbers", "x"]
    assert result.stderr == "2 files: 4 errors, 0 warnings.\n"


def test_one_file_is_checked_wherever_it_is(folder: Path, tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "temperature = 1\n", "new.toml")
    assert run("check", str(path)).exit_code == 1
    assert "cannot be read" in run("check", str(tmp_path / "gone.toml")).stdout


def test_problems_as_json_have_file_key_line_message_and_severity(folder: Path) -> None:
    path = written(folder, HEAD + "temperature = 1\n")
    result = run("check", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {
            "file": str(path),
            "key": "temperature",
            "message": "the current Realtime API no longer has it; remove the line",
            "line": 7,
            "severity": "error",
        }
    ]


def test_a_folder_without_files_fails_with_what_to_do(folder: Path) -> None:
    assert "holds no business file" in run("check").stdout
    assert run("check").exit_code == 1
    gone = run("list", "--businesses", str(folder / "gone"))
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert "there is no such folder" in gone.stderr


def test_the_shipped_files_pass() -> None:
    assert run("check", "--businesses", str(SHIPPED)).exit_code == 0


def test_businesses_are_listed_with_their_numbers() -> None:
    result = run("list", "--businesses", str(SHIPPED))
    assert result.stdout.splitlines()[0].startswith("bobs-hvac  Bob's HVAC Service  (en)  +15005550006, whatsapp:+15005550006")
    assert "המוסך של דנה" in result.stdout
    listed = json.loads(run("list", "--json", "--businesses", str(SHIPPED)).stdout)
    assert [one["id"] for one in listed] == ["bobs-hvac", "dana-garage", "smile-dental"]


def test_a_name_cannot_write_to_the_terminal(folder: Path) -> None:
    written(folder, HEAD.replace("Bob's HVAC Service", "\\u001b[31mBob\\u202e"))
    for command in (["list"], ["show", "bobs-hvac"], ["list", "--json"], ["show", "bobs-hvac", "--json"]):
        out = run(*command).stdout
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "Bob" in out


def test_a_business_is_shown_with_its_defaults() -> None:
    result = run("show", "bobs-hvac", "--businesses", str(SHIPPED))
    lines = dict(line.split(" = ", 1) for line in result.stdout.splitlines())
    assert (lines["id"], lines["barge_in.hold_ms"], lines["hours.sat"]) == ('"bobs-hvac"', "180", "[]")
    assert result.stderr.startswith("Open: Mon–Thu 08:00–12:00 and 13:00–17:00, Fri")
    shown = json.loads(run("show", "bobs-hvac", "--json", "--businesses", str(SHIPPED)).stdout)
    assert (shown["id"], shown["barge_in"]["hold_ms"]) == ("bobs-hvac", 180)


def test_a_business_that_is_not_there_is_not_found() -> None:
    result = run("show", "eve\x1b", "--businesses", str(SHIPPED))
    assert (result.exit_code, result.stdout) == (4, "")
    assert "there is no business eve\\x1b" in result.stderr
    assert "bobs-hvac, dana-garage" in result.stderr


def test_files_with_errors_are_neither_listed_nor_shown(folder: Path) -> None:
    written(folder, HEAD + "temperature = 1\n")
    for command in (["list"], ["show", "bobs-hvac"]):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "temperature: the current Realtime API" in result.stderr


def test_help_teaches_with_examples() -> None:
    for command in ([], ["check"], ["list"], ["show"]):
        assert "Examples:" in run(*command, "--help").stdout
