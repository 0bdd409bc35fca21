"""Real servers for tests: Redis, and an emulator that speaks the protocols of AWS. ``scripts/servers`` installs them.

Where one is not installed its tests are skipped, and say so; with ``FRONTDESK_TESTS=all`` that fails them instead.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from redis import Redis

EMULATOR = Path(__file__).parents[1] / ".venv-emulator" / "bin" / "ministack"
STARTED_WITHIN_S = 30.0
REGION = "us-east-1"


class RedisServer:
    """A redis-server on this machine that can be killed and started again at the same address."""

    def __init__(self, program: str, port: int, folder: Path, *options: str) -> None:
        self.port = port
        self._start = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As ``FRONTDESK_BUS`` names it."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it answers."""
        self._process = subprocess.Popen(
            self._start, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_for(lambda: _answers(self.port), "redis-server")

    def kill(self) -> None:
        """SIGKILL; returns once it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A running one, killed at the end."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        do_without("redis-server is not installed; `scripts/servers` installs it")
    server = RedisServer(program, free_port(), folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def redis_cluster(folder: Path) -> Iterator[tuple[RedisServer, RedisServer]]:
    """Two nodes that know each other; all keys are the first one's."""
    with ExitStack() as running:
        ports = (free_port(), free_port())
        nodes = [
            running.enter_context(
                redis_server(
                    folder, "--cluster-enabled", "yes", "--cluster-port", str(port), "--cluster-config-file", f"{port}.conf"
                )
            )
            for port in ports
        ]
        clients = [running.enter_context(Redis.from_url(node.url)) for node in nodes]
        clients[0].execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", str(nodes[1].port), str(ports[1]))
        _wait_for(lambda: all(_has_met(client) for client in clients), "the cluster of redis-servers")
        yield nodes[0], nodes[1]


@contextmanager
def aws_emulator(folder: Path) -> Iterator[str]:
    """The URL of a running emulator with nothing in it."""
    if not EMULATOR.exists():
        do_without("the emulator of AWS is not installed; `scripts/servers` installs it")
    port = free_port()
    environ = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": "123456789012",
        "LAMBDA_EXECUTOR": "local",
        "TMPDIR": str(folder),
    }
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [str(EMULATOR)], env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(lambda: _is_healthy(url), "the emulator of AWS")
            yield url
        finally:
            process.kill()


def aws_environment(url: str) -> dict[str, str]:
    """What a process needs in order to use the emulator, and nothing else of this machine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def do_without(why: str) -> NoReturn:
    """Leaves a test out, or, with ``FRONTDESK_TESTS=all``, fails it."""
    if os.environ.get("FRONTDESK_TESTS") == "all":
        pytest.fail(why)
    pytest.skip(why)


def _wait_for(is_there: Callable[[], bool], what: str) -> None:
    """A program that starts has no other sign than that it answers."""
    give_up_at_s = time.monotonic() + STARTED_WITHIN_S
    while not is_there():
        if time.monotonic() > give_up_at_s:
            pytest.fail(f"{what} did not start within {STARTED_WITHIN_S:.0f} s")
        time.sleep(0.02)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7).startswith(b"+PONG")
    except OSError:
        return False


def _has_met(node: Redis) -> bool:
    """Whether it knows of another one, and they are a cluster."""
    said = str(node.execute_command("CLUSTER", "INFO"))  # type: ignore[no-untyped-call]
    return "cluster_state:ok" in said and "cluster_known_nodes:2" in said


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/_ministack/health", timeout=1) as answer:
            return int(answer.status) == 200
    except (URLError, OSError):
        return False
