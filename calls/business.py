"""A business as its file describes it: who it is, how its phone is answered, and what may be changed per business.

The shape of the file is the shape of :class:`BusinessProfile`; `business_files` reads and checks it. Defaults here are the
product's defaults.
"""

from typing import Annotated, Literal

import msgspec

from calls.ids import BusinessId
from calls.language import phrases_of

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
NonNegativeInt = Annotated[int, msgspec.Meta(ge=0)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a business file."""


class Greeting(Table, frozen=True, kw_only=True):
    """The first thing the caller hears. ``{name}`` stands for the business's name."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    """Spoken word for word; without it the language's own greeting is used."""
    mode: Literal["live", "recorded"] = "live"


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


class Escalation(Table, frozen=True, kw_only=True):
    """The human behind the AI."""

    to: str
    """E.164, ``client:NAME`` or ``sip:URI``."""
    announce: str | None = None
    timeout_s: Annotated[int, msgspec.Meta(ge=5, le=600)] = 25


class Fallback(Table, frozen=True, kw_only=True):
    """What happens to a caller whom the AI cannot answer."""

    mode: Literal["dial", "voicemail", "hangup"] = "hangup"
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None


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


BuiltinTool = Literal[
    "create_lead",
    "book_appointment",
    "check_availability",
    "send_sms",
    "escalate_to_human",
    "end_call",
    "get_current_time",
]


AVAILABLE_BUILTIN: tuple[BuiltinTool, ...] = ("create_lead", "end_call", "get_current_time")
"""The built-in tools of this version."""


class Tools(Table, frozen=True, kw_only=True):
    """What the AI may do besides talking."""

    builtin: tuple[BuiltinTool, ...] = ()
    lead_fields: tuple[str, ...] = ("name", "phone", "reason")
    http: tuple[HttpTool, ...] = ()
    mcp: tuple[McpTool, ...] = ()


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

    greeting: Greeting = Greeting()
    hours: Hours | None = None
    audio: Audio = Audio()
    turns: Turns = Turns()
    barge_in: BargeIn = BargeIn()
    closing: Closing = Closing()
    limits: Limits = Limits()
    escalation: Escalation | None = None
    fallback: Fallback = Fallback()
    tools: Tools = Tools()

    @property
    def business_id(self) -> BusinessId:
        """The id as the other parts name it."""
        return BusinessId(self.id)

    @property
    def greeting_text(self) -> str:
        """The greeting as it is to be spoken."""
        text = self.greeting.text or phrases_of(self.language).greeting
        return text.replace("{name}", self.name)

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
