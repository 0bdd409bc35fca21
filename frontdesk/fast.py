"""A call without sockets and without waiting: the real webhooks and the real core between both far ends, under a virtual clock.

Everything is a queue of (time, what happens); the clock jumps from one to the next. The same script gives the same call, to the
millisecond.
"""

import heapq
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from urllib.parse import urlencode, urlsplit

from rich.console import Console

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.machine import Conversation
from bridge.resampling import SoxrResampler
from bridge.spoken_lines import lines_of
from bridge.tool_runner import current_time
from calls.business import BusinessProfile
from calls.ids import BusinessId
from calls.prices import Prices, load_prices
from calls.stream_token import TokenRefused, verify
from frontdesk.ledger import MemoryLedger
from frontdesk.narration import Narrator
from frontdesk.settings import DEFAULT_MODEL
from frontdesk.stage import ACCOUNT_SID, number_of, plan_of
from simulator.model.session import ModelSession
from simulator.phone import outputs as phone_does
from simulator.phone.call import NotInProgress, PhoneCall
from simulator.phone.recording import Recording
from simulator.scenario import Scenario
from webhooks.context import Context
from webhooks.dispatch import Request, TwilioAuth, dispatch

EPOCH = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
ORIGIN = "https://frontdesk.example"
STREAMS = "wss://frontdesk.example"
SECRET = AUTH_TOKEN = "fast"  # noqa: S105  (nobody else is here)
HTTP_MS = 4
CONNECT_MS = 3
LONGEST_MS = 600_000


def play_fast(console: Console, scenario: Scenario, profile: BusinessProfile) -> tuple[Narrator, Recording]:
    """Plays the scenario's call at once."""
    play = _Play(console, scenario, profile)
    play.run()
    return play.narrator, play.phone.recording


class _Play:
    """One call: the phone, the webhooks, the core, the model, and the clock they share."""

    def __init__(self, console: Console, scenario: Scenario, profile: BusinessProfile) -> None:
        self.now_ms = 0.0
        self.narrator = Narrator(console, scenario, profile, lambda: self.now_ms)
        self.phone = PhoneCall(
            scenario,
            number_of(ORIGIN),
            account_sid=ACCOUNT_SID,
            auth_token=AUTH_TOKEN,
            observe=self.narrator.observation,
            epoch_ms=EPOCH.timestamp() * 1000,
        )
        self._profile = profile
        self._ledger = MemoryLedger(self.narrator.event)
        self._context = Context(
            public_url=ORIGIN,
            stream_url=STREAMS,
            stream_token_secret=SECRET,
            businesses=_OneBusiness(profile),
            calls=self._ledger,
            now=self._wall,
        )
        self._prices = Prices(load_prices())
        self._plan = plan_of(scenario)(0)
        self._core: Conversation | None = None
        self._model: ModelSession | None = None
        self._model_opened_ms = 0.0
        self._session = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def run(self) -> None:
        """Until nothing more is going to happen."""
        self._phone_does(self.phone.dial(self.now_ms))
        while (at_ms := self._next_ms()) < LONGEST_MS:
            self.now_ms = max(self.now_ms, at_ms)
            if self._due and self._due[0][0] <= self.now_ms:
                heapq.heappop(self._due)[2]()
            elif self._core is not None and self._core.wake_at_ms <= self.now_ms:
                self._core_takes(given.Tick())
            elif self._model is not None and self._model_wakes_ms() <= self.now_ms:
                self._wake_model(self._model)
            else:
                self._phone_does(self.phone.poll(self.now_ms))

    def _next_ms(self) -> float:
        return min(
            self._due[0][0] if self._due else inf,
            self._core.wake_at_ms if self._core is not None else inf,
            self._model_wakes_ms(),
            self.phone.wake_at_ms if self.phone.wake_at_ms is not None else inf,
        )

    def _model_wakes_ms(self) -> float:
        wake_at_ms = self._model.wake_at_ms if self._model is not None else None
        return inf if wake_at_ms is None else wake_at_ms + self._model_opened_ms

    def _wake_model(self, model: ModelSession) -> None:
        # What is added to a time and taken off again may come out a little earlier, and the model would not be due yet, for ever.
        now_ms = self.now_ms - self._model_opened_ms
        self._model_says(model.poll(max(now_ms, model.wake_at_ms or now_ms)))

    def _wall(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.now_ms)

    def _later(self, ms: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now_ms + ms, next(self._order), action))

    # --- the phone ---------------------------------------------------------------------------------------------------------

    def _phone_does(self, outputs: list[phone_does.Output]) -> None:
        for output in outputs:
            match output:
                case phone_does.HttpRequest():
                    self._later(HTTP_MS, lambda request=output: self._answer(request))  # type: ignore[misc]
                case phone_does.OpenStream():
                    self._later(0, self._open_stream)
                case phone_does.SendStream(text=text):
                    self._core_takes(given.TwilioFrame(text))
                case phone_does.CloseStream() | phone_does.AbortStream():
                    self._core_takes(given.TwilioClosed())

    def _answer(self, request: phone_does.HttpRequest) -> None:
        parts = urlsplit(request.url)
        wire = Request(
            method=request.method,
            path=parts.path,
            raw_query=parts.query,
            headers={**request.headers, "content-type": "application/x-www-form-urlencoded"},
            body=urlencode(request.params).encode(),
        )
        response = dispatch(self._context, TwilioAuth(auth_token=AUTH_TOKEN), wire)
        content_type = dict(response.headers).get("content-type", "text/xml")
        self._phone_does(self.phone.http_answered(self.now_ms, request.request_id, response.status, content_type, response.body))

    def _open_stream(self) -> None:
        self._core = Conversation(SoxrResampler)
        self._core_takes(given.Tick())
        self._later(CONNECT_MS, lambda: self._open_model(0))
        self._phone_does(self.phone.stream_opened(self.now_ms))

    # --- the model ---------------------------------------------------------------------------------------------------------

    def _open_model(self, session: int) -> None:
        plan = self._plan
        self._model = ModelSession(plan.mind, plan.ears, seed=plan.seed, timing=plan.timing, faults=plan.faults)
        self._model_opened_ms = self.now_ms
        self._session = session
        self._core_takes(given.ModelOpened(CONNECT_MS, session=session))
        self._model_says(self._model.open(0))

    def _model_says(self, events: list[dict[str, object]]) -> None:
        for event in events:
            self._core_takes(given.ModelFrame(json.dumps(event), self._session))

    # --- the core ----------------------------------------------------------------------------------------------------------

    def _core_takes(self, happened: given.AnyInput) -> None:
        if self._core is not None:
            for output in self._core.receive(self.now_ms, happened):
                self._carry_out(output)

    def _carry_out(self, output: wanted.AnyOutput) -> None:  # noqa: PLR0912  (one row an output)
        match output:
            case wanted.SendTwilio(text=text):
                self._phone_does(self.phone.stream_message(self.now_ms, text))
            case wanted.SendModel(text=text):
                if self._model is not None:
                    self._model_says(self._model.receive(self.now_ms - self._model_opened_ms, text))
            case wanted.CheckToken():
                self._later(0, lambda: self._check_token(output))
            case wanted.RecordEvent(body=body):
                self._ledger.record(self.phone.call_sid, body, self._wall())
            case wanted.RunTool(call_id=call_id, name=name):
                self._later(1, lambda: self._core_takes(self._tool_answer(call_id, name)))
            case wanted.StoreDisposition(disposition=disposition):
                self._ledger.set_disposition(self.phone.call_sid, disposition)
                self._later(1, lambda: self._core_takes(given.DispositionStored(ok=True)))
            case wanted.CompleteCall():
                self._later(HTTP_MS, self._complete_call)
            case wanted.CloseStream(code=code):
                self._phone_does(self.phone.stream_closed(self.now_ms, code))
            case wanted.OpenModel(session=session):
                self._later(CONNECT_MS, lambda: self._open_model(session))
            case wanted.CloseModel():
                self._model = None
            case wanted.Release():
                self._ledger.release(self.phone.call_sid, output.usage, output.cost_usd)
                if output.end_reason is not None:
                    self._ledger.end_call(self.phone.call_sid, output.end_reason, self._wall())

    def _check_token(self, check: wanted.CheckToken) -> None:
        try:
            token = verify(
                check.token,
                SECRET,
                call_sid=check.call_sid,
                business_id=self._profile.business_id,
                now_s=self._wall().timestamp(),
            )
            record = self._ledger.claim(token)
        except TokenRefused as refused:
            self._core_takes(given.StreamRefused(refused.reason))
        else:
            rate = self._prices.rate_of(self._profile.model or DEFAULT_MODEL, self._profile.audio.transcription_model)
            self._core_takes(given.StreamAccepted(record, self._profile, lines_of(self._profile.language), rate=rate))

    def _tool_answer(self, call_id: str, name: str) -> given.ToolFinished:
        if name == "get_current_time":
            return given.ToolFinished(call_id, json.dumps(current_time(self._profile, self._wall())), ok=True)
        return given.ToolFinished(call_id, '{"error": "there is no network in this run"}', ok=False)

    def _complete_call(self) -> None:
        with suppress(NotInProgress):  # the caller was quicker
            self._phone_does(self.phone.rest_update(self.now_ms, status="completed"))
        self._core_takes(given.CallCompleted(ok=True))


class _OneBusiness:
    """A directory of one."""

    def __init__(self, profile: BusinessProfile) -> None:
        self._profile = profile

    def find(self, address: str) -> BusinessProfile | None:
        return self._profile if address in self._profile.numbers else None

    def get(self, business_id: BusinessId) -> BusinessProfile | None:
        return self._profile if business_id == self._profile.id else None
