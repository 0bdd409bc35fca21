"""A call told as it happens, line by line, and whether it went as scripted."""

from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from calls import events
from calls.business import BargeIn, BusinessProfile
from calls.cli_output import printable
from calls.events import AnyEvent
from simulator.phone import timeline as seen
from simulator.scenario import Scenario

GREETING_LIMIT_MS = 1200
_STYLES = {"caller": "cyan", "AI": "green", "rule": "yellow", "problem": "bold red"}


class Check(msgspec.Struct, frozen=True):
    """Something the call had to show."""

    what: str
    holds: bool


class Narrator:
    """Prints what happens and remembers it. ``now_ms`` is the time since the caller dialled."""

    def __init__(self, console: Console, scenario: Scenario, profile: BusinessProfile, now_ms: Callable[[], float]) -> None:
        self._console = console
        self._scenario = scenario
        self._profile = profile
        self._now_ms = now_ms
        self.bodies: list[AnyEvent] = []
        self.observations: list[seen.Observation] = []

    # --- as it happens -----------------------------------------------------------------------------------------------------

    def event(self, body: AnyEvent) -> None:
        """An event went on the call's record."""
        self.bodies.append(body)
        told = _told(body, self._profile.barge_in)
        if told is not None:
            self._line(self._now_ms(), *told)

    def observation(self, observation: seen.Observation) -> None:
        """Something was seen on the line."""
        self.observations.append(observation)
        match observation:
            case seen.WebhookPosted(purpose="voice", at_ms=at_ms):
                self._line(at_ms, "phone", f"{self._scenario.caller.from_} dials {self._scenario.to}: {self._profile.name}")
            case seen.WebhookAnswered(purpose="voice" | "action", status=status, took_ms=took_ms, url=url, at_ms=at_ms):
                self._line(at_ms, "webhook", f"/{url.rsplit('/', 1)[-1]} answered with {status} in {took_ms:.0f} ms")
            case seen.StreamOpened(at_ms=at_ms):
                self._line(at_ms, "phone", "media stream open")
            case seen.StepBegan(what=what, at_ms=at_ms) if what == "*noise*":
                self._line(at_ms, "caller", "*coughs*")
            case seen.ClearReceived(dropped_ms=dropped_ms, at_ms=at_ms):
                self._line(at_ms, "phone", f"queue cleared, {dropped_ms / 1000:.1f} s of the AI will not be heard")
            case seen.DebuggerEntry(code=code, message=message, at_ms=at_ms):
                self._line(at_ms, "problem", f"{code}: {message}")
            case seen.CallEnded(reason=reason, at_ms=at_ms):
                self._line(at_ms, "phone", f"the line is released: {reason}")

    def _line(self, at_ms: float, who: str, what: str) -> None:
        spoken = who in ("caller", "AI")
        row = Text.assemble(
            (f"{at_ms / 1000:7.2f} s  ", "dim"),
            (f"{who:<8} ", _STYLES.get(who, "dim")),
            (printable(what), "" if spoken or who in _STYLES else "dim"),
        )
        self._console.print(row, soft_wrap=True)

    # --- and afterwards ----------------------------------------------------------------------------------------------------

    def checks(self) -> list[Check]:
        """What the script promises, each held against what happened."""
        heard = [body for body in self.bodies if isinstance(body, events.AgentTranscript)]
        understood = [body.text for body in self.bodies if isinstance(body, events.CallerTranscript)]
        said = [step.say for step in self._scenario.caller.steps if step.say is not None]
        ended = [body for body in self.bodies if isinstance(body, events.CallEnded)]
        latency_ms = next((b.latency_ms for b in self.bodies if isinstance(b, events.GreetingFirstAudio)), None)
        whole = [line.text for line in heard if not line.interrupted]
        checks = [
            Check(f"greeting within {GREETING_LIMIT_MS} ms", latency_ms is not None and latency_ms <= GREETING_LIMIT_MS),
            Check("greeting heard whole and verbatim", bool(whole) and whole[0] == self._profile.greeting_text),
            Check("every word of the caller understood", _all_in_order(said, understood)),
            Check("goodbye heard whole before the line was released", self._goodbye_was_heard(whole)),
            Check("ended by the caller's goodbye, once", [body.reason for body in ended] == ["farewell"]),
            Check("nothing went wrong", not self._problems()),
        ]
        return checks + self._script_checks()

    def _script_checks(self) -> list[Check]:
        steps = self._scenario.caller.steps
        wanted = [
            ("cough dismissed", any(step.noise_ms for step in steps), events.BargeInDismissed),
            (
                "interruption given way to",
                any(step.when == "agent_speaking" and step.after_ms > 2000 for step in steps),
                events.BargeInCut,
            ),
            ("name and number taken down", any(reply.call for reply in self._scenario.mind.replies), events.LeadCaptured),
        ]
        return [
            Check(what, sum(isinstance(body, kind) for body in self.bodies) == 1)
            for what, is_scripted, kind in wanted
            if is_scripted
        ]

    def _goodbye_was_heard(self, whole: Sequence[str]) -> bool:
        return self._profile.closing_text in whole and (self.goodbye_to_release_ms() or -1) >= 0

    def goodbye_to_release_ms(self) -> float | None:
        """From the last sample of the goodbye the caller heard to the line being released."""
        heard = [observation.at_ms for observation in self.observations if isinstance(observation, seen.Heard)]
        over = [observation.at_ms for observation in self.observations if isinstance(observation, seen.CallEnded)]
        return over[0] - heard[-1] if heard and over else None

    def _problems(self) -> list[object]:
        problems: list[object] = [body for body in self.bodies if isinstance(body, events.ErrorHappened | events.ModelLost)]
        return problems + [observation for observation in self.observations if isinstance(observation, seen.DebuggerEntry)]

    def summary(self) -> bool:
        """Prints the figures and the checks; ``True`` if all hold."""
        print_line = self._console.print
        print_line()
        for name, value in self._figures():
            print_line(Text.assemble((f"  {name:<36} ", "dim"), value), soft_wrap=True)
        print_line()
        checks = self.checks()
        for check in checks:
            mark = ("✓ ", "green") if check.holds else ("✗ ", "bold red")
            print_line(Text.assemble("  ", mark, check.what))
        return all(check.holds for check in checks)

    def _figures(self) -> list[tuple[str, str]]:
        rows: list[tuple[str, str]] = []
        turns = [body.latency_ms for body in self.bodies if isinstance(body, events.TurnFirstAudio)]
        for body in self.bodies:
            match body:
                case events.GreetingFirstAudio(latency_ms=latency_ms):
                    rows.append(("start → first greeting audio", f"{latency_ms} ms (limit {GREETING_LIMIT_MS})"))
                case events.BargeInCut(reaction_ms=reaction_ms, heard_ms=heard_ms):
                    rows.append(
                        ("caller's first sound → AI silent", f"{reaction_ms} ms; {heard_ms} ms of the reply had been heard")
                    )
                case events.CallEnded(duration_ms=duration_ms, reason=reason):
                    rows.append(("call", f"{duration_ms / 1000:.0f} s, ended by: {reason}"))
        if turns:
            shown = ", ".join(f"{turn} ms" for turn in turns)
            rows.insert(1, ("caller stops → AI speaks", f"{shown} (500 of it the detector's)"))
        release_ms = self.goodbye_to_release_ms()
        if release_ms is not None:
            rows.append(("last sample of the goodbye → hang-up", f"{release_ms:.0f} ms"))
        return rows


def _told(body: AnyEvent, barge_in: BargeIn) -> tuple[str, str] | None:  # noqa: PLR0912  (a table, one row an event)
    """Who and what, for the events worth a line."""
    match body:
        case events.GreetingFirstAudio(latency_ms=latency_ms):
            return "rule", f"greeting audio {latency_ms} ms after start; nothing can cut it"
        case events.GreetingFinished(heard_ms=heard_ms):
            return "rule", f"greeting heard to its end ({heard_ms} ms); from now on the caller may interrupt"
        case events.AgentTranscript(text=text, interrupted=interrupted):
            return "AI", f"{text} — [cut off here]" if interrupted else text
        case events.CallerTranscript(text=text):
            return "caller", text
        case events.TurnFirstAudio(latency_ms=latency_ms):
            return "bridge", f"AI answers {latency_ms} ms after the caller stopped"
        case events.BargeInTriggered(rms=rms):
            return "rule", f"loud for {barge_in.hold_ms} ms over the AI (RMS {rms}): speech or a cough?"
        case events.BargeInDismissed():
            return "rule", f"a cough: dismissed after {barge_in.grace_ms} ms of grace, the AI talks on"
        case events.BargeInCut() as cut:
            return "rule", (
                f"speech {cut.speech_ms} → trigger +{cut.triggered_ms - cut.speech_ms} → cut, clear, truncate "
                f"+{cut.clear_ms - cut.speech_ms} ms; the AI remembers {cut.heard_ms} ms of what it said"
            )
        case events.BargeInResumed():
            return "rule", "nobody said anything: the AI goes on from where it was cut"
        case events.ToolCalled(name=name, arguments=arguments):
            return "tool", f"{name} {' '.join(arguments.split())}"
        case events.ToolFinished(name=name, ms=ms, ok=ok):
            return "tool", f"{name} {'done' if ok else 'failed'} in {ms} ms"
        case events.LeadCaptured(fields=fields):
            return "lead", ", ".join(f"{key}: {value}" for key, value in fields.items())
        case events.ClosingStarted(reason=reason, phrase=phrase):
            return "rule", f"closing ({reason}{f': “{phrase}”' if phrase else ''}): goodbye first, in full, then hang up"
        case events.ClosingReopened():
            return "rule", "the caller has more to say: the conversation goes on"
        case events.ModelLost(reason=reason):
            return "problem", f"the model is lost: {reason}"
        case events.ErrorHappened(where=where, message=message):
            return "problem", f"{where}: {message}"
        case events.CallEnded(reason=reason):
            return "bridge", f"call over: {reason}"
    return None


def _all_in_order(said: Sequence[str], understood: Sequence[str]) -> bool:
    """Whether everything said was understood, in order; two turns in a row may have become one."""
    rest = " ".join(understood)
    for line in said:
        at = rest.find(line)
        if at < 0:
            return False
        rest = rest[at + len(line) :]
    return True
