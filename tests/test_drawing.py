"""The drawings in the docs are made from the code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_drawing_of_the_phases_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "draw_phases", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
