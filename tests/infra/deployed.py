"""Records and webhooks deployed by the real CDK, to an emulator of AWS: what ``make deploy`` does, less what the emulator cannot do."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import boto3  # type: ignore[import-untyped]
from aiohttp import web

from tests.servers import aws_environment, free_port

ROOT = Path(__file__).parents[2]
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
_SETTINGS = """
name = "frontdesk"
region = "us-east-1"
zones = ["us-east-1a", "us-east-1b"]
media_domain = "media.phone.example"
media_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
public_url = "http://127.0.0.1:{door}"
stream_url = "ws://127.0.0.1:{bridge}"
image = "public.ecr.aws/example/frontdesk:1"
"""


class Deployed:
    """The stacks ``data`` and ``webhooks`` on the emulator at ``emulator``."""

    def __init__(self, emulator: str, api: str, door_port: int, bridge_port: int) -> None:
        self.environ = aws_environment(emulator)
        """What a process needs in order to use it."""
        self.door_port, self.bridge_port = door_port, bridge_port
        self.emulator = emulator
        self._host = f"{api}.execute-api.localhost:{urlsplit(emulator).port}"

    @property
    def url(self) -> str:
        """``PUBLIC_URL``: what Twilio calls."""
        return f"http://127.0.0.1:{self.door_port}"

    def secret(self, name: str) -> dict[str, str]:
        """The value of one of the deployment's secrets."""
        return _secret(self.emulator, name)

    @asynccontextmanager
    async def door(self) -> AsyncIterator[list[str]]:
        """Has ``url`` lead to the API, as its own name would on AWS; gives what was asked and answered, ``/path 200`` each."""
        asked: list[str] = []
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:

            async def pass_on(request: web.Request) -> web.Response:
                headers = {**request.headers, "Host": self._host}
                body = await request.read()
                where = f"{self.emulator}{request.path_qs}"
                async with session.request(request.method, where, headers=headers, data=body) as response:
                    asked.append(f"{request.path} {response.status}")
                    content_type = response.headers.get("content-type", "text/plain")
                    return web.Response(
                        status=response.status, body=await response.read(), headers={"content-type": content_type}
                    )

            app = web.Application()
            app.router.add_route("*", "/{path:.*}", pass_on)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", self.door_port).start()
                yield asked
            finally:
                await runner.cleanup()


_CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


def deploy(emulator: str, folder: Path, business: Path) -> Deployed:
    """Builds the bundle and goes through the steps of ``docs/how-to/deploy-to-aws.md``, in their order: a function that is there before its
    secrets and its businesses reads them when it is too late for the first caller, and the emulator starts it at once. Half a minute.
    """
    door, bridge = free_port(), free_port()
    settings = folder / "deployment.toml"
    settings.write_text(_SETTINGS.format(door=door, bridge=bridge), "utf-8")
    _run([str(ROOT / "scripts" / "build-lambda"), str(folder / "lambda"), "--native"], {})
    environment = {
        **aws_environment(emulator),
        "DEPLOYMENT": str(settings),
        "BUNDLE": str(folder / "lambda" / "lambda.zip"),
        "CDK_OUTDIR": str(folder / "cdk.out"),
        "CI": "true",
    }
    cdk = str(ROOT / "infra" / "cdk")
    _run([cdk, "bootstrap", "aws://123456789012/us-east-1"], environment)
    _run([cdk, "deploy", "frontdesk-data", "--require-approval", "never"], environment)
    twilio = {**_secret(emulator, "twilio"), "auth_token": AUTH_TOKEN}
    _secrets(emulator).put_secret_value(SecretId="frontdesk/twilio", SecretString=json.dumps(twilio))
    apply = ["businesses", "apply", "--store", "dynamodb:frontdesk", str(business)]
    _run([sys.executable, "-c", "from frontdesk.cli import main; main()", *apply], aws_environment(emulator))
    told = _run([cdk, "deploy", "frontdesk-webhooks", "--require-approval", "never"], environment)
    api = re.search(r"frontdesk-webhooks\.ApiId = (\w+)", told)
    assert api is not None, told
    return Deployed(emulator, api[1], door, bridge)


def _secrets(emulator: str) -> Any:
    return boto3.client("secretsmanager", endpoint_url=emulator, **_CREDENTIALS)


def _secret(emulator: str, name: str) -> dict[str, str]:
    value: dict[str, str] = json.loads(_secrets(emulator).get_secret_value(SecretId=f"frontdesk/{name}")["SecretString"])
    return value


def _run(command: list[str], environment: dict[str, Any]) -> str:
    """What a command says. Raises ``AssertionError`` if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout[-4000:]}"
    return done.stdout
