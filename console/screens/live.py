"""What the screens of live calls have in common: they know the app by its type, are painted by it, and can be held still."""

from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from textual.screen import Screen

from console.widgets.status_bar import Pill, StatusBar

if TYPE_CHECKING:
    from console.app import ConsoleApp


@runtime_checkable
class Painted(Protocol):
    """A screen the app paints a few times a second."""

    def paint(self) -> None:
        """Draws what has changed on the board."""


class DeskScreen(Screen[None]):
    """A screen that reads the app's board."""

    @property
    def desk(self) -> "ConsoleApp":
        """The app, by its own type."""
        return cast("ConsoleApp", self.app)


class Holdable(DeskScreen):
    """A screen that can be held still with a key. The board goes on; only the drawing stops."""

    paused = False

    def action_pause(self) -> None:
        """Holds the screen still, or lets it go on."""
        self.paused = not self.paused
        self.desk.flush()

    def paint(self) -> None:
        """Draws what has changed, unless held; the line at the top says which."""
        pills = [*self.pills(), ("PAUSED", "bad")] if self.paused else self.pills()
        self.query_one(StatusBar).pills = pills
        if not self.paused:
            self.draw()

    def pills(self) -> list[Pill]:
        """The modes this screen is in."""
        return []

    def draw(self) -> None:
        """Draws what has changed."""
        raise NotImplementedError
