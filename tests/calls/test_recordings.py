"""Recordings by their address: named, copied out, deleted with their call; on the command line, too."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calls.business import BusinessProfile
from calls.cli import calls_group
from calls.ids import BusinessId, CallSid
from calls.language import PHRASES
from calls.record import CallRecord
from calls.recordings.place import FilePlace, PlaceUnusable, S3Place, S3Recording, parse_place, parse_s3, recording_name
from calls.recordings.shelf import NoRecording, RecordingsKept, RecordingsUnavailable, copy_recording, delete_recording
from calls.retention import erase, kept_in, purge
from calls.store.base import CallStore
from calls.store.blocking import run_with_store
from calls.store.sqlite import SqliteStore
from tests.calls.examples import START, new_call, sid
from tests.calls.moto_s3 import BUCKET, S3
from tests.calls.recordings import MS, made, samples, wav_of
from tests.whole_calls.playing import business

# --- where -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["off", ""])
def test_off_is_no_place(text: str) -> None:
    assert parse_place(text) is None


def test_a_place_is_a_folder_or_a_bucket_with_a_prefix(tmp_path: Path) -> None:
    assert parse_place(f"file:{tmp_path}/a b") == FilePlace(tmp_path / "a b")
    assert parse_place("file:rec") == FilePlace(Path.cwd() / "rec")
    assert parse_place("s3://our-calls") == S3Place("our-calls", "")
    assert parse_place("s3://our-calls/a/b/") == S3Place("our-calls", "a/b/")


@pytest.mark.parametrize("text", ["on", "/var/calls", "file:", "s3:", "s3://", "s3://UPPER/x", "s3://a", "https://x.example"])
def test_anything_else_is_answered_with_what_there_is(text: str) -> None:
    with pytest.raises(PlaceUnusable, match="write off, file:DIR or s3://BUCKET/PREFIX"):
        parse_place(text)


def record(call_sid: str = "CA1") -> CallRecord:
    return CallRecord(
        call_sid=CallSid(call_sid),
        business_id=BusinessId("bobs-hvac"),
        from_="+15005550001",
        to="+15005550006",
        channel="pstn",
        started_at="2026-11-21T05:47:23.671Z",
    )


def test_a_recording_is_called_by_business_day_and_call(tmp_path: Path) -> None:
    assert recording_name(record()) == "bobs-hvac/2026-11-21/CA1"
    assert FilePlace(tmp_path).address("b/d/CA1") == f"file:{tmp_path}/b/d/CA1.wav"
    assert S3Place("our-calls", "a/").address("b/d/CA1") == "s3://our-calls/a/b/d/CA1.wav"


@pytest.mark.parametrize("call_sid", ["../../../etc/passwd", "a/b", "..", "\x00", "שלום"])
def test_a_sid_that_is_none_leads_nowhere_else(call_sid: str) -> None:
    name = recording_name(record(call_sid))
    assert name.startswith("bobs-hvac/2026-11-21/")
    assert name.count("/") == 2
    assert "\x00" not in name


def test_parts_are_told_from_what_else_lies_there() -> None:
    recording = parse_s3("s3://our-calls/a/b/CA1.wav")
    assert recording == S3Recording("our-calls", "a/b/CA1")
    assert recording.part(30_000) == "a/b/CA1/000030000.wav"
    assert recording.part_begins_ms(recording.part(30_000)) == 30_000
    assert [recording.part_begins_ms(key) for key in ("a/b/CA1.wav", "a/b/CA12/000000001.wav", "a/b/CA1/notes.txt")] == [None] * 3
    assert parse_s3("file:/a/b.wav") is None


# --- a folder --------------------------------------------------------------------------------------------------------------


def test_a_file_is_copied_and_deleted(tmp_path: Path) -> None:
    path = made(tmp_path / "call.wav", 100)
    out = io.BytesIO()
    copy_recording(f"file:{path}", out)
    assert out.getvalue() == wav_of(100)
    delete_recording(f"file:{path}")
    assert not path.exists()
    delete_recording(f"file:{path}")  # what is gone is gone
    with pytest.raises(NoRecording, match="there is no file"):
        copy_recording(f"file:{path}", io.BytesIO())


# --- S3 --------------------------------------------------------------------------------------------------------------------

CALL = S3Recording(BUCKET, "calls/bobs-hvac/2026-11-21/CA1")
ADDRESS = f"s3://{BUCKET}/{CALL.whole}"


def copied() -> bytes:
    out = io.BytesIO()
    copy_recording(ADDRESS, out)
    return out.getvalue()


def test_an_object_is_copied_as_it_is(s3: S3) -> None:
    s3.put(CALL.whole, wav_of(300_000))
    s3.put(f"{CALL.key}2.wav", wav_of(5))
    assert copied() == wav_of(300_000)


def test_of_a_call_whose_process_is_gone_the_parts_are_put_together(s3: S3) -> None:
    s3.put(CALL.part(0), wav_of(1000 * MS, 1, 1))
    s3.put(CALL.part(1000), wav_of(500 * MS, 2, 2))
    s3.put(CALL.part(4000), wav_of(500 * MS, 3, 3))
    audio = samples(copied())
    assert len(audio) == 4500 * MS
    assert [audio[at * MS].tolist() for at in (0, 999, 1000, 1500, 3999, 4000)] == [
        [1, 1],
        [1, 1],
        [2, 2],
        [0, 0],
        [0, 0],
        [3, 3],
    ]


def test_deleting_takes_the_object_its_parts_and_what_still_waits_here_and_nothing_else(s3: S3) -> None:
    for key in (CALL.whole, CALL.part(0), f"{CALL.key}2.wav"):
        s3.put(key, wav_of(5))
    made(CALL.spool(0), 10)
    made(S3Recording(BUCKET, f"{CALL.key}2").spool(0), 10)
    delete_recording(ADDRESS)
    assert s3.keys() == [f"{CALL.key}2.wav"]
    assert s3.spooled() == [f"{CALL.key}2/000000000.wav"]
    with pytest.raises(NoRecording, match="there is no object s3://recordings/calls"):
        copied()


def test_a_bucket_that_is_not_there_is_told_in_a_sentence(s3: S3) -> None:
    with pytest.raises(RecordingsUnavailable, match=r"the recordings in s3://elsewhere cannot be got at: .*NoSuchBucket"):
        copy_recording("s3://elsewhere/a.wav", io.BytesIO())


# --- with their call -------------------------------------------------------------------------------------------------------


async def recorded(store: CallStore, folder: Path, number: int = 1, *, frames: int = 100) -> Path:
    """A call that is over, and its recording."""
    path = made(folder / f"{number}.wav", frames)
    await store.open_call(new_call(number), START)
    await store.note_recording(sid(number), f"file:{path}")
    await store.end_call(sid(number), "farewell", START + timedelta(minutes=1))
    return path


async def test_where_it_is_stands_on_the_record_and_only_there(store: CallStore) -> None:
    await store.note_recording(sid(9), "file:/nobody.wav")  # an unknown call: nothing
    await store.open_call(new_call(), START)
    await store.note_recording(sid(), "file:/a.wav")
    await store.end_call(sid(), "farewell", START)
    found = await store.get_call(sid())
    assert found is not None
    assert found.recording == "file:/a.wav"


async def test_a_recording_goes_with_its_call(store: CallStore, tmp_path: Path) -> None:
    old, other = await recorded(store, tmp_path), await recorded(store, tmp_path, 2)
    await store.open_call(new_call(3), START)  # live, and not recorded
    await purge(kept_in(store), START + timedelta(days=1), START + timedelta(days=30))
    assert (old.exists(), other.exists()) == (False, False)

    third = await recorded(store, tmp_path, 4)
    await erase(kept_in(store), "+15005550001", START)
    assert not third.exists()


async def test_a_recording_that_cannot_be_deleted_keeps_its_call(store: CallStore, tmp_path: Path) -> None:
    await store.open_call(new_call(), START)
    await store.note_recording(sid(), f"file:{tmp_path}")  # a folder
    await store.end_call(sid(), "farewell", START)
    with pytest.raises(RecordingsUnavailable, match="cannot be deleted"):
        await RecordingsKept(store).forget([sid()])
    with pytest.raises(RecordingsUnavailable):
        await purge(kept_in(store), START + timedelta(days=1), START + timedelta(days=30))
    assert await store.get_call(sid()) is not None


# --- the command line ------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def fill(store: CallStore) -> None:
        await recorded(store, tmp_path)
        await store.open_call(new_call(0xF), START)

    run_with_store(SqliteStore(path), fill)
    monkeypatch.setenv("FRONTDESK_STORE", f"sqlite:{path}")
    return tmp_path


def export(*arguments: str) -> Result:
    return CliRunner().invoke(calls_group, ["export", *arguments])


def test_a_recording_is_exported_to_a_file_or_to_stdout(filled: Path) -> None:
    out = filled / "out.wav"
    done = export(sid(), "--audio", str(out))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"Exported the recording of {sid()} to {out}.\n"
    assert out.read_bytes() == wav_of(100)
    assert export(sid(), "--audio", "-").stdout_bytes == wav_of(100)


def test_a_call_that_was_not_recorded_is_told_and_leaves_the_file_alone(filled: Path) -> None:
    out = filled / "out.wav"
    out.write_bytes(b"precious")
    done = export(sid(0xF), "--audio", str(out))
    assert (done.exit_code, done.stderr) == (4, f"Error: call {sid(0xF)} was not recorded\n")
    (filled / "1.wav").unlink()
    gone = export(sid(), "--audio", str(out))
    assert gone.exit_code == 4
    assert gone.stderr == f"Error: the recording of {sid()} is gone: there is no file {filled / '1.wav'}\n"
    assert out.read_bytes() == b"precious"
    assert [one.name for one in filled.glob("*.part")] == []


def test_one_call_at_a_time_and_nothing_but_its_audio(filled: Path) -> None:
    for arguments in ([], ["--all"], [sid(), sid(0xF)], [sid(), "--output", "x.jsonl"]):
        refused = export(*arguments, "--audio", "x.wav")
        assert refused.exit_code == 2
        assert "--audio FILE takes one call, and neither --all nor --output." in refused.stderr


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(filled: Path) -> None:
    done = export(sid(), "--audio", str(filled / "none" / "out.wav"))
    assert done.exit_code == 1
    assert done.stderr == f"Error: cannot write {filled / 'none' / 'out.wav'}: No such file or directory\n"


def test_a_bucket_that_cannot_be_got_at_is_unavailable(path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fill(store: CallStore) -> None:
        await store.open_call(new_call(), START)
        await store.note_recording(sid(), "s3://elsewhere/a.wav")

    run_with_store(SqliteStore(path), fill)
    done = CliRunner(env={"FRONTDESK_STORE": f"sqlite:{path}"}).invoke(calls_group, ["export", sid(), "--audio", "-"])
    assert done.exit_code == 3
    assert done.stderr.startswith("Error: the recordings in s3://elsewhere cannot be got at: ")


def test_show_says_where_it_is(filled: Path) -> None:
    shown = CliRunner().invoke(calls_group, ["show", sid()])
    assert f"Recording   file:{filled / '1.wav'}" in shown.stdout


# --- what callers are told -------------------------------------------------------------------------------------------------


def shop(**recording: object) -> BusinessProfile:
    return business(
        recording=recording, greeting={"text": "Hello.", "closed_text": "Closed."}, outbound={"greeting": "{name} calling."}
    )


def test_consent_is_the_end_of_every_greeting_of_a_business_that_records() -> None:
    profile = shop(enabled=True, consent="{name} records this.")
    told = "Corner Shop records this."
    assert profile.consent_text == told
    assert profile.greeting_text == f"Hello. {told}"
    assert profile.closed_text == f"Closed. {told}"
    assert profile.outbound_greeting_text == f"Corner Shop calling. {told}"


def test_nothing_is_said_of_a_recording_that_is_not_made() -> None:
    profile = shop(consent="{name} records this.")
    assert (profile.consent_text, profile.greeting_text, profile.closed_text) == (None, "Hello.", "Closed.")


@pytest.mark.parametrize("language", PHRASES)
def test_the_consent_s_own_sentence_is_in_the_language_of_the_business(language: str) -> None:
    profile = business(language=language, recording={"enabled": True})
    assert profile.greeting_text == f"Hello. {PHRASES[language].recorded}"
