"""Everything the far end has been seen to do wrong, to be done on purpose."""

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

Fate = Literal["failed", "incomplete", "silent", "stalled", "never"]
"""What becomes of a response:

- ``failed``: no output, ``response.done`` says ``failed``;
- ``incomplete``: it ends in mid-sentence, ``response.done`` says ``incomplete``;
- ``silent``: it completes without any audio;
- ``stalled``: it ends in mid-sentence, and no ``response.done`` ever comes;
- ``never``: there is no answer to ``response.create`` at all.
"""

_BETA_NAMES: Final = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
}
_GARBAGE: Final = ("", "null", "[]", "{", '{"type":null}', '{"type":7}', '"text"', "\u0000שלום 🙂", '{"type":"error"}', "1e999")


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Misbehaviour of one session; the default is none."""

    drop_at_ms: float | None = None
    """The connection is lost, with no close frame, this long after the session began."""
    drop_after_events: int | None = None
    """The connection is lost after so many server events."""
    expire_at_ms: float | None = None
    """The session ends as at its 60-minute cap: ``session_expired``, close code 1001."""
    mute_from_ms: float | None = None
    """Nothing more is sent, though the connection stays."""
    wrong_format: str | None = None
    """Whatever output format is asked for, it becomes this one, ``audio/pcm`` say, in ``session.updated`` and in fact."""
    refuse_update: bool = False
    """``session.update`` is answered with an error."""
    fates: Mapping[int, Fate] = {}
    """What becomes of the nth response of the session, counted from 0."""
    every_fate: Fate | None = None
    """What becomes of all the others."""
    no_transcripts: bool = False
    """The model's own words are not transcribed."""
    deltas_after_cancel: int = 0
    """So many audio deltas of a cancelled response arrive after its ``response.done``."""
    duplicate_events: bool = False
    """Every event is sent twice."""
    unknown_events: bool = False
    """Events no client knows, and unknown fields, come in between."""
    garbage_frames: bool = False
    """Text frames that are not JSON objects of the API come in between."""
    beta_names: bool = False
    """Events have the names of the retired beta interface."""
    out_of_order: bool = False
    """Events that were ready at the same moment arrive shuffled, but audio deltas among themselves."""

    def fate(self, index: int) -> Fate | None:
        """What becomes of the nth response; ``None``: what should."""
        return self.fates.get(index, self.every_fate)


class Wire:
    """The way from a session to its client, on which events may be renamed, doubled, shuffled or mixed with rubbish."""

    def __init__(self, faults: Faults, seed: int = 0) -> None:
        self._faults = faults
        self._random = random.Random(f"wire {seed}")
        self._sent = 0

    @property
    def lost(self) -> bool:
        """The connection is to be dropped now, for the number of events sent."""
        limit = self._faults.drop_after_events
        return limit is not None and self._sent >= limit

    def frames(self, events: list[dict[str, Any]]) -> Iterator[str | bytes]:
        """The text frames that carry these events, as far as the connection lasts."""
        for event in self._ordered(events):
            for frame in self._around(event):
                if self.lost:
                    return
                self._sent += 1
                yield frame

    def _ordered(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self._faults.out_of_order:
            return events
        audio = iter([event for event in events if event["type"] == "response.output_audio.delta"])
        shuffled = self._random.sample(events, len(events))
        return [next(audio) if event["type"] == "response.output_audio.delta" else event for event in shuffled]

    def _around(self, event: dict[str, Any]) -> Iterator[str | bytes]:
        if self._faults.garbage_frames:
            yield self._random.choice(_GARBAGE)
        if self._faults.unknown_events:
            yield b'{"type":"response.mood.delta","event_id":"event_unknown","mood":{"warmth":[0.5,null]}}'
            event = {**event, "mood": {"warmth": [0.5, None]}}
        if self._faults.beta_names:
            event = {**event, "type": _BETA_NAMES.get(event["type"], event["type"])}
        frame = msgspec.json.encode(event)
        yield frame
        if self._faults.duplicate_events:
            yield frame
