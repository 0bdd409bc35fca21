"""A way to an HTTP server on which requests and answers get lost, or are answered by somebody who has had enough."""

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["throttled", "unanswered", "away", "broken"]
"""``unanswered``: it is done, and nobody hears of it. ``away``: it does not arrive."""

_THROTTLED = (400, "com.amazonaws.dynamodb.v20120810#ThrottlingException")
_BROKEN = (500, "com.amazonaws.dynamodb.v20120810#InternalServerError")


class FaultyEndpoint:
    """In front of ``url``, at a port of its own."""

    def __init__(self, url: str) -> None:
        self._behind = urlsplit(url)
        self._faults: list[Fault | None] = []
        self._guard = threading.Lock()
        self.asked: list[str] = []
        """The operations that were asked for."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def fail_next(self, *faults: Fault | None) -> None:
        """What becomes of the next requests, one after the other; ``None``: they go well."""
        with self._guard:
            self._faults += faults

    @contextmanager
    def serving(self) -> Iterator[None]:
        """While the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def next_fault(self, operation: str) -> Fault | None:
        """What becomes of this request."""
        with self._guard:
            self.asked.append(operation)
            return self._faults.pop(0) if self._faults else None

    def forward(self, headers: Sequence[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        connection = http.client.HTTPConnection(self._behind.hostname or "", self._behind.port)
        try:
            connection.request("POST", "/", body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fault = endpoint.next_fault(self.headers["X-Amz-Target"].rpartition(".")[2])
                if fault in ("throttled", "broken"):
                    status, code = _THROTTLED if fault == "throttled" else _BROKEN
                    return self._answer(status, json.dumps({"__type": code, "message": "too much"}).encode())
                answer = None if fault == "away" else endpoint.forward(list(self.headers.items()), body)
                if answer is None or fault == "unanswered":
                    self.close_connection = True
                    return None
                return self._answer(*answer)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler


@contextmanager
def faulty(url: str) -> Iterator[FaultyEndpoint]:
    """One, while the block runs."""
    endpoint = FaultyEndpoint(url)
    with endpoint.serving():
        yield endpoint
