"""TLS between a program and the simulated model."""

import ssl
from pathlib import Path

HOST = "127.0.0.1"
"""Where the model listens, and what its certificate is for."""


def serving(path: Path | None) -> ssl.SSLContext | None:
    """How a server of that certificate speaks; ``None`` without one."""
    if path is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def trusting(path: Path | None) -> dict[str, str]:
    """The environment of a process that is to believe that certificate."""
    return {} if path is None else {"SSL_CERT_FILE": str(path)}
