"""``frontdesk greetings``: recorded from the model, listed, played."""

import asyncio
import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bridge.conversation.g711 import decode
from frontdesk.cli_greetings import greetings_group
from simulator import voice
from simulator.ears import Ears
from simulator.model.faults import Faults
from simulator.model.server import ModelServer, SessionPlan
from simulator.scenario import Mind

FILE = """\
id = "{id}"
name = "Corner Shop"
numbers = ["client:{id}"]
language = "en"
voice = "alloy"
instructions = "You answer."

[greeting]
text = "Hello, this is {{name}}."
{more}
"""
NO_FAULTS = Faults()
SPOKEN = "Hello, this is Corner Shop."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two businesses, one of which greets with a recording, and no store yet."""
    shops = tmp_path / "shops"
    shops.mkdir()
    write(shops, "corner", 'mode = "recorded"\nclosed_text = "We are closed."\n[hours]\nmon = ["08:00-12:00"]')
    write(shops, "live", "")
    monkeypatch.setenv("FRONTDESK_BUSINESSES", str(shops))
    monkeypatch.setenv("FRONTDESK_STORE", f"sqlite:{tmp_path / 'calls.db'}")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.delenv("OPENAI_REALTIME_MODEL", raising=False)
    return shops


def write(shops: Path, name: str, more: str) -> None:
    (shops / f"{name}.toml").write_text(FILE.format(id=name, more=more), encoding="utf-8")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(greetings_group, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def rendered(monkeypatch: pytest.MonkeyPatch, *arguments: str, faults: Faults = NO_FAULTS) -> tuple[Result, int]:
    """What the command says with a model there, and how many sessions it took."""

    async def with_model() -> tuple[Result, int]:
        async with ModelServer(lambda nth: SessionPlan(mind=Mind(), ears=Ears({}), faults=faults, seed=nth)) as model:
            monkeypatch.setenv("OPENAI_REALTIME_URL", model.url)
            return await asyncio.to_thread(run, "render", *arguments), len(model.sessions)

    return asyncio.run(with_model())


def test_every_greeting_of_those_that_greet_with_one_is_recorded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, sessions = rendered(monkeypatch)
    assert (first.exit_code, sessions) == (0, 2)
    assert [line.split(": ")[0] for line in first.stderr.splitlines()] == ["corner (greeting)", "corner (closed)"]
    again, sessions = rendered(monkeypatch)
    assert (again.stderr, sessions) == ("All greetings are recorded.\n", 0)
    assert rendered(monkeypatch, "corner", "--force")[1] == 2


def test_a_change_of_the_text_is_recorded_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(monkeypatch)
    path = folder / "corner.toml"
    path.write_text(path.read_text("utf-8").replace("Hello, this is", "Good day from"), "utf-8")
    result, sessions = rendered(monkeypatch)
    assert sessions == 1
    assert result.stderr.startswith("corner (greeting): ")


def test_a_business_that_is_named_is_recorded_whatever_its_mode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered(monkeypatch, "live")[1] == 1


def test_what_cannot_be_recorded_is_said_and_ends_with_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, sessions = rendered(monkeypatch, faults=Faults(no_transcripts=True))
    assert (result.exit_code, sessions) == (1, 6)
    assert "corner (greeting): not recorded: the model did not say which words it spoke" in result.stderr


def test_the_list_says_what_is_recorded_and_what_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(monkeypatch, "live")
    lines = [line.split("  ") for line in run("list").stdout.splitlines()]
    assert [line[:3] for line in lines] == [
        ["corner", "greeting", "alloy"],
        ["corner", "closed", "alloy"],
        ["live", "greeting", "alloy"],
    ]
    # the two shops say the same in the same voice, so the recording is that of both
    assert [line[3].partition(" s of ")[1] or line[3] for line in lines] == [" s of ", "not recorded", " s of "]
    assert lines[2][3].endswith("not used: its mode is live")
    rows = json.loads(run("list", "--json").stdout)
    assert [row["recorded"] is not None for row in rows] == [True, False, True]
    assert set(rows[0]) == {"business_id", "occasion", "mode", "voice", "language", "text", "recorded"}


def test_what_is_played_is_a_wav_of_what_the_model_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(monkeypatch)
    with wave.open(io.BytesIO(run("play", "corner").stdout_bytes)) as sound:
        assert sound.getparams()[:3] == (1, 2, 8000)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    own = decode(voice.speak(SPOKEN, Mind().voice))
    assert samples[1000:3000].tobytes() in own.astype("<i2").tobytes()
    assert run("play", "corner", "--occasion", "closed").stdout_bytes[:4] == b"RIFF"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("play", "corner"), 4, "frontdesk greetings render corner"),
        (("play", "live", "--occasion", "closed"), 4, "has no closed greeting of its own"),
        (("play", "nobody"), 4, "there is no business 'nobody'"),
        (("render", "nobody"), 4, "there is no business 'nobody'"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, says: str
) -> None:
    rendered(monkeypatch, "live", faults=Faults(no_transcripts=True))  # makes the store, records nothing
    result = run(*arguments)
    assert (result.exit_code, says in result.stderr, result.stdout) == (code, True, "")


def test_without_a_key_or_without_anything_to_record_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "OPENAI_API_KEY is not set" in run("render").stderr
    write(folder, "corner", "")
    assert "No business greets with a recording" in run("render").stderr
