"""The demo, as a newcomer runs it, under the virtual clock. The one over sockets is in tests/whole_calls."""

import io
import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from calls.business_files import load_businesses
from frontdesk.demo import profile_of
from frontdesk.fast import play_fast
from frontdesk.stage import prepare_voices
from simulator.scenario import ScenarioError, shipped

ROOT = Path(__file__).resolve().parent.parent.parent
FRONTDESK = Path(sys.executable).with_name("frontdesk")


def frontdesk(*arguments: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **environ, "COLUMNS": "160"}
    start = [str(FRONTDESK)] if FRONTDESK.exists() else [sys.executable, "-c", "from frontdesk.cli import main; main()"]
    command = [*start, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.mark.parametrize(
    ("options", "goodbye"), [((), "Thank you for calling Bob's HVAC Service, goodbye."), (("--hebrew",), "להתראות")]
)
def test_the_fast_demo_goes_as_scripted_and_shows_every_rule(options: tuple[str, ...], goodbye: str, tmp_path: Path) -> None:
    wav = tmp_path / "call.wav"
    done = frontdesk("demo", "--fast", *options, "--wav", str(wav))
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in (
        "ms after start",
        "a cough: dismissed",
        "cut, clear, truncate +300 ms",
        "create_lead",
        "closing (farewell",
        goodbye,
    ):
        assert shown in done.stdout
    assert "✗" not in done.stdout
    assert done.stdout.rstrip().endswith("The call went as scripted.")
    with wave.open(str(wav)) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (2, 8000, 2)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).reshape(-1, 2).astype(float)
    caller_rms, heard_rms = np.sqrt((samples**2).mean(axis=0))
    assert caller_rms > 300
    assert heard_rms > 300


def test_the_fast_demo_is_the_same_call_every_time() -> None:
    def story() -> str:
        console = Console(file=io.StringIO(), width=140, record=True)
        scenario, directory = shipped("hvac"), load_businesses(ROOT / "businesses")
        prepare_voices(scenario, directory)
        play_fast(console, scenario, profile_of(scenario, directory))
        return console.export_text()

    assert story() == story()


def test_a_call_that_does_not_go_as_scripted_says_so_and_exits_with_1(tmp_path: Path) -> None:
    folder = tmp_path / "businesses"
    folder.mkdir()
    text = (ROOT / "businesses" / "bobs-hvac.toml").read_text()
    (folder / "bobs-hvac.toml").write_text(text + "\n[barge_in]\nenabled = false\n")
    done = frontdesk("demo", "--fast", FRONTDESK_BUSINESSES=str(folder))
    assert done.returncode == 1
    assert "✗ interruption given way to" in done.stdout
    assert "did NOT go as scripted" in done.stdout


def test_without_the_example_businesses_it_says_what_to_do(tmp_path: Path) -> None:
    done = frontdesk("demo", "--fast", cwd=tmp_path)
    assert done.returncode == 1
    assert "FRONTDESK_BUSINESSES" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(ScenarioError, match="bobs-hvac"):
        profile_of(shipped("hvac"), load_businesses(_hebrew_only(tmp_path)))


def test_where_nothing_can_speak_it_says_so_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "espeakng_loader.py").write_text("raise ModuleNotFoundError(\"No module named 'espeakng_loader'\")\n")
    done = frontdesk("demo", "--fast", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("frontdesk: nobody here can speak: eSpeak NG is not installed;")
    assert done.stderr.count("\n") == 1


def _hebrew_only(tmp_path: Path) -> Path:
    folder = tmp_path / "hebrew"
    folder.mkdir()
    (folder / "dana-garage.toml").write_text((ROOT / "businesses" / "dana-garage.toml").read_text())
    return folder


def test_help_teaches_without_importing_what_it_does_not_need() -> None:
    done = frontdesk("--help")
    assert done.returncode == 0
    for command in ("serve", "demo", "calls", "businesses"):
        assert f"  {command}" in done.stdout
    code = "import sys, json; from frontdesk.cli import frontdesk; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert not {"quart", "numpy", "rich", "twilio", "aiosqlite", "websockets", "textual"} & set(loaded)


@pytest.mark.parametrize("arguments", [("serv",), ("demo", "--slow"), ("calls", "list", "--limit", "many")])
def test_a_mistyped_command_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    done = frontdesk(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
