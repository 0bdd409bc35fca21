"""What the image's HEALTHCHECK runs: exit code 0 if ``/healthz`` answers with 200, else 1.

It is never ``/readyz``: that is 503 while a process is full or draining, and to be replaced then would end its calls.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 2.5
"""Less than the ``--timeout`` of HEALTHCHECK, so that the reason is told."""


def complaint(port: int) -> str | None:
    """What is wrong with the process that listens on ``port`` of this machine; ``None``: it lives."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"/healthz on port {port} does not answer: {type(error).__name__}"
    finally:
        connection.close()
    return None if status == 200 else f"/healthz on port {port} answers with {status}"


def main() -> int:
    """Prints the complaint, if there is one; returns the exit code."""
    wrong = complaint(int(os.environ.get("PORT") or 8000))
    if wrong is not None:
        sys.stderr.write(f"{wrong}\n")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
