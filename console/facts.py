"""The figures of one call: what its events add up to."""

from datetime import datetime, timedelta

import msgspec

from console import wording
from console.board import CallRow
from console.protocol import Event
from console.story import Story


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a tool. ``ok`` and ``ms`` are ``None`` while it runs."""

    name: str
    arguments: str
    ok: bool | None = None
    ms: int | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A call's figures. Times are ``None`` and texts empty while they are not known."""

    phase: str
    muted: bool
    business_id: str = ""
    caller: str = ""
    to: str = ""
    channel: str = ""
    outbound: bool = False
    """Whether the business rang; ``caller`` is the person on the line all the same."""
    owner: str = ""
    """The task of the bridge that holds the call; no event tells."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    end_reason: str = ""
    greeting_latency_ms: int | None = None
    model_ms: int | None = None
    turn_latency_ms: int | None = None
    barge_ins: int = 0
    errors: int = 0
    transferred_to: str = ""
    cost_usd: float | None = None
    usage: dict[str, int] = {}
    lead: dict[str, str] = {}
    appointments: tuple[str, ...] = ()
    summary: str = ""
    outcome: dict[str, str] = {}
    """The business's own questions, answered."""
    tools: tuple[Tool, ...] = ()

    def age_s(self, now: datetime) -> float | None:
        """How long the call has lasted, or did; ``None`` before it has begun."""
        if self.duration_ms is not None:
            return self.duration_ms / 1000
        if self.started_at is None:
            return None
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())


def facts_of(story: Story) -> Facts:
    """The figures of ``story`` as it stands."""
    known = _Adding()
    for event in story.events:
        known.add(event)
    return known.facts(story)


def with_row(facts: Facts, row: CallRow | None) -> Facts:
    """``facts``, and where the events do not tell (yet), what the list of calls says."""
    if row is None:
        return facts
    return msgspec.structs.replace(
        facts,
        phase="ended" if row.ended else facts.phase if facts.started_at is not None else row.phase,
        muted=row.muted,
        business_id=facts.business_id or row.business_id,
        caller=facts.caller or row.caller,
        to=facts.to or row.to,
        channel=facts.channel or row.channel,
        owner=row.owner,
        started_at=row.started_at,
        ended_at=facts.ended_at or row.ended_at,
        duration_ms=facts.duration_ms if facts.duration_ms is not None else row.duration_ms,
        end_reason=facts.end_reason or row.end_reason,
        greeting_latency_ms=facts.greeting_latency_ms if facts.greeting_latency_ms is not None else row.greeting_latency_ms,
        barge_ins=max(facts.barge_ins, row.barge_ins),
        cost_usd=facts.cost_usd if facts.cost_usd is not None else row.cost_usd,
    )


class _Adding:
    """Adds events up, in the order of their numbers."""

    def __init__(self) -> None:
        self._latest: dict[str, Event] = {}
        self._lead: dict[str, str] = {}
        self._appointments: list[str] = []
        self._tools: list[Tool] = []
        self._errors = 0

    def add(self, event: Event) -> None:
        self._latest[event.kind] = event
        match event.kind:
            case "lead.captured":
                self._lead |= event.texts("fields")
            case "appointment.booked":
                self._appointments.append(_appointment(event))
            case "tool.called":
                self._tools.append(Tool(name=event.text("name"), arguments=event.text("arguments")))
            case "tool.finished":
                self._finished(event)
            case "error" | "model.lost":
                self._errors += 1
            case _:
                pass

    def facts(self, story: Story) -> Facts:
        ended = self._latest.get("call.ended")
        return Facts(
            phase=story.phase,
            muted=story.muted,
            business_id=self._text("call.started", "business_id"),
            caller=self._text("call.started", "from"),
            to=self._text("call.started", "to"),
            channel=self._text("call.started", "channel"),
            started_at=began_at(story.events),
            ended_at=None if ended is None else ended.at,
            duration_ms=self._whole("call.ended", "duration_ms"),
            end_reason=self._text("call.ended", "reason"),
            greeting_latency_ms=self._whole("greeting.first_audio", "latency_ms"),
            model_ms=self._whole("model.connected", "ms"),
            turn_latency_ms=self._whole("turn.first_audio", "latency_ms"),
            barge_ins=story.barge_ins,
            errors=self._errors,
            transferred_to=self._text("transfer.started", "to"),
            cost_usd=None if ended is None else ended.number("cost_usd"),
            usage=_usage(ended),
            lead=self._lead,
            outbound=self._text("call.started", "direction") == "outbound",
            summary=self._text("call.summary", "summary"),
            outcome=self._latest["call.summary"].texts("outcome") if "call.summary" in self._latest else {},
            appointments=tuple(self._appointments),
            tools=tuple(self._tools),
        )

    def _text(self, kind: str, name: str) -> str:
        event = self._latest.get(kind)
        return "" if event is None else event.text(name)

    def _whole(self, kind: str, name: str) -> int | None:
        event = self._latest.get(kind)
        return None if event is None else event.whole(name)

    def _finished(self, event: Event) -> None:
        """An answer belongs to the oldest use of that name that still runs."""
        name = event.text("name")
        done = Tool(name=name, arguments="", ok=event.flag("ok"), ms=event.whole("ms"))
        for place, tool in enumerate(self._tools):
            if tool.name == name and tool.ok is None:
                self._tools[place] = msgspec.structs.replace(done, arguments=tool.arguments)
                return
        self._tools.append(done)


def words_of(event: Event) -> str:
    """An event of any kind in one line."""
    kind, details = wording.kind(event.kind), wording.details(event)
    if not details:
        return kind
    return f"{kind} {details}" if details.startswith(("after ", "to ")) else f"{kind}: {details}"


def _appointment(event: Event) -> str:
    moved_from = event.text("moved_from")
    moved = f"(moved from {moved_from})" if moved_from else ""
    return " ".join(filter(None, (event.text("starts_at"), event.text("summary"), moved)))


def began_at(events: list[Event]) -> datetime | None:
    """When the call began, as far as is known; every time within it counts from here."""
    return events[0].at if events else None


def since(began: datetime | None, at: datetime) -> float:
    """Milliseconds from the beginning of a call; 0 if that is unknown."""
    return 0.0 if began is None else (at - began) / timedelta(milliseconds=1)


def _usage(ended: Event | None) -> dict[str, int]:
    usage = None if ended is None else ended.fields.get("usage")
    if not isinstance(usage, dict):
        return {}
    return {name: number for name, number in usage.items() if isinstance(number, int) and not isinstance(number, bool)}
