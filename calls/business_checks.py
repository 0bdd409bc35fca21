"""What a well-formed business file may still get wrong: numbers, hours, and things that do not go together."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from calls import hours
from calls.address import channel_of, is_dialable, is_e164, normalise
from calls.business import ANONYMOUS, WEEKDAYS, BusinessProfile, HttpTool
from calls.business_problems import Severity
from calls.events import KINDS
from calls.language import PHRASES

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
"""The voices of the Realtime API (OpenAI Realtime, ``session.audio.output.voice``)."""

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SERVER_VAD_ONLY = ("threshold", "prefix_padding_ms", "silence_duration_ms")

# OpenAI, *Deprecations*, and what to use instead.
_ENDING_MODELS = (
    (re.compile(r"gpt-realtime(-2025-08-28)?"), "OpenAI shuts it down on 2027-01-20; use gpt-realtime-2.1"),
    (re.compile(r"gpt-realtime-mini(-20\d\d-\d\d-\d\d)?"), "OpenAI shuts it down on 2027-01-20; use gpt-realtime-2.1-mini"),
    (re.compile(r"gpt-4o-realtime-preview.*"), "it belongs to the retired preview of the Realtime API; use gpt-realtime-2.1"),
    (
        re.compile(r"gpt-4o-mini-realtime-preview.*"),
        "it belongs to the retired preview of the Realtime API; use gpt-realtime-2.1-mini",
    ),
)
_ENDING_TRANSCRIPTION = re.compile(r"whisper-1|gpt-4o-.*transcribe.*")


class Draft(NamedTuple):
    """A file's profile as far as its shape is sound, and what else the checks look at."""

    profile: BusinessProfile
    given: Mapping[str, Any]
    """The file as parsed: says what was written, right or wrong, and what was left to a default."""
    environ: Mapping[str, str]
    places: Mapping[str, list[int]] = {}
    """Where the entries of the profile's lists stand in the file, when some of them were left out."""

    def entry(self, key: str, place: int) -> str:
        """The key of an entry of a list of the profile, as it is in the file."""
        return f"{key}[{self.places[key][place] if key in self.places else place}]"

    def gives(self, table: str, key: str) -> bool:
        """Whether the file sets ``key`` in ``table``."""
        keys = self.given.get(table)
        return isinstance(keys, dict) and key in keys


class Finding(NamedTuple):
    """A problem before it has a file and a line."""

    key: str
    message: str
    severity: Severity = "error"


def findings(draft: Draft) -> Iterator[Finding]:
    """All that is wrong or doubtful with a file whose shape has been checked."""
    for check in _CHECKS:
        yield from check(draft)


def address_key(address: str) -> str:
    """What the spellings of one address have in common: its normalised form, for SIP without the scheme's ``s`` and the port."""
    address = normalise(address)
    if channel_of(address) != "sip":
        return address
    user, at, host = address.partition(":")[2].rpartition("@")
    return f"sip:{user}{at}{re.sub(r':[0-9]+$', '', host)}"


def _numbers(draft: Draft) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for place, number in enumerate(draft.profile.numbers):
        key = draft.entry("numbers", place)
        if not _is_address(number):
            yield Finding(
                key,
                f'"{number}" is not an address Twilio calls in on; write +15005550006, whatsapp:+15005550006, '
                "sip:NAME@HOST or client:NAME",
            )
        elif (earlier := seen.setdefault(address_key(number), number)) and earlier is not number:
            yield Finding(key, f'"{number}" is listed twice; remove one')


def _is_address(address: str) -> bool:
    if channel_of(address) == "whatsapp":
        return is_e164(normalise(address).partition(":")[2])
    return is_dialable(address.strip()) and not re.search(r"\s", address.strip())


def _language(draft: Draft) -> Iterator[Finding]:
    language = draft.profile.language
    if language not in PHRASES:
        yield Finding(
            "language",
            f'"{language}": the AI speaks it if it can, but the sentences Frontdesk speaks itself fall back to English '
            f"(shipped: {', '.join(PHRASES)})",
            "warning",
        )
    transcription = draft.profile.audio.transcription_language
    if transcription not in (None, "auto") and not re.fullmatch(r"[a-z]{2}", str(transcription)):
        yield Finding("audio.transcription_language", f'"{transcription}" must be two small letters such as "en", or "auto"')


def _voice_and_models(draft: Draft) -> Iterator[Finding]:
    profile = draft.profile
    if profile.voice not in VOICES and not profile.voice.startswith("voice_"):
        yield Finding("voice", f'"{profile.voice}" is not a voice known here; known are {", ".join(VOICES)}', "warning")
    for pattern, advice in _ENDING_MODELS:
        if profile.model and pattern.fullmatch(profile.model):
            yield Finding("model", f'"{profile.model}": {advice}', "warning")
    if _ENDING_TRANSCRIPTION.fullmatch(profile.audio.transcription_model):
        advice = "OpenAI shuts it down on 2027-02-26; use gpt-realtime-whisper"
        yield Finding("audio.transcription_model", f'"{profile.audio.transcription_model}": {advice}', "warning")


def _hours(draft: Draft) -> Iterator[Finding]:
    table = draft.profile.hours
    if draft.profile.greeting.closed_text is not None and "hours" not in draft.given:
        yield Finding("greeting.closed_text", "has no effect without [hours]; add them, or remove the line", "warning")
    if table is None:
        if "{hours}" in draft.profile.instructions and "hours" not in draft.given:
            yield Finding("instructions", f"{{hours}} will read {hours.NOT_STATED!r}: the file has no [hours]", "warning")
        return
    if not hours.is_timezone(table.timezone):
        yield Finding("hours.timezone", f'"{table.timezone}" is not a time zone; use a name such as "America/New_York"')
    for day in WEEKDAYS:
        for problem in hours.problems_of_day(getattr(table, day)):
            yield Finding(f"hours.{day}", problem)


def _blocked(draft: Draft) -> Iterator[Finding]:
    own = {address_key(number).removeprefix("whatsapp:") for number in draft.profile.numbers}
    for place, caller in enumerate(draft.profile.blocked):
        key = draft.entry("blocked", place)
        if caller != ANONYMOUS and not _is_address(caller):
            yield Finding(
                key,
                f'"{caller}" is nobody who calls; write +15005550100, whatsapp:+15005550100, sip:NAME@HOST, client:NAME, '
                f'or "{ANONYMOUS}" for callers who withhold their number',
            )
        elif address_key(caller).removeprefix("whatsapp:") in own:
            yield Finding(key, f'"{caller}" is this business\'s own number, which does not call itself; remove it', "warning")


def _limits(draft: Draft) -> Iterator[Finding]:
    limits = draft.profile.limits
    if limits.max_cost_usd_per_day is not None and limits.max_cost_usd_per_day < limits.max_cost_usd:
        yield Finding(
            "limits.max_cost_usd_per_day",
            f"is less than one call may cost (max_cost_usd = {limits.max_cost_usd:g}); lower that, too",
            "warning",
        )


def _turns(draft: Draft) -> Iterator[Finding]:
    if draft.profile.turns.detector == "semantic_vad":
        for key in _SERVER_VAD_ONLY:
            if draft.gives("turns", key):
                yield Finding(f"turns.{key}", 'has no effect with detector = "semantic_vad"; remove the line', "warning")
    elif draft.gives("turns", "eagerness"):
        yield Finding("turns.eagerness", 'has no effect without detector = "semantic_vad"; remove the line', "warning")


def _recording(draft: Draft) -> Iterator[Finding]:
    recording = draft.profile.recording
    if recording.consent is not None and not recording.enabled:
        yield Finding("recording.consent", "has no effect without enabled = true; add it, or remove the line", "warning")
    if recording.enabled and draft.environ.get("FRONTDESK_RECORDINGS", "off") in ("", "off"):
        yield Finding(
            "recording.enabled",
            "the environment variable FRONTDESK_RECORDINGS is not set here; set it where Frontdesk runs, or nothing is recorded",
            "warning",
        )


def _outbound(draft: Draft) -> Iterator[Finding]:
    if "outbound" in draft.given and not any(map(is_e164, draft.profile.numbers)):
        yield Finding("outbound", "has no telephone number to call from; add one to numbers", "warning")


def _escalation(draft: Draft) -> Iterator[Finding]:
    profile = draft.profile
    if profile.escalation is None:
        if "escalation" not in draft.given:
            yield from _nobody_to_dial(profile)
        return
    to = profile.escalation.to
    if not is_dialable(to):
        yield Finding("escalation.to", f'"{to}" cannot be dialled; write +15005550010, client:NAME or sip:NAME@HOST')
        return
    if address_key(to) in map(address_key, profile.numbers):
        yield Finding("escalation.to", f'"{to}" is this business\'s own number: a transfer would reach the AI again', "warning")
    if is_e164(to) and any(channel_of(number) == "whatsapp" for number in profile.numbers):
        yield Finding(
            "escalation.to",
            f'"{to}" cannot be reached from a WhatsApp call; callers on WhatsApp need client:NAME or sip:NAME@HOST',
            "warning",
        )


def _nobody_to_dial(profile: BusinessProfile) -> Iterator[Finding]:
    if profile.fallback.mode == "dial":
        yield Finding("fallback.mode", '"dial" needs somebody to dial; add [escalation] with to = "+15005550010"')
    if "escalate_to_human" in profile.tools.builtin:
        yield Finding("tools.builtin", '"escalate_to_human" has nobody to escalate to; add [escalation]', "warning")


def _summary(draft: Draft) -> Iterator[Finding]:
    summary = draft.profile.summary
    if summary is not None and summary.schema and summary.schema.get("type") != "object":
        yield Finding("summary.schema", 'must be a JSON Schema of an object: add type = "object"')


def _tools(draft: Draft) -> Iterator[Finding]:
    tools = draft.profile.tools
    names: set[str] = {*tools.builtin, *tools.offered}
    for place, tool in enumerate(tools.http):
        key = draft.entry("tools.http", place)
        if tool.name in names:
            yield Finding(f"{key}.name", f'another tool is called "{tool.name}", too; give it a name of its own')
        names.add(tool.name)
        yield from _http_tool(tool, key, draft.environ)
    for place, server in enumerate(tools.mcp):
        key = draft.entry("tools.mcp", place)
        yield from _url(server.server_url, f"{key}.server_url")


def _http_tool(tool: HttpTool, key: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield from _url(tool.url, f"{key}.url")
    yield from _unset(tool.url, f"{key}.url", environ)
    for name, value in tool.headers.items():
        yield from _unset(value, f"{key}.headers.{name}", environ)
    if tool.parameters and tool.parameters.get("type") != "object":
        yield Finding(f"{key}.parameters", 'must be a JSON Schema of an object: add type = "object"')


def _url(url: str, key: str) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        scheme, host = "", ""
    loopback = _LOOPBACK.fullmatch(host) is not None
    if not host or not (scheme == "https" or (scheme == "http" and loopback)):
        yield Finding(key, f'"{url}" must begin with https:// (http:// only for this machine itself)')


def _unset(text: str, key: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in _unique(_ENVIRONMENT.findall(text)):
        if name not in environ:
            yield Finding(key, f"the environment variable {name} is not set here; set it where Frontdesk runs", "warning")


def _appointments(draft: Draft) -> Iterator[Finding]:
    profile = draft.profile
    booking = [name for name in ("book_appointment", "check_availability") if name in profile.tools.builtin]
    if not booking:
        if "appointments" in draft.given:
            yield Finding("appointments", 'has no effect without "book_appointment" in [tools] builtin', "warning")
    elif profile.hours is None:
        if "hours" not in draft.given:
            yield Finding("tools.builtin", f'"{booking[0]}" has no hours to book in; add [hours]', "warning")
    elif (longest := hours.longest_opening_min(profile.hours)) < profile.appointments.duration_min:
        given = f"{profile.appointments.duration_min} min do not fit into any opening, of which the longest is {longest} min"
        yield Finding("appointments.duration_min", f"{given}; nothing can be booked", "warning")


def _webhook(draft: Draft) -> Iterator[Finding]:
    webhook = draft.profile.webhook
    if webhook is None:
        return
    yield from _url(webhook.url, "webhook.url")
    yield from _unset(webhook.url, "webhook.url", draft.environ)
    if _ENVIRONMENT.fullmatch(webhook.secret):
        yield from _unset(webhook.secret, "webhook.secret", draft.environ)
    else:  # not repeated here: it may be the secret itself
        yield Finding(
            "webhook.secret", 'must be the name of an environment variable, such as "${WEBHOOK_SECRET}"; put the secret there'
        )
    for place, kind in enumerate(webhook.events):
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, 1) or ["lead.captured"]
            yield Finding(draft.entry("webhook.events", place), f'"{kind}" is not an event kind; did you mean {near[0]}?')


def _sms(draft: Draft) -> Iterator[Finding]:
    profile = draft.profile
    if profile.sms.from_ is not None and not is_e164(profile.sms.from_):
        yield Finding("sms.from", f'"{profile.sms.from_}" is not a number texts can be sent from; write +15005550006')
    for place, number in enumerate(profile.sms.allow):
        if not is_e164(number):
            yield Finding(draft.entry("sms.allow", place), f'"{number}" is not a number texts can be sent to; write +15005550010')
    if "send_sms" in profile.tools.builtin and profile.sms.from_ is None and not any(map(is_e164, profile.numbers)):
        yield Finding("tools.builtin", '"send_sms" has no number to send from; add [sms] with from = "+15005550006"', "warning")


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


_CHECKS: tuple[Callable[[Draft], Iterator[Finding]], ...] = (
    _numbers,
    _language,
    _voice_and_models,
    _hours,
    _blocked,
    _limits,
    _turns,
    _recording,
    _outbound,
    _escalation,
    _summary,
    _tools,
    _appointments,
    _webhook,
    _sms,
)
