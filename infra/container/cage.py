"""Runs a command the way a container would: another user, nothing writable but its volumes, and, where this machine allows it, as
process 1 of a namespace of its own with every file system read-only."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Linux, *mount_namespaces(7)*: what is mounted here is seen by nobody else and goes with the last process.
_SEAL = """
volume=$1; shift
mount --bind "$volume" "$volume"
while read -r _ where _; do
    case $where in "$volume"|/proc|/proc/*|/sys|/sys/*|/dev|/dev/*) ;; *) mount -o remount,ro,bind "$where" 2>/dev/null || true;; esac
done </proc/self/mounts
! touch "$(dirname "$volume")/.sealed" 2>/dev/null || { echo "the file system could not be made read-only" >&2; exit 97; }
exec "$@"
"""
_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


@dataclass(frozen=True, slots=True)
class Cage:
    """How commands are run."""

    identity: tuple[str, ...]
    """What stands before a command so that it runs as somebody else; nothing: as whoever asks."""
    is_sealed: bool
    """Whether it is process 1, on read-only file systems."""

    def start(self, command: Sequence[str], workdir: Path, environ: dict[str, str], volume: Path, log: Path) -> "Caged":
        """Starts the command; ``log`` gets what it prints."""
        words = [*self.identity, *command]
        if self.is_sealed:
            words = [*_NAMESPACES, "sh", "-ec", _SEAL, "seal", str(volume), *words]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  (the image's own command)
                words, cwd=workdir, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        return Caged(process, self.is_sealed)

    def run(self, command: Sequence[str], workdir: Path, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end as the same user, beside what was started."""
        return subprocess.run(  # noqa: S603  (the image's own command)
            [*self.identity, *command], cwd=workdir, env=environ, capture_output=True, text=True, timeout=60, check=False
        )


class Caged:
    """A command that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", is_sealed: bool) -> None:
        self.process = process
        self._is_sealed = is_sealed

    def send(self, number: int) -> None:
        """A signal, to the command itself and not to what runs it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        os.kill(int(children[0]) if self._is_sealed else self.process.pid, number)


def cage_for(user: str, python: Path) -> Cage:
    """The strictest there is on this machine in which ``python`` can be run at all. ``user`` is ``UID:GID``."""
    uid, _, gid = user.partition(":")
    becoming = ("setpriv", f"--reuid={uid}", f"--regid={gid or uid}", "--clear-groups", "--no-new-privs")
    # A Python in root's home directory is out of others' sight; this lets them read everything, and still write nothing.
    seeing = (*becoming, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    identities: list[tuple[str, ...]] = [becoming, seeing] if os.getuid() == 0 else []
    for identity in identities:
        # By way of a shell: setpriv itself still has root's view when it looks for what it starts.
        if _works([*identity, "sh", "-c", 'exec "$0" -c ""', str(python)]):
            return Cage(identity, is_sealed=_works([*_NAMESPACES, "mount", "-o", "remount,ro,bind", "/"]))
    return Cage((), is_sealed=False)


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False
