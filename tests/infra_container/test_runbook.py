"""The runbook speaks of alarms and figures that exist, and of all of those that wake somebody."""

import ast
import re
from pathlib import Path

from frontdesk.emf import FIGURES

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
METRICS = (ROOT / "docs" / "reference" / "http.md").read_text("utf-8")


def called(name: str, file: str) -> list[ast.Call]:
    """Every call of ``name`` in a file of ``infra``; importing it would take the CDK."""
    tree = ast.parse((ROOT / "infra" / file).read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]


def alarms() -> set[str]:
    return {str(ast.literal_eval(call.args[0])) for call in called("Watch", "observation.py")}


def test_every_alarm_has_its_row_and_no_other_has_one() -> None:
    heads = [line.split(" | ")[0] for line in RUNBOOK.partition("### During a deployment")[0].splitlines() if " | " in line]
    described = {name for head in heads for name in re.findall(r"`([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`", head)}
    assert "no-bridge" in alarms()
    assert described == alarms()


def test_every_metric_that_is_named_exists() -> None:
    named = {name for page in ("runbook.md", "capacity.md", "security.md") for name in metrics_of(page)}
    assert named
    assert {name for name in named if f"`{name}`" not in METRICS} == set()


def metrics_of(page: str) -> set[str]:
    return set(re.findall(r"`(frontdesk_\w+)`", (ROOT / "docs" / page).read_text("utf-8")))


def test_every_figure_of_cloudwatch_that_is_named_exists() -> None:
    written = {figure.name for figure in FIGURES} | {"GreetingLatency", "TurnLatency", "LoopLag"}
    written |= set(re.findall(r'"([A-Z]\w+)": \("', (ROOT / "webhooks" / "emf.py").read_text("utf-8")))
    written |= set(re.findall(r'figures\["(\w+)"\]', (ROOT / "webhooks" / "emf.py").read_text("utf-8")))
    named = set(re.findall(r"`((?:[A-Z][a-z]+){2,})`", RUNBOOK)) - {"ImportModuleError"}
    assert "ModelBreakerOpen" in named
    assert named - written == set()
