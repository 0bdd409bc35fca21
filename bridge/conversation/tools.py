"""Tools: what the model may ask for besides speaking, and the calls that are under way.

A call is acted on once, by its ``call_id``, although three events announce it. Its output goes back as ``function_call_output``;
a response is asked for once all calls of a response are answered *and* that response is done (OpenAI Realtime, function
calling). Wrong names, wrong arguments, huge ones and tools that take too long are answered too, with an error the model can
recover from.
"""

import json
from collections.abc import Sequence
from math import inf
from typing import Any, Final

import msgspec

from bridge.conversation import booking_tools, handover, model_messages
from bridge.conversation.outbox import Outbox
from bridge.conversation.outputs import RunTool
from bridge.conversation.resumption import DoneBefore
from calls import events
from calls.business import BusinessProfile, HttpTool
from calls.language import phrases_of
from calls.record import CallRecord

MAX_ARGUMENTS = 16_000
"""Characters of arguments a call may have; nothing a caller says needs more."""
MAX_OUTPUT = 16_000
"""Characters of a tool's answer the model is given."""
SLOW_MS = 1000
"""A tool that takes longer is covered with a spoken line."""
GRACE_MS = 2000
"""What a tool may take beyond its own time before the core gives it up."""
CLOCK_MS = 2000
"""How long the bridge's own clock may take to answer."""
SMS_MS = 5000
"""How long sending a text message may take."""
SHELL_MS: Final = {"send_sms": SMS_MS, **dict.fromkeys(booking_tools.DECLARATIONS, booking_tools.WITHIN_MS)}
"""How long the tools that the shell runs may take, where that is not the clock's time."""

RUN_BY_SHELL: Final = frozenset({"get_current_time", "send_sms", *booking_tools.DECLARATIONS})
"""Built-in tools that need more than the conversation itself."""


class Call(msgspec.Struct):
    """A call under way or answered."""

    call_id: str
    name: str
    response_id: str
    began_ms: float
    give_up_at_ms: float = inf
    filler: str | None = None
    filler_at_ms: float = inf
    arguments: dict[str, Any] | str = ""
    is_answered: bool = False
    output: str = ""
    is_elsewhere: bool = False
    """It was called in a session that is over."""
    is_spoken_about: bool = False
    """The AI has gone on after its answer."""
    again: str | None = None
    """The ``call_id`` by which a later session calls the same, and is answered in its place."""


class LeadAnswer(msgspec.Struct, frozen=True):
    """What became of ``create_lead``."""

    fields: dict[str, str] | None
    problem: str = ""


def declared_tools(profile: BusinessProfile) -> list[dict[str, Any]]:
    """The ``tools`` of ``session.update`` (function tools are flat there; MCP servers are called by the API itself)."""
    return [
        *(_built_in(name, profile) for name in profile.tools.offered),
        *(_http(tool) for tool in profile.tools.http),
        *(
            {"type": "mcp", "server_label": server.server_label, "server_url": server.server_url, "require_approval": "never"}
            | ({"allowed_tools": list(server.allowed_tools)} if server.allowed_tools else {})
            for server in profile.tools.mcp
        ),
    ]


def lead_of(arguments: dict[str, Any], lead_fields: tuple[str, ...]) -> LeadAnswer:
    """A lead takes exactly the business's fields, each a text that says something."""
    wrong = [name for name in arguments if name not in lead_fields]
    if wrong:
        return LeadAnswer(None, f"there is no field {wrong[0]!r}; the fields are {', '.join(lead_fields)}")
    missing = [name for name in lead_fields if not isinstance(arguments.get(name), str) or not arguments[name].strip()]
    if missing:
        return LeadAnswer(None, f"still missing, each as a text: {', '.join(missing)}. Ask the caller.")
    return LeadAnswer({name: arguments[name].strip() for name in lead_fields})


class Escalate(msgspec.Struct, frozen=True):
    """The AI wants a human to take over."""

    briefing: str | None


class Tools:
    """The calls of one model session."""

    __slots__ = ("_calls", "_done", "_http", "_lead", "_outbox", "_profile", "_record", "_seen_mcp")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._calls: dict[str, Call] = {}
        self._profile: BusinessProfile | None = None
        self._record: CallRecord | None = None
        self._http: dict[str, HttpTool] = {}
        self._seen_mcp: set[str] = set()
        self._done: dict[str, events.AnyEvent] = {}  # the last of each kind that a tool has done
        self._lead: dict[str, str] | None = None  # captured on an earlier stream

    def configure(self, profile: BusinessProfile, record: CallRecord) -> None:
        """The business is known, and who calls."""
        self._profile = profile
        self._record = record
        self._http = {tool.name: tool for tool in profile.tools.http}

    # --- calls -------------------------------------------------------------------------------------------------------------

    def called(self, call_id: str, name: str, arguments: str, response_id: str) -> str | Escalate | None:
        """The model calls a tool. Returns ``end_call``, ``lead_captured`` or the wish for a human if that ends the conversation."""
        if not call_id or call_id in self._calls or self._profile is None:
            return None
        now_ms = self._outbox.now_ms
        parsed = _arguments(arguments)
        call = self._calls[call_id] = Call(call_id, name, response_id, now_ms, arguments=parsed)
        if self._was_called_before(call):
            return None
        self._outbox.record(events.ToolCalled(name=name[:100], arguments=arguments[:2000]))
        if isinstance(parsed, str):
            self._answer(call, {"error": parsed}, ok=False)
        elif name in self._http or (name in RUN_BY_SHELL and name in self._profile.tools.offered):
            self._run(call, parsed)
        elif name == "create_lead" and name in self._profile.tools.builtin:
            return self._create_lead(call, parsed, self._profile)
        elif name == "end_call" and name in self._profile.tools.builtin:
            self._answer(call, {"ok": True}, ok=True)
            return "end_call"
        elif name == "escalate_to_human" and name in self._profile.tools.builtin:
            return self._escalate(call, parsed, self._profile)
        else:
            self._answer(call, {"error": f"there is no tool named {name[:100]!r}"}, ok=False)
        return None

    def called_by_the_api(self, item_id: str, name: str, arguments: str, *, ok: bool) -> None:
        """An MCP call: the API itself has made it, and only the record is told (``response.output_item.done``, ``mcp_call``)."""
        if item_id not in self._seen_mcp:
            self._seen_mcp.add(item_id)
            self._outbox.record(events.ToolCalled(name=name[:100], arguments=arguments[:2000]))
            self._outbox.record(events.ToolFinished(name=name[:100], ms=0, ok=ok))

    def finished(self, call_id: str, output: str, *, ok: bool, done: Sequence[events.AnyEvent] = ()) -> None:
        """The shell has run a tool. An answer to a call that was given up is dropped; what it has done is on the record all the same,
        and once, should the tool have done nothing new when it was asked again."""
        call = self._calls.get(call_id)
        if call is None:
            return
        for body in done:
            if self._done.get(events.kind_of(body)) != body:
                self._done[events.kind_of(body)] = body
                self._outbox.record(body)
        if not call.is_answered:
            self._answer_text(call, output, ok=ok)

    def give_up_overdue(self) -> None:
        """Answers the calls whose time is up."""
        for call in self._calls.values():
            if not call.is_answered and self._outbox.now_ms >= call.give_up_at_ms:
                self._answer(call, {"error": "the tool took too long; tell the caller, and go on without it"}, ok=False)

    def filler_due(self) -> str | None:
        """The line to cover a slow tool with, once its moment has come; each call has one at most."""
        for call in self._calls.values():
            if not call.is_answered and self._outbox.now_ms >= call.filler_at_ms:
                call.filler_at_ms = inf
                return call.filler
        return None

    # --- from one session to the next --------------------------------------------------------------------------------------

    def remember(self, done: Sequence[DoneBefore], lead: dict[str, str] | None) -> None:
        """What was called on earlier streams of the call, by bridges that are gone, and the lead that was captured there."""
        self._lead = lead
        for number, before in enumerate(done, 1):
            if before.ok and not before.is_spoken_about:
                self._calls[f"{_EARLIER}{number}"] = Call(
                    f"{_EARLIER}{number}",
                    before.name,
                    "",
                    self._outbox.now_ms,
                    arguments=_arguments(before.arguments),
                    is_answered=True,
                    is_elsewhere=True,
                    output='{"ok": true}',
                )

    def session_over(self) -> None:
        """The session that made the calls is gone; what they come to is for the next one to know."""
        for call in self._calls.values():
            call.is_elsewhere = True
            if call.again is not None:
                self._calls[call.again].is_spoken_about, call.again = True, None  # it stood for this one

    def spoken_about(self) -> None:
        """A reply is heard: it is the one that follows the answers so far."""
        for call in self._calls.values():
            if call.is_answered:
                call.is_spoken_about, call.output = True, ""

    def to_be_told(self) -> list[str]:
        """What a new session has to know of calls that were made before it: one sentence a call."""
        return [
            _HAS_ANSWERED.format(name=call.name, arguments=call.arguments, output=call.output)
            if call.is_answered
            else _IS_AT_WORK.format(name=call.name, arguments=call.arguments)
            for call in self._calls.values()
            if call.is_elsewhere and not call.is_spoken_about
        ]

    def _was_called_before(self, call: Call) -> bool:
        """Whether a session before this one has called the very same and did not live to speak about it: it is not done twice."""
        for earlier in self._calls.values():
            is_same = (earlier.name, earlier.arguments) == (call.name, call.arguments)
            if is_same and earlier.is_elsewhere and not earlier.is_spoken_about and earlier.again is None:
                earlier.again = call.call_id
                call.is_answered = True  # as far as deadlines and fillers go: the earlier one has them
                if earlier.is_answered:
                    self._outbox.model(model_messages.tool_output(call.call_id, earlier.output))
                return True
        return False

    # --- their responses ---------------------------------------------------------------------------------------------------

    def pending(self) -> bool:
        """Whether any call waits for its answer."""
        return any(not call.is_answered for call in self._calls.values())

    def was_called_in(self, response_id: str) -> bool:
        """Whether a response called anything."""
        return any(call.response_id == response_id for call in self._calls.values())

    @property
    def wake_at_ms(self) -> float:
        """The next deadline or filler."""
        waiting = [call for call in self._calls.values() if not call.is_answered]
        return min((min(call.give_up_at_ms, call.filler_at_ms) for call in waiting), default=inf)

    # --- inside ------------------------------------------------------------------------------------------------------------

    def _run(self, call: Call, arguments: dict[str, Any]) -> None:
        tool = self._http.get(call.name)
        time_ms = tool.timeout_s * 1000 if tool is not None else SHELL_MS.get(call.name, CLOCK_MS)
        call.give_up_at_ms = self._outbox.now_ms + time_ms + GRACE_MS
        own = tool.filler if tool is not None else None
        language = self._profile.language if self._profile is not None else "en"
        call.filler, call.filler_at_ms = own or phrases_of(language).one_moment, self._outbox.now_ms + SLOW_MS
        self._outbox.add(RunTool(call.call_id, call.name, arguments))

    def _create_lead(self, call: Call, arguments: dict[str, Any], profile: BusinessProfile) -> str | None:
        lead = lead_of(arguments, profile.tools.lead_fields)
        if lead.fields is None:
            self._answer(call, {"error": lead.problem}, ok=False)
            return None
        if lead.fields != self._lead:
            self._outbox.record(events.LeadCaptured(fields=lead.fields))
        self._answer(call, {"ok": True}, ok=True)
        return "lead_captured" if profile.closing.hang_up_after_lead else None

    def _escalate(self, call: Call, arguments: dict[str, Any], profile: BusinessProfile) -> Escalate | None:
        problem = handover.why_not(profile, self._record) if self._record is not None else "there is no call"
        if problem is not None:
            self._answer(call, {"error": f"{problem}. Offer to take a message instead."}, ok=False)
            return None
        self._answer(call, {"ok": True}, ok=True)
        return Escalate(handover.briefing(str(arguments.get("reason") or ""), str(arguments.get("summary") or "")))

    def _answer(self, call: Call, output: dict[str, Any], *, ok: bool) -> None:
        self._answer_text(call, json.dumps(output, ensure_ascii=False), ok=ok)

    def _answer_text(self, call: Call, output: str, *, ok: bool) -> None:
        call.is_answered, call.output = True, output[:MAX_OUTPUT]
        if not call.is_elsewhere:
            self._outbox.model(model_messages.tool_output(call.call_id, call.output))
        elif call.again is not None and not self._calls[call.again].is_elsewhere:
            self._outbox.model(model_messages.tool_output(call.again, call.output))
        else:
            told = _HAS_ANSWERED.format(name=call.name, arguments=call.arguments, output=call.output)
            self._outbox.model(model_messages.instruction(told))
        self._outbox.record(events.ToolFinished(name=call.name[:100], ms=round(self._outbox.now_ms - call.began_ms), ok=ok))


_EARLIER = "earlier_"
_HAS_ANSWERED = (
    "Before the line was interrupted you called the tool {name} with {arguments}. It has been done, and has answered: {output}. Go on "
    "with that, and do not call it again for the same."
)
_IS_AT_WORK = (
    "Before the line was interrupted you called the tool {name} with {arguments}. It is at work; its answer will follow. Do not call it "
    "again."
)


def _arguments(text: str) -> dict[str, Any] | str:
    """The arguments, or what is wrong with them."""
    if len(text) > MAX_ARGUMENTS:
        return f"the arguments are {len(text):,} characters long; {MAX_ARGUMENTS:,} are allowed"
    try:
        arguments = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError):
        return "the arguments are not valid JSON"
    if not isinstance(arguments, dict):
        return "the arguments are not a JSON object"
    return arguments


def _built_in(name: str, profile: BusinessProfile) -> dict[str, Any]:
    match name:
        case "create_lead":
            fields = profile.tools.lead_fields
            description = "Saves the caller's request once all fields are known and confirmed by the caller. Never guess a field."
            properties = {field: {"type": "string"} for field in fields}
            return _function(name, description, {"type": "object", "properties": properties, "required": list(fields)})
        case "end_call":
            description = "Ends the call. Say goodbye first, in the same turn. Only when the caller clearly wants nothing more."
            return _function(name, description, {"type": "object", "properties": {}})
        case _ if name in booking_tools.DECLARATIONS:
            return {"type": "function", "name": name, **booking_tools.DECLARATIONS[name]}
        case "escalate_to_human":
            description = (
                "Connects the caller to a human of the business: when they ask for one, are upset, or need what you cannot do. The "
                "caller is told by itself that they are being connected."
            )
            properties = {
                "reason": {"type": "string", "description": "Why, in a few words, for the human who takes the call"},
                "summary": {"type": "string", "description": "What that human should know, in one or two sentences"},
            }
            return _function(name, description, {"type": "object", "properties": properties, "required": ["reason", "summary"]})
        case "send_sms":
            return _send_sms(profile)
        case _:
            description = "The current date, weekday and time where the business is, and whether it is open now."
            return _function(name, description, {"type": "object", "properties": {}})


def _send_sms(profile: BusinessProfile) -> dict[str, Any]:
    description = (
        "Sends a text message to the number the caller is calling from. Only when the caller wants one; read back first what you will "
        "send. Short and plain, without markup. If it cannot be sent you are told why: tell the caller."
    )
    properties = {"text": {"type": "string", "description": "What the message says"}}
    if profile.sms.allow:
        to = "Leave out for the caller. Otherwise a number your instructions name, such as +15005550010; others are refused."
        properties["to"] = {"type": "string", "description": to}
    return _function("send_sms", description, {"type": "object", "properties": properties, "required": ["text"]})


def _http(tool: HttpTool) -> dict[str, Any]:
    return _function(tool.name, tool.description, tool.parameters or {"type": "object", "properties": {}})


def _function(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "name": name, "description": description, "parameters": parameters}
