"""How long the webhooks take to start as a Lambda function, from the built bundle, beside a function that does nothing.

Run as ``python -m benchmarks.lambda_start`` (a minute). Needs the development environment, which has Amazon's runtime client, and the
emulator of AWS (``scripts/servers``). Times are of this machine: what carries over to Lambda is the ratio.
"""

import json
import os
import subprocess
import sys
import time
from asyncio import run
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Row, row, say, show
from calls.ids import BusinessId
from calls.store.businesses import BusinessText
from calls.store.dynamodb_businesses import DynamoBusinesses
from calls.store.dynamodb_table import DynamoTable
from tests.calls.dynamodb import served
from tests.webhooks.aws import http_event, with_
from tests.webhooks.doubles import AUTH_TOKEN, PUBLIC_URL, SECRET
from tests.webhooks.lambda_runtime import ROOT, LambdaFunction, running

RUNS = 12
BARE = "def handler(event, context):\n    return {'statusCode': 200}\n"
STEPS = """
import json, os, time
told, before = {}, time.perf_counter()
def step(name):
    global before
    now = time.perf_counter()
    told[name] = (now - before) * 1000
    before = now
import webhooks.dispatch
step("import handlers, TwiML, signatures")
import botocore.session
step("import botocore")
import webhooks.aws_service
step("import the rest")
from webhooks.aws_settings import read_settings
service = webhooks.aws_service.WebhookService(read_settings(os.environ))
before = time.perf_counter()
service.prepare()
step("botocore reads its models (before the snapshot)")
service.connect()
step("connect: clients, businesses (after the restore)")
for event in json.load(open("events.json")):
    service.answer(event)
    step(f"request {len([name for name in told if name.startswith('request')]) + 1}")
open("told.json", "w").write(json.dumps(told))
"""


@contextmanager
def prepared() -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """An empty folder, the bundle, and the environment of a function that has a table and a business."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, ROOT / "scripts" / "build-lambda", "--native", folder / "built"], check=True)
        (folder / "emulator").mkdir()
        with served(folder / "emulator") as dynamodb:
            table = DynamoTable(dynamodb.new_table(), client=dynamodb.client)
            text = (ROOT / "businesses" / "bobs-hvac.toml").read_text("utf-8")
            one = BusinessText(business_id=BusinessId("bobs-hvac"), text=text, applied_at="2026-01-01T00:00:00.000Z")
            run(DynamoBusinesses(table).apply([one], [], 0))
            settings = {"PUBLIC_URL": PUBLIC_URL, "STREAM_URL": "wss://b.example", "FRONTDESK_STORE": f"dynamodb:{table.name}"}
            secrets = {"TWILIO_AUTH_TOKEN": AUTH_TOKEN, "STREAM_TOKEN_SECRET": SECRET}
            yield folder, folder / "built" / "bundle", {**dynamodb.environ, **settings, **secrets}
            table.close()


def call(number: int) -> dict[str, Any]:
    """The request that opens a call."""
    return http_event(params=with_(CallSid=f"CA{number}"))


class Starts:
    """What was measured, in ms, by what it is of."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = {}

    def note(self, what: str, began_s: float) -> None:
        """It is over now."""
        self.ms.setdefault(what, []).append((time.perf_counter() - began_s) * 1000)

    def invoke(self, function: LambdaFunction, what: str, event: object, began_s: float | None = None) -> None:
        """One request; ``began_s``: since when it is waited for."""
        began_s = time.perf_counter() if began_s is None else began_s
        answer = function.invoke(event)
        self.note(what, began_s)
        if answer["statusCode"] != 200:
            raise RuntimeError(f"not answered: {answer}")


def measure(starts: Starts, folder: Path, bundle: Path, environ: Mapping[str, str]) -> None:
    """Starts the functions in turns."""
    bare = folder / "bare"
    bare.mkdir()
    (bare / "bare.py").write_text(BARE, "utf-8")
    ours = "webhooks.aws_lambda.handler"
    for number in range(RUNS):
        began_s = time.perf_counter()
        with running([bare], environ, folder, handler="bare.handler") as function:
            starts.invoke(function, "a function that does nothing", {}, began_s)
        began_s = time.perf_counter()
        with running([bundle], environ, folder, handler=ours) as function:
            starts.invoke(function, "the webhooks", call(4 * number), began_s)
            starts.invoke(function, "second request", call(4 * number + 1))
        with running([bundle], environ, folder, handler=ours, snap_start=True) as function:
            function.says("snapshot")
            began_s = time.perf_counter()
            function.restored()
            starts.invoke(function, "the webhooks, from a snapshot", call(4 * number + 2), began_s)


def steps(folder: Path, bundle: Path, environ: Mapping[str, str]) -> list[Row]:
    """What a start is made of."""
    found: dict[str, list[float]] = {}
    script = folder / "steps.py"
    script.write_text(STEPS, "utf-8")
    for number in range(RUNS):
        (folder / "events.json").write_text(json.dumps([call(9000 + 2 * number), call(9001 + 2 * number)]), "utf-8")
        whole = {**environ, "PYTHONPATH": os.fspath(bundle), "PYTHONTZPATH": ""}
        subprocess.run([sys.executable, "-S", script], env=whole, cwd=folder, check=True, capture_output=True)
        for name, ms in json.loads((folder / "told.json").read_text("utf-8")).items():
            found.setdefault(name, []).append(ms)
    return [row(name, "one process", values) for name, values in found.items()]


def main() -> None:
    """Measures, and shows it."""
    starts = Starts()
    with prepared() as (folder, bundle, environ):
        measure(starts, folder, bundle, environ)
        made_of = steps(folder, bundle, environ)
    rows = [row("until the answer", what, values) for what, values in starts.ms.items()]
    show("Start and first answer", rows)
    show("What it is made of", made_of)
    p50 = {line.case: line.p50 for line in rows}
    ratio = p50["the webhooks"] / p50["a function that does nothing"]
    say(f"The webhooks take {ratio:.1f} times as long as a function that does nothing.")


if __name__ == "__main__":
    main()
