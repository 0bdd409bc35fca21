"""WAV files that grow: what readers find in them, and what becomes of one whose writer is killed."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from calls.recordings.wav import HEADER_BYTES, GrowingWav, copy_wav, cut_wav
from tests.calls.recordings import made, samples, tone, wav_of


def test_it_plays_from_the_beginning_on(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    wav = GrowingWav(path)
    assert len(samples(path)) == 0
    for second in range(3):
        wav.write(second * 8000, tone(8000))
        assert len(samples(path)) == (second + 1) * 8000
    assert samples(path)[-1].tolist() == [1, 2]
    wav.close()


def test_what_lies_between_two_streams_is_silence(tmp_path: Path) -> None:
    path = made(tmp_path / "call.wav", 100)
    later = GrowingWav(path)
    later.write(300, tone(50, 3, 4))
    later.close()
    audio = samples(path)
    assert len(audio) == 350
    assert audio[99].tolist() == [1, 2]
    assert not audio[100:300].any()
    assert audio[300].tolist() == [3, 4]


def test_a_writer_that_comes_late_shortens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    one, other = GrowingWav(path), GrowingWav(path)
    other.write(1000, tone(10, 3, 3))
    one.write(0, tone(20))
    assert len(samples(path)) == 1010
    for wav in (one, other):
        wav.close()


def test_half_a_frame_that_was_left_is_written_over(tmp_path: Path) -> None:
    path = made(tmp_path / "call.wav", 10)
    with path.open("ab") as file:
        file.write(b"\x01\x02\x03")
    again = GrowingWav(path)
    assert len(samples(path)) == 10
    again.write(10, tone(5, 7, 7))
    again.close()
    assert samples(path)[9:11].tolist() == [[1, 2], [7, 7]]


def test_a_part_of_it_is_a_file_of_its_own(tmp_path: Path) -> None:
    path = made(tmp_path / "call.wav", 100)
    assert cut_wav(path, 90, 10) == wav_of(10)
    assert len(samples(cut_wav(path, 95, 100))) == 5


def test_a_copy_has_the_length_that_is_there_whatever_the_header_says(tmp_path: Path) -> None:
    path = made(tmp_path / "call.wav", 100)
    with path.open("ab") as file:
        file.write(tone(10) + b"\x01")  # written, its writer killed before the header was
    assert len(samples(path)) == 100
    out = io.BytesIO()
    copy_wav(path, out)
    assert out.getvalue() == wav_of(110)


def test_a_file_that_is_nothing_yet_copies_as_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"RIFF")
    out = io.BytesIO()
    copy_wav(path, out)
    assert len(out.getvalue()) == HEADER_BYTES
    assert len(samples(out.getvalue())) == 0


@pytest.mark.parametrize("told", [1, 7, 40])
def test_a_killed_writer_leaves_a_file_that_plays_with_all_it_had_written(tmp_path: Path, told: int) -> None:
    path = tmp_path / "call.wav"
    command = [sys.executable, "-m", "tests.calls.recording_writer", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(told):
            written = int(writer.stdout.readline())
        writer.kill()  # wherever it is just now: it does not wait for us
    audio = samples(path)
    assert len(audio) >= written
    assert (audio[:, 0] == 1).all()
    assert (audio[:, 1] == 2).all()
