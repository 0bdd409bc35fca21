"""The one port of several workers: accepts connections and hands each to the worker that has the fewest.

Workers that accept from a shared socket themselves get what the kernel's wake-ups give them: of 40 connections at once two took 34
and 6, four took 20, 0, 0 and 20. With a socket each (``SO_REUSEPORT``) it is a matter of luck, about as uneven as tossed coins, and
what waits in the queue of a worker that dies waits for its successor. Here nothing waits for anybody in particular: a connection
is accepted only when it can be given to a worker that is ready.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

AT_ONCE = 64
"""Connections accepted before the loop has another turn."""
PAUSE_S = 0.5
"""How long nothing is accepted after the system has refused; it has run out of something."""

log = structlog.get_logger()


class Taker(Protocol):
    """Who can be given connections."""

    @property
    def open_connections(self) -> int:
        """How many it has."""

    def hand_over(self, connection: socket.socket) -> bool:
        """Gives it one more; ``False``: it does not take it."""


class Door:
    """Accepts on ``listener``, which it closes at the end, for those whom ``takers`` names, the preferred ones.

    ``changed`` is to be called when ``takers`` may name others than before.
    """

    def __init__(self, listener: socket.socket, takers: Callable[[], Sequence[Taker]]) -> None:
        self._listener = listener
        self._takers = takers
        self._loop = asyncio.get_running_loop()
        self._is_open = False
        self._turn = 0

    def changed(self) -> None:
        """Accepts if there is anybody to take what comes; otherwise it waits outside, in the system's queue."""
        if self._listener.fileno() == -1:
            return
        anybody = bool(self._takers())
        if anybody and not self._is_open:
            self._loop.add_reader(self._listener, self._accept)
        elif self._is_open and not anybody:
            self._loop.remove_reader(self._listener)
        self._is_open = anybody

    def close(self) -> None:
        """Accepts nothing more."""
        if self._listener.fileno() != -1:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("door.cannot_accept", why=error.strerror)
                self._pause()
                return
            with connection:
                self._give(connection)

    def _give(self, connection: socket.socket) -> None:
        """To the one with the fewest; among equals everybody has a turn."""
        takers = self._takers()
        self._turn += 1
        in_turn = [takers[(self._turn + place) % len(takers)] for place in range(len(takers))]
        if not any(taker.hand_over(connection) for taker in sorted(in_turn, key=lambda taker: taker.open_connections)):
            log.error("door.nobody_takes_it")

    def _pause(self) -> None:
        self._loop.remove_reader(self._listener)
        self._is_open = False
        self._loop.call_later(PAUSE_S, self.changed)
