"""What is shown of live calls between their events, from the process that serves a call to those whose operators look.

Nothing is sent unless somebody looks: a process with readers says so every two seconds, with the calls they listen to, and is
forgotten when it has not done so for six. What is shown goes to all of them on one topic, audio to each listening process on its own.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

import msgspec
import structlog

from calls.bus.base import Transport, Undo
from calls.ids import CallSid

ANNOUNCED_EVERY_S = 2.0
FORGOTTEN_AFTER_S = 6.0
MAX_HEARD = 100
"""Calls one process may listen to."""

LOOKING = "frontdesk:looking"
LIVE = "frontdesk:live"

log = structlog.get_logger()


class Ear(Protocol):
    """Somebody who listens."""

    def offer(self, message: bytes) -> None:
        """One message more, to be taken without waiting."""


class _Look(msgspec.Struct, array_like=True, frozen=True):
    """A process's announcement. ``is_new``: somebody there has just begun to look, and knows nothing yet."""

    name: str
    looks: bool
    is_new: bool
    hears: list[CallSid]


class _Shown(msgspec.Struct, array_like=True, frozen=True):
    name: str
    messages: list[bytes]


class _Heard(msgspec.Struct, array_like=True, frozen=True):
    call_sid: CallSid
    message: bytes


_encode = msgspec.msgpack.Encoder().encode
_look = msgspec.msgpack.Decoder(_Look).decode
_shown = msgspec.msgpack.Decoder(_Shown).decode
_heard = msgspec.msgpack.Decoder(_Heard).decode


class Neighbour:
    """Another process with readers. It is an ear of the calls it listens to."""

    def __init__(self, name: str, transport: Transport) -> None:
        self.name = name
        self.seen_s = 0.0
        self.hears: frozenset[CallSid] = frozenset()
        self._transport = transport

    def ear(self, call_sid: CallSid) -> "FarEar":
        """Its ear of one call."""
        return FarEar(self.name, call_sid, self._transport)


class FarEar(msgspec.Struct, frozen=True):
    """Another process that listens to one call. Two of the same are equal."""

    name: str
    call_sid: CallSid
    transport: Transport

    def __hash__(self) -> int:
        return hash((self.name, self.call_sid))

    def offer(self, message: bytes) -> None:
        """See ``Ear``."""
        self.transport.publish(audio_topic(self.name), _encode(_Heard(self.call_sid, message)))


class Wishes(Protocol):
    """What the relay asks of the calls that are served here."""

    def wanted(self, *, on: bool, is_new: bool) -> None:
        """Somebody elsewhere looks, or nobody does any more. ``is_new``: they know nothing yet."""

    def listen(self, call_sid: CallSid, ear: Ear) -> None:
        """An ear for a call, if it is served here. Asked again every two seconds."""

    def unlisten(self, call_sid: CallSid, ear: Ear) -> None:
        """No ear any more."""


class Relay:
    """One process's end. ``show`` hands a message from elsewhere to all readers here."""

    def __init__(self, transport: Transport, name: str, wishes: Wishes, show: Callable[[bytes], None]) -> None:
        self._transport, self._name, self._wishes, self._show = transport, name, wishes, show
        self._neighbours: dict[str, Neighbour] = {}
        self._ears: dict[CallSid, set[Ear]] = {}
        self._looks = False
        self._outgoing: list[bytes] = []
        self._undo_always: list[Undo] = []
        self._undo_looking: list[Undo] = []
        self._beating: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether somebody elsewhere looks."""
        return bool(self._neighbours)

    def open(self) -> None:
        """Hears from now on who looks elsewhere."""
        if self._transport.is_shared:
            self._undo_always = [self._transport.listen(LOOKING, self._take_look), self._transport.on_change(self._link_changed)]
            self._beating = asyncio.create_task(self._beat(), name="operator-relay")

    async def close(self) -> None:
        """Hears nothing any more."""
        self.end()
        for undo in self._undo_always:
            undo()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)

    # --- our readers -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Somebody here looks, maybe one more."""
        if not self._looks:
            self._looks = True
            topics = ((LIVE, self._take_shown), (audio_topic(self._name), self._take_heard))
            self._undo_looking = [self._transport.listen(topic, take) for topic, take in topics]
        self._announce(is_new=True)

    def end(self) -> None:
        """Nobody here looks any more."""
        if self._looks:
            self._looks = False
            self._ears.clear()
            for undo in self._undo_looking:
                undo()
            self._announce()

    def hear(self, call_sid: CallSid, ear: Ear) -> None:
        """From now on the ear hears a call, should it be served elsewhere."""
        if call_sid in self._ears or len(self._ears) < MAX_HEARD:
            self._ears.setdefault(call_sid, set()).add(ear)
            self._announce()

    def unhear(self, call_sid: CallSid, ear: Ear) -> None:
        """The ear does not hear the call any more."""
        ears = self._ears.get(call_sid)
        if ears is not None and ear in ears:
            ears.discard(ear)
            if not ears:
                self.over(call_sid)

    def over(self, call_sid: CallSid) -> None:
        """The call is."""
        if self._ears.pop(call_sid, None) is not None:
            self._announce()

    def forget(self, ear: Ear) -> None:
        """The ear is gone."""
        for call_sid in list(self._ears):
            self.unhear(call_sid, ear)

    def hears(self, call_sid: CallSid, ear: Ear) -> bool:
        """Whether the ear hears that call."""
        return ear in self._ears.get(call_sid, ())

    # --- our calls ---------------------------------------------------------------------------------------------------------

    def tell(self, message: bytes) -> None:
        """Shows a message to whoever looks elsewhere; what comes in one go is sent in one."""
        if self._neighbours:
            if not self._outgoing:
                asyncio.get_running_loop().call_soon(self._send)
            self._outgoing.append(message)

    def _send(self) -> None:
        messages, self._outgoing = self._outgoing, []
        self._transport.publish(LIVE, _encode(_Shown(self._name, messages)))

    # --- the others --------------------------------------------------------------------------------------------------------

    def _take_shown(self, payload: bytes) -> None:
        shown = _shown(payload)
        if shown.name != self._name:
            for message in shown.messages:
                self._show(message)

    def _take_heard(self, payload: bytes) -> None:
        heard = _heard(payload)
        for ear in tuple(self._ears.get(heard.call_sid, ())):
            ear.offer(heard.message)

    def _take_look(self, payload: bytes) -> None:
        look = _look(payload)
        if look.name == self._name:
            return
        if not look.looks:
            self._drop(look.name)
            return
        is_new = look.is_new or look.name not in self._neighbours
        neighbour = self._neighbours.setdefault(look.name, Neighbour(look.name, self._transport))
        neighbour.seen_s = asyncio.get_running_loop().time()
        self._wishes.wanted(on=True, is_new=is_new)
        self._set_ears(neighbour, look.hears)

    def _set_ears(self, neighbour: Neighbour, hears: Collection[CallSid]) -> None:
        wanted = frozenset(list(hears)[:MAX_HEARD])
        for call_sid in neighbour.hears - wanted:
            self._wishes.unlisten(call_sid, neighbour.ear(call_sid))
        neighbour.hears = wanted
        for call_sid in wanted:
            self._wishes.listen(call_sid, neighbour.ear(call_sid))

    def _drop(self, name: str) -> None:
        neighbour = self._neighbours.pop(name, None)
        if neighbour is not None:
            self._set_ears(neighbour, ())
            if not self._neighbours:
                self._wishes.wanted(on=False, is_new=False)

    def _announce(self, *, is_new: bool = False) -> None:
        if self._transport.is_shared:
            self._transport.publish(LOOKING, _encode(_Look(self._name, self._looks, is_new, list(self._ears))))

    def _hear_here(self) -> None:
        """A call that was served elsewhere may be served here by now."""
        for call_sid, ears in self._ears.items():
            for ear in ears:
                self._wishes.listen(call_sid, ear)

    def _link_changed(self, up: bool) -> None:
        if up and self._looks:
            self._announce(is_new=True)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(ANNOUNCED_EVERY_S)
            if self._looks:
                self._announce()
                self._hear_here()
            now_s = asyncio.get_running_loop().time()
            for name in [one.name for one in self._neighbours.values() if now_s - one.seen_s >= FORGOTTEN_AFTER_S]:
                self._drop(name)


def audio_topic(name: str) -> str:
    """Where the process called ``name`` is told what it listens to."""
    return f"frontdesk:audio:{name}"
