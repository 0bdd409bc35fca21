"""What a process uses: processor time to the microsecond, memory, descriptors. From ``/proc``, so on Linux only."""

import os
from pathlib import Path

MB = 1024 * 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def cpu_s(pid: int) -> float:
    """Processor time of all threads so far; 0 where it cannot be had.

    ``schedstat`` counts nanoseconds. The ticks of ``stat`` are a hundredth of a second, more than a single call uses in one.
    """
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def memory_mb(pid: int) -> float:
    """Resident memory; 0 where it cannot be had."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / MB
    except OSError:
        return 0.0


def descriptors(pid: int) -> int:
    """Open files and sockets; 0 where it cannot be had."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def cores() -> tuple[int, ...]:
    """The cores this process may use, lowest first; none where that cannot be asked."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def pin(pid: int, core: int | None) -> None:
    """Keeps a process that has only just begun, and whatever it starts, on one core. ``None``: leaves it where it is."""
    if core is not None:
        os.sched_setaffinity(pid, {core})
