"""The keys of the console: each with its id, the word in the footer and the sentence in help, palette and docs/keys.md.

A screen takes its table from here, so that what is listed is what is bound. The ids are stable.
"""

from collections.abc import Iterator

from textual.binding import Binding, BindingType
from textual.dom import DOMNode


def key(keys: str, action: str, word: str, sentence: str, *, name: str, show: bool = False) -> Binding:
    """A key with what it is called (``word``), what it does (``sentence``) and its stable id (``name``)."""
    return Binding(keys, action, word, tooltip=sentence, id=name, show=show)


EVERYWHERE: list[BindingType] = [
    key("1", "go('calls')", "Live calls", "Show the live calls.", name="go.calls"),
    key("2", "go('overview')", "Overview", "Show how the calls are going.", name="go.overview"),
    key("3", "go('history')", "History", "Show past calls, to search and replay them.", name="go.history"),
    key("question_mark,f1", "help", "Help", "Tell what this screen is for, and its keys.", name="help", show=True),
    key("ctrl+p,colon", "command_palette", "Palette", "Choose any command by its name.", name="palette"),
    key("q", "leave", "Quit", "Go back; from the first screen, quit.", name="leave"),
]
"""Bound by the app."""

STEP_IN: list[BindingType] = [
    key("w", "step_in('whisper')", "Whisper", "Tell the AI something the caller does not hear.", name="call.whisper", show=True),
    key("s", "step_in('say')", "Say", "Have the AI speak a line to the caller.", name="call.say"),
    key("m", "step_in('mute')", "Mute", "Silence the AI on this call, or let it speak again.", name="call.mute", show=True),
    key("e", "step_in('escalate')", "Escalate", "Hand the caller to a human; asks first.", name="call.escalate", show=True),
    key("ctrl+k", "step_in('hangup')", "Hang up", "Say goodbye and end the call; asks first.", name="call.hangup", show=True),
    key(
        "ctrl+x",
        "step_in('force_hangup')",
        "Force hang up",
        "End the call at once, in mid-word; asks for the end of its id.",
        name="call.force-hangup",
    ),
    key("l", "listen", "Listen", "Tell the command that plays this call's audio.", name="call.listen"),
    key("y", "copy_id", "Copy id", "Copy the id of this call.", name="call.copy-id"),
]
"""Bound by every screen that has a call to step into."""

CALLS: list[BindingType] = [
    key("enter", "open", "Open", "Open this call.", name="calls.open", show=True),
    key(
        "slash",
        "filter",
        "Filter",
        "Show only the calls with these words; !word leaves calls out.",
        name="calls.filter",
        show=True,
    ),
    key("escape", "clear_filter", "All calls", "Show all calls again.", name="calls.clear-filter"),
    key("j,down", "move(1)", "Down", "Go to the next call.", name="calls.down"),
    key("k,up", "move(-1)", "Up", "Go to the call before.", name="calls.up"),
    key("pagedown", "page(1)", "Page down", "Go a page down.", name="calls.page-down"),
    key("pageup", "page(-1)", "Page up", "Go a page up.", name="calls.page-up"),
    key("g,home", "first", "First", "Go to the first call.", name="calls.first"),
    key("G,end", "last", "Last", "Go to the last call.", name="calls.last"),
    key("less_than_sign", "sort(-1)", "Sort left", "Order by the column to the left.", name="calls.sort-left"),
    key("greater_than_sign", "sort(1)", "Sort right", "Order by the column to the right.", name="calls.sort-right"),
    key("I", "invert", "Invert", "Turn the order around.", name="calls.invert"),
    key("f", "follow", "Follow", "Stay on the newest call; moving stops it.", name="calls.follow"),
    key("p", "pause", "Pause", "Hold the screen still; the calls go on.", name="view.pause"),
]
"""Bound by the live calls."""

OVERVIEW: list[BindingType] = [
    key("j,down", "scroll(1)", "Down", "Scroll down.", name="overview.down"),
    key("k,up", "scroll(-1)", "Up", "Scroll up.", name="overview.up"),
    key("p", "pause", "Pause", "Hold the screen still; the calls go on.", name="view.pause"),
    key("escape", "app.go('calls')", "Back", "Go back to the live calls.", name="overview.back"),
]
"""Bound by the overview."""

CONFIRM: list[BindingType] = [
    key("y", "answer(True)", "Yes", "Do it.", name="confirm.yes"),
    key("n,escape", "answer(False)", "No", "Leave the call alone.", name="confirm.no"),
    key("right,down", "app.focus_next", "Next button", "Go to the other button.", name="confirm.next"),
    key("left,up", "app.focus_previous", "Button before", "Go to the other button.", name="confirm.previous"),
]
"""Bound by the question before a call is ended or handed over."""

TYPED: list[BindingType] = [
    key("escape", "answer(False)", "No", "Leave the call alone.", name="force.no"),
]
"""Bound by the stronger question; it takes letters, so it has no ``y``."""

SAY: list[BindingType] = [
    key("escape", "dismiss(None)", "Cancel", "Say nothing.", name="say.cancel"),
]
"""Bound where a line for the AI is written."""

HELP: list[BindingType] = [
    key("escape,q,question_mark,f1", "dismiss(None)", "Close", "Close the help.", name="help.close"),
    key("j,down", "scroll(1)", "Down", "Scroll down.", name="help.down"),
    key("k,up", "scroll(-1)", "Up", "Scroll up.", name="help.up"),
]
"""Bound by the help."""


_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "comma": ",",
    "full_stop": ".",
    "space": "Space",
    "enter": "Enter",
    "escape": "Esc",
    "tab": "Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "f1": "F1",
}


def shown(keys: str) -> str:
    """Keys as they are printed on a keyboard: ``question_mark,f1`` is ``? F1``."""
    return " ".join(_shown(one.strip()) for one in keys.split(","))


def _shown(one: str) -> str:
    modifiers, _, last = one.rpartition("+")
    return "".join(f"{modifier.capitalize()}+" for modifier in modifiers.split("+") if modifier) + _NAMES.get(last, last)


def bound_by(screen: type[DOMNode]) -> Iterator[Binding]:
    """The keys a screen binds itself or takes from another class of the console, nearest first; each key once."""
    taken: set[str] = set()
    for base in screen.__mro__:
        if not base.__module__.startswith("console."):
            continue
        for binding in base.__dict__.get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.key not in taken:
                taken.add(binding.key)
                yield binding
