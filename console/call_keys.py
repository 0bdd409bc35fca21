"""The keys of the screens of one call and of past calls."""

from textual.binding import BindingType

from console.keys import key

_PANES: list[BindingType] = [
    key("tab", "pane(1)", "Part", "Go to the next part: transcript, ladder, facts.", name="call.next-pane", show=True),
    key("shift+tab", "pane(-1)", "Part before", "Go to the part before.", name="call.previous-pane"),
    key("j,down", "move(1)", "Down", "Go a line down.", name="call.down"),
    key("k,up", "move(-1)", "Up", "Go a line up; the end is not followed any more.", name="call.up"),
    key("pagedown", "page(1)", "Page down", "Go a page down.", name="call.page-down"),
    key("pageup", "page(-1)", "Page up", "Go a page up.", name="call.page-up"),
    key("f", "follow", "Follow", "Keep the end in sight, or stop doing so.", name="call.follow", show=True),
    key("t", "times", "Times", "Begin every line with its time, or not.", name="call.times"),
    key("b", "jump('barge-in', False)", "Next cut", "Go to the next interruption.", name="call.next-cut"),
    key("B", "jump('barge-in', True)", "Cut before", "Go to the interruption before.", name="call.previous-cut"),
    key("x", "jump('error', False)", "Next error", "Go to the next error.", name="call.next-error"),
    key("X", "jump('error', True)", "Error before", "Go to the error before.", name="call.previous-error"),
    key("d", "mark", "Deltas", "Count all times of the ladder from this rung; once more: from rung to rung.", name="call.mark"),
    key("Y", "copy_transcript", "Copy text", "Copy the conversation as plain text.", name="call.copy-transcript"),
]

CALL: list[BindingType] = [
    *_PANES,
    key("g,home", "first", "First", "Go to the beginning.", name="call.first"),
    key("G,end", "last", "Last", "Go to the end, and follow it.", name="call.last"),
    key("p", "pause", "Pause", "Hold the screen still; the call goes on.", name="view.pause"),
    key("escape", "app.leave", "Back", "Go back to where you came from.", name="call.back", show=True),
]
"""Bound by the screen of one call, beside what steps into it."""

REPLAY: list[BindingType] = [
    key("space", "play", "Play", "Play, or hold; at the end, play again.", name="replay.play", show=True),
    key("plus,equals_sign", "speed(1)", "Faster", "Play faster: ×1, ×2, ×8.", name="replay.faster", show=True),
    key("minus", "speed(-1)", "Slower", "Play slower.", name="replay.slower", show=True),
    key("right", "seek(1)", "+5 s", "Go five seconds on.", name="replay.on"),
    key("left", "seek(-1)", "−5 s", "Go five seconds back.", name="replay.back-5"),
    key("home", "edge(False)", "Begin", "Go to the beginning of the call.", name="replay.begin"),
    key("end", "edge(True)", "End", "Go to the end of the call.", name="replay.end"),
    *_PANES,
    key("g", "first", "First", "Go to the first line.", name="call.first"),
    key("G", "last", "Last", "Go to the last line, and follow it.", name="call.last"),
    key("y", "copy_id", "Copy id", "Copy the id of this call.", name="call.copy-id"),
    key("escape", "app.leave", "Back", "Go back to the past calls.", name="call.back", show=True),
]
"""Bound by the replay of a call."""

HISTORY: list[BindingType] = [
    key("enter", "open", "Replay", "Replay this call.", name="history.open", show=True),
    key(
        "slash",
        "filter",
        "Filter",
        "Show only the calls with these words; !word leaves calls out.",
        name="history.filter",
        show=True,
    ),
    key(
        "escape", "clear_filter", "Back", "Show all calls again; then, go back to the live calls.", name="history.back", show=True
    ),
    key("j,down", "move(1)", "Down", "Go to the next call.", name="history.down"),
    key("k,up", "move(-1)", "Up", "Go to the call before.", name="history.up"),
    key("pagedown", "page(1)", "Page down", "Go a page down.", name="history.page-down"),
    key("pageup", "page(-1)", "Page up", "Go a page up.", name="history.page-up"),
    key("g,home", "first", "First", "Go to the first call.", name="history.first"),
    key("G,end", "last", "Last", "Go to the last call.", name="history.last"),
    key("less_than_sign", "sort(-1)", "Sort left", "Order by the column to the left.", name="history.sort-left"),
    key("greater_than_sign", "sort(1)", "Sort right", "Order by the column to the right.", name="history.sort-right"),
    key("I", "invert", "Invert", "Turn the order around.", name="history.invert"),
    key("r", "reload", "Reload", "Ask the bridge again.", name="history.reload", show=True),
    key("y", "copy_id", "Copy id", "Copy the id of this call.", name="history.copy-id"),
]
"""Bound by the past calls."""
