"""One Realtime session, without a socket or a clock: client events in, server events out.

Requests are worked off in the order they came, each after its own delay; what they set going (a response, a transcript) is put on
one agenda. The owner of a session calls :meth:`ModelSession.receive` for every frame and :meth:`ModelSession.poll` when
:attr:`ModelSession.wake_at_ms` has come, and sends what they return. The same seed, frames and times give the same events.

After OpenAI, *Realtime API reference* (GA interface), and recorded sessions where these say more.
"""

import random
from collections.abc import Callable
from typing import Any, Final

from simulator.ears import Ears
from simulator.scenario import Mind

from . import requests
from .audio import AudioFormat
from .configuration import Configuration
from .conversation import Conversation
from .faults import Faults
from .hearing import Hearing
from .ids import Ids
from .items import Items
from .refusals import Refused
from .response import Event
from .speaking import Speaking
from .state import SessionState
from .timing import ModelTiming

DEFAULT_MODEL: Final = "gpt-realtime-2.1"
_SESSION_S: Final = 3_600
_SOME_DAY_S: Final = 1_767_225_600
_EXPIRED: Final = Refused("session_expired", "Your session hit the maximum duration of 60 minutes.")


class ModelSession:
    """What the Realtime API does on one socket."""

    def __init__(
        self,
        mind: Mind,
        ears: Ears,
        *,
        seed: int = 0,
        timing: ModelTiming | None = None,
        faults: Faults | None = None,
        model: str = DEFAULT_MODEL,
        started_at_s: int = _SOME_DAY_S,
    ) -> None:
        ids = Ids(seed)
        self._state = SessionState(
            mind=mind,
            timing=timing or ModelTiming(),
            faults=faults or Faults(),
            ids=ids,
            chance=random.Random(f"pace {seed}"),
            configuration=Configuration(ids.new("sess"), model, started_at_s + _SESSION_S),
            conversation=Conversation(ids.new("conv")),
        )
        items = Items(self._state, ears)
        self._speaking = Speaking(self._state, items)
        self._hearing = Hearing(self._state, ears, self._speaking.interrupt, self._speaking.answer_turn)
        self._muted = False
        self._requests: dict[str, Callable[[dict[str, Any]], list[Event]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._hearing.append,
            "input_audio_buffer.commit": self._hearing.commit,
            "input_audio_buffer.clear": self._hearing.clear,
            "output_audio_buffer.clear": _only_with_webrtc,
            "conversation.item.create": items.create,
            "conversation.item.retrieve": items.retrieve,
            "conversation.item.truncate": items.truncate,
            "conversation.item.delete": items.delete,
            "response.cancel": self._speaking.cancel,
        }
        self.close_code: int | None = None
        """Not ``None``: the owner sends what it has and closes the socket with it; 1006 means drop it without a word."""

    @property
    def configuration(self) -> dict[str, Any]:
        """The effective ``session`` object."""
        return self._state.configuration.snapshot()

    @property
    def wake_at_ms(self) -> float | None:
        """When :meth:`poll` has something to do; ``None``: not before something is received."""
        return None if self.close_code is not None else self._state.agenda.next_ms

    def open(self, now_ms: float) -> list[dict[str, Any]]:
        """The socket is open: ``session.created``."""
        self._state.agenda.now_ms = now_ms
        faults = self._state.faults
        for after_ms, work in (
            (faults.mute_from_ms, self._mute),
            (faults.expire_at_ms, self._expire),
            (faults.drop_at_ms, self._drop),
        ):
            if after_ms is not None:
                self._state.agenda.later(after_ms, work)
        created = self._stamped([{"type": "session.created", "session": self.configuration}])
        return [*created, *self.poll(now_ms)]

    def receive(self, now_ms: float, frame: str | bytes) -> list[dict[str, Any]]:
        """A text frame of the client. Never raises on what it holds; answers follow at once or from :meth:`poll`."""
        events = self.poll(now_ms)
        try:
            event = requests.parsed(frame)
        except Refused as refused:
            error = _error(refused, None)
            self._state.agenda.in_turn(self._state.timing.acknowledge_ms, lambda: [error])
        else:
            self._state.agenda.in_turn(self._delay_ms(event), lambda: self._worked_off(event, now_ms))
        return [*events, *self.poll(now_ms)]

    def poll(self, now_ms: float) -> list[dict[str, Any]]:
        """What has fallen due by now."""
        events: list[Event] = []
        while self.close_code is None and (work := self._state.agenda.advance(now_ms)) is not None:
            events += self._stamped(work())
        return events

    def _delay_ms(self, event: dict[str, Any]) -> float:
        kind = event.get("type")
        if kind == "session.update":
            return self._state.timing.session_update_ms
        return 0 if kind in ("input_audio_buffer.append", "response.create") else self._state.timing.acknowledge_ms

    def _worked_off(self, event: dict[str, Any], received_ms: float) -> list[Event]:
        try:
            kind = requests.check(event)
            if kind == "response.create":
                return self._speaking.create(event, received_ms)
            return self._requests[kind](event)
        except Refused as refused:
            return [_error(refused, event.get("event_id"))]

    def _stamped(self, events: list[Event]) -> list[Event]:
        if self._muted:
            return []
        return [{"type": event["type"], "event_id": self._state.ids.new("event"), **event} for event in events]

    def _update(self, event: dict[str, Any]) -> list[Event]:
        configuration, faults = self._state.configuration, self._state.faults
        if faults.refuse_update:
            raise Refused("server_error", "The server had an error while processing your request.", "session")
        before = configuration.input
        configuration.update(event["session"], has_spoken=any(item.spoken_bytes for item in self._state.conversation.items))
        if faults.wrong_format:
            configuration.output["format"] = AudioFormat({"type": faults.wrong_format}).configured
        self._hearing.reconfigured(before)
        return [{"type": "session.updated", "session": configuration.snapshot()}]

    def _mute(self) -> list[Event]:
        self._muted = True
        return []

    def _expire(self) -> list[Event]:
        self.close_code = 1001
        return [_error(_EXPIRED, None)]

    def _drop(self) -> list[Event]:
        self.close_code = 1006
        return []


def _error(refused: Refused, event_id: object) -> Event:
    return {"type": "error", "error": refused.error(event_id if isinstance(event_id, str) else None)}


def _only_with_webrtc(_event: dict[str, Any]) -> list[Event]:
    raise Refused("invalid_value", "output_audio_buffer.clear is only supported for WebRTC and SIP sessions.", "type")
