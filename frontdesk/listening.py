"""The port: a socket that listens, and what is said of it."""

import socket


class CannotListen(Exception):
    """Nobody can be listened to at an address; ``str()`` is one sentence that says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; any free port if ``port`` is 0.

    Raises:
        CannotListen: the address is taken or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}. Set HOST and PORT.") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """The address of a listening socket, ``http://host:port``."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
