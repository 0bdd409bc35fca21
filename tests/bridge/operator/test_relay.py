"""What is shown of live calls elsewhere: only while somebody looks, and audio only to who listens."""

import asyncio
from collections.abc import Awaitable, Callable

from bridge.operator.relay import ANNOUNCED_EVERY_S, FORGOTTEN_AFTER_S, LIVE, LOOKING, Ear, Relay, audio_topic
from calls.bus.memory import Alone, MemoryHub, MemoryTransport
from calls.ids import CallSid
from tests.calls.examples import sid
from tests.calls.virtual_loop import run_virtually


class Listener:
    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def offer(self, message: bytes) -> None:
        self.heard.append(message)


class Bridge:
    """One process: what its relay asks of its calls, and what its readers are shown."""

    def __init__(self, hub: MemoryHub, name: str) -> None:
        self.transport = MemoryTransport(hub)
        self.wishes: list[tuple[bool, bool]] = []
        self.ears: dict[CallSid, set[Ear]] = {}
        self.shown: list[bytes] = []
        self.relay = Relay(self.transport, name, self, self.shown.append)

    def wanted(self, *, on: bool, is_new: bool) -> None:
        self.wishes.append((on, is_new))

    def listen(self, call_sid: CallSid, ear: Ear) -> None:
        self.ears.setdefault(call_sid, set()).add(ear)

    def unlisten(self, call_sid: CallSid, ear: Ear) -> None:
        self.ears[call_sid].discard(ear)

    def sounds(self, call_sid: CallSid, audio: bytes) -> None:
        """A call that is served here is heard."""
        for ear in self.ears.get(call_sid, ()):
            ear.offer(audio)


class Street:
    """Three bridges, and whatever goes over the bus."""

    def __init__(self) -> None:
        self.hub = MemoryHub()
        self.one, self.two, self.three = (Bridge(self.hub, name) for name in ("one", "two", "three"))
        self.passed: list[str] = []


def played(story: Callable[[Street], Awaitable[None]]) -> None:
    async def play() -> None:
        street = Street()
        for bridge in (street.one, street.two, street.three):
            await bridge.transport.open()
            bridge.relay.open()
        for topic in (LIVE, LOOKING, audio_topic("two")):
            street.one.transport.listen(topic, lambda _, topic=topic: street.passed.append(topic))  # type: ignore[misc]
        await story(street)
        for bridge in (street.one, street.two, street.three):
            await bridge.relay.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(play())


def test_nothing_is_sent_while_nobody_looks() -> None:
    async def story(street: Street) -> None:
        street.one.relay.tell(b"levels")
        await asyncio.sleep(60)
        assert street.passed == []
        assert not street.one.relay.is_wanted

    played(story)


def test_whoever_looks_is_shown_what_others_serve_and_nobody_else_is() -> None:
    async def story(street: Street) -> None:
        street.two.relay.begin()
        await asyncio.sleep(0.1)
        assert street.one.wishes[0] == (True, True)
        for message in (b"levels", "שלום".encode()):
            street.one.relay.tell(message)
        await asyncio.sleep(0.1)
        assert street.two.shown == [b"levels", "שלום".encode()]
        assert street.one.shown == street.three.shown == []
        assert street.passed.count(LIVE) == 1  # what comes in one go is sent in one

    played(story)


def test_one_who_has_just_begun_to_look_knows_nothing_and_later_does() -> None:
    async def story(street: Street) -> None:
        street.two.relay.begin()
        await asyncio.sleep(ANNOUNCED_EVERY_S + 0.1)
        street.two.relay.begin()
        await asyncio.sleep(0.1)
        assert street.one.wishes == [(True, True), (True, False), (True, True)]

    played(story)


def test_who_looks_away_is_told_nothing_more() -> None:
    async def story(street: Street) -> None:
        street.two.relay.begin()
        street.three.relay.begin()
        await asyncio.sleep(0.1)
        street.two.relay.end()
        await asyncio.sleep(0.1)
        assert street.one.relay.is_wanted
        street.three.relay.end()
        await asyncio.sleep(0.1)
        assert not street.one.relay.is_wanted
        assert street.one.wishes[-1] == (False, False)

    played(story)


def test_one_who_vanished_is_forgotten_with_what_they_listened_to() -> None:
    async def story(street: Street) -> None:
        street.two.relay.begin()
        street.two.relay.hear(sid(), Listener())
        await asyncio.sleep(0.1)
        assert street.one.ears[sid()]
        street.two.transport.went(up=False)
        await asyncio.sleep(FORGOTTEN_AFTER_S + ANNOUNCED_EVERY_S + 0.1)
        assert not street.one.relay.is_wanted
        assert street.one.ears[sid()] == set()

    played(story)


def test_audio_goes_to_the_listening_process_alone_and_there_to_who_listens() -> None:
    async def story(street: Street) -> None:
        ear, other = Listener(), Listener()
        for bridge in (street.two, street.three):
            bridge.relay.begin()
        street.two.relay.hear(sid(1), ear)
        street.two.relay.hear(sid(2), other)
        await asyncio.sleep(0.1)
        street.one.sounds(sid(1), b"audio")
        await asyncio.sleep(0.1)
        assert (ear.heard, other.heard) == ([b"audio"], [])
        assert street.passed.count(audio_topic("two")) == 1
        street.two.relay.unhear(sid(1), ear)
        await asyncio.sleep(0.1)
        street.one.sounds(sid(1), b"more")
        await asyncio.sleep(0.1)
        assert ear.heard == [b"audio"]

    played(story)


def test_two_who_listen_to_the_same_call_are_one_to_its_owner() -> None:
    async def story(street: Street) -> None:
        first, second = Listener(), Listener()
        street.two.relay.begin()
        for ear in (first, second):
            street.two.relay.hear(sid(), ear)
        await asyncio.sleep(3 * ANNOUNCED_EVERY_S)
        street.one.sounds(sid(), b"audio")
        street.two.relay.forget(first)
        await asyncio.sleep(0.1)
        assert street.two.relay.hears(sid(), second)
        assert not street.two.relay.hears(sid(), first)
        assert (first.heard, second.heard) == ([], [b"audio"])

    played(story)


def test_who_listens_goes_on_hearing_a_call_that_comes_to_be_served_here() -> None:
    async def story(street: Street) -> None:
        ear = Listener()
        street.two.relay.begin()
        street.two.relay.hear(sid(), ear)
        await asyncio.sleep(ANNOUNCED_EVERY_S + 0.1)
        street.two.sounds(sid(), b"audio")
        assert ear.heard == [b"audio"]

    played(story)


def test_after_an_outage_whoever_looks_says_so_anew() -> None:
    async def story(street: Street) -> None:
        street.two.relay.begin()
        street.two.relay.hear(sid(), Listener())
        await asyncio.sleep(0.1)
        street.hub.go(up=False)
        await asyncio.sleep(2 * FORGOTTEN_AFTER_S)
        assert not street.one.relay.is_wanted
        street.hub.go(up=True)
        await asyncio.sleep(0.1)
        assert street.one.wishes[-1] == (True, True)
        assert street.one.ears[sid()]

    played(story)


def test_garbage_on_its_topics_does_no_harm() -> None:
    async def story(street: Street) -> None:
        street.two.relay.begin()
        for topic in (LIVE, LOOKING, audio_topic("two")):
            for garbage in (b"", b"\xc1", b"\x94\x01\x02\x03\x04"):
                street.three.transport.publish(topic, garbage)
        await asyncio.sleep(0.1)
        street.one.relay.tell(b"levels")
        await asyncio.sleep(0.1)
        assert street.two.shown == [b"levels"]

    played(story)


async def test_a_process_without_others_does_nothing_at_all() -> None:
    bridge = Bridge(MemoryHub(), "one")
    relay = Relay(Alone(), "one", bridge, bridge.shown.append)
    relay.open()
    relay.begin()
    relay.tell(b"levels")
    assert not relay.is_wanted
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await relay.close()
