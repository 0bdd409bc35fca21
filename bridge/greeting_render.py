"""Recording a greeting in the model's own voice: a session that is asked to speak it and nothing else.

What comes is checked before it is kept, since nobody listens to it first: the words against the text, the sound for being there at
all. Silence at either end is taken off, so that a caller hears the first word at once.
"""

import asyncio
from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any

import msgspec
import numpy as np

from bridge.conversation import model_events as ev
from bridge.conversation import model_messages
from bridge.conversation.backchannel import spoken_words
from bridge.conversation.g711 import LINEAR
from bridge.model_socket import ModelSocket, ModelUnreachable
from bridge.settings import ModelEndpoint
from calls.business import BusinessProfile
from calls.greetings import BYTES_PER_MS, RecordedGreeting, key_of

WITHIN_S = 30.0
"""How long one attempt may take."""
ATTEMPTS = 3
ALIKE = 0.9
"""How much of the words must be those that were asked for, 0 to 1; spellings of one word may differ."""
SILENT_BELOW = 200
"""A sample, on the 16-bit scale, that is no part of a word."""
QUIET_PEAK = 1_000
"""A recording that is nowhere louder than this is no speech."""
LEAD_MS, TAIL_MS = 20, 100
"""What is left of the silence before the first sound and after the last."""
SHORTEST_MS, LONGEST_MS = 200, 120_000


class NotRendered(Exception):
    """No usable recording came of it; ``str()`` is a sentence that says why."""


async def render(endpoint: ModelEndpoint, profile: BusinessProfile, text: str) -> RecordedGreeting:
    """Has the model speak ``text`` as this business's AI would, and keeps how it sounded.

    Raises:
        NotRendered: every attempt failed; says why the last one did.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            spoken = await _one_session(endpoint, profile, text)
            audio = usable(spoken.audio, spoken.said, text)
        except NotRendered:
            if attempt == ATTEMPTS:
                raise
        else:
            return RecordedGreeting(key=key_of(profile, text, endpoint.default_model), audio=audio, rendered_at=datetime.now(UTC))
    raise NotRendered("no attempt was made")


def messages(profile: BusinessProfile, text: str) -> list[dict[str, Any]]:
    """All that is sent in one session: the same configuration as a call's, without tools, and the same request for the greeting.

    Calls have μ-law whatever the model speaks to the bridge, so that is what is asked for.
    """
    ulaw = msgspec.structs.replace(profile.audio, input="pcmu", output="pcmu")
    profile = msgspec.structs.replace(profile, audio=ulaw)
    return [
        model_messages.session_update(profile, []),
        model_messages.greeting_request(text),
        model_messages.response_create(with_tools=False),
    ]


def usable(audio: bytes, said: str | None, text: str) -> bytes:
    """The recording (μ-law, 8 kHz) as it is kept.

    Raises:
        NotRendered: other words were said, or there is nothing to be heard.
    """
    if not said:
        raise NotRendered("the model did not say which words it spoke, so they could not be checked")
    if not is_said(said, text):
        raise NotRendered(f"the model said “{said[:200]}” instead")
    trimmed = trim(audio)
    if np.max(np.abs(_samples(trimmed)), initial=0) < QUIET_PEAK:
        raise NotRendered("what the model spoke cannot be heard")
    if not SHORTEST_MS <= len(trimmed) / BYTES_PER_MS <= LONGEST_MS:
        raise NotRendered(f"what the model spoke lasts {len(trimmed) / BYTES_PER_MS / 1000:.1f} s")
    return trimmed


def is_said(said: str, text: str) -> bool:
    """Whether these are the words of ``text``, punctuation and the spelling of a word left aside."""
    wanted, heard = spoken_words(text), spoken_words(said)
    return SequenceMatcher(None, wanted, heard, autojunk=False).ratio() >= ALIKE


def trim(audio: bytes) -> bytes:
    """The audio without the silence at its ends, but for a little of it. No sound at all: no audio."""
    loud = np.flatnonzero(np.abs(_samples(audio)) >= SILENT_BELOW)
    if not len(loud):
        return b""
    return audio[max(int(loud[0]) - LEAD_MS * BYTES_PER_MS, 0) : int(loud[-1]) + 1 + TAIL_MS * BYTES_PER_MS]


def _samples(audio: bytes) -> "np.typing.NDArray[np.int32]":
    return LINEAR[np.frombuffer(audio, np.uint8)].astype(np.int32)


class Spoken:
    """What a session has said so far. ``done`` is set once that is all, or raises :class:`NotRendered`."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._audio: list[bytes] = []
        self._said: list[str] = []

    @property
    def audio(self) -> bytes:
        """μ-law, 8 kHz."""
        return b"".join(self._audio)

    @property
    def said(self) -> str | None:
        """The words, as the model gives them; ``None`` where it gives none."""
        return " ".join(self._said) or None

    def take(self, frame: bytes) -> None:
        """One event of the model."""
        if self.done.done():
            return
        try:
            self._take(ev.read(frame))
        except NotRendered as wrong:
            self.done.set_exception(wrong)

    def _take(self, event: ev.ModelEvent) -> None:
        match event:
            case ev.SessionUpdated() if _format_of(event.session) != "audio/pcmu":
                raise NotRendered(f"the model wants to speak {_format_of(event.session)}, not audio/pcmu")
            case ev.AudioDelta(delta=delta):
                self._audio.append(_decoded(delta))
            case ev.AgentTextDone(transcript=str(said)):
                self._said.append(said)
            case ev.ModelError(error=error):
                raise NotRendered(f"the model refused: {error.code or error.type}: {(error.message or '')[:200]}")
            case ev.ResponseDone(response=response) if response.status not in (None, "completed"):
                raise NotRendered(f"the response ended as {response.status}: {response.failure}")
            case ev.ResponseDone():
                self.done.set_result(None)


def _format_of(session: dict[str, Any]) -> object:
    node: object = session
    for key in ("audio", "output", "format", "type"):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _decoded(delta: str) -> bytes:
    try:
        return b64decode(delta, validate=True)
    except (BadBase64, ValueError):
        raise NotRendered("the model sent audio that is not base64") from None


async def _one_session(endpoint: ModelEndpoint, profile: BusinessProfile, text: str) -> Spoken:
    socket, spoken = ModelSocket(endpoint, profile.model), Spoken()
    _send_all(socket, messages(profile, text))
    session = asyncio.create_task(socket.run(lambda: None, spoken.take), name="greeting")
    try:
        async with asyncio.timeout(WITHIN_S):
            first: set[asyncio.Future[Any]] = {session, spoken.done}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not spoken.done.done():
            raise NotRendered(f"the session ended early: {await session}")
        spoken.done.result()
        return spoken
    except TimeoutError:
        raise NotRendered(f"nothing complete within {WITHIN_S:.0f} s") from None
    except ModelUnreachable as unreachable:
        raise NotRendered(f"the model could not be reached: {unreachable}") from None
    finally:
        session.cancel()
        with suppress(asyncio.CancelledError, ModelUnreachable):
            await session
        spoken.done.cancel()


def _send_all(socket: ModelSocket, wanted: Sequence[dict[str, Any]]) -> None:
    for event in wanted:
        socket.send(model_messages.encode(event))
