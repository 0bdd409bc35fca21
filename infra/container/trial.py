"""Runs an image's command, asks after its health as its HEALTHCHECK does, has it answer a call, stops it, and looks at what it left."""

import os
import shutil
import signal
import stat
import subprocess
import time
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from twilio.request_validator import RequestValidator

from infra.container.building import Image
from infra.container.cage import Cage, Caged
from infra.container.context import BuildContext

HEALTHY_WITHIN_S = 60
GONE_WITHIN_S = 20
PUBLIC_URL = "https://phone.example"
AUTH_TOKEN = "not-a-real-token"  # noqa: S105
CALLED = "+15005550006"
SETTINGS = {
    "PUBLIC_URL": PUBLIC_URL,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "OPENAI_API_KEY": "not-a-real-key",
    "OPENAI_REALTIME_URL": "ws://127.0.0.1:9/",
    "FRONTDESK_WARM_SOCKETS": "0",
}
"""What whoever runs the image has to say; nobody outside this machine is asked for anything."""


class TrialError(Exception):
    """Why the image is not fit to be used."""


class Trial:
    """One run of an image. ``port`` must be free; ``businesses`` is the folder of those it answers for."""

    def __init__(self, image: Image, cage: Cage, port: int, businesses: Path, log: Path) -> None:
        if len(image.volumes) != 1:
            raise TrialError(f"The image has {len(image.volumes)} volumes; one is expected, for everything that is written.")
        self._image, self._cage, self._port, self._log = image, cage, port, log
        self._businesses, self._volume = businesses, image.volumes[0]
        self._environ = image.environ | SETTINGS | {"PORT": str(port)}

    def run(self) -> None:
        """Raises :class:`TrialError`, with the end of what the process printed."""
        self._prepare_volume()
        before = set(_tree(self._image.folder, self._volume))
        caged = self._cage.start(self._image.command, self._image.workdir, self._environ, self._volume, self._log)
        try:
            self._wait_until_healthy(caged.process)
            self._answers_a_call()
            self._stops(caged)
        except TrialError as error:
            raise TrialError(f"{error}\n{self._log.read_text('utf-8', 'replace')[-4000:]}") from None
        finally:
            caged.process.kill()
            caged.process.wait()
        self._left_no_trace(before)

    def _prepare_volume(self) -> None:
        """As an operator would: the business files are put where the program looks for them."""
        shutil.copytree(self._businesses, self._volume / "businesses")

    def _wait_until_healthy(self, process: "subprocess.Popen[bytes]") -> None:
        give_up_at_s = time.monotonic() + HEALTHY_WITHIN_S
        while (asked := self._cage.run(self._image.health, self._image.workdir, self._environ)).returncode != 0:
            if process.poll() is not None:
                raise TrialError(f"The command ended with exit code {process.returncode} before it was healthy.")
            if time.monotonic() > give_up_at_s:
                raise TrialError(f"HEALTHCHECK has failed for {HEALTHY_WITHIN_S} s: {asked.stdout}{asked.stderr}".rstrip())
            time.sleep(0.1)

    def _answers_a_call(self) -> None:
        form = {"CallSid": f"CA{0:032}", "From": "+15005550100", "To": CALLED, "CallStatus": "ringing", "Direction": "inbound"}
        signature = RequestValidator(AUTH_TOKEN).compute_signature(f"{PUBLIC_URL}/incoming-call", form)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/incoming-call",
            urllib.parse.urlencode(form).encode("ascii"),
            {"X-Twilio-Signature": signature},
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
                twiml = answer.read().decode("utf-8")
        except OSError as error:
            raise TrialError(f"A signed /incoming-call is not answered: {error}.") from None
        if "<Stream" not in twiml:
            raise TrialError(f"/incoming-call does not connect the caller to a stream: {twiml}")

    def _stops(self, caged: Caged) -> None:
        caged.send(signal.Signals[self._image.stop_signal])
        try:
            code = caged.process.wait(GONE_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise TrialError(f"{self._image.stop_signal} has not ended it within {GONE_WITHIN_S} s.") from None
        if code != 0:
            raise TrialError(f"{self._image.stop_signal} ended it with exit code {code}, not 0.")

    def _left_no_trace(self, before: set[tuple[str, int, int]]) -> None:
        changed = sorted({name for name, _, _ in before ^ set(_tree(self._image.folder, self._volume))})
        if changed:
            raise TrialError(f"It wrote outside its volume: {', '.join(changed[:10])}.")


def complaints_about(image: Image) -> Iterator[str]:
    """What is wrong with an image that can be seen without running it."""
    uid = image.user.partition(":")[0]
    if not uid.isdigit() or int(uid) == 0:
        yield f"USER {image.user or 'root'} is not a number other than 0, so that nobody can tell that it is not root."
    for name, what in (("command", "CMD"), ("health", "HEALTHCHECK")):
        if not getattr(image, name):
            yield f"There is no {what}."
        elif getattr(image, name)[0] == "/bin/sh":
            yield f"{what} is no list, so a shell runs it, which does not pass signals on."
    for path in sorted(image.folder.rglob("*")):
        if not _is_for_everybody(path) and not any(path.is_relative_to(volume) for volume in image.volumes):
            yield f"{path.relative_to(image.folder)} cannot be read by the image's user, or can be written by everybody."


def missing_files(image: Image, context: BuildContext) -> Iterator[str]:
    """Files of the packages that were not installed: a program may miss them only in the middle of a call."""
    project = tomllib.loads((context.folder / "pyproject.toml").read_text("utf-8"))
    folders = {package.partition(".")[0] for package in project["tool"]["setuptools"]["packages"]}
    installed = [place for place in image.folder.rglob("site-packages") if place.is_dir()]
    for path in (path for folder in sorted(folders) for path in context.files(folder)):
        if not any((place / path).is_file() for place in installed):
            yield f"{path} is not in the image; is it named in pyproject.toml, below [tool.setuptools]?"


def _is_for_everybody(path: Path) -> bool:
    if path.is_symlink():
        return True
    mode = path.stat().st_mode
    needed = stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH
    return mode & needed == needed and not mode & stat.S_IWOTH


def _tree(folder: Path, volume: Path) -> Iterator[tuple[str, int, int]]:
    """Everything in the folder but the volume: name, size, time of the last change."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(place, name) != volume]
        for path in (Path(place, name) for name in files):
            status = path.lstat()
            yield str(path.relative_to(folder)), status.st_size, status.st_mtime_ns
