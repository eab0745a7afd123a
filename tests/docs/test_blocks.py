"""Every block of code in README.md and docs/ is run, or is listed with the reason why not."""

import configparser
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lukhas.config.loading import load_settings
from lukhas.hub.openapi import read_description
from tests.docs.comparing import json_shape, matches, same_shape
from tests.docs.pages import PAGES, ROOT, Block, blocks_of
from tests.docs.shell import Session, is_server

PYTHON_S = 30

# Commands that are not run, and why.
SKIPPED_COMMANDS = {
    "make test": "runs these very tests",
    "pip install .": "needs a build environment of its own, which is made over the network",
}
# Commands in whose place another is run, and why.
REPLACED_COMMANDS = {
    "make run": ("lukhas demo", "is what it starts once the environment is there"),
}
# Blocks that are no code: page and first line.
DRAWINGS = {
    ("docs/architecture.md", "gateway: bytes     middleware: ASGI scope     hub: a call"),
    ("docs/architecture.md", "cli | testing"),
    ("docs/how-to/caching.md", "request"),
    ("docs/how-to/limits.md", "60/minute, at 12:01:01.5: parts of 3 s"),
}
LANGUAGES = {"bash", "console", "http", "ini", "json", "output", "python", "toml", "yaml"}
RUN_PAGES = [page for page in PAGES if blocks_of(page)]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A shell in an empty folder."""
    folder = tmp_path / "page"
    folder.mkdir()
    opened = Session(folder)
    yield opened
    opened.close()


@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_is_so(page: Path, session: Session) -> None:
    """The blocks of a page, run from its top to its end as a reader would, do what it says."""
    last = ""
    for block in blocks_of(page):
        last = run(block, session, last)


def test_every_block_is_of_a_kind_that_is_run() -> None:
    """A block in another language would be passed over without a word."""
    unknown = {
        block.place
        for page in PAGES
        for block in blocks_of(page)
        if block.language not in LANGUAGES and not is_drawing(block)
    }
    assert unknown == set()


def test_the_lists_hold_nothing_that_is_gone() -> None:
    """What no page shows any more needs no exception."""
    lines = {line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()}
    text = "\n".join(lines)
    listed = (*SKIPPED_COMMANDS, *REPLACED_COMMANDS)
    assert [command for command in listed if command not in text] == []
    assert [drawing for _, drawing in DRAWINGS if drawing not in lines] == []


def run(block: Block, session: Session, last: str) -> str:
    """Runs a block; gives the output that blocks after it may show."""
    if is_drawing(block):
        return last
    if block.language == "python":
        return run_python(block, session)
    if block.language in {"toml", "yaml"}:
        check_settings(block, session)
    elif block.language == "ini":
        check_unit(block)
    elif block.language == "json":
        assert same_shape(json.loads(block.text), json_shape(last)), f"{block.place}: {last}"
    elif block.language in {"http", "output"}:
        assert matches(block.text, last), f"{block.place}: {last}"
    else:
        for command, shown in commands(block):
            last = run_command(command, shown, session=session, place=block.place)
    return last


def run_command(command: str, shown: str | None, *, session: Session, place: str) -> str:
    """Runs a command; it must end well, or with the mistake that the page shows."""
    if command in SKIPPED_COMMANDS:
        return ""
    wanted, _ = REPLACED_COMMANDS.get(command, (command, ""))
    written = session.run(wanted)
    if is_server(wanted):
        return written
    is_mistake = shown is not None and shown.startswith("lukhas: ") and shown.count("\n") == 1
    allowed = {0, 2} if is_mistake else {0}
    if wanted.startswith("lukhas lint"):
        # 1 says that there is something to tell.
        allowed = {0, 1}
    assert session.status in allowed, f"{place}: {command}: {session.status}: {written}"
    if shown is not None:
        assert matches(shown, written), f"{place}: {command}: {written}"
    return written


def run_python(block: Block, session: Session) -> str:
    """Runs Python code as a file of its own; a warning is an error. `test_*.py` runs in pytest."""
    session.ready()
    path = session.folder / (block.file_name or f"block_{block.line}.py")
    path.write_text(session.ours(block.text), encoding="utf-8")
    is_test = path.name.startswith("test_")
    in_pytest = ["-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(session.folder)]
    done = subprocess.run(
        [sys.executable, *(in_pytest if is_test else ["-W", "error"]), str(path)],
        cwd=session.folder,
        env=session.environment,
        capture_output=True,
        text=True,
        timeout=PYTHON_S,
        check=False,
    )
    assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"
    return session.theirs(done.stdout)


def check_settings(block: Block, session: Session) -> None:
    """Settings must be good; so must an OpenAPI description."""
    path = session.folder / (block.file_name or f"block_{block.line}.{block.language}")
    path.write_text(session.ours(block.text), encoding="utf-8")
    if block.text.partition("\n")[2].startswith("openapi: "):
        read_description(path)
        return
    load_settings({}, path, {"HOME": str(session.folder)})


def check_unit(block: Block) -> None:
    """A systemd unit can be read, and what it starts takes the flags that it gives."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block.text)
    assert set(unit.sections()) <= {"Unit", "Service", "Socket", "Install"}, block.place
    if unit.has_option("Service", "ExecStart"):
        program, *words = unit.get("Service", "ExecStart").split()
        assert Path(program).name == "lukhas"
        done = subprocess.run(
            [sys.executable, "-m", "lukhas", *words, "--help"],
            capture_output=True,
            text=True,
            timeout=PYTHON_S,
            check=False,
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}"


def commands(block: Block) -> list[tuple[str, str | None]]:
    """The commands of a block, each with the output shown for it; None where none is shown."""
    if block.language == "bash":
        joined = block.text.replace("\\\n", "")
        return [(line, None) for line in joined.splitlines() if line and not line.startswith("#")]
    parts = re.split(r"(?m)^\$ ", block.text)
    assert parts[0] == "", f"{block.place}: the first line of a console is no command"
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts[1:])]


def is_drawing(block: Block) -> bool:
    """Whether a block only shows something."""
    page = block.page.relative_to(ROOT).as_posix()
    return (page, block.text.partition("\n")[0]) in DRAWINGS
