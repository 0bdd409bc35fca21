"""What the handlers drag in: they are to start quickly where every call may start them anew."""

import subprocess
import sys

import pytest

HEAVY = (
    "quart",
    "hypercorn",
    "numpy",
    "boto3",
    "twilio.rest",
    "aiosqlite",
    "aiohttp",
    "requests",
    "bridge",
    "console",
    "simulator",
)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules, sep='\\n')"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import pkgutil, importlib, webhooks.handlers as h\n"
        "for m in pkgutil.iter_modules(h.__path__): importlib.import_module(f'webhooks.handlers.{m.name}')",
        "import webhooks.dispatch",
    ],
    ids=["handlers", "dispatch"],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    loaded = loaded_by(statement)
    assert "twilio.twiml.voice_response" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_the_quart_routes_do_load_quart() -> None:
    assert "quart" in loaded_by("import webhooks.quart_routes")
