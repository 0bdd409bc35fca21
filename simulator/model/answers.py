"""What the model says next: a scripted mind reading the conversation it is in."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from simulator.scenario import Mind, Reply, ToolCall

from .conversation import Item

LONGEST_LINE: Final = 1_500
"""Characters: two minutes of speech, more than any reply should be."""

_QUOTES: Final = (
    re.compile(r":\s*\"(.+)\"\s*\Z", re.DOTALL),
    re.compile(r"“(.+?)”|«(.+?)»|„(.+?)[“”]|״(.+?)״", re.DOTALL),
    re.compile(r"(?<!\w)\"(.+?)\"(?!\w)", re.DOTALL),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response to be given: something said, or functions called, or both."""

    say: str = ""
    calls: tuple[ToolCall, ...] = ()
    reply: Reply | None = None
    """Where the calls come from: it says what follows them."""


class Answers:
    """A mind at work in one session: it remembers which replies are used up and which of them called what."""

    def __init__(self, mind: Mind) -> None:
        self._mind = mind
        self._used: set[int] = set()
        self._callers: dict[str, Reply | None] = {}

    def called(self, call_id: str, reply: Reply | None) -> None:
        """A call of this reply got this id; its output will be answered by the reply's ``after_tools``."""
        self._callers[call_id] = reply

    def next(self, items: Sequence[Item], tools: Collection[str], instructions: str = "") -> Answer:
        """The answer to the newest item that asks for one; ``tools`` names the functions that may be called.

        ``instructions`` are those of this response alone. An instruction that quotes a sentence is followed word for word.
        """
        if quoted := quotation(instructions):
            return Answer(say=quoted[:LONGEST_LINE])
        return self._to_newest(items, tools)

    def forced(self, name: str) -> Answer:
        """The session leaves no choice but to call this function."""
        return Answer(calls=(ToolCall(name=name, arguments=self._mind.must_call.get(name, {})),))

    def _to_newest(self, items: Sequence[Item], tools: Collection[str]) -> Answer:
        for index in range(len(items) - 1, -1, -1):
            item = items[index]
            if item.body["type"] == "function_call_output":
                return self._after_tools(item)
            if item.role in ("user", "system") and (quoted := quotation(item.text)):
                rest = _rest_of_cut_line(items[:index], quoted)
                return Answer(say=(self._rest_of_retold_line(items[:index], quoted) if rest == quoted else rest)[:LONGEST_LINE])
            if item.role == "user":
                return self._to_caller(_unanswered(items[: index + 1]), tools)
        return Answer(say=self._mind.otherwise)

    def _rest_of_retold_line(self, items: Sequence[Item], quoted: str) -> str:
        """What was said in another session stands here as text, as far as it was heard: one of the mind's lines began like that. What is
        none of its lines was somebody's wording then and is now, and is said again."""
        said = quoted.rstrip(".… ").split()
        if not any(item.role == "assistant" and not item.spoken and item.text.rstrip(".… ").split() == said for item in items):
            return quoted
        own = [line for reply in self._mind.replies for line in (reply.say, reply.after_tools) if line]
        begun = [line.split() for line in [*own, self._mind.otherwise] if _begins(line.split(), said)]
        if not begun:
            return quoted
        return next((" ".join(words[len(said) :]) for words in begun if len(words) > len(said)), self._mind.otherwise)

    def _after_tools(self, output: Item) -> Answer:
        reply = self._callers.get(output.body["call_id"])
        return Answer(say=(reply and reply.after_tools) or self._mind.otherwise)

    def _to_caller(self, heard: str, tools: Collection[str]) -> Answer:
        for index, reply in enumerate(self._mind.replies):
            if index not in self._used and re.search(reply.hears, heard, re.IGNORECASE):
                if reply.once:
                    self._used.add(index)
                return self._from(reply, tools)
        return Answer(say=self._mind.otherwise)

    def _from(self, reply: Reply, tools: Collection[str]) -> Answer:
        calls = tuple(call for call in reply.call if call.name in tools)
        if reply.say is None and not calls:
            return Answer(say=reply.after_tools or self._mind.otherwise)
        return Answer(say=reply.say or "", calls=calls, reply=reply)


def quotation(text: str) -> str | None:
    """The sentence an instruction quotes, the longest if there are several: all after a colon to the last quotation mark, or what
    stands in “…”, «…», ״…״ or "…"."""
    for pattern in _QUOTES:
        quoted = ["".join(part for part in match.groups() if part).strip() for match in pattern.finditer(text)]
        if longest := max(quoted, key=len, default=""):
            return longest
    return None


def _unanswered(items: Sequence[Item]) -> str:
    """What the caller said since the last reply that was not cut off: one turn often arrives as two."""
    texts: list[str] = []
    for item in reversed(items):
        if item.role == "assistant" and not item.cut:
            break
        if item.role == "user" and quotation(item.text) is None:
            texts.append(item.heard if item.heard is not None else item.text)
    return " ".join(text for text in reversed(texts) if text)


def _rest_of_cut_line(items: Sequence[Item], quoted: str) -> str:
    """An instruction that quotes how far a line got asks for the rest of it; any other quotes what to say."""
    last = next((item for item in reversed(items) if item.role == "assistant"), None)
    if last is None or not last.cut:
        return quoted
    heard, line = quoted.rstrip(".… ").split(), last.spoken.split()
    if len(heard) >= len(line) or not _begins(line, heard):
        return quoted
    return " ".join(line[len(heard) :])


def _begins(line: list[str], words: list[str]) -> bool:
    """Whether a line begins with these words, the last of which has lost its full stop."""
    begun = line[: len(words)]
    return [*begun[:-1], *(word.rstrip(".…") for word in begun[-1:])] == words
