"""The caller's script: which step's moment has come. See :class:`simulator.scenario.CallerStep` for what the moments mean."""

from simulator.scenario import CallerStep

UTTERANCE_GAP_MS = 500
"""A pause this long ends an utterance of the other side."""


class Script:
    """Decides when each step begins, from what the caller hears. Times are the call's clock in ms."""

    def __init__(self, steps: tuple[CallerStep, ...]) -> None:
        self._steps = steps
        self._index = 0
        self._running = False
        self._answered_ms: float | None = None
        self._previous_over_ms: float | None = None
        self._utterance_ms: float | None = None
        self._last_speech_ms: float | None = None
        self._heard_something_new = False

    @property
    def is_finished(self) -> bool:
        """Whether every step is over."""
        return self._index == len(self._steps)

    @property
    def index(self) -> int:
        """The step that runs or is waited for."""
        return self._index

    def answered(self, now: float) -> None:
        """The media stream (or the call, when something else comes first) began. Only the first time counts."""
        if self._answered_ms is None:
            self._answered_ms = self._previous_over_ms = now

    def hears(self, now: float, *, speech: bool) -> float | None:
        """A frame of the other side ended at ``now``. Returns when the utterance began that this frame shows to be over."""
        if speech:
            if self._utterance_ms is None:
                self._utterance_ms = now - 20
            self._last_speech_ms = now
            self._heard_something_new = not self._running
            return None
        if self._utterance_ms is None or self._last_speech_ms is None or now - self._last_speech_ms < UTTERANCE_GAP_MS:
            return None
        began_ms, self._utterance_ms = self._utterance_ms, None
        return began_ms

    @property
    def last_speech_ms(self) -> float:
        """The end of the newest speech heard."""
        return self._last_speech_ms or 0

    @property
    def open_utterance_ms(self) -> float | None:
        """The beginning of an utterance that is not over."""
        return self._utterance_ms

    def due(self, now: float) -> CallerStep | None:
        """The step to begin now; it runs until :meth:`step_over`."""
        if self._running or self.is_finished or self._answered_ms is None:
            return None
        step = self._steps[self._index]
        if not self._moment_has_come(step, now):
            return None
        self._running = True
        return step

    def _moment_has_come(self, step: CallerStep, now: float) -> bool:
        match step.when:
            case "answered":
                since = self._answered_ms
            case "previous":
                since = self._previous_over_ms
            case "agent_speaking":
                since = self._utterance_ms if self._last_speech_ms == now else None
            case "agent_quiet":
                since = self._last_speech_ms if self._heard_something_new else None
        return since is not None and now - since >= step.after_ms

    def step_over(self, now: float) -> None:
        """The running step's last sample was spoken. What was heard before is no longer new."""
        self._index += 1
        self._running = False
        self._previous_over_ms = now
        self._heard_something_new = False
