"""What a supervisor and a worker say to each other, over a pair of connected Unix sockets.

The supervisor hands over connections, each as one byte with a descriptor beside it (``SCM_RIGHTS``). The worker writes lines: that
it is ready, how many of the connections it was handed are closed by now, how many calls it has, and every second that it lives. The
numbers are totals, so a line that finds no room is made good by the next. When one end is gone the other reads the end of the stream:
that is how a worker learns that nobody looks after it any more, however its supervisor died.
"""

import socket
from contextlib import suppress

_CONNECTION = b"+"
_READY = b"ready"
_CLOSED = b"closed "
_CALLS = b"calls "
_ALIVE = b"alive"
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_READ_BYTES = 65_536


class ChannelClosed(Exception):
    """The other end is gone."""


class SupervisorEnd:
    """The supervisor's end of the channel to one worker."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._unread = b""
        self._handed = 0
        self._closed = 0
        self.is_ready = False
        """Whether the worker has said that it is."""
        self.live_calls = 0
        """How many calls the worker has said it has."""
        self.beats = 0
        """How often the worker has said that it lives."""

    def fileno(self) -> int:
        """For a selector; ``-1`` once closed."""
        return self._end.fileno()

    @property
    def open_connections(self) -> int:
        """How many of the connections handed over are open still, as far as is known."""
        return self._handed - self._closed

    def hand_over(self, connection: socket.socket) -> bool:
        """Gives a connection away; the caller then closes its own descriptor. ``False``: the worker does not take it."""
        try:
            socket.send_fds(self._end, [_CONNECTION], [connection.fileno()])
        except OSError:  # gone, or so far behind that there is no room
            return False
        self._handed += 1
        return True

    def read(self) -> None:
        """Takes in what the worker has written.

        Raises:
            ChannelClosed: the worker is gone.
        """
        try:
            received = self._end.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            raise ChannelClosed
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            self._understand(line)

    def close(self) -> None:
        """Lets go; the worker notices."""
        self._end.close()

    def _understand(self, line: bytes) -> None:
        if line == _READY:
            self.is_ready = True
        elif line == _ALIVE:
            self.beats += 1
        elif line.startswith(_CLOSED) and line[len(_CLOSED) :].isdigit():
            self._closed = int(line[len(_CLOSED) :])
        elif line.startswith(_CALLS) and line[len(_CALLS) :].isdigit():
            self.live_calls = int(line[len(_CALLS) :])


class WorkerEnd:
    """A worker's end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._closed = 0

    def fileno(self) -> int:
        """For a selector; ``-1`` once closed."""
        return self._end.fileno()

    def take(self) -> socket.socket | None:
        """The next connection; ``None`` if there is none for now.

        Raises:
            ChannelClosed: the supervisor is gone.
        """
        try:
            received, descriptors, _, _ = socket.recv_fds(self._end, len(_CONNECTION), 1, _CLOSE_ON_EXEC)
        except BlockingIOError:
            return None
        except OSError:
            raise ChannelClosed from None
        if not received:
            raise ChannelClosed
        return socket.socket(fileno=descriptors[0]) if descriptors else None

    def ready(self) -> None:
        """Connections are taken from now on."""
        self._write(_READY)

    def connection_closed(self) -> None:
        """One of those taken is closed."""
        self._closed += 1
        self._write(b"%s%d" % (_CLOSED, self._closed))

    def calls(self, live: int) -> None:
        """So many calls are going on."""
        self._write(b"%s%d" % (_CALLS, live))

    def alive(self) -> None:
        """Its event loop turns."""
        self._write(_ALIVE)

    def close(self) -> None:
        """Lets go."""
        self._end.close()

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # no room, which the next line makes good, or nobody there, which is read
            self._end.send(line + b"\n")


def channel() -> tuple[SupervisorEnd, socket.socket]:
    """A channel: the supervisor's end, and the socket a worker is to inherit."""
    ours, theirs = socket.socketpair()
    return SupervisorEnd(ours), theirs
