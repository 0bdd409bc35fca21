"""TwiML, as far as the simulated phone runs it: a document becomes a tuple of verbs.

Follows Twilio, *TwiML for Programmable Voice*. What the real one accepts and this one cannot run is an :class:`Unsupported`
verb; what the real one refuses raises :class:`TwimlError` with the code of its debugger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

Method = Literal["GET", "POST"]

MAX_BODY_BYTES = 64 * 1024
_PARAMETER_LIMIT = 500
_TWIML_TYPES = ("text/xml", "application/xml", "text/html")
_KNOWN_BUT_UNSUPPORTED = frozenset(
    ("Echo", "Enqueue", "Leave", "Pay", "Prompt", "Refer", "Siprec", "Start", "Stop", "Sms", "Message", "Transcription")
)


class TwimlError(Exception):
    """A document that cannot be run. ``code`` is Twilio's, ``str()`` says what is wrong."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Say:
    """The carrier reads a text aloud."""

    text: str
    language: str = "en-US"
    loop: int = 1


@dataclass(frozen=True, slots=True)
class Play:
    """A sound file or keys; the simulated phone neither fetches nor plays it."""

    url: str
    digits: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence."""

    length_s: float = 1


@dataclass(frozen=True, slots=True)
class Hangup:
    """The call ends."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The call is not taken."""

    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another document takes over."""

    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Stream:
    """The noun of ``<Connect>``: where the audio goes."""

    url: str
    name: str = ""
    track: str = "inbound_track"
    status_callback: str = ""
    status_callback_method: Method = "POST"
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Connect:
    """The call is connected to a media stream."""

    stream: Stream
    action: str = ""
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody to dial: ``address`` in the form of a webhook's ``To``."""

    kind: Literal["number", "client", "sip", "whatsapp"]
    address: str
    screen_url: str = ""
    screen_method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Dial:
    """The call is connected to the first target that answers."""

    targets: tuple[Target, ...]
    action: str = ""
    method: Method = "POST"
    timeout_s: float = 30


@dataclass(frozen=True, slots=True)
class Record:
    """The caller leaves a message."""

    action: str = ""
    method: Method = "POST"
    timeout_s: float = 5
    max_length_s: float = 3600
    finish_on_key: str = "1234567890*#"
    beep: bool = True
    status_callback: str = ""
    status_callback_method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Gather:
    """The caller presses keys, during or after the prompts."""

    action: str = ""
    method: Method = "POST"
    timeout_s: float = 5
    num_digits: int | None = None
    finish_on_key: str = "#"
    action_on_empty: bool = False
    prompts: tuple["Say | Play | Pause", ...] = ()


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A verb that exists but that the simulated phone cannot run."""

    name: str


Verb = Say | Play | Pause | Hangup | Reject | Redirect | Connect | Dial | Record | Gather | Unsupported


def document(content_type: str, body: str) -> tuple[Verb, ...]:
    """What an HTTP answer means, by its content type: TwiML, a text to read aloud, or a sound. Raises :class:`TwimlError`."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _TWIML_TYPES:
        return parse(body)
    if kind == "text/plain":
        try:
            return parse(body)
        except TwimlError:
            return (Say(body), Hangup())
    if kind.startswith("audio/"):
        return (Play("", ""), Hangup())
    raise TwimlError(12300, f"the content type {content_type!r} is neither TwiML, text nor audio")


def parse(body: str) -> tuple[Verb, ...]:
    """The verbs of a document. Raises :class:`TwimlError`."""
    if len(body.encode()) > MAX_BODY_BYTES:
        raise TwimlError(11750, f"the document is over {MAX_BODY_BYTES} bytes")
    if "<!DOCTYPE" in body:
        raise TwimlError(12100, "a document type declaration is not allowed")
    try:
        # bytes, because a text with an encoding declaration is refused; entities cannot be declared without a DOCTYPE
        root = ElementTree.fromstring(body.strip().encode())  # noqa: S314
    except ElementTree.ParseError as error:
        raise TwimlError(12100, f"document parse failure: {error}") from None
    if root.tag != "Response":
        raise TwimlError(12100, f"the root element is <{root.tag}>, not <Response>")
    return tuple(_verb(element) for element in root)


def _verb(element: ElementTree.Element) -> Verb:
    if element.tag in _KNOWN_BUT_UNSUPPORTED:
        return Unsupported(element.tag)
    reader = _READERS.get(element.tag)
    if reader is None:
        raise TwimlError(12100, f"<{element.tag}> is not a verb")
    return reader(element)


def _say(element: ElementTree.Element) -> Say:
    text = " ".join("".join(element.itertext()).split())
    return Say(text, element.get("language") or "en-US", _integer(element, "loop", 1))


def _play(element: ElementTree.Element) -> Play:
    return Play((element.text or "").strip(), element.get("digits", ""))


def _pause(element: ElementTree.Element) -> Pause:
    return Pause(_number(element, "length", 1))


def _redirect(element: ElementTree.Element) -> Redirect:
    return Redirect((element.text or "").strip(), _method(element))


def _connect(element: ElementTree.Element) -> Connect:
    if len(element) != 1 or element[0].tag != "Stream":
        nouns = ", ".join(f"<{child.tag}>" for child in element) or "nothing"
        raise TwimlError(12100, f"<Connect> holds {nouns}; exactly one <Stream> is what the simulated phone connects")
    return Connect(_stream(element[0]), element.get("action", ""), _method(element))


def _stream(element: ElementTree.Element) -> Stream:
    return Stream(
        url=element.get("url", "").strip(),
        name=element.get("name", ""),
        track=element.get("track", "inbound_track"),
        status_callback=element.get("statusCallback", ""),
        status_callback_method=_method(element, "statusCallbackMethod"),
        parameters=tuple(_parameter(child) for child in element if child.tag == "Parameter"),
    )


def _parameter(element: ElementTree.Element) -> tuple[str, str]:
    name, value = element.get("name", ""), element.get("value", "")
    if len(name) + len(value) >= _PARAMETER_LIMIT:
        raise TwimlError(12100, f"<Parameter> {name!r}: name and value together must be under {_PARAMETER_LIMIT} characters")
    return name, value


def _dial(element: ElementTree.Element) -> Dial:
    targets = [_target(child) for child in element]
    number = (element.text or "").strip()
    if number:
        targets.insert(0, Target("number", number))
    return Dial(tuple(targets), element.get("action", ""), _method(element), _number(element, "timeout", 30))


def _target(element: ElementTree.Element) -> Target:
    address = (element.text or "").strip()
    screen_url, screen_method = element.get("url", ""), _method(element)
    match element.tag:
        case "Number":
            return Target("number", address, screen_url, screen_method)
        case "Client":
            identity = element.find("Identity")
            name = address or (identity.text or "" if identity is not None else "").strip()
            return Target("client", f"client:{name}", screen_url, screen_method)
        case "Sip":
            return Target("sip", address, screen_url, screen_method)
        case "WhatsApp":
            return Target("whatsapp", f"whatsapp:{address}", screen_url, screen_method)
    raise TwimlError(12100, f"<Dial> to <{element.tag}> is not what the simulated phone can do")


def _record(element: ElementTree.Element) -> Record:
    return Record(
        action=element.get("action", ""),
        method=_method(element),
        timeout_s=_number(element, "timeout", 5),
        max_length_s=_number(element, "maxLength", 3600),
        finish_on_key=element.get("finishOnKey", "1234567890*#"),
        beep=element.get("playBeep", "true") == "true",
        status_callback=element.get("recordingStatusCallback", ""),
        status_callback_method=_method(element, "recordingStatusCallbackMethod"),
    )


def _gather(element: ElementTree.Element) -> Gather:
    prompts = [_verb(child) for child in element]
    return Gather(
        action=element.get("action", ""),
        method=_method(element),
        timeout_s=_number(element, "timeout", 5),
        num_digits=_integer(element, "numDigits", 0) or None,
        finish_on_key=element.get("finishOnKey", "#"),
        action_on_empty=element.get("actionOnEmptyResult", "false") == "true",
        prompts=tuple(prompt for prompt in prompts if isinstance(prompt, Say | Play | Pause)),
    )


def _method(element: ElementTree.Element, name: str = "method") -> Method:
    method = element.get(name, "POST").upper()
    if method not in ("GET", "POST"):
        raise TwimlError(12100, f"<{element.tag} {name}={method!r}>: GET or POST is meant")
    return "GET" if method == "GET" else "POST"


def _number(element: ElementTree.Element, name: str, default: float) -> float:
    text = element.get(name)
    try:
        return default if text is None else float(text)
    except ValueError:
        raise TwimlError(12100, f"<{element.tag} {name}={text!r}> is not a number") from None


def _integer(element: ElementTree.Element, name: str, default: int) -> int:
    return int(_number(element, name, default))


_READERS: dict[str, Callable[[ElementTree.Element], Verb]] = {
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
    "Hangup": lambda _: Hangup(),
    "Reject": lambda element: Reject(element.get("reason", "rejected")),
    "Redirect": _redirect,
    "Connect": _connect,
    "Dial": _dial,
    "Record": _record,
    "Gather": _gather,
}
