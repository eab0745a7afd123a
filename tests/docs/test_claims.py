"""What the documentation names is there: links, commands, flags, settings, metrics, problems."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import typer

from lukhas.cli.main import app
from lukhas.config.schema import leaves
from lukhas.config.settings import Settings
from lukhas.config.texts import variable_name
from lukhas.pipeline.stages.admit import REDUCED_CAPACITY
from lukhas.pipeline.stages.limit_answers import QUOTA_EXCEEDED
from lukhas.policy.rate_limiting.tiers import Tier
from tests.docs.pages import PAGES, ROOT, blocks_of, inline_code, prose
from tests.docs.shell import Session
from tests.integration.gateway.certificates import Authority

REFERENCE = ROOT / "docs" / "reference"
SRC = ROOT / "src" / "lukhas"

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"(?m)^#+ (.+)$")
METRIC = re.compile(r"\blukhas_[a-z_]+\b")
VARIABLE = re.compile(r"\bLUKHAS_[A-Z][A-Z_]*\b")
FLAG = re.compile(r"(?<!\S)--[a-z][a-z-]+")
# Read before there are settings.
OTHER_VARIABLES = {"LUKHAS_CONFIG", "LUKHAS_UPSTREAM"}
# The series of one histogram.
SERIES = re.compile(r"_(bucket|sum|count)$")
# The name of a file in the text, not the path of a setting.
FILE_NAME = re.compile(r".*\.(toml|yaml|json|py|md|token|sqlite|lmdb|log|key|pid|service|socket)")
# Reasons of HTTP that name a problem of the admin plane by themselves.
FRAMEWORK_PROBLEMS = {status.phrase.lower().replace(" ", "-") for status in HTTPStatus}

PAGE_NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
by_page = pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def command_lines(page: Path) -> Iterator[str]:
    """Whatever on a page starts our command."""
    for code in inline_code(page):
        if code.startswith("lukhas ") and ";" not in code:
            yield code
    for block in blocks_of(page):
        if block.language in {"bash", "console"}:
            text = block.text.replace("\\\n", "")
            for match in re.finditer(r"(?:^|\$ |\$\(|; )(lukhas [^;|>)\n]+)", text, re.MULTILINE):
                if block.language == "bash" or text[match.start() : match.end()][0] in "$;":
                    yield match[1]


# Typer brings its own classes of commands, under names that are not public.
def command_tree() -> Any:
    return typer.main.get_command(app)


def known_flags(command: Any) -> set[str]:
    return {flag for parameter in command.params for flag in parameter.opts} | {"--help"}


def all_commands(tree: Any, prefix: str = "lukhas") -> Iterator[tuple[str, Any]]:
    for name, command in tree.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def wrong_in(line: str) -> str:
    """What is wrong with a command line; empty if nothing is."""
    command = command_tree()
    words = line.split()[1:]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        found = command.commands.get(words.pop(0))
        if found is None:
            return f"{line}: no such command"
        command = found
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    unknown = flags - known_flags(command) - {"--version"}
    return f"{line}: no such flag: {unknown}" if unknown else ""


@by_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and a heading that is in it."""
    broken = []
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            broken.append(link)
        elif fragment:
            headings = HEADING.findall(prose(target))
            if fragment not in {anchor(heading) for heading in headings}:
                broken.append(link)
    assert broken == []


def test_every_page_can_be_reached() -> None:
    """The index and the pages it leads to link every page there is."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link)
        waiting += [(page.parent / link).resolve() for link in links if link]
    assert set(PAGES) - reached == set()


@by_page
def test_commands_and_flags_are_there(page: Path) -> None:
    """No page tells of a command or a flag that does not exist."""
    assert [found for line in command_lines(page) if (found := wrong_in(line))] == []
    flags = {flag for _, command in all_commands(command_tree()) for flag in known_flags(command)}
    named = {flag for code in inline_code(page) for flag in FLAG.findall(code)}
    assert named - flags == set()


@by_page
def test_settings_are_there(page: Path) -> None:
    """No page tells of a setting or a variable that does not exist."""
    paths = {".".join(leaf.path) for leaf in leaves()}
    sections = {path.partition(".")[0] for path in paths if "." in path}
    named = {
        match[1]
        for code in inline_code(page)
        if (match := re.match(r"([a-z_]+\.[a-z_]+)(?: = .+)?$", code))
        and match[1].partition(".")[0] in sections
        and not FILE_NAME.fullmatch(match[1])
    }
    nested = {path.rpartition(".")[0] for path in paths}
    assert named - paths - nested == set()
    variables = {variable_name(leaf.path) for leaf in leaves()} | OTHER_VARIABLES
    text = page.read_text(encoding="utf-8").replace("LUKHAS_...", "")
    assert set(VARIABLE.findall(text)) - variables == set()


def test_the_command_line_page_is_whole() -> None:
    """It has a section for each command, which names each of its flags."""
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^## `([a-z ]+)`\n(.*?)(?=^## |\Z)", text))
    commands = dict(all_commands(command_tree()))
    assert sections.keys() == commands.keys()
    for name, command in commands.items():
        flags = {flag for flag in known_flags(command) if flag.startswith("--")} - {"--help"}
        assert set(FLAG.findall(sections[name].replace("`", " "))) >= flags, name


def test_the_metrics_page_is_whole(tmp_path: Path) -> None:
    """It lists what a running gateway shows, no less and no more; no other page invents one."""
    folder = tmp_path / "page"
    folder.mkdir()
    session = Session(folder)
    # With everything on that is off by itself and has figures of its own.
    certificate, key = Authority(folder).pair("localhost")
    (folder / "api.json").write_text('{"openapi": "3.1.0"}')
    (folder / "on.toml").write_text(
        '[overload]\nmode = "shadow"\n[server]\nproxy_protocol = ["192.0.2.0/24"]\n'
        f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
        '[[routes]]\nname = "socket"\npath = "/ws"\nwebsocket = true\n'
        'mirror = { upstream = "copy" }\n[[upstreams]]\nname = "copy"\nurl = "http://localhost:9001"\n'
        '[upstream]\ntargets = ["http://localhost:9001"]\n'
        '[upstream.balancing.priority_lane]\ntiers = ["premium"]\n'
        f'[openapi]\nfile = "{folder / "api.json"}"\n'
        '[access_log]\nformat = "json"\noutput = "stderr"\n'
        '[telemetry]\ntracing = { mode = "start" }\n'
        'otlp = { endpoint = "http://localhost:9001" }\n'
    )
    session.run("lukhas serve --config on.toml --upstream http://localhost:9000")
    shown = session.run(
        'sleep 1.5; curl -s -H "Authorization: Bearer $(cat ~/.local/state/lukhas/admin.token)"'
        " http://localhost:8001/metrics"
    )
    session.close()
    real = set(re.findall(r"(?m)^# TYPE (\w+) ", shown))
    assert len(real) > 10
    listed = re.findall(r"(?m)^\| `(\w+)`", (REFERENCE / "metrics.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(real)
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    named = {name for text in texts.values() for name in METRIC.findall(text)}
    assert {SERIES.sub("", name) for name in named} - real == set()


def test_the_problems_page_is_whole() -> None:
    """Its tables list every problem of the sources with its status, no less and no more."""
    text = (REFERENCE / "problems.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `([^`]+)` \| (\d{3}) \|", text)
    listed = {(slug, int(status)) for slug, status in rows}
    assert len(rows) == len(listed)
    assert listed == set(problems_of_the_sources())
    named = {
        slug
        for page in PAGES
        for slug in re.findall(r"urn:lukhas:problem:([a-z-]+)", page.read_text(encoding="utf-8"))
    }
    assert named - {slug for slug, _ in listed} - FRAMEWORK_PROBLEMS == set()


def test_the_fields_page_names_real_fields() -> None:
    """Every field in its tables is written or read by the sources."""
    text = (REFERENCE / "headers.md").read_text(encoding="utf-8")
    named = re.findall(r"(?m)^\| `([A-Z][A-Za-z-]+)` \|", text)
    sources = "\n".join(path.read_text(encoding="utf-8") for path in SRC.rglob("*.py"))
    assert len(named) > 10
    assert [name for name in named if f'b"{name.lower()}"' not in sources] == []


def test_tiers_table_is_that_of_the_settings() -> None:
    """The README tells the default limits of each tier."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text)
    told = {}
    for tier, *cells in rows:
        figures = [cell.replace(" ", "") for cell in cells]
        pairs = zip(figures, ("minute", "hour", "day"), strict=True)
        unlimited = figures == ["nolimit"] * 3
        told[tier] = None if unlimited else "; ".join(f"{each}/{unit}" for each, unit in pairs)
    defaults = Settings().tiers.model_dump(include={tier.value for tier in Tier})
    assert told == defaults


def problems_of_the_sources() -> Iterator[tuple[str, int]]:
    """Slug and status of every problem that the sources can answer with."""
    yield QUOTA_EXCEEDED, 429
    yield REDUCED_CAPACITY, 503
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from problems_of_a_call(node)
            elif isinstance(node, ast.FunctionDef) and node.name == "_malformed":
                status, slug = (constants(default)[0] for default in node.args.defaults)
                yield str(slug), int(str(status))


def problems_of_a_call(call: ast.Call) -> Iterator[tuple[str, int]]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    found: tuple[ast.expr, ast.expr] | None = None
    if name in {"refusal", "_told"}:
        found = keywords["slug"], keywords["status"]
    elif name in {"Fault", "problem_answer"} and len(call.args) > 1:
        found = call.args[1], call.args[0]
    elif name == "_malformed" and len(call.args) > 2:
        found = call.args[2], call.args[1]
    if found is not None:
        slugs, statuses = (constants(expression) for expression in found)
        # A name in place of a constant: what it stands for is listed on its own.
        if len(slugs) == 1:
            slugs *= max(1, len(statuses))
        for slug, status in zip(slugs, statuses, strict=bool(slugs and statuses)):
            yield str(slug), int(str(status))


def constants(expression: ast.expr) -> list[object]:
    """The constants that an expression may give."""
    if isinstance(expression, ast.IfExp):
        return [*constants(expression.body), *constants(expression.orelse)]
    return [expression.value] if isinstance(expression, ast.Constant) else []
