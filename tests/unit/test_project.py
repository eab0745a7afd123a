"""Promises about the tree itself, which no linter in `make check` keeps."""

import ast
import gc
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
FILE_LINES = 500
FUNCTION_LINES = 50

LOCKS = sorted(ROOT.glob("requirements*.lock"))
SOURCES = sorted(SRC.rglob("*.py"))
SKIPPED_FOLDERS = {"__pycache__", "build", "dist", "htmlcov", "mutants", "node_modules"}
SHOWN_DOT_FOLDERS = {".ci", ".github"}
# A letter in brackets, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:h[o]me|U[s]ers|w[o]rk)/[\w.-]+/|/t[m]p/bash")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            if not path.name.startswith(".coverage"):
                yield path
        elif path.name not in SKIPPED_FOLDERS and (
            not path.name.startswith(".") or path.name in SHOWN_DOT_FOLDERS
        ):
            yield from tree_files(path)


def is_public_module(path: Path) -> bool:
    parts = path.relative_to(SRC).with_suffix("").parts
    if "migrations" in parts:  # loaded by alembic by file name, never imported
        return False
    return all(part == "__init__" or not part.startswith("_") for part in parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def parsed(text: str) -> ast.Module:
    """The syntax tree of a file.

    Without the garbage collector: what it runs in the middle of making a tree can make Python 3.11
    miscount its own recursion, and fail (python/cpython#106905).
    """
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        gc.enable()


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def public_definitions(tree: ast.Module) -> set[str]:
    """Top-level classes and plain functions; a decorator hands a function to somebody else."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list)
        if not node.name.startswith("_")
    }


def test_there_is_something_to_check() -> None:
    """The parametrised tests below would pass on an empty tree."""
    assert {lock.name for lock in LOCKS} == {
        "requirements.lock",
        "requirements-bench.lock",
        "requirements-build.lock",
        "requirements-dev.lock",
    }
    assert SOURCES


@pytest.mark.parametrize("lock", LOCKS, ids=place)
def test_locks_hold_no_address(lock: Path) -> None:
    """A lock names versions and hashes; where they come from is the machine's own setting."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "://" in line or line.lstrip().startswith("--index")] == []


@pytest.mark.parametrize("lock", LOCKS, ids=place)
def test_locks_hash_every_pin(lock: Path) -> None:
    """Every pinned version is followed by at least one hash."""
    entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    pins = [entry for entry in entries if not entry.startswith("#")]
    assert [pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_files_and_functions_stay_short(path: Path) -> None:
    """A source file has at most 500 lines, a function at most 50."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= FILE_LINES
    lengths = {
        node.name: (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", [path for path in SOURCES if is_public_module(path)], ids=place)
def test_public_modules_declare_what_they_offer(path: Path) -> None:
    """`__all__` is a tuple of existing names, and no public class or function is left out."""
    tree = parsed(path.read_text(encoding="utf-8"))
    if all(is_docstring(node) for node in tree.body):
        return
    module = importlib.import_module(module_name(path))
    offered = getattr(module, "__all__", None)
    assert isinstance(offered, tuple), "no __all__ tuple"
    assert len(set(offered)) == len(offered), "a name stands twice"
    assert [name for name in offered if not hasattr(module, name)] == []
    assert sorted(public_definitions(tree) - set(offered)) == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    """Everything in the tree works on any machine."""
    found = []
    for path in tree_files(ROOT):
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{place(path)}: {match.group()}" for match in MACHINE_PATH.finditer(text)]
    assert found == []
