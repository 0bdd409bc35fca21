"""``frontdesk serve --workers N``: real processes, killed, told to go, and left alone."""

import re
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTERM

import pytest

from calls.exit_codes import ExitCode
from tests.frontdesk.service import fetched, is_running, is_so, service


async def test_two_workers_answer_on_one_port_and_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    async with service(tmp_path, "--workers", "2") as two:
        url = await two.url()
        assert (await two.said("serve.ready"))[0]["workers"] == 2
        first, second = await two.pids(2)
        _kill(first)
        assert await fetched(f"{url}/healthz") == (200, "ok\n")
        third = (await two.pids(3))[2]
        assert (await two.said("worker.ended"))[0]["code"] == -SIGKILL
        _kill(second)
        assert await fetched(f"{url}/healthz") == (200, "ok\n")
        assert is_running(third)
        two.signal(SIGTERM)
        assert await two.exit_code() == ExitCode.OK
        assert two.lines[-1]["event"] == "serve.stopped"
        assert not is_running(third)


async def test_workers_whose_supervisor_is_killed_go_and_leave_nothing_behind(tmp_path: Path) -> None:
    async with service(tmp_path, "--workers", "2") as two:
        await two.url()
        pids = await two.pids(2)
        folders = {folder for pid in pids for folder in _folders_of(pid)}
        assert len(folders) == 1
        two.signal(SIGKILL)
        await two.exit_code()
        assert len(await two.said("worker.orphaned", 2)) == 2
        await is_so(lambda: not any(map(is_running, pids)))
        assert not any(folder.exists() for folder in folders)


async def test_a_rolling_restart_replaces_every_worker_while_the_service_answers(tmp_path: Path) -> None:
    async with service(tmp_path, "--workers", "2") as two:
        url = await two.url()
        before = await two.pids(2)
        two.signal(SIGHUP)
        while not [line for line in two.lines if line["event"] == "workers.replaced"]:
            assert (await fetched(f"{url}/readyz"))[0] == 200
        assert (await two.said("workers.replaced"))[0]["workers"] == 2
        after = (await two.pids(4))[2:]
        assert not set(before) & set(after)
        await is_so(lambda: not any(map(is_running, before)))
        assert all(map(is_running, after))


async def test_the_metrics_of_one_port_are_those_of_all_workers(tmp_path: Path) -> None:
    async with service(tmp_path, "--workers", "2") as two:
        url = await two.url()
        first, _ = await two.pids(2)
        refusals = 0
        for _ in range(6):  # they go in turn to both
            assert (await _handshake(url)) == 404
            refusals += 1
            page = (await fetched(f"{url}/metrics"))[1]
            assert _value(page, 'frontdesk_streams_refused_total{reason="unknown_business"}') == refusals
        assert _value(page, "frontdesk_live_calls") == 0
        assert _value(page, "frontdesk_bus_up") == 1
        assert _value(page, "frontdesk_events_lost_total") == 0
        _kill(first)
        await two.pids(3)
        page = (await fetched(f"{url}/metrics"))[1]
        assert _value(page, 'frontdesk_streams_refused_total{reason="unknown_business"}') == refusals  # nothing counted is lost
        assert "pid=" not in page


@pytest.mark.parametrize(
    ("environment", "code", "sentence"),
    [
        ({"PORT": "abc"}, ExitCode.USAGE, "PORT=abc is not a whole number"),
        ({"FRONTDESK_BUSINESSES": "nowhere"}, ExitCode.USAGE, "there is no such folder"),
        ({"FRONTDESK_STORE": "sqlite::memory:"}, ExitCode.USAGE, "is of one process alone; name a file for 3 workers"),
        ({"FRONTDESK_STORE": "sqlite:nowhere/calls.db"}, ExitCode.UNAVAILABLE, "cannot open the call store"),
        ({"HOST": "192.0.2.1", "PUBLIC_URL": "https://x.example", "FRONTDESK_VERIFY_TWILIO": "on", "TWILIO_AUTH_TOKEN": "x"},
         ExitCode.UNAVAILABLE, "cannot listen on 192.0.2.1:0"),
    ],
)  # fmt: skip
async def test_what_cannot_be_used_is_said_once_in_one_sentence(
    tmp_path: Path, environment: dict[str, str], code: int, sentence: str
) -> None:
    async with service(tmp_path, "--workers", "3", **environment) as three:
        assert await three.exit_code() == code
        assert len(three.sentences) == 1
        assert sentence in three.sentences[0]


async def test_the_number_of_workers_may_come_from_the_environment(tmp_path: Path) -> None:
    async with service(tmp_path, FRONTDESK_WORKERS="many") as none:
        assert await none.exit_code() == ExitCode.USAGE
        assert "FRONTDESK_WORKERS" in " ".join(none.sentences)


async def test_one_worker_is_no_more_than_the_process_itself(tmp_path: Path) -> None:
    async with service(tmp_path, FRONTDESK_WORKERS="1") as one:
        await one.url()
        assert [line["event"] for line in one.lines if line["event"].startswith("worker")] == []


def _kill(pid: int) -> None:
    import os

    os.kill(pid, SIGKILL)


def _folders_of(pid: int) -> set[Path]:
    """What a worker was told to share with the others."""
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return {Path(argument.decode()) for argument in arguments if b"/frontdesk-" in argument}


def _value(page: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (.+)$", page, re.MULTILINE)
    assert found is not None, (name, page)
    return float(found[1])


async def _handshake(url: str) -> int:
    """The status with which a stream to a business that does not exist is refused."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{url}/media-stream/nobody")
        return refused.value.status
