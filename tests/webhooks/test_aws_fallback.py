"""``/fallback`` as a function of its own: it says what the handler says, and has nothing that could fail."""

import ast
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from calls.language import ENGLISH
from tests.webhooks.doubles import call
from webhooks import aws_fallback
from webhooks.handlers import fallback

SOURCE = Path(aws_fallback.__file__)


def test_it_says_what_the_handler_says_of_a_call_it_knows_nothing_of() -> None:
    def told(document: str) -> list[tuple[str, str | None, str | None]]:
        return [(verb.tag, verb.text, verb.get("language")) for verb in ElementTree.fromstring(document)]

    assert told(aws_fallback.TWIML) == told(str(fallback.handler(None, call())))
    assert ENGLISH.cannot_answer == aws_fallback.SENTENCE


def test_it_imports_nothing() -> None:
    imports = [node for node in ast.walk(ast.parse(SOURCE.read_text("utf-8"))) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports == []


def test_it_answers_in_an_empty_environment_with_nothing_but_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_bytes(SOURCE.read_bytes())
    code = "import alone; print(alone.handler({'odd': 1}, None)['statusCode'], alone.handler()['body'])"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, env={}, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("200 <?xml")
