import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from infra.container import healthcheck
from tests.servers import free_port


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything so: its port, and the paths it was asked for."""
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def test_a_process_that_answers_is_healthy_and_never_asked_whether_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200) as (port, asked):
        monkeypatch.setenv("PORT", str(port))
        assert healthcheck.main() == 0
    assert asked == ["/healthz"]


def test_any_other_status_is_a_complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(503) as (port, _):
        monkeypatch.setenv("PORT", str(port))
        assert healthcheck.main() == 1
    assert capsys.readouterr().err == f"/healthz on port {port} answers with 503\n"


def test_nobody_there_is_a_complaint() -> None:
    port = free_port()
    assert healthcheck.complaint(port) == f"/healthz on port {port} does not answer: ConnectionRefusedError"
