"""Runs tools off the audio path: the clock, and any HTTP endpoint a business names.

Arguments are checked against the tool's JSON Schema before anything is sent. Time and size are bounded. ``${NAME}`` in a URL or header is
taken from the environment at the moment of the call; it never reaches a log, the record, or the model.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match

from bridge.placeholders import PlaceholderMissing, filled
from calls.business import BusinessProfile, HttpTool
from calls.hours import is_open

MAX_ANSWER_BYTES = 64 * 1024

log = structlog.get_logger()


class ToolFailed(Exception):
    """A tool could not do what it was asked. ``str()`` is for the model: it says what went wrong, and holds no secret."""


class ToolRunner:
    """Runs the tools of all calls of a process. Use as ``async with``."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ToolRunner":
        # Redirects could carry a secret header to another host, and cookies would join callers who have nothing in common.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def run(self, profile: BusinessProfile, name: str, arguments: dict[str, Any]) -> str:
        """The tool's answer, as text for the model.

        Raises:
            ToolFailed: wrong arguments, no answer in time, an answer that is an error or too large.
        """
        if name == "get_current_time":
            return json.dumps(current_time(profile, datetime.now(UTC)), ensure_ascii=False)
        tool = next((tool for tool in profile.tools.http if tool.name == name), None)
        if tool is None:
            raise ToolFailed(f"there is no tool named {name!r}")
        check_arguments(tool, arguments)
        return await self._ask(tool, arguments)

    async def _ask(self, tool: HttpTool, arguments: dict[str, Any]) -> str:
        if self._session is None:
            raise ToolFailed("tools are not available")
        as_query = tool.method in ("GET", "DELETE")
        try:
            async with (
                asyncio.timeout(tool.timeout_s),
                self._session.request(
                    tool.method,
                    self._filled(tool.url),
                    headers={key: self._filled(value) for key, value in tool.headers.items()},
                    params=_query(arguments) if as_query else None,
                    json=None if as_query else arguments,
                    allow_redirects=False,
                ) as response,
            ):
                return _answer(response.status, await read_bounded(response.content), response.charset)
        except TimeoutError:
            raise ToolFailed(f"no answer within {tool.timeout_s:g} s") from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            log.warning("tool.failed", tool=tool.name, why=type(error).__name__)
            raise ToolFailed("the service could not be reached") from None

    def _filled(self, text: str) -> str:
        try:
            return filled(text, self._environ)
        except PlaceholderMissing as missing:
            log.error("tool.secret_missing", name=missing.name)
            raise ToolFailed("the service is not set up") from None


async def read_bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole body, however many pieces it comes in, or a little more of it than is allowed."""
    body = bytearray()
    async for chunk in content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            break
    return bytes(body)


def check_arguments(tool: HttpTool, arguments: dict[str, Any]) -> None:
    """Raises :class:`ToolFailed` unless the arguments fit the tool's JSON Schema (2020-12)."""
    if not tool.parameters:
        return
    try:
        errors = list(Draft202012Validator(tool.parameters).iter_errors(arguments))
    except (SchemaError, RecursionError):
        raise ToolFailed("the tool's own description of its arguments is broken") from None
    problem = best_match(errors)
    if isinstance(problem, ValidationError):
        where = "".join(f" in {part!r}" for part in problem.absolute_path)
        raise ToolFailed(f"wrong arguments{where}: {problem.message[:300]}")


def current_time(profile: BusinessProfile, now: datetime) -> dict[str, Any]:
    """What the clock on the business's wall says."""
    zone = ZoneInfo(profile.hours.timezone) if profile.hours is not None else UTC
    local = now.astimezone(zone)
    told: dict[str, Any] = {
        "date": local.strftime("%Y-%m-%d"),
        "weekday": local.strftime("%A"),
        "time": local.strftime("%H:%M"),
        "timezone": str(zone),
    }
    if profile.hours is not None:
        told["open_now"] = is_open(profile.hours, local)
    return told


def _query(arguments: dict[str, Any]) -> dict[str, str]:
    """Texts as they are, anything else as JSON; nothing for what is null."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in arguments.items()
        if value is not None
    }


def _answer(status: int, body: bytes, charset: str | None) -> str:
    if len(body) > MAX_ANSWER_BYTES:
        raise ToolFailed(f"the answer is larger than {MAX_ANSWER_BYTES // 1024} KiB")
    try:
        text = body.decode(charset or "utf-8", "replace")
    except LookupError:
        text = body.decode("utf-8", "replace")
    if not 200 <= status < 300:
        raise ToolFailed(f"the service answered with status {status}: {text[:300]}")
    return text or "done"
