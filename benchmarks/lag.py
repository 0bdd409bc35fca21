"""Whether the figures are the bridge's: how late the generator's own event loop was, and how much of the machine others used."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_S = 0.002
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class LoopLag:
    """Watches the running loop while its block runs; ``late_ms`` has one value per look."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self.late_ms.append(max(0.0, (loop.time() - due_s) * 1000))


class Load:
    """Processor time since this was made, in seconds: of the program under measurement, and of everybody who is neither that program
    nor this process. Both are 0 where there is no ``/proc``."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._program_s, self._generator_s, self._machine_s = _process_s(pid), _process_s(os.getpid()), _machine_s()

    @property
    def program_s(self) -> float:
        """The program's own."""
        return _process_s(self._pid) - self._program_s

    @property
    def others_s(self) -> float:
        """Everybody else's, and what the hypervisor took."""
        generator_s = _process_s(os.getpid()) - self._generator_s
        return max(0.0, _machine_s() - self._machine_s - generator_s - self.program_s)


def _process_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _machine_s() -> float:
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, irq, soft_irq, stolen = map(int, fields)
    return (user + nice + system + irq + soft_irq + stolen) / _TICKS_PER_S
