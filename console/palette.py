"""The command palette: every key that does something here, by its name and sentence."""

from collections.abc import Callable, Iterator
from functools import partial

from textual.binding import ActiveBinding
from textual.command import DiscoveryHit, Hit, Hits, Provider

from console import keys


class ConsoleCommands(Provider):
    """What can be done on the screen beneath the palette, and the colours."""

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for title, sentence, run in self._commands():
            yield DiscoveryHit(title, run, help=sentence)

    async def search(self, query: str) -> Hits:
        """What fits what is typed."""
        matcher = self.matcher(query)
        for title, sentence, run in self._commands():
            if (score := max(matcher.match(title), matcher.match(sentence))) > 0:
                yield Hit(score, matcher.highlight(title), run, text=title, help=sentence)

    def _commands(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        found: dict[str, list[ActiveBinding]] = {}
        for active in self.screen.active_bindings.values():
            if active.enabled and active.binding.id and active.binding.id != "palette":
                found.setdefault(active.binding.id, []).append(active)
        for same in found.values():
            node, binding = same[0].node, same[0].binding
            pressed = keys.shown(",".join(active.binding.key for active in same))
            yield f"{binding.description}  ({pressed})", binding.tooltip, partial(self.app.run_action, binding.action, node)
        yield "Colours", "Choose other colours, for light terminals too.", self.app.search_themes
