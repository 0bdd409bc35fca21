import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from simulator import g711, voice
from simulator.ears import Ears

VOICE = "en-us+m3"
LINES = (
    "Hi, my furnace stopped working last night and the house is freezing.",
    "It is twelve Oak Street. The fan runs, but the air stays cold.",
    "My name is Anna Smith. Thank you, see you tomorrow.",
    "My name is Bob Jones. Thank you, goodbye.",
    "No.",
    "No thanks.",
    "Yes, please.",
    "bye bye",
    "Stop, wait a moment.",
    "hello?",
)
HEBREW = ("שלום, הרכב שלי לא מניע מהבוקר.", "זו מאזדה שלוש. מחר בבוקר מתאים לי.", "כן", "אין צורך תודה", "ביי ביי")
EARS = Ears.for_lines(LINES, VOICE)


def samples(line: str, name: str = VOICE) -> NDArray[np.float64]:
    return g711.decode(voice.speak(line, name)).astype(np.float64)


def turn(*parts: NDArray[np.float64] | int) -> bytes:
    """Audio and, given as a number, milliseconds of silence."""
    return g711.encode(np.concatenate([np.zeros(part * 8) if isinstance(part, int) else part for part in parts]))


def noise(duration_ms: int, rms: float, seed: int = 5) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, rms, duration_ms * 8)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("offset", [0, 1, 2, 3, 2_407])
def test_a_line_is_heard_wherever_in_the_turn_it_is(line: str, offset: int) -> None:
    assert EARS.hear(turn(np.zeros(offset), samples(line), 600)) == line


@pytest.mark.parametrize("line", HEBREW)
def test_hebrew_is_heard(line: str) -> None:
    assert Ears.for_lines(HEBREW, "he+m3").hear(turn(300, samples(line, "he+m3"), 500)) == line


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_heard_through_a_noisy_phone(line: str) -> None:
    said = np.concatenate([np.zeros(2_401), samples(line), np.zeros(4_000)])
    assert EARS.hear(g711.encode(said + noise(len(said) // 8 + 1, 500)[: len(said)])) == line


def test_loudness_does_not_matter() -> None:
    assert EARS.hear(turn(300, samples(LINES[0]) * 0.3, 300)) == LINES[0]


def test_a_line_that_went_through_24_khz_is_heard() -> None:
    wide = soxr.resample(samples(LINES[1]), 8_000, 24_000)
    assert EARS.hear(turn(300, soxr.resample(wide, 24_000, 8_000), 300)) == LINES[1]


@pytest.mark.parametrize("rms", [300.0, 2_000.0, 9_000.0])
@pytest.mark.parametrize("duration_ms", [60, 300, 4_000])
def test_noise_is_heard_as_nothing(rms: float, duration_ms: int) -> None:
    assert EARS.hear(turn(300, noise(duration_ms, rms), 500)) == ""


@pytest.mark.parametrize("audio", [b"", b"\xff", b"\xff" * 16_000, b"\x7f" * 16_000])
def test_silence_is_heard_as_nothing(audio: bytes) -> None:
    assert EARS.hear(audio) == ""


def test_ears_without_a_phrasebook_hear_nothing() -> None:
    assert Ears({}).hear(voice.speak(LINES[0], VOICE)) == ""


def test_a_line_nobody_told_them_is_heard_as_nothing() -> None:
    assert EARS.hear(turn(300, samples("Completely different words, quite unheard of."), 300)) == ""


def test_a_line_cut_in_the_middle_is_heard_up_to_there() -> None:
    said = samples(LINES[0])
    heard = EARS.hear(turn(300, said[: len(said) // 2], 500))
    assert heard == "Hi, my furnace stopped working"


def test_a_line_whose_beginning_is_lost_is_heard_from_there() -> None:
    said = samples(LINES[2])
    assert EARS.hear(turn(said[len(said) // 2 :], 500)) == "Thank you, see you tomorrow."


def test_words_that_were_silenced_are_missing() -> None:
    said = samples(LINES[0])
    said[len(said) // 3 : len(said) * 2 // 3] = 0
    words = EARS.hear(turn(300, said, 500)).split()
    assert words[:3] == ["Hi,", "my", "furnace"]
    assert words[-3:] == ["house", "is", "freezing."]
    assert not {"working", "last"} & set(words)


def test_a_gap_in_the_stream_shifts_the_rest_and_does_not_lose_it() -> None:
    frames = samples(LINES[0])
    frames = frames[: len(frames) // 160 * 160].reshape(-1, 160)
    heard = EARS.hear(turn(300, np.delete(frames, range(60, 63), axis=0).ravel(), 500))
    assert heard == LINES[0]


@pytest.mark.parametrize("spoil", ["reversed", "inverted codes", "frames shuffled"])
def test_garbled_audio_is_heard_as_nothing(spoil: str) -> None:
    audio = voice.speak(LINES[0], VOICE)
    frames = [audio[start : start + 160] for start in range(0, len(audio), 160)]
    garbled = {
        "reversed": audio[::-1],
        "inverted codes": bytes(code ^ 0x55 for code in audio),
        "frames shuffled": b"".join(np.random.default_rng(3).permutation(np.array(frames, object)).tolist()),
    }
    assert EARS.hear(garbled[spoil]) == ""


def test_two_lines_in_one_turn_are_heard_in_order() -> None:
    assert EARS.hear(turn(200, samples(LINES[5]), 300, samples(LINES[2]), 400)) == f"{LINES[5]} {LINES[2]}"
    assert EARS.hear(turn(200, samples(LINES[2]), 50, samples(LINES[5]), 400)) == f"{LINES[2]} {LINES[5]}"


def test_a_line_said_twice_is_heard_twice() -> None:
    assert EARS.hear(turn(200, samples("hello?"), 400, samples("hello?"), 400)) == "hello? hello?"


def test_of_lines_that_begin_alike_the_one_that_was_said_is_heard() -> None:
    assert EARS.hear(turn(200, samples(LINES[3]), 400)) == LINES[3]
    assert EARS.hear(turn(200, samples("No."), 400)) == "No."


def test_ears_for_the_same_lines_are_made_once() -> None:
    assert Ears.for_lines(LINES, VOICE) is EARS


def test_only_the_first_minute_is_listened_to() -> None:
    assert EARS.hear(turn(60_000, samples(LINES[0]))) == ""
