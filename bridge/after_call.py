"""What a call was about, put into words once its stream is over.

The model is given the conversation as it was heard, from the record, in a session of its own that speaks no word: one function,
``note_call``, which it must call (OpenAI Realtime, ``tool_choice``), so that what comes back is an object and not prose. What it
answers is checked against the business's JSON Schema; a wrong answer is asked for once more, with what is wrong about it.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match

from bridge.conversation.model_messages import encode
from bridge.conversation.resumption import HeardLine, heard_in
from bridge.model_socket import ModelSocket, ModelUnreachable
from bridge.settings import ModelEndpoint
from calls.business import BusinessProfile, Summary
from calls.events import CallEvent, CallSummary
from calls.ids import BusinessId, CallSid
from calls.log_context import About
from calls.store.base import CallStore, StoreError

WITHIN_S = 20.0
"""How long one attempt may take."""
ATTEMPTS = 3
AT_ONCE = 4
"""Summaries under way in one process; they are in nobody's way, and nobody waits for them."""
RECENT_CALLS = 200
"""How many calls are looked at for summaries that an earlier process owes."""
CLOSE_WITHIN_S = 3.0
MAX_SUMMARY = 2_000
FUNCTION = "note_call"

log = structlog.get_logger()


class NoNote(Exception):
    """The model gave no usable note; ``str()`` says why, without a word of the conversation."""


class AfterCall:
    """Notes what calls were about. ``close`` gives those under way up."""

    def __init__(
        self,
        store: CallStore,
        endpoint: ModelEndpoint,
        *,
        announce: Callable[[CallEvent], None],
    ) -> None:
        """``announce`` is told of every summary that is on the record."""
        self._store, self._endpoint, self._announce = store, endpoint, announce
        self._room = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()

    def stream_over(self, call_sid: CallSid, profile: BusinessProfile) -> None:
        """A stream of the call is over and its record complete up to there. Returns at once."""
        if profile.summary is not None:
            with About(call_sid=call_sid, business_id=profile.id):
                task = asyncio.create_task(self._note(call_sid, profile, profile.summary), name="after-call")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    @property
    def under_way(self) -> int:
        """How many calls are being summed up, or wait for it."""
        return len(self._under_way)

    async def sweep(self, profile_of: Callable[[BusinessId], BusinessProfile | None]) -> None:
        """Takes up the calls of the last day that an earlier process did not come round to. Call it once, at start."""
        try:
            recent = await self._store.list_calls(limit=RECENT_CALLS)
        except StoreError as error:
            log.error("calls.not_swept", why=str(error))
            return
        oldest = datetime.now(UTC) - timedelta(days=1)
        for record in recent:
            profile = profile_of(record.business_id)
            is_left = record.ended and record.summary is None and record.last_line is not None
            if profile is not None and is_left and datetime.fromisoformat(record.started_at) > oldest:
                self.stream_over(record.call_sid, profile)

    async def close(self) -> None:
        """Lets what is under way finish within ``CLOSE_WITHIN_S``, then gives it up; the next process takes it up again."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CLOSE_WITHIN_S)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _note(self, call_sid: CallSid, profile: BusinessProfile, wanted: Summary) -> None:
        async with self._room:
            try:
                heard = heard_in(await self._store.events(call_sid))
                if not any(line.side == "caller" for line in heard):
                    return  # nobody said anything that could be summed up
                note = await self._ask(profile, wanted, heard)
                event = await self._store.note_summary(call_sid, note, datetime.now(UTC))
                if event is not None:
                    self._announce(event)
            except (NoNote, StoreError) as failed:
                log.warning("call.not_summed_up", call_sid=call_sid, why=str(failed))
            except Exception:
                log.exception("call.not_summed_up", call_sid=call_sid)

    async def _ask(self, profile: BusinessProfile, wanted: Summary, heard: Sequence[HeardLine]) -> CallSummary:
        """Asks until there is a usable note."""
        complaint = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                arguments = await self._one_session(profile, wanted, heard, complaint)
                return note_of(arguments, wanted)
            except NoNote as failed:
                if attempt == ATTEMPTS:
                    raise
                complaint = str(failed)
        raise NoNote("no attempt was made")

    async def _one_session(
        self, profile: BusinessProfile, wanted: Summary, heard: Sequence[HeardLine], complaint: str
    ) -> dict[str, Any]:
        socket = ModelSocket(self._endpoint, profile.model)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        for event in messages(profile, wanted, heard, complaint):
            socket.send(encode(event))
        session = asyncio.create_task(socket.run(lambda: None, lambda frame: _take(frame, answer)))
        try:
            async with asyncio.timeout(WITHIN_S):
                first: set[asyncio.Future[Any]] = {session, answer}
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            raise NoNote(await session)
        except TimeoutError:
            raise NoNote(f"no note within {WITHIN_S:.0f} s") from None
        except ModelUnreachable as unreachable:
            raise NoNote(str(unreachable)) from None
        finally:
            session.cancel()
            with suppress(asyncio.CancelledError, ModelUnreachable):
                await session
            if not answer.done():
                answer.cancel()


def messages(profile: BusinessProfile, wanted: Summary, heard: Sequence[HeardLine], complaint: str) -> list[dict[str, Any]]:
    """All that is sent in one session: what is wanted, the conversation, and that it is wanted now."""
    spoken = "\n".join(f"{'Caller' if line.side == 'caller' else 'AI'}: {line.text}" for line in heard)
    request = f"A telephone call to {profile.name} has ended. This is what was said:\n\n{spoken}\n\nCall {FUNCTION} now."
    if complaint:
        request += f" Your last note could not be used: {complaint}."
    return [
        {
            "type": "session.update",
            "session": {
                "type": "realtime",
                "output_modalities": ["text"],
                "instructions": f"{_TASK} {wanted.instructions or ''}".strip(),
                "tools": [{"type": "function", "name": FUNCTION, "description": _TASK, "parameters": parameters(wanted)}],
                "tool_choice": {"type": "function", "name": FUNCTION},
            },
        },
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": request}]},
        },
        {"type": "response.create"},
    ]


def parameters(wanted: Summary) -> dict[str, Any]:
    """The JSON Schema of a note."""
    properties: dict[str, Any] = {"summary": {"type": "string", "description": "The call in one to three sentences"}}
    if wanted.schema:
        properties["outcome"] = wanted.schema
    return {"type": "object", "properties": properties, "required": list(properties)}


def note_of(arguments: dict[str, Any], wanted: Summary) -> CallSummary:
    """The note in the function's arguments.

    Raises:
        NoNote: there is no summary, or the outcome does not fit the business's schema.
    """
    summary, outcome = arguments.get("summary"), arguments.get("outcome")
    if not isinstance(summary, str) or not summary.strip():
        raise NoNote("summary is missing")
    if not wanted.schema:
        return CallSummary(summary=" ".join(summary.split())[:MAX_SUMMARY])
    try:
        problem = best_match(Draft202012Validator(wanted.schema).iter_errors(outcome))
    except (SchemaError, RecursionError):
        raise NoNote("summary.schema of the business is no JSON Schema") from None
    if isinstance(problem, ValidationError):
        where = ".".join(map(str, problem.absolute_path)) or "it"
        raise NoNote(f"outcome does not fit its schema: {where} must satisfy {problem.validator!r}")
    answers = outcome if isinstance(outcome, dict) else {"value": outcome}
    return CallSummary(summary=" ".join(summary.split())[:MAX_SUMMARY], outcome=answers)


def _take(frame: bytes, answer: asyncio.Future[dict[str, Any]]) -> None:
    """Looks for the call of the function, or for why there will be none."""
    if answer.done():
        return
    try:
        event = msgspec.json.decode(frame)
        kind = event.get("type")
        if kind == "response.function_call_arguments.done":
            arguments = json.loads(event["arguments"])
            if not isinstance(arguments, dict):
                raise NoNote("the arguments are no object")
            answer.set_result(arguments)
        elif kind == "response.done":
            answer.set_exception(NoNote(f"the response ended as {event['response'].get('status')} without a note"))
        elif kind == "error":
            answer.set_exception(NoNote(f"the model refused: {event['error'].get('code') or event['error'].get('type')}"))
    except NoNote as wrong:
        answer.set_exception(wrong)
    except (ValueError, KeyError, AttributeError, TypeError):
        answer.set_exception(NoNote("the model sent something unreadable"))


_TASK = (
    "Write down what a telephone call was about, for the people of the business: who called, what they wanted, what was promised. "
    "Only what was said; leave out what is not known."
)
