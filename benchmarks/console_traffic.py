"""What a bridge with many live calls tells its operators, made up: the messages of each call in a fixed pattern, numbered in their text.

Every line that is said carries its call and its number, ``c07#00123``, so that whoever sees a screen can tell which message
is on it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

STAMP = re.compile(rb"c(\d\d)#(\d{5})")
"""A message on a screen: its call, and its number within the call."""
WORDS = "and the address is twelve Oak Street, near the old bridge"

# 20 messages each. What is said stands for itself; "other" is an event that shows no text.
MIXED = ("partial", "said", "levels", "partial", "other", "partial", "said", "levels", "partial", "other") * 2
"""As a bridge talks, only more: 8 lines in the making, 4 levels, 4 transcripts, 4 other events."""
EVENTS = ("said", "other") * 10
"""Numbered events only."""
PATTERNS = {"mixed": MIXED, "events": EVENTS}


def stamp(call: int, number: int) -> str:
    """How a message names itself."""
    return f"c{call:02}#{number:05}"


@dataclass(slots=True)
class TalkingCall:
    """One live call; :meth:`say` is its next message."""

    index: int
    pattern: tuple[str, ...]
    began: datetime
    seq: int = 12
    number: int = 0

    @property
    def call_sid(self) -> str:
        """``CA`` and 32 digits."""
        return f"CA{self.index:032}"

    def summary(self) -> dict[str, Any]:
        """Its line of the snapshot."""
        return {
            "call_sid": self.call_sid,
            "business_id": f"business-{self.index % 7}",
            "from": f"+1212555{self.index:04}",
            "to": "+15005550006",
            "channel": "pstn",
            "phase": "conversing",
            "started_at": _at(self.began),
            "owner": f"bridge-{self.index % 3}",
            "last_seq": self.seq,
            "last_line": "How can I help you?",
            "greeting_latency_ms": 480 + 20 * self.index,
            "barge_ins": 0,
            "cost_usd": 0.01,
            "muted": False,
        }

    def say(self) -> dict[str, Any]:
        """The next message. It carries a stamp if it is one that is seen as text."""
        kind = self.pattern[self.number % len(self.pattern)]
        self.number += 1
        match kind:
            case "partial":
                return self._partial()
            case "levels":
                return self._live("levels", caller_rms=self.number * 37 % 3000, agent_rms=self.number * 91 % 3000)
            case "said":
                return self._said()
        return self._other()

    def _partial(self) -> dict[str, Any]:
        text = f"{stamp(self.index, self.number)} {WORDS}"
        side, item_id = "agent" if self.number % 3 else "caller", f"item_{self.number // 10}"
        return self._live("partial", side=side, item_id=item_id, text=text, heard_chars=len(text) - 9, over=False)

    def _said(self) -> dict[str, Any]:
        text, item_id = f"{stamp(self.index, self.number)} {WORDS}", f"item_{self.number // 10}"
        if self.number % 2:
            return self._event("caller.transcript", item_id=item_id, text=text)
        return self._event("agent.transcript", item_id=item_id, text=text, heard_ms=3400, interrupted=False)

    def _other(self) -> dict[str, Any]:
        match self.number // 2 % 5:
            case 0:
                return self._event("turn.first_audio", latency_ms=700 + self.number % 500)
            case 1:
                return self._event("barge_in.triggered", rms=1800)
            case 2:
                return self._event("tool.called", name="get_current_time", arguments="{}")
            case 3:
                return self._event("tool.finished", name="get_current_time", ms=12, ok=True)
        return self._event("barge_in.dismissed")

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.seq += 1
        return {"type": "event", "call_sid": self.call_sid, "seq": self.seq, "at": _at(datetime.now(UTC)), "kind": kind, **fields}

    def _live(self, kind: str, **fields: Any) -> dict[str, Any]:
        return {"type": "live", "call_sid": self.call_sid, "kind": kind, **fields}


def talking_calls(count: int, pattern: str) -> list[TalkingCall]:
    """So many calls, begun one second after the other."""
    now = datetime.now(UTC)
    return [TalkingCall(index, PATTERNS[pattern], now - timedelta(seconds=60 + index)) for index in range(count)]


def is_text(message: dict[str, Any]) -> bool:
    """Whether it shows as a line of text, with its stamp."""
    return "text" in message


def _at(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
