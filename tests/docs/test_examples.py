"""The examples do what they say."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from lukhas.config.loading import load_settings
from tests.docs.pages import ROOT

EXAMPLES = ROOT / "examples"
CONFIGS = sorted(path for path in EXAMPLES.iterdir() if path.suffix in {".toml", ".yaml"})
TRIED_HERE = {"fastapi_app.py", "hub_calls.py"}


def test_every_example_is_tried() -> None:
    """An example without a test would soon be wrong."""
    found = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert found == TRIED_HERE | {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_examples_are_good(path: Path) -> None:
    """`lukhas serve --config` takes them as they are."""
    settings = load_settings({}, path, {"HOME": "/"}, needs_upstream=True).settings
    assert settings.routes


def test_hub_example() -> None:
    """Worked out once, answered from the cache once, then refused."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "hub_calls.py")],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    first, second, third = done.stdout.splitlines()
    assert (first, second) == ("worked out: {'sales': 12}", "from the cache: {'sales': 12}")
    assert third.startswith("refused, try again in 6")


async def test_fastapi_example() -> None:
    """Limits and caching as its docstrings tell."""
    transport = httpx.ASGITransport(app=load("fastapi_app.py").app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        books = [(await client.get("/books")).headers["cache-status"] for _ in range(2)]
        orders = [(await client.post("/orders")).status_code for _ in range(3)]
        searched = await client.get("/search", params={"q": "sea"})
        health = await client.get("/health")
    assert ["hit" in told for told in books] == [False, True]
    assert orders == [200, 200, 429]
    assert '"search-minute";q=10;w=60' in searched.headers["ratelimit-policy"]
    assert "ratelimit" not in health.headers


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
