"""The documentation says what the code does: names, fields, defaults, links. What a page *means* is for its reader to judge."""

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast, get_args

import click
import msgspec
import pytest
from msgspec import inspect as shapes
from prometheus_client.metrics_core import Metric
from quart import Quart

from bridge.metrics import BridgeMetrics
from bridge.operator.desk import OperatorDesk
from bridge.operator.messages import summary
from bridge.operator.routes import operator_blueprint
from calls import events
from calls.business import BuiltinTool, BusinessProfile
from calls.business_files import check_file
from calls.exit_codes import ExitCode
from calls.ids import BusinessId, CallSid
from calls.operator import Action
from calls.record import CallRecord
from frontdesk.cli import frontdesk
from frontdesk.settings import read_settings
from webhooks.routes import ROUTES

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Rows = dict[str, list[str]]
"""The rows of tables: what is in code marks in the first cell, and all cells."""


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def sections(page: str) -> dict[str, str]:
    """The text below each heading, up to the next heading of any level."""
    text = (REFERENCE / page).read_text("utf-8")
    parts = re.split(r"^#+ (.+)$", FENCE.sub("", text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str, header: str = "") -> Rows:
    """The rows of the tables in ``text``; of those whose first heading is ``header``, if that is given."""
    found: Rows = {}
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.removeprefix("|").removesuffix("|").split(" | ")] for line in table.splitlines()]
        for cells in lines[2:] if header in ("", lines[0][0]) else ():
            found |= dict.fromkeys(CODE.findall(cells[0]), cells)
    return found


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


# --- events ----------------------------------------------------------------------------------------------------------------

EVENT_KINDS: dict[str, type[events.EventBody]] = {str(body.__struct_config__.tag): body for body in get_args(events.AnyEvent)}


def emitted_kinds() -> set[str]:
    """The kinds whose struct is made anywhere in the program."""
    kind_of = {body.__name__: kind for kind, body in EVENT_KINDS.items()}
    return {kind_of[name] for path in python_files("bridge", "webhooks", "calls", "frontdesk") for name in events_made(path)}


def events_made(path: Path) -> Iterator[str]:
    """The event structs a file calls, as ``events.X(…)`` or, where it imports or defines them, ``X(…)``."""
    tree = ast.parse(path.read_text("utf-8"))
    known = {body.__name__ for body in EVENT_KINDS.values()}
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "calls.events"
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="events"), attr=name)) if name in known:
                yield name
            case ast.Call(func=ast.Name(id=name)) if name in known & imported:
                yield name


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_event_kind_is_described_with_exactly_its_fields(kind: str) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(EVENT_KINDS[kind])}
    assert rows(sections("events.md")[kind], "field").keys() == fields


def test_only_events_of_the_vocabulary_are_described() -> None:
    headings = {heading for heading in sections("events.md") if re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", heading)}
    assert headings == EVENT_KINDS.keys()


def test_every_event_kind_is_emitted_somewhere() -> None:
    assert emitted_kinds() == EVENT_KINDS.keys()


# --- environment -----------------------------------------------------------------------------------------------------------


class NotedEnvironment(dict[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)


def variables() -> Rows:
    described: Rows = {}
    for heading in ("Where it listens", "Twilio", "OpenAI", "Frontdesk"):
        described |= rows(sections("environment.md")[heading])
    return described


def commands(group: click.Command, name: str = "frontdesk") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    if not isinstance(group, click.Group):
        yield name, group
        return
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        yield from commands(command, f"{name} {word}")


def test_the_environment_page_lists_exactly_the_variables_that_are_read() -> None:
    environ = NotedEnvironment(OPENAI_API_KEY="key", TWILIO_AUTH_TOKEN="token")
    read_settings(environ)
    of_commands = {option.envvar for _, command in commands(frontdesk) for option in command.params if option.envvar}
    assert variables().keys() == environ.asked | of_commands


def test_the_defaults_of_the_environment_are_those_of_the_page() -> None:
    settings = read_settings({"OPENAI_API_KEY": "key", "TWILIO_AUTH_TOKEN": "token"})
    defaults: dict[str, object] = {
        "HOST": settings.host,
        "PORT": settings.port,
        "TWILIO_API_URL": settings.bridge.twilio.api_url,
        "FRONTDESK_VERIFY_TWILIO": "on" if settings.bridge.verify_twilio else "off",
        "OPENAI_REALTIME_URL": settings.bridge.model.url,
        "OPENAI_REALTIME_MODEL": settings.bridge.model.default_model,
        "FRONTDESK_BUSINESSES": settings.businesses,
        "FRONTDESK_STORE": settings.store,
        "FRONTDESK_MAX_CALLS": settings.bridge.max_calls,
        "FRONTDESK_DRAIN_S": settings.bridge.drain_s,
        "FRONTDESK_WARM_SOCKETS": settings.bridge.warm_sockets,
        "FRONTDESK_WARM_MAX_AGE_S": settings.bridge.warm_max_age_s,
    }
    assert {name: variables()[name][1] for name in defaults} == {name: f"`{value}`" for name, value in defaults.items()}


# --- business file ---------------------------------------------------------------------------------------------------------


def tables(shape: shapes.Type = shapes.type_info(BusinessProfile), name: str = "") -> Iterator[tuple[str, shapes.StructType]]:  # noqa: B008
    """Every table of a business file under its heading on the page."""
    match shape:
        case shapes.StructType():
            yield name or "Top level", shape
            for field in shape.fields:
                yield from tables(field.type, f"{name}.{field.encode_name}".lstrip("."))
        case shapes.UnionType():
            for one in shape.types:
                yield from tables(one, name)
        case shapes.VarTupleType(item_type=shapes.StructType() as item):
            yield f"[{name}]", item


def heading_of(table: str) -> str:
    return table if table == "Top level" else f"[{table}]"


def described_keys(table: str) -> Rows:
    found = sections("business-file.md")
    return rows(next(text for heading, text in found.items() if heading.removesuffix(" †") == heading_of(table)), "key")


def is_table(field: shapes.Field) -> bool:
    kinds = field.type.types if isinstance(field.type, shapes.UnionType) else (field.type,)
    return any(isinstance(kind, shapes.StructType) for kind in kinds)


TABLES = dict(tables())


@pytest.mark.parametrize("table", TABLES)
def test_every_key_of_a_business_file_is_described(table: str) -> None:
    assert described_keys(table).keys() == {field.encode_name for field in TABLES[table].fields if not is_table(field)}


@pytest.mark.parametrize("table", TABLES)
def test_the_defaults_of_a_business_file_are_those_of_the_page(table: str) -> None:
    described = described_keys(table)
    for field in TABLES[table].fields:
        if field.required:
            assert described[field.encode_name][2].startswith("required"), field.name
        elif isinstance(field.default, bool):
            assert described[field.encode_name][2] == f"`{str(field.default).lower()}`", field.name
        elif isinstance(field.default, str | int | float):
            assert described[field.encode_name][2] == f"`{field.default}`", field.name


def test_every_built_in_tool_is_described() -> None:
    described = rows(sections("business-file.md")["Built-in tools"])
    assert described.keys() == set(get_args(BuiltinTool))
    assert {name for name, cells in described.items() if "†" in cells[0] or not cells[1]} == set()


def toml_examples() -> Iterator[tuple[str, str]]:
    """Each example with where it is; the number is its place among the page's code blocks."""
    for page in PAGES:
        for number, block in enumerate(FENCE.finditer(page.read_text("utf-8")), start=1):
            if block[1] == "toml":
                yield f"{page_id(page)}:{number}", block[2]


@pytest.mark.parametrize(("place", "example"), toml_examples(), ids=lambda value: value if ".md:" in value else "")
def test_every_toml_example_is_a_business_file_without_errors(place: str, example: str, tmp_path: Path) -> None:
    file = tmp_path / "example.toml"
    required = 'name = "A"\nnumbers = ["client:a"]\nlanguage = "en"\nvoice = "marin"\ninstructions = "Hello."\n'
    is_whole = "id" in tomllib.loads(example)
    file.write_text(example if is_whole else f'id = "a"\n{required}{example}', "utf-8")
    errors = [str(problem) for problem in check_file(file) if problem.severity == "error"]
    assert errors == [], place


# --- commands, exit codes, HTTP --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "command"), commands(frontdesk), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_is_described_with_all_its_options(name: str, command: click.Command) -> None:
    described = sections("command-line.md")
    group = " ".join(name.split()[:2])
    heading = next(heading for heading in described if heading == name or heading.startswith(f"{name} "))
    text = described[heading] + described[group]
    options = {spelling for option in command.params if isinstance(option, click.Option) for spelling in option.opts}
    assert {option for option in options if f"`{option}" not in text} == set()


def test_no_option_is_described_that_does_not_exist() -> None:
    known = {spelling for _, command in commands(frontdesk) for option in command.params for spelling in option.opts}
    text = (REFERENCE / "command-line.md").read_text("utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= known | {"--help", "--version"}


def test_every_exit_code_is_described_under_its_number() -> None:
    text = (REFERENCE / "exit-codes.md").read_text("utf-8")
    described = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    assert described == [(str(code.value), code.name) for code in ExitCode]


def test_every_webhook_is_described() -> None:
    text = (REFERENCE / "webhooks.md").read_text("utf-8")
    assert {path for path in ROUTES if f"`{path}`" not in text} == set()
    assert {heading for heading in sections("webhooks.md") if heading.startswith("/")} <= ROUTES.keys()


def test_every_metric_is_described_and_no_other() -> None:
    def name_of(metric: Metric) -> str:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        return name + ("{" + ",".join(LABELS[name]) + "}" if name in LABELS else "")

    figures = BridgeMetrics()
    assert rows(sections("http.md")["Metrics"]).keys() == {name_of(metric) for metric in figures.registry.collect()}


LABELS = {
    "frontdesk_streams_refused_total": ["reason"],
    "frontdesk_events_total": ["kind"],
    "frontdesk_warm_sockets_taken_total": ["result"],
    "frontdesk_operator_commands_total": ["action", "result"],
}


def test_every_path_of_the_operator_api_is_described() -> None:
    app = Quart("operators")
    app.register_blueprint(operator_blueprint(cast(OperatorDesk, None)))
    served = {rule.rule.replace("<", "{").replace(">", "}"): rule.methods or set() for rule in app.url_map.iter_rules()}
    paths = {f"{'POST' if 'POST' in methods else 'GET'} {path}" for path, methods in served.items() if "static" not in path}
    described = {path for path in rows(sections("operator-api.md")["Paths"], "path") if not path.startswith("CALL")}
    assert described == paths | {"WS /operator"}


def test_every_action_of_an_operator_is_described_and_no_other() -> None:
    assert rows(sections("operator-api.md")["Commands"], "action").keys() == set(get_args(Action))


def test_every_field_of_a_call_is_described_in_order() -> None:
    record = CallRecord(
        call_sid=CallSid("CA1"), business_id=BusinessId("a"), from_="b", to="c", channel="pstn", started_at="2026-01-01T00:00:00Z"
    )
    assert list(rows(sections("operator-api.md")["CALL"])) == list(summary(record, ended=True))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *chain.from_iterable([*extras, *groups.values()])]
    named = {re.split(r"[^\w-]", one)[0] for one in wanted}
    page = (ROOT / "docs" / "decisions.md").read_text("utf-8").partition("## Written by hand")[0]
    described = {name for line in page.splitlines() if line.startswith("| ") for name in line.split(" | ")[0][2:].split(", ")}
    assert described - {"library"} == named


# --- all pages -------------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    slugs: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        slugs.append(f"{slug}-{slugs.count(slug)}" if slug in slugs else slug)
    return set(slugs)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = CODE.sub("", FENCE.sub("", page.read_text("utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        leads_to = (page.parent / name).resolve() if name else page
        assert leads_to.exists(), target
        assert not anchor or anchor in anchors(leads_to), target


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_of_the_repository_that_is_named_exists(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    paths = re.findall(r"`((?:bridge|businesses|calls|console|docs|frontdesk|scripts|simulator|tests|webhooks)/[\w./-]*)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def committed_files() -> Iterator[Path]:
    ours = (".ci", "benchmarks", "bridge", "businesses", "calls", "console", "docs", "frontdesk", "infra", "scripts", "simulator")
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix != ".db")
    for folder in (*ours, "tests", "webhooks"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    private = re.compile(rb"(?<![\w.:/-])/(?:home|root|Users|work|workspace)/\w")
    assert [str(path) for path in committed_files() if private.search(path.read_bytes())] == []
