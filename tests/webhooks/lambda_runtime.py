"""A Lambda function as AWS runs it: Amazon's runtime client in a process of its own, asking a Runtime API for events (AWS Lambda, *Using
the Lambda runtime API*). The process sees the built bundle and the runtime client, and nothing else of this machine."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.servers import do_without

ROOT = Path(__file__).resolve().parents[2]
GIVE_UP_AFTER_S = 60.0
RUNTIME_CLIENT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")

PROBE = """
import os
import random
import sys
from webhooks import aws_lambda
os.environ["AWS_ACCESS_KEY_ID"] = "of-the-copy"  # as if a restored copy had credentials of its own
def handler(event, context):
    if event == "modules":
        return sorted(sys.modules)
    if event == "random":
        return random.random()
    if event == "key":
        return aws_lambda._service._session.get_credentials().access_key
    return aws_lambda.handler(event, context)
"""
"""Answers for the function, and can say what its process is made of."""


@dataclass
class RuntimeApi:
    """What the runtime client is told, and what it has said."""

    events: queue.Queue[tuple[str, bytes] | None] = field(default_factory=queue.Queue)
    said: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)
    """``("response", …)``, ``("error", …)``, ``("init/error", …)``, ``("restore/error", …)``, ``("snapshot", None)``, ``("exit", code)``."""
    may_restore: threading.Event = field(default_factory=threading.Event)


class LambdaFunction:
    """A running one."""

    def __init__(self, api: RuntimeApi, output: Path) -> None:
        self._api, self._output = api, output
        self._asked = 0

    def invoke(self, event: object) -> Any:
        """What it answers; fails if that is an error."""
        self.send(event)
        return self.says("response")

    def send(self, event: object) -> None:
        """Hands it an event."""
        self._asked += 1
        self._api.events.put((f"request-{self._asked}", json.dumps(event).encode()))

    def says(self, what: str) -> Any:
        """Waits for what it says next, which is to be that."""
        kind, told = self._api.said.get(timeout=GIVE_UP_AFTER_S)
        assert kind == what, f"{kind}: {told}\n{self.output}"
        return told

    def restored(self) -> None:
        """What follows happens in a copy of the snapshot."""
        self._api.may_restore.set()

    @property
    def output(self) -> str:
        """What it has written."""
        return self._output.read_text("utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The objects it has written, of figures and of the log."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]


@contextmanager
def running(
    folders: list[Path], environ: Mapping[str, str], folder: Path, *, handler: str, snap_start: bool = False
) -> Iterator[LambdaFunction]:
    """Runs a function while the block does. ``folders``: where its modules are, its only ones."""
    api, output = RuntimeApi(), folder / "output"
    server = _Server(("127.0.0.1", 0), type("Api", (_Api,), {"api": api}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    path = os.pathsep.join(map(str, [*folders, runtime_client(folder)]))
    whole = {
        **environ,
        "PYTHONPATH": path,
        "PYTHONTZPATH": "",  # the runtime has no time zones of its own
        "_HANDLER": handler,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if snap_start else "on-demand",
    }
    with output.open("wb") as written:
        command = [sys.executable, "-S", "-m", "awslambdaric", handler]
        process = subprocess.Popen(command, env=whole, cwd=folder, stdin=subprocess.DEVNULL, stdout=written, stderr=written)
    threading.Thread(target=lambda: api.said.put(("exit", process.wait())), daemon=True).start()
    try:
        yield LambdaFunction(api, output)
    finally:
        process.kill()
        process.wait()
        api.events.put(None)
        api.may_restore.set()
        server.shutdown()
        server.server_close()


def runtime_client(folder: Path) -> Path:
    """A folder with the runtime client and what it needs, and with nothing else."""
    target = folder / "runtime"
    target.mkdir(exist_ok=True)
    for name in RUNTIME_CLIENT:
        found = find_spec(name)
        if found is None or found.origin is None:
            do_without("awslambdaric, Amazon's runtime client, is not installed; it is in the `dev` group")
        origin = Path(found.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        link = target / source.name
        if not link.exists():
            link.symlink_to(source)
    return target


def probe(folder: Path) -> Path:
    """A folder with ``probe.handler``."""
    target = folder / "probe"
    target.mkdir(exist_ok=True)
    (target / "probe.py").write_text(PROBE, "utf-8")
    return target


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A function that is killed breaks its connection."""


class _Api(BaseHTTPRequestHandler):
    """The Runtime API of one function."""

    api: RuntimeApi
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits for an acknowledgement

    def do_GET(self) -> None:
        if self.path.endswith("/restore/next"):
            self.api.said.put(("snapshot", None))
            self.api.may_restore.wait()
            self._answer(200, b"")
            return
        event = self.api.events.get()
        if event is not None:
            headers = {"Lambda-Runtime-Aws-Request-Id": event[0], "Lambda-Runtime-Deadline-Ms": "4102444800000"}
            self._answer(
                200, event[1], {**headers, "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:0:function:f"}
            )

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        self._answer(202, b"{}")
        kind = self.path.rpartition("/")[2]
        stage = next((stage for stage in ("init", "restore") if f"/{stage}/error" in self.path), None)
        self.api.said.put((f"{stage}/{kind}" if stage else kind, told))

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
