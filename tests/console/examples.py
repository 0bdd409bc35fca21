"""Calls and events the tests of the console are about, as a bridge tells them: `calls` with their `events`, and `fill` for a
`FakeBridge` that is to hold them all."""

from datetime import timedelta
from typing import Any

from console import protocol
from tests.console.fake_bridge import START, FakeBridge, Flat, stamp

MARKUP = "[/nope] [bold red]x[/] [@click=app.quit]y[/]"
ESCAPES = "\x1b]52;c;aGk=\x07\x1b[31mred\x1b[0m \x9b2J and \x00 and \x7f"
TURNED = "\u202eevil\u202c \u2066iso\u2069"
HOSTILE = (
    MARKUP,
    ESCAPES,
    TURNED,
    "a\nb\r\nc\u2028d\te",
    "👩‍👩‍👧 naïve café",
    "שָׁלוֹם, הגעתם למוסך של דנה — 12 דקות",
    "\ud800 alone",
    "x" * 1_000_000,
    "ש" * 100_000,
)
"""Texts strangers may choose."""

FURNACE = "CA" + "0" * 31 + "1"
"""A long English call: greeting, turns, a barge-in, a tool, a lead, a goodbye; ended."""
GARAGE = "CA" + "0" * 31 + "2"
"""A Hebrew call, going on."""
PRANK = "CA" + "0" * 31 + "3"
"""A call whose caller id and words are markup and escapes, going on."""
TROUBLE = "CA" + "0" * 31 + "4"
"""The model is lost and comes back; errors; handed to a human; closing."""
RINGING = "CA" + "0" * 31 + "5"
"""Has only just begun."""

Steps = list[tuple[int, str, dict[str, Any]]]
"""Milliseconds since the call began, the kind, its fields."""


def ai(item_id: str, text: str, heard_ms: int, *, previous: str | None = None, unheard: str = "") -> dict[str, Any]:
    """A line of the AI; ``unheard``: what was cut off."""
    fields = {"item_id": item_id, "text": text, "heard_ms": heard_ms, "interrupted": bool(unheard), "previous_item_id": previous}
    return fields | ({"unheard": unheard} if unheard else {})


def caller(item_id: str, text: str, *, previous: str | None = None) -> dict[str, Any]:
    """A line of the caller."""
    return {"item_id": item_id, "text": text, "previous_item_id": previous}


THE_REST = " will call you back on this number within the hour."
"""What the caller of the first example cut off."""

FURNACE_STEPS: Steps = [
    (7, "model.connected", {"ms": 3, "warm": True}),
    (8, "greeting.requested", {"mode": "live"}),
    (428, "greeting.first_audio", {"latency_ms": 420}),
    (3_600, "greeting.finished", {"heard_ms": 3_100}),
    (3_610, "agent.transcript", ai("a1", "Hi, this is Bob's HVAC Service, how can I help you?", 3_100)),
    (6_900, "turn.first_audio", {"latency_ms": 690}),
    (7_100, "caller.transcript", caller("c1", "My furnace stopped working and it's freezing in here.", previous="a1")),
    (9_500, "agent.transcript", ai("a2", "I'm sorry to hear that. What is the address?", 2_600, previous="c1")),
    (12_000, "caller.transcript", caller("c2", "12 Oak Street 🏠", previous="a2")),
    (12_100, "turn.first_audio", {"latency_ms": 1_310}),
    (15_069, "barge_in.triggered", {"rms": 1_996}),
    (15_198, "barge_in.cut", {"item_id": "a3", "heard_ms": 3_236, "reaction_ms": 307, "speech_ms": 14_886,
                              "triggered_ms": 15_069, "clear_ms": 15_193, "truncate_ms": 15_193}),
    (15_210, "agent.transcript", ai("a3", "Thank you, I have 12 Oak Street in Albany. Somebody", 3_236, previous="c2", unheard=THE_REST)),
    (17_000, "caller.transcript", caller("c3", "Wait, call my cell phone instead.", previous="a3")),
    (17_300, "barge_in.triggered", {"rms": 260}),
    (17_420, "barge_in.dismissed", {}),
    (17_900, "tool.called", {"name": "create_lead", "arguments": '{"name":"Ann","phone":"+15005550001","reason":"furnace"}'}),
    (18_140, "tool.finished", {"name": "create_lead", "ms": 240, "ok": True}),
    (18_141, "lead.captured", {"fields": {"name": "Ann", "phone": "+15005550001", "reason": "furnace"}}),
    (18_900, "dtmf", {"digit": "1"}),
    (20_600, "agent.transcript", ai("a4", "Of course, your cell number then. Anything else?", 2_600, previous="c3")),
    (21_700, "caller.transcript", caller("c4", "No, that's all, thanks.", previous="a4")),
    (21_705, "closing.started", {"reason": "farewell", "phrase": "that s all"}),
    (24_200, "agent.transcript", ai("a5", "Thank you for calling, goodbye.", 1_800, previous="c4")),
    (
        26_000,
        "call.ended",
        {
            "reason": "farewell",
            "duration_ms": 26_000,
            "greeting_latency_ms": 420,
            "barge_ins": 1,
            "usage": {"input_text": 1_080, "input_audio": 120, "output_text": 120, "output_audio": 480},
            "cost_usd": 0.0512,
        },
    ),
]  # fmt: skip

GARAGE_STEPS: Steps = [
    (9, "model.connected", {"ms": 180, "warm": False}),
    (10, "greeting.requested", {"mode": "live"}),
    (1_610, "greeting.first_audio", {"latency_ms": 1_600}),
    (4_000, "greeting.finished", {"heard_ms": 2_400}),
    (4_001, "agent.transcript", ai("h1", "שלום, הגעתם למוסך של דנה, במה אפשר לעזור?", 2_400)),
    (6_000, "caller.transcript", caller("h2", "הרכב שלי לא מתניע, Mazda 3 שנת 2019", previous="h1")),
    (6_800, "turn.first_audio", {"latency_ms": 800}),
    (9_000, "agent.transcript", ai("h3", "אני מבינה. מה מספר הטלפון שלך?", 2_000, previous="h2")),
    (11_000, "caller.transcript", caller("h4", "אין צורך, תודה 🙏", previous="h3")),
]  # fmt: skip

PRANK_STEPS: Steps = [
    (5, "model.connected", {"ms": 90, "warm": False}),
    (6, "greeting.requested", {"mode": "recorded"}),
    (20, "greeting.first_audio", {"latency_ms": 14}),
    (2_000, "greeting.finished", {"heard_ms": 2_000}),
    (3_000, "caller.transcript", caller("p1", MARKUP)),
    (4_000, "caller.transcript", caller("p2", ESCAPES, previous="p1")),
    (5_000, "agent.transcript", ai("p3", f"You said {TURNED}", 900, previous="p2", unheard=MARKUP)),
    (6_000, "tool.called", {"name": MARKUP, "arguments": ESCAPES}),
    (6_500, "tool.finished", {"name": MARKUP, "ms": 500, "ok": False}),
    (7_000, "dtmf", {"digit": "#"}),
    (8_000, "lead.captured", {"fields": {"name": ESCAPES, "phone": MARKUP}}),
]  # fmt: skip

TROUBLE_STEPS: Steps = [
    (7, "model.connected", {"ms": 700, "warm": False}),
    (8, "greeting.requested", {"mode": "live"}),
    (2_500, "model.lost", {"reason": "socket closed"}),
    (3_300, "model.resumed", {"ms": 800}),
    (3_500, "error", {"where": "twilio", "message": "odd message"}),
    (4_000, "greeting.first_audio", {"latency_ms": 3_992}),
    (6_000, "greeting.finished", {"heard_ms": 1_900}),
    (7_000, "agent.transcript", ai("t1", "Hello?", 500, unheard=" Are you still there?")),
    (9_000, "barge_in.resumed", {}),
    (10_000, "appointment.booked", {"appointment_id": "ap1", "starts_at": "2026-01-02T09:00:00Z", "ends_at": "2026-01-02T10:00:00Z",
      "summary": "Boiler"}),
    (11_000, "closing.started", {"reason": "end_call", "phrase": None}),
    (11_500, "closing.reopened", {}),
    (12_000, "operator.command", {"operator": "ann", "action": "escalate"}),
    (12_100, "transfer.started", {"to": "+15005550010"}),
    (12_500, "call.resumed", {"ms": 1_500}),
]  # fmt: skip

_HEADS: dict[str, tuple[int, dict[str, Any], Steps]] = {
    FURNACE: (0, {"business_id": "bobs-hvac", "from_": "+15005550001"}, FURNACE_STEPS),
    GARAGE: (30, {"business_id": "dana-garage", "from_": "+97235550001", "to": "+97235550006"}, GARAGE_STEPS),
    PRANK: (60, {"business_id": "bobs-hvac", "from_": f"client:{MARKUP}{ESCAPES}", "channel": "client"}, PRANK_STEPS),
    TROUBLE: (90, {"business_id": "bobs-hvac", "from_": "whatsapp:+15005550004", "channel": "whatsapp", "owner": "bridge-2"}, TROUBLE_STEPS),
    RINGING: (119, {"business_id": "dana-garage", "from_": "+97235550005", "to": "+97235550006"}, []),
}  # fmt: skip
NOW = START + timedelta(seconds=120)
"""A time soon after all of it."""


def fill(bridge: FakeBridge) -> None:
    """Puts the example calls with their events into ``bridge``; who is attached is told."""
    for sid, (start_s, head, steps) in _HEADS.items():
        begun = START + timedelta(seconds=start_s)
        bridge.at(begun)
        bridge.add_call(sid, **head)
        for ms, kind, fields in steps:
            bridge.event(sid, kind, at=begun + timedelta(milliseconds=ms), **fields)


def _filled() -> FakeBridge:
    bridge = FakeBridge()
    fill(bridge)
    return bridge


def calls(*, live: bool | None = None) -> list[protocol.CallSummary]:
    """The example calls as they stand after all their events; only those going on, or only those that ended, if asked."""
    found = [protocol.summary_of(call) for call in _filled().calls.values()]
    return [call for call in found if call is not None and live in (None, call.phase != "ended")]


def flat_events(call_sid: str) -> list[Flat]:
    """The events of one example call, as they travel."""
    return _filled().events[call_sid]


def events(call_sid: str) -> list[protocol.Event]:
    """The events of one example call, decoded."""
    return [event for event in map(protocol.event_of, flat_events(call_sid)) if event is not None]


def event(call_sid: str, seq: int, kind: str, *, ms: int = 0, **fields: Any) -> protocol.Event:
    """Any event, decoded."""
    flat = {
        "type": "event",
        "call_sid": call_sid,
        "seq": seq,
        "at": stamp(START + timedelta(milliseconds=ms)),
        "kind": kind,
        **fields,
    }
    decoded = protocol.event_of(flat)
    assert decoded is not None
    return decoded
