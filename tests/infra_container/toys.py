"""Images small enough to be built in a moment: a program of a few lines in place of Frontdesk."""

import sys
from pathlib import Path

from infra.container.building import Build, Image
from infra.container.context import BuildContext
from infra.container.dockerfile import read_stages

SERVER = """
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(os.environ.get("HEALTH", "200"), b"ok")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer("200", os.environ.get("TWIML", "<Response><Connect><Stream/></Connect></Response>").encode())

    def answer(self, status, body):
        self.send_response(int(status))
        self.end_headers()
        self.wfile.write(body)

def leave(*_):
    os._exit(int(os.environ.get("LEAVES_WITH", "0")))

# A file size that fills the disk of whoever runs the tests is nobody's wish: the file is empty.
if "WRITES" in os.environ:
    try:
        open(os.environ["WRITES"], "w").close()
    except OSError as error:
        print("refused:", error.strerror, flush=True)
print("process", os.getpid(), "user", os.getuid(), flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "STAYS" in os.environ else leave)
if "ENDS" in os.environ:
    sys.exit(3)
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
"""

DOCKERFILE = """
FROM python:3 AS build
WORKDIR /srv/build
COPY . .
RUN ["sh", "-c", "mkdir /srv/program && cp server.py healthcheck.py /srv/program"]

FROM python:3
COPY --from=build /srv/program /srv/program
RUN install -d -o 10001 -g 10001 -m 0700 /srv/data
ENV HOME=/srv/data
WORKDIR /srv/data
VOLUME ["/srv/data"]
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-I", "/srv/program/healthcheck.py"]
CMD ["python", "-I", "/srv/program/server.py"]
"""


def toy_image(folder: Path, dockerfile: str = DOCKERFILE) -> Image:
    """The image of ``dockerfile``, built from a context with the program in it."""
    context, scratch = folder / "context", folder / "scratch"
    context.mkdir()
    (context / "server.py").write_text(SERVER, "utf-8")
    healthcheck = Path(__file__).parents[2] / "infra" / "container" / "healthcheck.py"
    (context / "healthcheck.py").write_bytes(healthcheck.read_bytes())
    scratch.mkdir()
    return Build(scratch, BuildContext(context), Path(sys.executable)).run(read_stages(dockerfile, {}), {})
