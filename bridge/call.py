"""One call's stream in the shell: sockets, tasks, timer and store around one :class:`Conversation`. It decides nothing.

Tasks of a call, all gone when :meth:`CallSession.run` returns, however the call ends: the phone's reader (which reads from the
first millisecond, while the model connects), the phone's writer (for what cannot be sent at once), the model's
socket, and short jobs (token, disposition, REST).
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Protocol, TypeVar

import structlog

from bridge.builtin_tools import ToolAnswer, ToolRequest
from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.closing import STORE_WITHIN_MS
from bridge.conversation.machine import Conversation
from bridge.conversation.phases import Phase
from bridge.conversation.resumption import Resumed
from bridge.conversation.so_far import resumed_from
from bridge.endings import Report
from bridge.model_sessions import ModelSessions
from bridge.model_socket import ModelSocket
from bridge.recording.recorder import StreamRecording
from bridge.resampling import SoxrResampler
from bridge.services import Services
from bridge.spoken_lines import lines_of
from bridge.tool_runner import ToolFailed
from calls.business import BusinessProfile
from calls.events import CallEvent
from calls.ids import BusinessId, CallSid
from calls.log_context import About
from calls.operator import Command, Glimpse
from calls.record import CallRecord, Disposition
from calls.store.base import StoreError
from calls.stream_token import StreamToken, TokenRefused, verify

QUEUED_MESSAGES = 8192
"""Messages waiting for Twilio's socket. An answer of a minute is 600; more means that nobody reads."""
ROUNDING_S = 1e-6
"""A timer rings so much later than it is wanted, lest it ring before by what is lost in converting the time."""
STORE_WITHIN_S = STORE_WITHIN_MS / 1000

log = structlog.get_logger()
_T = TypeVar("_T")


class MediaSocket(Protocol):
    """The media WebSocket as the session sees it."""

    async def read(self, received: Callable[[Sequence[str | bytes]], object]) -> None:
        """Hands over every message as it comes, those together that have come in one go; returns once the socket is closed."""

    def send_now(self, *texts: str) -> bool:
        """Sends text messages if that needs no waiting; ``False``: none was sent."""

    async def send(self, text: str) -> None:
        """Sends a text message. Does nothing on a closed socket."""

    async def close(self, code: int) -> None:
        """Closes the socket, once."""


class CallObserver(Protocol):
    """Somebody who watches a call. Times are milliseconds since the stream's ``start``; audio is μ-law."""

    def caller_audio(self, audios: Sequence[bytes], at_ms: Sequence[float], began_ms: float = 0.0) -> None:
        """Pieces of the caller's audio arrived, each at its time, by a clock that was at ``began_ms`` at the ``start``. They are told
        late, but before anything that came behind them, and at the latest when the session is asked to :meth:`CallSession.catch_up`."""

    def agent_audio(self, audio: bytes, at_ms: float) -> None:
        """Audio of the AI was sent; it is heard behind what was sent before."""

    def cleared(self, at_ms: float) -> None:
        """What was sent and not yet heard will not be."""


class CallSession:
    """Serves one media stream. ``business_id`` is the one in the stream's URL, if it names one; ``session_of`` finds the session that
    serves an earlier stream of the same call in this process and has not noticed that it is over."""

    __slots__ = (
        "_about",
        "_answered",
        "_armed_for_ms",
        "_attempt",
        "_business_id",
        "_call_sid",
        "_caller",
        "_clock_zero_s",
        "_core",
        "_do",
        "_for_twilio",
        "_given_up",
        "_is_drained",
        "_is_given_up",
        "_jobs",
        "_loop",
        "_model",
        "_model_of",
        "_observers",
        "_over",
        "_profile",
        "_recording",
        "_release",
        "_report",
        "_services",
        "_session_of",
        "_socket",
        "_timer",
        "_to_twilio",
        "_tools",
        "_wall_zero",
    )

    def __init__(
        self,
        services: Services,
        socket: MediaSocket,
        business_id: BusinessId | None,
        session_of: "Callable[[CallSid], CallSession | None]" = lambda _: None,
    ) -> None:
        self._services = services
        self._session_of = session_of
        self._attempt = 0
        self._given_up = asyncio.Event()
        self._is_drained = False
        self._socket = socket
        self._business_id = business_id
        self._core = Conversation(SoxrResampler)
        self._about = About(owner=services.settings.owner, business_id=business_id)
        self._call_sid: CallSid | None = None
        self._profile: BusinessProfile | None = None
        self._caller: CallRecord | None = None
        self._to_twilio: asyncio.Queue[str | int] = asyncio.Queue(QUEUED_MESSAGES)
        self._for_twilio: list[str] = []
        """Of the step that is being carried out."""
        self._jobs: set[asyncio.Task[None]] = set()
        self._tools: set[asyncio.Task[None]] = set()
        self._release: wanted.Release | None = None
        self._report: Report | None = None
        self._is_given_up = False
        self._observers: tuple[CallObserver, ...] = ()
        self._recording: StreamRecording | None = None
        self._answered: str | None = None
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for_ms = inf
        self._loop = asyncio.get_running_loop()
        self._clock_zero_s = self._loop.time()
        self._wall_zero = datetime.now(UTC)
        self._model = ModelSessions(services.breaker, self._now_ms, self.step)
        self._model_of: BusinessId | None = None
        self._do: dict[type[wanted.Output], Callable[[Any], None]] = {
            wanted.RecordEvent: self._record,
            wanted.CheckToken: lambda output: self._job(self._check_token(output)),
            wanted.RunTool: lambda output: self._job(self._run_tool(output), self._tools),
            wanted.StoreDisposition: lambda output: self._job(self._store_disposition(output.disposition)),
            wanted.CompleteCall: lambda _: self._job(self._complete_call()),
            wanted.CloseStream: lambda output: self._job(self._close_stream(output.code)),
            wanted.OpenModel: lambda output: self._open_model(output.session),
            wanted.UseModel: lambda output: self._model.use(output.session),
            wanted.CloseModel: lambda _: self._model.close(),
            wanted.Release: self._keep_release,
            wanted.Answer: self._answer,
            wanted.CallerSounded: self._caller_sounded,
            wanted.AgentSounded: lambda output: self._observe(lambda one: one.agent_audio(output.audio, self.call_ms)),
            wanted.AgentSilenced: lambda _: self._observe(lambda one: one.cleared(self.call_ms)),
            wanted.Log: self._log,
        }

    @property
    def call_sid(self) -> CallSid | None:
        """The call, once its token has been checked."""
        return self._call_sid

    @property
    def _own_call(self) -> CallSid:
        if self._call_sid is None:
            raise RuntimeError("the core wants something done to a call that was never accepted")
        return self._call_sid

    async def run(self) -> None:
        """Serves the stream to its end, then stores what is left and gives the call up."""
        with self._about:
            await self._run()

    async def _run(self) -> None:
        if self._business_id is not None:
            self._model_of = self._business_id
            self._open_model(0)
        reader = asyncio.create_task(self._read_twilio(), name="twilio-reader")
        writer = asyncio.create_task(self._write_twilio(), name="twilio-writer")
        self.step(given.Tick())
        try:
            await self._over.wait()
        finally:
            over_at = datetime.now(UTC)
            self._tell_that_it_is_over(over_at)
            if self._recording is not None:
                self._recording.end()
            self._disarm()
            await self._finish_stream(reader, writer)
            if self._call_sid is not None:
                release = self._release or wanted.Release(None, {})
                started_at = self._caller.started_at if self._caller is not None else None
                await self._services.endings.release(self._call_sid, release, over_at, self._last_report, started_at=started_at)
                self._given_up.set()
                if self._profile is not None and not self._is_drained:
                    self._services.after_call.stream_over(self._call_sid, self._profile)
            await self._finish_model()
            self._fall_apart()

    def _fall_apart(self) -> None:
        """See :meth:`Conversation.fall_apart`: some two hundred objects a call would wait for the collector otherwise."""
        self._core.fall_apart()
        self._model.fall_apart()
        self._do = {}

    def call_over(self, status: str, duration_ms: int | None) -> bool:
        """Twilio's status callback says that the call has ended. It may come while the stream's end is still being dealt with;
        ``False`` if it comes after the call was given up, whose end is then for others to record."""
        if self._is_given_up:
            return False
        self._report = Report(status, duration_ms)
        self._step_for_others(given.CallOver(status))
        return True

    def drain(self) -> None:
        """The process must go, or another session carries the call on."""
        self._is_drained = True
        self._step_for_others(given.Draining())

    @property
    def is_over(self) -> bool:
        """Whether the stream is; its record may still have to be completed."""
        return self._over.is_set()

    @property
    def is_given_up(self) -> bool:
        """Whether the call is not this session's any more."""
        return self._is_given_up

    async def give_way(self, attempt: int) -> None:
        """Leaves the call to the stream of a later ``attempt``; returns once the record is complete as far as this one goes."""
        if self._attempt < attempt and not self._given_up.is_set():
            self.drain()
            await self._given_up.wait()

    # --- operators ---------------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        """Where the call is: ``connecting``, ``greeting``, ``conversing``, ``closing`` or ``ended``."""
        return self._core.phase.value

    @property
    def muted(self) -> bool:
        """Whether an operator has told the AI to be silent."""
        return self._core.operators.is_muted

    @property
    def business_id(self) -> BusinessId | None:
        """Whose call it is, once its token has been checked."""
        return self._profile.business_id if self._profile is not None else None

    @property
    def cost_usd(self) -> float | None:
        """What the call has cost so far, earlier streams of it included; ``None`` where that is not known."""
        return self._core.spending.call_cost_usd

    @property
    def unrecorded_cost_usd(self) -> float:
        """What this stream has cost, as far as that is known, until it is on the call's record."""
        return 0.0 if self._is_given_up else self._core.spending.at_least_usd

    @property
    def call_ms(self) -> float:
        """Milliseconds since the stream's ``start``; 0 before."""
        began_ms = self._core.start_received_ms
        return self._now_ms() - began_ms if began_ms is not None else 0.0

    def command(self, operator: str, command: Command) -> str | None:
        """An operator steps in. ``None``: accepted and on the record; otherwise one sentence why not."""
        self._answered = "the call is over"
        self._step_for_others(given.OperatorActs(operator, command))
        return self._answered

    def watch(self, observer: CallObserver) -> None:
        """One more watches from now on."""
        self._observers = (*self._observers, observer)
        self._step_for_others(given.Watched(on=True))

    def unwatch(self, observer: CallObserver) -> None:
        """Who watched does so no more; nothing for who did not."""
        self._observers = tuple(one for one in self._observers if one is not observer)
        self._step_for_others(given.Watched(on=bool(self._observers)))

    def catch_up(self) -> None:
        """Those who watch are told what was heard by now."""
        self.step(given.Looked())

    def glimpse(self) -> list[Glimpse]:
        """The lines that are being said, and those that have ended since the last look."""
        return self._core.being_said(self._now_ms())

    def _answer(self, answer: wanted.Answer) -> None:
        self._answered = answer.error

    def _caller_sounded(self, output: wanted.CallerSounded) -> None:
        began_ms = self._core.start_received_ms or 0.0
        self._observe(lambda one: one.caller_audio(output.audios, output.at_ms, began_ms))

    def _observe(self, tell: Callable[[CallObserver], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception:
                self._do_without(observer)

    def _do_without(self, failed: CallObserver) -> None:
        log.exception("call.observer_failed", call_sid=self._call_sid)
        self._observers = tuple(one for one in self._observers if one is not failed)

    def _step_for_others(self, happened: given.AnyInput) -> None:
        """A step that begins outside the call's own tasks; whatever comes of it, the log is to tell it of this call."""
        with self._about:
            self.step(happened)

    def step(self, happened: given.AnyInput) -> None:
        """One step of the core, its outputs carried out."""
        core = self._core
        try:
            for output in core.receive((self._loop.time() - self._clock_zero_s) * 1000, happened):
                if type(output) is wanted.SendModel:  # most are
                    self._model.send(output.text)
                elif type(output) is wanted.SendTwilio:
                    self._for_twilio.append(output.text)
                else:
                    self._do[type(output)](output)
            if self._for_twilio:
                self._flush_twilio()
        except Exception:
            # A defect of ours. Without a disposition /stream-ended gives the caller the business's fallback.
            log.exception("call.core_failed", call_sid=self._call_sid)
            self._over.set()
            self._flush_twilio()
            self._send_twilio(1011)
            return
        if core.is_settled_anew:
            self._settled()

    def _settled(self) -> None:
        if self._core.phase is Phase.ENDED:
            self._over.set()
        elif not self._over.is_set():
            wake_at_ms = self._core.wake_at_ms
            if wake_at_ms < self._armed_for_ms:
                self._arm(wake_at_ms)

    # --- time --------------------------------------------------------------------------------------------------------------

    def _now_ms(self) -> float:
        return (self._loop.time() - self._clock_zero_s) * 1000

    def _arm(self, at_ms: float) -> None:
        self._disarm()
        self._armed_for_ms = at_ms
        if at_ms != inf:
            self._timer = self._loop.call_at(self._clock_zero_s + at_ms / 1000 + ROUNDING_S, self._wake)

    def _wake(self) -> None:
        """The moment that was asked for has come, or has been put off since: most are, and are not worth a timer each time."""
        self._armed_for_ms = inf
        wake_at_ms = self._core.wake_at_ms
        if self._now_ms() < wake_at_ms:
            self._arm(wake_at_ms)
        else:
            self.step(given.Tick())

    def _disarm(self) -> None:
        self._armed_for_ms = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the phone ---------------------------------------------------------------------------------------------------------

    async def _read_twilio(self) -> None:
        await self._socket.read(self._from_twilio)
        self.step(given.TwilioClosed())

    def _from_twilio(self, frames: Sequence[str | bytes]) -> None:
        """More than one at a time come late, and are passed on together, so that a process that is behind has less to do."""
        self.step(given.TwilioFrame(frames[0]) if len(frames) == 1 else given.TwilioFrames(frames))

    async def _write_twilio(self) -> None:
        while True:
            message = await self._to_twilio.get()
            if isinstance(message, int):
                await self._socket.close(message)
                return
            await self._socket.send(message)

    def _flush_twilio(self) -> None:
        """What one step has for the phone goes in one piece, if there is room for it."""
        texts, self._for_twilio = self._for_twilio, []
        if texts and (not self._to_twilio.empty() or not self._socket.send_now(*texts)):
            for text in texts:
                self._send_twilio(text)

    def _send_twilio(self, message: str | int) -> None:
        try:
            self._to_twilio.put_nowait(message)
        except asyncio.QueueFull:
            log.error("twilio.not_reading", call_sid=self._call_sid)
            self._loop.call_soon(self.step, given.TwilioClosed())

    # --- the model ---------------------------------------------------------------------------------------------------------

    def _open_model(self, session: int) -> None:
        profile = self._services.businesses.get(self._model_of) if self._model_of is not None else None
        model, pool = profile.model if profile is not None else None, self._services.pool
        self._model.open(session, ModelSocket(self._services.settings.model, model, spare=lambda: pool.take(model)))

    # --- jobs --------------------------------------------------------------------------------------------------------------

    def _job(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]] | None = None) -> None:
        jobs = self._jobs if among is None else among
        task = asyncio.create_task(work)
        jobs.add(task)
        task.add_done_callback(jobs.discard)

    async def _check_token(self, check: wanted.CheckToken) -> None:
        settings = self._services.settings
        self._about.note(call_sid=check.call_sid)
        try:
            token = verify(
                check.token,
                settings.stream_token_secret,
                call_sid=check.call_sid,
                business_id=self._business_id,
                now_s=time.time(),
            )
            profile = self._services.businesses.get(token.business_id)
            if profile is None:
                raise TokenRefused("unknown_business")
            earlier = self._session_of(check.call_sid)
            if earlier is not None:
                await _bounded(earlier.give_way(token.attempt))
            record = await _bounded(self._services.store.claim_stream(token, settings.owner, datetime.now(UTC)))
            resumed = await self._resumed(record, token, profile) if token.attempt > 1 else None
        except TokenRefused as refused:
            self.step(given.StreamRefused(refused.reason))
        except (StoreError, TimeoutError) as error:
            log.error("store.claim_failed", why=str(error) or "timeout")
            self.step(given.StreamRefused("store_unavailable"))
        else:
            self._call_sid, self._attempt = check.call_sid, token.attempt
            self._profile, self._caller = profile, record
            self._about.note(business_id=profile.id)
            if self._services.watch is not None:
                self._services.watch.stream_began(check.call_sid, settings.owner, datetime.now(UTC))
            self._services.metrics.calls.inc()
            if self._services.recorder is not None and not self._over.is_set():
                self._recording = self._services.recorder.begin(self, profile, record)
            if self._model_of is None:
                self._model_of = token.business_id
                self._open_model(0)
            rate = self._services.prices.rate_of(profile.model or settings.model.default_model, profile.audio.transcription_model)
            greeting = self._services.greetings.recording_for(profile, record) if resumed is None else None
            chance = random.random()  # noqa: S311 - it spreads, and hides nothing
            self.step(given.StreamAccepted(record, profile, lines_of(profile.language), resumed, rate, greeting, chance))

    async def _resumed(self, record: CallRecord, token: StreamToken, profile: BusinessProfile) -> Resumed:
        """What this stream has to know of those before it."""
        events = await _bounded(self._services.store.events(record.call_sid))
        asked_at = (
            datetime.fromisoformat(record.resumed_at) if record.resumed_at else datetime.fromtimestamp(token.issued_at_s, UTC)
        )
        since = max(asked_at, events[-1].at) if events else asked_at
        return resumed_from(events, record.resumed or "lost", since, datetime.now(UTC), profile.language)

    async def _run_tool(self, wanted_tool: wanted.RunTool) -> None:
        if self._profile is None or self._caller is None:
            return
        try:
            answer = await self._tool_answer(wanted_tool, self._profile, self._caller)
        except ToolFailed as failed:
            self.step(given.ToolFinished(wanted_tool.call_id, json.dumps({"error": str(failed)}), ok=False))
        except Exception:
            log.exception("tool.broke", call_sid=self._call_sid, tool=wanted_tool.name)
            self.step(given.ToolFinished(wanted_tool.call_id, '{"error": "the tool failed"}', ok=False))
        else:
            self.step(given.ToolFinished(wanted_tool.call_id, answer.output, ok=True, events=answer.events))

    async def _tool_answer(self, tool: wanted.RunTool, profile: BusinessProfile, caller: CallRecord) -> ToolAnswer:
        run = self._services.builtin_tools.get(tool.name)
        if run is not None and tool.name in profile.tools.offered:
            return await run(ToolRequest(profile=profile, record=caller, name=tool.name, arguments=tool.arguments))
        return ToolAnswer(await self._services.tools.run(profile, tool.name, tool.arguments))

    async def _store_disposition(self, disposition: Disposition) -> None:
        try:
            # What was said before belongs on the record before anybody else may append to it.
            await _bounded(self._services.journal.flush(self._own_call))
            owner = self._services.settings.owner
            await _bounded(self._services.store.set_disposition(self._own_call, disposition, owner))
        except (StoreError, TimeoutError) as error:
            log.error("store.disposition_failed", call_sid=self._call_sid, why=str(error) or "timeout")
            self.step(given.DispositionStored(ok=False))
        else:
            self.step(given.DispositionStored(ok=True))

    async def _close_stream(self, code: int) -> None:
        """Twilio asks what comes next as soon as the stream is closed, and somebody else may then write: what is ours comes first."""
        if self._call_sid is not None:
            with suppress(TimeoutError):
                await _bounded(self._services.journal.flush(self._call_sid))
        self._send_twilio(code)

    async def _complete_call(self) -> None:
        self.step(given.CallCompleted(await self._services.call_control.complete(self._own_call)))

    # --- record ------------------------------------------------------------------------------------------------------------

    def _record(self, output: wanted.RecordEvent) -> None:
        at = self._wall_zero + timedelta(milliseconds=output.at_ms)
        self._services.metrics.count(output.body)
        self._services.journal.record(CallEvent(self._own_call, output.seq, at, output.body))

    def _tell_that_it_is_over(self, at: datetime) -> None:
        if self._call_sid is not None and self._services.watch is not None:
            self._services.watch.stream_over(self._call_sid, at)

    def _keep_release(self, release: wanted.Release) -> None:
        self._release = release

    def _log(self, output: wanted.Log) -> None:
        if output.event == "stream_refused":
            self._services.metrics.refused.labels(output.detail).inc()
        log.warning(f"stream.{output.event}", detail=output.detail, business_id=self._business_id)

    def _last_report(self) -> Report | None:
        self._is_given_up = True
        return self._report

    # --- leaving nothing behind --------------------------------------------------------------------------------------------

    async def _finish_stream(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        """Lets jobs and the last messages finish within their bounds. Nobody waits for a tool any more."""
        await self._end(list(self._tools))
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=STORE_WITHIN_S + 1)
        await asyncio.wait([writer], timeout=1)
        await self._end([reader, writer, *self._jobs])

    async def _finish_model(self) -> None:
        """Lets the model's socket say goodbye."""
        await self._end(await self._model.finished(within_s=2))

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("call.task_failed", call_sid=self._call_sid, exc_info=result)


async def _bounded(work: Awaitable[_T]) -> _T:
    async with asyncio.timeout(STORE_WITHIN_S):
        return await work
