"""The model's side of a session: responses, one at a time in the conversation, any number beside it."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from simulator import voice

from .answers import Answer, Answers
from .audio import AudioFormat
from .configuration import check_model_options, reasons
from .conversation import Item
from .items import Items
from .pacing import Delivery, schedule
from .refusals import Refused
from .response import Event, Response, ResponseOptions
from .state import SessionState
from .usage import Meter

_RATE_LIMIT: Final = 15_000_000
_TOKENS_A_SECOND: Final = _RATE_LIMIT / 60
_LATE_DELTA_MS: Final = 5


class Speaking:
    """Works off the requests about responses."""

    def __init__(self, state: SessionState, items: Items) -> None:
        self._state = state
        self._items = items
        self._answers = Answers(state.mind)
        self._meter = Meter()
        self._active: _Given | None = None
        self._aside: dict[str, _Given] = {}
        self._count = 0

    def create(self, event: dict[str, Any], received_ms: float) -> list[Event]:
        """``response.create``. Raises :class:`~simulator.model.refusals.Refused`."""
        asked = event.get("response") or {}
        check_model_options(asked, self._state.configuration.session["model"], "response")
        if asked.get("conversation") != "none" and self._active is not None:
            message = (
                f"Conversation already has an active response in progress: {self._active.response.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise Refused("conversation_already_has_active_response", message)
        self._begin(asked, received_ms)
        return []

    def answer_turn(self) -> list[Event]:
        """A turn ended and the configuration asks for a response; there is none while another is being given."""
        if self._active is None:
            self._begin({}, self._state.agenda.now_ms)
        return []

    def interrupt(self) -> list[Event]:
        """The caller began to speak."""
        return self._cancelled(self._active, "turn_detected") if self._active is not None else []

    def cancel(self, event: dict[str, Any]) -> list[Event]:
        """``response.cancel``. Raises ``Refused``."""
        response_id = event.get("response_id")
        given = self._active if response_id is None else self._aside.get(response_id)
        if self._active is not None and self._active.response.id == response_id:
            given = self._active
        if given is None:
            raise Refused("response_cancel_not_active", "Cancellation failed: no active response found")
        return self._cancelled(given, "client_cancelled")

    def _begin(self, asked: dict[str, Any], received_ms: float) -> None:
        state, aside = self._state, asked.get("conversation") == "none"
        context = [self._items.made(given) for given in asked["input"]] if "input" in asked else list(state.conversation.items)
        response = Response(state.ids.new("resp"), self._options(asked), None if aside else state.conversation, state.ids)
        response.is_first = self._count == 0
        answer = self._answer(asked, context)
        given = _Given(response, asked, context, self._spoken(response, answer))
        if aside:
            self._aside[response.id] = given
        else:
            self._active = given
        delivery = self._delivery(given, answer)
        self._count += 1
        for offset_ms, work in schedule(response, answer, given.audio, delivery):
            state.agenda.at(received_ms + offset_ms, work, response)

    def _delivery(self, given: "_Given", answer: Answer) -> Delivery:
        return Delivery(
            timing=self._state.timing,
            chance=self._state.chance,
            fate=self._state.faults.fate(self._count),
            finish=partial(self._finished, given),
            called=lambda call_id: self._answers.called(call_id, answer.reply),
        )

    def _spoken(self, response: Response, answer: Answer) -> bytes:
        if response.options.modality == "text":
            return b""
        return response.options.audio_format.from_ulaw(voice.speak(answer.say, self._state.mind.voice))

    def _options(self, asked: dict[str, Any]) -> ResponseOptions:
        session = self._state.configuration.session
        output = {**self._state.configuration.output, **asked.get("audio", {}).get("output", {})}
        audio_format = AudioFormat(output["format"])
        return ResponseOptions(
            modality=asked.get("output_modalities", session["output_modalities"])[0],
            audio_format=audio_format,
            audio_output={"format": audio_format.configured, "voice": output["voice"]},
            max_output_tokens=asked.get("max_output_tokens", session["max_output_tokens"]),
            metadata=asked.get("metadata"),
            transcript=not self._state.faults.no_transcripts,
            has_phases=reasons(session["model"]),
        )

    def _answer(self, asked: dict[str, Any], context: list[Item]) -> Answer:
        callable_names = self._callable(asked)
        choice = asked.get("tool_choice", self._state.configuration.session["tool_choice"])
        if isinstance(choice, dict) and choice.get("name") in callable_names:
            return self._answers.forced(choice["name"])
        return self._answers.next(context, callable_names, asked.get("instructions", ""))

    def _callable(self, asked: dict[str, Any]) -> set[str]:
        """The functions this response may call."""
        session = self._state.configuration.session
        names = {tool["name"] for tool in asked.get("tools", session["tools"]) if tool["type"] == "function"}
        choice = asked.get("tool_choice", session["tool_choice"])
        if choice == "none":
            return set()
        return names & {choice["name"]} if isinstance(choice, dict) and choice["type"] == "function" else names

    def _cancelled(self, given: "_Given", reason: str) -> list[Event]:
        events = [*given.response.interrupted(), *self._finished(given, "cancelled", {"type": "cancelled", "reason": reason})]
        self._keep_sending(given)
        return events

    def _keep_sending(self, given: "_Given") -> None:
        """The fault that audio of a cancelled response still comes."""
        response = given.response
        if not response.output or not response.output[-1].spoken:
            return
        size = self._state.timing.shortest_delta_ms * response.options.audio_format.bytes_per_ms
        rest = given.audio[response.output[-1].spoken_bytes :][: size * self._state.faults.deltas_after_cancel]
        for index, start in enumerate(range(0, len(rest), size), start=1):
            self._state.agenda.later(_LATE_DELTA_MS * index, partial(response.sounded, rest[start : start + size]))

    def _finished(self, given: "_Given", status: str, details: dict[str, Any] | None) -> list[Event]:
        usage = None if status == "failed" else self._usage(given)
        if self._active is given:
            self._active = None
        self._aside.pop(given.response.id, None)
        self._state.agenda.later(1, lambda: [_rate_limits(usage)])
        for work in self._state.after_response:
            work()
        self._state.after_response.clear()
        return given.response.finished(status, details, usage)

    def _usage(self, given: "_Given") -> dict[str, Any]:
        session, asked = self._state.configuration.session, given.asked
        return self._meter.usage(
            (asked.get("instructions", session["instructions"]), asked.get("tools", session["tools"])),
            given.context,
            given.response.output,
            reasoning=reasons(session["model"]),
            cached="instructions" not in asked and "tools" not in asked,
        )


@dataclass(frozen=True, slots=True)
class _Given:
    """A response being given, and what it is given for."""

    response: Response
    asked: dict[str, Any]
    """The ``response`` object of ``response.create``."""
    context: list[Item]
    audio: bytes


def _rate_limits(usage: dict[str, Any] | None) -> Event:
    used = usage["total_tokens"] if usage else 0
    limit = {"name": "tokens", "limit": _RATE_LIMIT, "remaining": _RATE_LIMIT - used}
    return {"type": "rate_limits.updated", "rate_limits": [{**limit, "reset_seconds": round(used / _TOKENS_A_SECOND, 3)}]}
