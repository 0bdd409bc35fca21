"""A scripted call: what the caller does, and what the model answers to what it hears.

Scenarios are TOML files; the shipped ones lie in ``simulator/scenarios``.
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

NonNegativeInt = Annotated[int, msgspec.Meta(ge=0)]


class ScenarioError(Exception):
    """A scenario file that cannot be used; ``str()`` says which file and what is wrong."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CallerStep(_Table, frozen=True, kw_only=True):
    """One thing the caller does, once its moment has come. Steps run in order; the next one waits for its own moment.

    ``when`` and ``after_ms`` name the moment:

    - ``agent_quiet``: something new was heard from the other side, and then nothing for ``after_ms``;
    - ``agent_speaking``: the other side has been audible for ``after_ms`` in its present utterance;
    - ``answered``: ``after_ms`` after the media stream (or call) began;
    - ``previous``: ``after_ms`` after the previous step was over (a ``say`` is over when its last sample was spoken).
    """

    when: Literal["agent_quiet", "agent_speaking", "answered", "previous"] = "agent_quiet"
    after_ms: NonNegativeInt = 700
    say: str | None = None
    """Spoken in the caller's voice."""
    noise_ms: NonNegativeInt = 0
    """A burst of noise this long: a cough, a slammed door."""
    noise_rms: NonNegativeInt = 2000
    """How loud it is, on the 16-bit scale."""
    dtmf: str | None = None
    """Keys pressed."""
    hang_up: bool = False


class Caller(_Table, frozen=True, kw_only=True):
    """The person on the phone."""

    from_: str = msgspec.field(name="from", default="+15005550100")
    voice: str = "en-us+m3"
    """An eSpeak NG voice: language and, after ``+``, a variant."""
    line_noise_rms: NonNegativeInt = 0
    """Noise under everything the caller's line carries, on the 16-bit scale; speech is 3000."""
    steps: tuple[CallerStep, ...] = ()
    gives_up_after_s: NonNegativeInt = 120
    """The caller hangs up when the script has not come to its end by then."""


class ToolCall(_Table, frozen=True, kw_only=True):
    """A function the model asks for."""

    name: str
    arguments: dict[str, Any] | str = {}
    """A string is sent as it is, well-formed or not."""


class Reply(_Table, frozen=True, kw_only=True):
    """What the model does about a turn of the caller whose text matches."""

    hears: str
    """A regular expression, searched in the caller's text without regard to case."""
    say: str | None = None
    call: tuple[ToolCall, ...] = ()
    """Functions called after speaking."""
    after_tools: str | None = None
    """Spoken in the response that follows the tools' outputs."""
    once: bool = False
    """Used for the first matching turn only."""


class Mind(_Table, frozen=True, kw_only=True):
    """What the model says. When a response is asked for, the newest item decides: an instruction that quotes a sentence is
    followed word for word, a caller's turn is answered by the first reply that matches it."""

    voice: str = "en-us+f3"
    replies: tuple[Reply, ...] = ()
    otherwise: str = "Sorry, could you say that again?"
    must_call: dict[str, dict[str, Any]] = {}
    """The arguments of functions the model has no choice but to call, by name (``tool_choice``)."""


class Scenario(_Table, frozen=True, kw_only=True):
    """One scripted call."""

    name: str
    title: str
    business: str
    """The id of the business that is called."""
    to: str
    """The address dialled; the business must have it."""
    language: str = "en"
    caller: Caller = Caller()
    mind: Mind = Mind()


def load(path: Path) -> Scenario:
    """Reads a scenario file. Raises :class:`ScenarioError`."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Scenario)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error


def shipped_names() -> list[str]:
    """The scenarios that come with the project, in alphabetical order."""
    folder = resources.files("simulator").joinpath("scenarios")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def shipped(name: str) -> Scenario:
    """A scenario that comes with the project, by its file name without ``.toml``."""
    return load(Path(str(resources.files("simulator").joinpath("scenarios", f"{name}.toml"))))
