"""A business as its file describes it: who it is, how its phone is answered, and what may be changed per business.

The shape of the file is the shape of :class:`BusinessProfile`; `business_files` reads and checks it. Defaults here are the
product's defaults.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from calls.ids import BusinessId
from calls.language import phrases_of

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

ANONYMOUS = "anonymous"
"""What a business file calls callers who withhold their number."""

PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
NonNegativeInt = Annotated[int, msgspec.Meta(ge=0)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a business file."""


class Greeting(Table, frozen=True, kw_only=True):
    """The first thing the caller hears. ``{name}`` stands for the business's name."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    """Spoken word for word; without it the language's own greeting is used."""
    mode: Literal["live", "recorded"] = "live"
    closed_text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    """Spoken instead of ``text`` outside the opening hours."""


class Hours(Table, frozen=True, kw_only=True):
    """Opening hours: per weekday a list of ``HH:MM-HH:MM``, in the business's own time zone. A day left out is closed."""

    timezone: str = "UTC"
    mon: tuple[str, ...] = ()
    tue: tuple[str, ...] = ()
    wed: tuple[str, ...] = ()
    thu: tuple[str, ...] = ()
    fri: tuple[str, ...] = ()
    sat: tuple[str, ...] = ()
    sun: tuple[str, ...] = ()
    when_closed: Literal["answer", "fallback"] = "answer"
    """Whether the AI answers outside these hours, or callers get the business's fallback at once."""


class Appointments(Table, frozen=True, kw_only=True):
    """What may be booked within the opening hours."""

    duration_min: Annotated[int, msgspec.Meta(gt=0, le=1440)] = 60
    per_slot: Annotated[int, msgspec.Meta(gt=0, le=1000)] = 1
    """How many appointments may take place at the same time."""
    notice_min: Annotated[int, msgspec.Meta(ge=0, le=525_600)] = 60
    """How long before an appointment it has to be booked at the latest."""
    horizon_days: Annotated[int, msgspec.Meta(gt=0, le=730)] = 30
    """How many days ahead may be booked."""
    step_min: Annotated[int, msgspec.Meta(gt=0, le=1440)] | None = None
    """From one possible beginning to the next, counted from each opening; the duration when left out."""


class Audio(Table, frozen=True, kw_only=True):
    """Audio formats and the model's ears (OpenAI Realtime, ``session.audio``)."""

    input: Literal["pcmu", "pcm"] = "pcmu"
    output: Literal["pcmu", "pcm"] = "pcmu"
    noise_reduction: Literal["near_field", "far_field", "off"] = "near_field"
    transcription_model: str = "gpt-realtime-whisper"
    transcription_language: str | None = None
    """ISO-639-1; the business's language when left out; ``auto`` for mixed lines."""
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=1.5)] = 1.0


class Turns(Table, frozen=True, kw_only=True):
    """When the model's detector believes the caller has finished (OpenAI Realtime, ``turn_detection``)."""

    detector: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, msgspec.Meta(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, msgspec.Meta(ge=100, le=10000)] = 500
    eagerness: Literal["auto", "low", "medium", "high"] = "auto"


class BargeIn(Table, frozen=True, kw_only=True):
    """When a caller who speaks over the AI is given the floor. RMS on the 16-bit linear scale."""

    enabled: bool = True
    rms: PositiveInt = 200
    hold_ms: PositiveInt = 180
    grace_ms: NonNegativeInt = 120
    resume_after_ms: NonNegativeInt = 2000
    """Quiet without words after a cut for which the AI waits before it goes on; 0: it never does."""


class Outbound(Table, frozen=True, kw_only=True):
    """Calls the business places itself (``frontdesk call``). ``{name}`` stands for the business's name."""

    greeting: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    """The first thing the person hears who is called; ``[greeting] text`` when left out."""
    machine_message: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    """What is left on a machine that answers."""


class Closing(Table, frozen=True, kw_only=True):
    """How a call is ended politely."""

    text: str | None = None
    phrases: tuple[str, ...] = ()
    """End phrases besides the language's own."""
    ignore: tuple[str, ...] = ()
    """Phrases that never end a call, besides the language's own."""
    hang_up_after_lead: bool = True


class Limits(Table, frozen=True, kw_only=True):
    """What one call, and all calls of a business together, may take."""

    silence_s: PositiveInt = 12
    max_call_s: Annotated[int, msgspec.Meta(gt=0, le=14400)] = 900
    max_concurrent: PositiveInt = 20
    max_cost_usd: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    max_cost_usd_per_day: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """All calls of a day together, which begins at midnight in the business's own time zone."""


class Privacy(Table, frozen=True, kw_only=True):
    """What is kept of a business's callers, and for how long."""

    retention_days: Annotated[int, msgspec.Meta(gt=0, le=36_500)] | None = None
    """Calls that ended longer ago are deleted with all that is kept of them; without it they are kept."""


class Recording(Table, frozen=True, kw_only=True):
    """Whether calls are recorded, where ``FRONTDESK_RECORDINGS`` says where to."""

    enabled: bool = False
    consent: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    """Spoken at the end of the greeting; without it the language's own sentence is."""


class Escalation(Table, frozen=True, kw_only=True):
    """The human behind the AI."""

    to: str
    """E.164, ``client:NAME`` or ``sip:URI``."""
    announce: str | None = None
    timeout_s: Annotated[int, msgspec.Meta(ge=5, le=600)] = 25
    no_answer: Literal["voicemail", "ai"] = "voicemail"
    """What becomes of a caller whom the human did not take."""
    screen: bool = True
    """Whether the human first hears who calls and why, and presses 1 to take the call."""


class Fallback(Table, frozen=True, kw_only=True):
    """What happens to a caller whom the AI cannot answer."""

    mode: Literal["dial", "voicemail", "hangup"] = "hangup"
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None


class Summary(Table, frozen=True, kw_only=True):
    """What is written down about a call once it is over."""

    instructions: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    """What to pay attention to."""
    schema: dict[str, object] = {}
    """The business's own questions about a call, as a JSON Schema (2020-12) of an object."""


class HttpTool(Table, frozen=True, kw_only=True):
    """An HTTP endpoint the model may call. ``${NAME}`` in a header or the URL is taken from the environment."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
    description: str
    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, str] = {}
    parameters: dict[str, object] = {}
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5
    filler: str | None = None


class McpTool(Table, frozen=True, kw_only=True):
    """An MCP server whose tools the Realtime API itself calls."""

    server_label: str
    server_url: str
    allowed_tools: tuple[str, ...] = ()


class Webhook(Table, frozen=True, kw_only=True):
    """Where the business itself is told what happens on its calls."""

    url: str
    """``https://…``; ``${NAME}`` is taken from the environment."""
    secret: str
    """What messages are signed with: ``${NAME}``, from the environment."""
    events: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("lead.captured", "appointment.booked", "call.ended")
    """The event kinds that are posted."""


class Sms(Table, frozen=True, kw_only=True):
    """Text messages the AI may send."""

    from_: str | None = msgspec.field(name="from", default=None)
    """E.164; the dialled number when left out."""
    allow: tuple[str, ...] = ()
    """Numbers the AI may send to besides the caller's; E.164."""


BuiltinTool = Literal[
    "create_lead",
    "book_appointment",
    "check_availability",
    "send_sms",
    "escalate_to_human",
    "end_call",
    "get_current_time",
]


ALONG_WITH: Mapping[BuiltinTool, tuple[str, ...]] = {
    "book_appointment": ("find_appointments", "move_appointment", "cancel_appointment")
}
"""Tools that are offered together with one that is listed."""


class Tools(Table, frozen=True, kw_only=True):
    """What the AI may do besides talking."""

    builtin: tuple[BuiltinTool, ...] = ()
    lead_fields: tuple[str, ...] = ("name", "phone", "reason")
    http: tuple[HttpTool, ...] = ()
    mcp: tuple[McpTool, ...] = ()

    @property
    def offered(self) -> tuple[str, ...]:
        """The built-in tools the AI is told of: those that are listed, and what comes along with them."""
        return tuple(each for name in dict.fromkeys(self.builtin) for each in (name, *ALONG_WITH.get(name, ())))


class BusinessProfile(Table, frozen=True, kw_only=True):
    """One business file, checked. The first six keys are required, every table is optional."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    numbers: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """The addresses that reach it: E.164, ``whatsapp:+E164``, ``sip:`` or ``client:``."""
    language: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}$")]
    """ISO-639-1; spoken first."""
    voice: Annotated[str, msgspec.Meta(min_length=1)]
    instructions: Annotated[str, msgspec.Meta(min_length=1, max_length=50_000)]
    """The AI's persona and task; ``{name}`` and ``{hours}`` are filled in."""
    model: str | None = None
    """Default: ``OPENAI_REALTIME_MODEL``."""
    blocked: tuple[str, ...] = ()
    """Callers who are turned away: addresses, and ``anonymous`` for those who withhold their number."""

    greeting: Greeting = Greeting()
    hours: Hours | None = None
    appointments: Appointments = Appointments()
    audio: Audio = Audio()
    turns: Turns = Turns()
    barge_in: BargeIn = BargeIn()
    closing: Closing = Closing()
    outbound: Outbound = Outbound()
    limits: Limits = Limits()
    escalation: Escalation | None = None
    fallback: Fallback = Fallback()
    summary: Summary | None = None
    tools: Tools = Tools()
    privacy: Privacy = Privacy()
    recording: Recording = Recording()
    webhook: Webhook | None = None
    sms: Sms = Sms()

    @property
    def business_id(self) -> BusinessId:
        """The id as the other parts name it."""
        return BusinessId(self.id)

    @property
    def greeting_text(self) -> str:
        """The greeting as it is to be spoken."""
        return self._told_of_recording(self.greeting.text or phrases_of(self.language).greeting)

    @property
    def closed_text(self) -> str | None:
        """The greeting outside the opening hours, if there is one of its own."""
        return self._told_of_recording(self.greeting.closed_text) if self.greeting.closed_text is not None else None

    @property
    def consent_text(self) -> str | None:
        """What callers are told of the recording, if calls are recorded."""
        if not self.recording.enabled:
            return None
        return (self.recording.consent or phrases_of(self.language).recorded).replace("{name}", self.name)

    def _told_of_recording(self, greeting: str) -> str:
        spoken = greeting.replace("{name}", self.name)
        consent = self.consent_text
        return spoken if consent is None else f"{spoken} {consent}"

    @property
    def outbound_greeting_text(self) -> str:
        """The greeting of a call the business has placed, as it is to be spoken."""
        own = self.outbound.greeting
        return self.greeting_text if own is None else self._told_of_recording(own)

    @property
    def machine_message(self) -> str | None:
        """What is left on a machine that answers, if the business has something to say there."""
        own = self.outbound.machine_message
        return own.replace("{name}", self.name) if own is not None else None

    @property
    def closing_text(self) -> str:
        """The goodbye, as it is to be spoken."""
        return (self.closing.text or phrases_of(self.language).closing).replace("{name}", self.name)

    @property
    def fallback_text(self) -> str:
        """What a caller hears before the fallback: the business's own words, or its language's."""
        spoken = phrases_of(self.language)
        own = self.fallback.text
        default = {"voicemail": spoken.leave_message, "dial": spoken.connecting, "hangup": spoken.cannot_answer}[
            self.fallback.mode
        ]
        return (own or default).replace("{name}", self.name)
