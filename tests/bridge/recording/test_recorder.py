"""The recorder beside calls: what it writes while they last, what it uploads, and what it does when it cannot."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from bridge.recording import recorder as recorder_module
from bridge.recording.channels import Channels
from bridge.recording.recorder import Recorder, StreamRecording
from bridge.recording.tape import PART_MS, SpooledTape
from calls.events import timestamp
from calls.record import CallRecord
from calls.recordings.place import FilePlace, Place, S3Place, parse_s3, spool_folder
from calls.recordings.s3 import Bucket
from calls.recordings.shelf import RecordingsUnavailable
from calls.store.base import CallStore, StoreUnavailable
from calls.store.sqlite import SqliteStore
from tests.calls.examples import START, new_call, sid
from tests.calls.moto_s3 import BUCKET, S3
from tests.calls.recordings import MS, made, samples, tone
from tests.whole_calls.playing import WITHIN_S, business

RECORDED = business(recording={"enabled": True})
DATE = "2026-01-01"
IN_S3 = S3Place(BUCKET, "calls/")
KEY = f"calls/bobs-hvac/{DATE}/{sid()}"


class Session:
    """A call whose time is the test's."""

    def __init__(self) -> None:
        self.call_ms = 0.0
        self.observers: list[Channels] = []
        self.late: list[tuple[bytes, float]] = []

    def watch(self, observer: Channels) -> None:
        self.observers.append(observer)

    def unwatch(self, observer: Channels) -> None:
        self.observers.remove(observer)

    def catch_up(self) -> None:
        """What was said lately and not told yet."""
        late, self.late = self.late, []
        for observer in self.observers:
            observer.caller_audio([audio for audio, _ in late], [at_ms for _, at_ms in late])

    def talk(self, length_ms: int, code: int = 1) -> None:
        """The caller talks for so long."""
        for _ in range(length_ms // 20):
            self.call_ms += 20
            self.late.append((bytes([code]) * 160, self.call_ms))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CallStore]:
    opened = SqliteStore(tmp_path / "calls.db")
    await opened.open()
    await opened.open_call(new_call(), START)
    yield opened
    await opened.close()


@asynccontextmanager
async def recording(place: Place, store: CallStore) -> AsyncIterator[Recorder]:
    """A recorder that writes as often as it can."""
    recorder = Recorder(place, store, period_s=0.001)
    await recorder.open()
    try:
        yield recorder
    finally:
        await recorder.close()


async def record_of(store: CallStore) -> CallRecord:
    found = await store.get_call(sid())
    assert found is not None
    return found


async def begun(recorder: Recorder, store: CallStore, session: Session, **changes: object) -> StreamRecording:
    record = msgspec.structs.replace(await record_of(store), **changes)
    one = recorder.begin(session, RECORDED, record)
    assert one is not None
    return one


async def until(is_so: Callable[[], bool]) -> None:
    """Threads take the time they take; what is waited for here comes, or the test is wrong."""
    async with asyncio.timeout(WITHIN_S):
        while not is_so():  # noqa: ASYNC110  (what is waited for happens in threads and in other processes)
            await asyncio.sleep(0)


def length(path: Path) -> int:
    """Frames of a recording that may not be there yet."""
    return len(samples(path)) if path.exists() and path.stat().st_size else 0


async def over(recorder: Recorder, one: StreamRecording) -> None:
    """Ends a stream and waits until nothing of it is under way."""
    one.end()
    await until(lambda: not recorder.is_busy_with(one.call_sid))


# --- a folder --------------------------------------------------------------------------------------------------------------


async def test_a_call_is_in_its_file_while_it_lasts(store: CallStore, tmp_path: Path) -> None:
    path = tmp_path / "rec" / "bobs-hvac" / DATE / f"{sid()}.wav"
    async with recording(FilePlace(tmp_path / "rec"), store) as recorder:
        session = Session()
        one = await begun(recorder, store, session)
        session.talk(1000)
        await until(lambda: length(path) == 1000 * MS)
        assert (await record_of(store)).recording == f"file:{path}"
        session.talk(500)
        await over(recorder, one)
        assert len(samples(path)) == 1500 * MS
        assert session.observers == []
        session.talk(500)
    assert len(samples(path)) == 1500 * MS


async def test_a_further_stream_goes_on_in_the_file_where_it_is_in_the_call(store: CallStore, tmp_path: Path) -> None:
    accepted = timestamp(datetime.now(UTC) - timedelta(seconds=100))
    async with recording(FilePlace(tmp_path / "rec"), store) as recorder:
        first, second = Session(), Session()
        one = await begun(recorder, store, first)
        first.talk(1000)
        one.end()
        # the file is still being written when the next stream begins
        other = await begun(recorder, store, second, resumed="lost", accepted_at=accepted)
        second.talk(1000, code=2)
        await over(recorder, other)
    path = tmp_path / "rec" / "bobs-hvac" / DATE / f"{sid()}.wav"
    audio = samples(path)[:, 0]
    began = len(audio) - 1000 * MS
    assert began / MS >= 100_000
    assert audio[: 1000 * MS].all()
    assert not audio[1000 * MS : began].any()
    assert audio[began:].all()


async def test_a_business_that_does_not_want_it_is_left_alone(store: CallStore, tmp_path: Path) -> None:
    async with recording(FilePlace(tmp_path / "rec"), store) as recorder:
        session = Session()
        assert recorder.begin(session, business(), await record_of(store)) is None
        assert session.observers == []


async def test_a_process_that_ends_writes_what_was_heard(store: CallStore, tmp_path: Path) -> None:
    async with recording(FilePlace(tmp_path / "rec"), store) as recorder:
        session = Session()
        await begun(recorder, store, session)
        session.talk(1000)
    assert len(samples(tmp_path / "rec" / "bobs-hvac" / DATE / f"{sid()}.wav")) == 1000 * MS


async def test_a_folder_that_cannot_be_made_is_told_at_the_start(store: CallStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingsUnavailable, match=r"the folder for recordings .* cannot be made: Not a directory"):
        async with recording(FilePlace(tmp_path / "file" / "rec"), store):
            pass


async def test_a_disk_that_is_full_for_a_while_costs_what_came_meanwhile(
    store: CallStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rec" / "bobs-hvac" / DATE / f"{sid()}.wav"
    with capture_logs() as logs:
        async with recording(FilePlace(tmp_path / "rec"), store) as recorder:
            session = Session()
            one = await begun(recorder, store, session)
            session.talk(500)
            await until(lambda: length(path) == 500 * MS)
            with monkeypatch.context() as patch:
                failed = []

                def full(*_: object) -> None:
                    failed.append(1)
                    raise OSError(28, "No space left on device")

                patch.setattr(one.tape, "write", full)
                session.talk(300)
                await until(lambda: len(failed) > 0)
            session.talk(200)
            await over(recorder, one)
    audio = samples(path)[:, 0]
    assert len(audio) == 1000 * MS
    assert audio[: 500 * MS].all()
    assert audio[800 * MS :].all()
    assert not audio[500 * MS : 800 * MS].any()
    assert [(entry["event"], entry["why"]) for entry in logs] == [("recording.has_gaps", "No space left on device")]


async def test_a_store_that_does_not_answer_is_told_again_at_the_end(
    store: CallStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noting = store.note_recording
    asked: list[str] = []

    async def broken_once(*arguments: object) -> None:
        asked.append("")
        if len(asked) == 1:
            raise StoreUnavailable("the store is locked")
        await noting(sid(), str(arguments[1]))

    monkeypatch.setattr(store, "note_recording", broken_once)
    with capture_logs() as logs:
        async with recording(FilePlace(tmp_path / "rec"), store) as recorder:
            one = await begun(recorder, store, Session())
            await over(recorder, one)
    assert (await record_of(store)).recording == one.address
    assert [entry["event"] for entry in logs] == ["recording.not_noted"]


async def test_nothing_that_a_thread_does_is_waited_for(
    store: CallStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recording(FilePlace(tmp_path / "rec"), store) as recorder:
        session = Session()
        one = await begun(recorder, store, session)
        writing = asyncio.Event()
        loop = asyncio.get_running_loop()
        released = threading.Event()

        def slow(*_: object) -> None:
            loop.call_soon_threadsafe(writing.set)
            released.wait(WITHIN_S)

        monkeypatch.setattr(one.tape, "write", slow)
        session.talk(100)
        await writing.wait()
        session.talk(10_000)  # the call goes on
        assert session.call_ms == 10_100
        one.end()
        released.set()


# --- S3 --------------------------------------------------------------------------------------------------------------------


async def test_a_part_is_uploaded_each_half_minute_and_in_the_end_there_is_one_object(store: CallStore, s3: S3) -> None:
    async with recording(IN_S3, store) as recorder:
        session = Session()
        one = await begun(recorder, store, session)
        assert s3.keys() == []
        session.talk(PART_MS)
        await until(lambda: len(s3.keys()) == 1)
        session.talk(PART_MS + 500)
        await until(lambda: len(s3.keys()) == 2)
        assert s3.keys() == [f"{KEY}/000000000.wav", f"{KEY}/000030000.wav"]
        assert [len(samples(s3.get(key))) // MS >= PART_MS for key in s3.keys()] == [True, True]  # noqa: SIM118
        assert s3.spooled() == [f"{KEY}/000000000.wav"]
        session.talk(1000)
        await over(recorder, one)
        assert s3.keys() == [f"{KEY}.wav"]
        assert s3.spooled() == []
    audio = samples(s3.get(f"{KEY}.wav"))
    assert len(audio) == (2 * PART_MS + 1500) * MS
    assert audio[:, 0].all()
    assert (await record_of(store)).recording == f"s3://{BUCKET}/{KEY}.wav"


async def test_a_further_stream_is_joined_to_what_is_there(store: CallStore, s3: S3) -> None:
    accepted = timestamp(datetime.now(UTC) - timedelta(seconds=100))
    async with recording(IN_S3, store) as recorder:
        first, second = Session(), Session()
        one = await begun(recorder, store, first)
        first.talk(1000)
        await over(recorder, one)
        other = await begun(recorder, store, second, resumed="no_answer", accepted_at=accepted)
        second.talk(1000, code=2)
        await over(recorder, other)
    assert s3.keys() == [f"{KEY}.wav"]
    audio = samples(s3.get(f"{KEY}.wav"))[:, 0]
    began = len(audio) - 1000 * MS
    assert began / MS >= 100_000
    assert audio[: 1000 * MS].all()
    assert not audio[1000 * MS : began].any()
    assert audio[began:].all()


async def test_a_further_stream_is_joined_to_the_parts_of_a_machine_that_is_gone(store: CallStore, s3: S3) -> None:
    call = parse_s3(f"s3://{BUCKET}/{KEY}.wav")
    assert call is not None
    s3.put(call.part(0), tone_wav(30_000))
    s3.put(call.part(30_000), tone_wav(30_000))
    accepted = timestamp(datetime.now(UTC) - timedelta(seconds=100))
    async with recording(IN_S3, store) as recorder:
        session = Session()
        one = await begun(recorder, store, session, resumed="lost", accepted_at=accepted)
        session.talk(1000)
        await over(recorder, one)
    assert s3.keys() == [f"{KEY}.wav"]
    audio = samples(s3.get(f"{KEY}.wav"))[:, 0]
    assert audio[: 60_000 * MS].all()
    assert not audio[60_000 * MS : -1000 * MS].any()
    assert audio[-1000 * MS :].all()


def tone_wav(length_ms: int) -> bytes:
    from tests.calls.recordings import wav_of

    return wav_of(length_ms * MS)


async def test_while_s3_is_away_everything_waits_here_and_then_goes(
    store: CallStore, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "FIRST_PAUSE_S", 0.0)
    is_away = True

    def away(*arguments: object) -> str:
        if is_away:
            raise RecordingsUnavailable("the recordings cannot be got at")
        return put_part(*arguments)  # type: ignore[arg-type]

    def whole_away(*arguments: object) -> None:
        if is_away:
            raise RecordingsUnavailable("the recordings cannot be got at")
        put_whole(*arguments)  # type: ignore[arg-type]

    put_part, put_whole = Bucket.put_part, Bucket.put_whole
    monkeypatch.setattr(Bucket, "put_part", away)
    monkeypatch.setattr(Bucket, "put_whole", whole_away)
    with capture_logs() as logs:
        async with recording(IN_S3, store) as recorder:
            session = Session()
            one = await begun(recorder, store, session)
            session.talk(PART_MS)
            await until(lambda: any(entry["event"] == "recording.part_not_uploaded" for entry in logs))
            session.talk(1000)
            one.end()
            await until(lambda: any(entry["event"] == "recording.not_uploaded" for entry in logs))
            assert s3.keys() == []
            assert s3.spooled() == [f"{KEY}/000000000.wav"]
            is_away = False
            await until(lambda: not recorder.is_busy_with(sid()))
    assert s3.spooled() == []
    assert len(samples(s3.get(f"{KEY}.wav"))) == (PART_MS + 1000) * MS


def test_a_part_that_could_not_be_sent_goes_with_the_next(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(BUCKET)
    tape = SpooledTape(bucket, f"s3://{BUCKET}/{KEY}.wav", 5000)
    tape.open()
    tape.write(0, tone(PART_MS * MS))
    with monkeypatch.context() as patch:
        patch.setattr(bucket, "put_part", fails)
        with pytest.raises(RecordingsUnavailable):
            tape.send_part()
    tape.write(PART_MS * MS, tone(PART_MS * MS + 3))
    tape.send_part()
    assert s3.keys() == [f"{KEY}/000005000.wav"]
    assert len(samples(s3.get(s3.keys()[0]))) == 2 * PART_MS * MS
    assert not tape.is_part_due()
    tape.close()
    bucket.close()


def fails(*_: object) -> None:
    raise RecordingsUnavailable("the recordings cannot be got at")


async def test_what_a_killed_process_left_is_uploaded_by_the_next(store: CallStore, s3: S3) -> None:
    made(spool_folder() / BUCKET / f"{KEY}/000000000.wav", 1000)
    made(spool_folder() / BUCKET / "another-prefix/b/2026-01-01/CA9/000000000.wav", 1000)
    async with recording(IN_S3, store):
        await until(lambda: s3.keys() != [])
        await until(lambda: len(s3.spooled()) == 1)
    assert s3.keys() == [f"{KEY}.wav"]
    assert len(samples(s3.get(f"{KEY}.wav"))) == 1000
    assert s3.spooled() == ["another-prefix/b/2026-01-01/CA9/000000000.wav"]


async def test_what_another_process_is_writing_just_now_is_no_leftover(store: CallStore, s3: S3) -> None:
    async with recording(IN_S3, store) as one_process:
        session = Session()
        one = await begun(one_process, store, session)
        session.talk(1000)
        await until(lambda: s3.spooled() != [])
        made(spool_folder() / BUCKET / "calls/b/2026-01-01/CA9/000000000.wav", 1000)
        async with recording(IN_S3, store):
            await until(lambda: s3.keys() != [])
        assert s3.keys() == ["calls/b/2026-01-01/CA9.wav"]
        session.talk(1000)
        await over(one_process, one)
    assert len(samples(s3.get(f"{KEY}.wav"))) == 2000 * MS


async def test_a_call_that_was_deleted_meanwhile_is_not_uploaded(store: CallStore, s3: S3) -> None:
    bucket = Bucket(BUCKET)
    tape = SpooledTape(bucket, f"s3://{BUCKET}/{KEY}.wav", 0)
    tape.open()
    tape.write(0, tone(100))
    (spool_folder() / BUCKET / f"{KEY}/000000000.wav").unlink()
    tape.finish()
    tape.close()
    bucket.close()
    assert s3.keys() == []
