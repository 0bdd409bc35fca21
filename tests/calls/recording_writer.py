"""Writes a recording as fast as it can until it is killed, and prints how many frames have been written."""

import sys
from pathlib import Path

from calls.recordings.wav import GrowingWav
from tests.calls.recordings import tone

wav = GrowingWav(Path(sys.argv[1]))
frames = 0
while True:
    wav.write(frames, tone(1000))
    frames += 1000
    sys.stdout.write(f"{frames}\n")
    sys.stdout.flush()
