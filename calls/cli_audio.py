"""``frontdesk calls export SID --audio FILE``: a call's recording."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import click

from calls.cli_output import CommandError, narrate
from calls.exit_codes import ExitCode
from calls.record import CallRecord


def export_audio(record: CallRecord, output: str) -> None:
    """Writes a call's recording to a file, or to stdout for ``-``.

    Raises:
        CommandError: it was not recorded, the recording is gone or cannot be got at, or the file cannot be written.
    """
    from calls.recordings.shelf import NoRecording, RecordingsUnavailable, copy_recording  # noqa: PLC0415  # loaded when needed

    if record.recording is None:
        raise CommandError(f"call {record.call_sid} was not recorded", ExitCode.NOT_FOUND)
    try:
        with _writing(output) as out:
            copy_recording(record.recording, out)
    except NoRecording as gone:
        raise CommandError(f"the recording of {record.call_sid} is gone: {gone}", ExitCode.NOT_FOUND) from None
    except RecordingsUnavailable as unavailable:
        raise CommandError(str(unavailable), ExitCode.UNAVAILABLE) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"cannot write {output}: {error.strerror or error}") from None
    if output != "-":
        narrate(f"Exported the recording of {record.call_sid} to {output}.")


@contextmanager
def _writing(output: str) -> Iterator[IO[bytes]]:
    """stdout for ``-``; else a file that takes its name when it is complete, so that a failure leaves what was there."""
    if output == "-":
        if sys.stdout.isatty():
            raise click.UsageError("A terminal cannot play audio. Name a file, or pipe it into a player.")
        yield sys.stdout.buffer
        return
    target = Path(output)
    if target.exists() and not target.is_file():
        with target.open("wb") as out:
            yield out
        return
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink()
