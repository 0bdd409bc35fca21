"""``frontdesk businesses apply``: files go to the store when all of them are sound, and it is said what became of each."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calls import cli_apply
from calls.cli_businesses import businesses_group
from calls.ids import BusinessId
from calls.store import businesses_of
from calls.store.base import CallStore
from calls.store.blocking import run_with_store
from calls.store.businesses import Applied, BusinessText
from tests.calls.conftest import MakeStore
from tests.calls.test_business_files import HEAD, written

ANN = (
    HEAD.replace("bobs-hvac", "anns-garage").replace("Bob's HVAC Service", "Ann's Garage").replace("+15005550006", "+15005550007")
)

# What every store does with businesses is tested elsewhere; a command on DynamoDB takes half a second.
in_one_file = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def folder(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two businesses that the commands find by themselves, as they do the store."""
    monkeypatch.setenv("FRONTDESK_STORE", store_url)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "businesses"
    folder.mkdir()
    written(folder, HEAD)
    written(folder, ANN, "anns.toml")
    return folder


def run(*arguments: str, typed: str | None = None) -> Result:
    result = CliRunner().invoke(businesses_group, arguments, input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def told(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.stderr
    return [line.split() for line in result.stdout.splitlines()]


@pytest.fixture
def stored(make_store: MakeStore) -> "Stored":
    return Stored(make_store)


class Stored:
    """Looks into the store beside the commands."""

    def __init__(self, make_store: MakeStore) -> None:
        self._make_store = make_store

    def now(self) -> dict[str, str]:
        async def load(store: CallStore) -> Applied:
            return await businesses_of(store).load()

        return {one.business_id: one.text for one in run_with_store(self._make_store(), load).businesses}

    def put(self, business_id: str, text: str) -> None:
        async def apply(store: CallStore) -> int:
            one = BusinessText(business_id=BusinessId(business_id), text=text, applied_at="2026-01-01T12:00:00+00:00")
            return await businesses_of(store).apply([one], [], await businesses_of(store).version())

        run_with_store(self._make_store(), apply)


def test_the_folder_is_applied_and_each_business_is_told(folder: Path, stored: Stored) -> None:
    assert told(run("apply")) == [["added", "anns-garage"], ["added", "bobs-hvac"]]
    assert stored.now() == {"anns-garage": ANN, "bobs-hvac": HEAD}
    written(folder, HEAD.replace("alloy", "ash"))
    assert told(run("apply")) == [["unchanged", "anns-garage"], ["changed", "bobs-hvac"]]
    assert stored.now()["bobs-hvac"] == HEAD.replace("alloy", "ash")


@in_one_file
def test_one_file_is_applied_and_the_others_stay(folder: Path, stored: Stored) -> None:
    run("apply")
    changed = written(folder, HEAD.replace("alloy", "ash"))
    written(folder, ANN.replace("alloy", "ash"), "anns.toml")
    assert told(run("apply", str(changed))) == [["changed", "bobs-hvac"], ["left", "anns-garage"]]
    assert stored.now()["anns-garage"] == ANN


@in_one_file
@pytest.mark.parametrize("wrong", ["temperature = 1\n", 'numbers = ["+15005550007"]\n'], ids=["a key", "not TOML"])
def test_nothing_is_written_if_any_file_is_wrong(folder: Path, stored: Stored, wrong: str) -> None:
    run("apply")
    written(folder, HEAD + wrong)
    written(folder, ANN.replace("alloy", "ash"), "anns.toml")
    result = run("apply", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "businesses/bobs.toml:7: " in result.stderr
    assert "nothing was applied: put this right first" in result.stderr
    assert stored.now() == {"anns-garage": ANN, "bobs-hvac": HEAD}


@in_one_file
def test_a_number_of_another_business_in_the_store_is_refused(folder: Path, stored: Stored) -> None:
    run("apply")
    other = written(folder, HEAD.replace("bobs-hvac", "bob-two"), "two.toml")
    result = run("apply", str(other))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f'{other}:3: numbers: "+15005550006" is listed in sqlite:' in result.stderr
    assert "bob-two" not in stored.now()


@in_one_file
def test_a_number_may_go_from_one_business_to_another_in_one_step(folder: Path, stored: Stored) -> None:
    run("apply")
    written(folder, HEAD.replace("0006", "0007"))
    written(folder, ANN.replace("0007", "0006"), "anns.toml")
    assert told(run("apply")) == [["changed", "anns-garage"], ["changed", "bobs-hvac"]]
    assert "+15005550007" in stored.now()["bobs-hvac"]


@in_one_file
def test_a_dry_run_tells_the_same_and_changes_nothing(folder: Path, stored: Stored) -> None:
    stored.put("old-shop", HEAD.replace("bobs-hvac", "old-shop").replace("0006", "0009"))
    result = run("apply", "--dry-run", "--prune")
    assert told(result) == [["added", "anns-garage"], ["added", "bobs-hvac"], ["removed", "old-shop"]]
    assert result.stderr == "Nothing was changed.\n"
    assert list(stored.now()) == ["old-shop"]


@in_one_file
def test_removing_is_asked_for(folder: Path, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    run("apply")
    (folder / "anns.toml").unlink()
    nobody = run("apply", "--prune")
    assert (nobody.exit_code, nobody.stdout) == (2, "")
    assert "This would remove anns-garage." in nobody.stderr
    monkeypatch.setattr(cli_apply, "is_terminal", lambda: True)
    refused = run("apply", "--prune", typed="n\n")
    assert refused.exit_code == 1
    assert "Remove anns-garage from" in refused.stderr
    assert list(stored.now()) == ["anns-garage", "bobs-hvac"]
    assert told(run("apply", "--prune", typed="y\n")) == [["unchanged", "bobs-hvac"], ["removed", "anns-garage"]]
    assert list(stored.now()) == ["bobs-hvac"]


@in_one_file
def test_removing_is_not_asked_for_with_yes(folder: Path, stored: Stored) -> None:
    run("apply")
    (folder / "anns.toml").unlink()
    plan = json.loads(run("apply", "--prune", "--yes", "--json").stdout)
    assert plan == [{"business_id": "bobs-hvac", "change": "unchanged"}, {"business_id": "anns-garage", "change": "removed"}]
    assert list(stored.now()) == ["bobs-hvac"]


@in_one_file
def test_what_the_store_holds_of_another_version_does_not_keep_others_from_being_applied(folder: Path, stored: Stored) -> None:
    stored.put("old-shop", "wrong = 1\n")
    assert told(run("apply"))[-1] == ["left", "old-shop"]
    assert set(stored.now()) == {"old-shop", "anns-garage", "bobs-hvac"}


def test_businesses_are_listed_and_shown_from_where_they_are_answered_from(folder: Path, store_url: str) -> None:
    run("apply")
    written(folder, HEAD.replace("Bob's", "Not yet applied:"))
    reads_the_store = store_url.startswith("dynamodb:")
    for result in (run("list"), run("show", "bobs-hvac")):
        assert ("Bob's" in result.stdout) == reads_the_store
        assert (f"These have been applied to {store_url}.\n" in result.stderr) == reads_the_store
    assert "Not yet applied" in run("list", "--businesses", str(folder)).stdout


def test_a_store_without_businesses_says_what_to_do(folder: Path, store_url: str) -> None:
    if not store_url.startswith("dynamodb:"):
        assert run("list").exit_code == 0
        return
    result = run("list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {store_url}: holds no business; put some there with `frontdesk businesses apply`")


@in_one_file
def test_beside_a_sqlite_store_it_is_said_that_the_folder_is_read(folder: Path) -> None:
    assert "reads the folder" in run("apply").stderr


@in_one_file
def test_a_file_that_is_not_there_is_a_mistake_of_the_command_line(folder: Path) -> None:
    assert run("apply", "gone.toml").exit_code == 2


def test_help_teaches_with_examples() -> None:
    assert "Examples:" in run("apply", "--help").stdout
