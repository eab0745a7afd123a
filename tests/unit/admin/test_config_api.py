"""The settings in effect, and what is wrong with others, over the admin API."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lukhas.admin.state import AdminState
from tests.unit.admin.config_kit import FILE, Node, client_of


@pytest.fixture
def node(state_dir: Path) -> Node:
    return Node(state_dir)


@pytest.fixture
async def http(node: Node, state: AdminState) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(node, state) as client:
        yield client


async def test_all_settings_in_effect_are_told_with_their_source(
    http: httpx.AsyncClient, node: Node
) -> None:
    """Of the file by line, of flags, and defaults; items of lists by their names."""
    answer = await http.get("/config/effective")
    assert answer.headers["etag"] == '"0"'
    assert answer.json()["version"] == 0
    found = {each["path"]: (each["value"], each["source"]) for each in answer.json()["values"]}
    assert found["upstream.url"] == ("http://localhost:9000", f"{node.file}:1")
    assert found["state_dir"] == (str(node.state_dir), "--state-dir")
    assert found["workers"] == (1, "default")
    assert found["limits"] == ([], "default")
    assert found["routes.orders"] == (
        {"name": "orders", "path": "/orders", "upstream": "orders"},
        f"{node.file}:14",
    )


async def test_no_secret_is_shown(http: httpx.AsyncClient, node: Node) -> None:
    """Neither those of settings that are secrets, nor credentials in fields for the API."""
    token = "a token of the settings"
    node.file.write_text(f'{FILE}\n[admin]\ntoken = "{token}"\n', encoding="utf-8")
    for path in ("/config/effective", "/config/routes", "/config/routes/reports"):
        text = (await http.get(path)).text
        assert token not in text
        assert "s3cret" not in text
        assert "Authorization: ***" in text or path == "/config/effective"


async def test_items_are_read_one_by_one_and_together(http: httpx.AsyncClient) -> None:
    """The upstream of all other requests is called default."""
    found = (await http.get("/config/upstreams")).json()
    assert [item["name"] for item in found["items"]] == ["default", "orders"]
    assert (await http.get("/config/upstreams/orders")).json() == found["items"][1]
    assert found["items"][1]["is_changed"] is False
    assert (await http.get("/config/routes/none")).status_code == 404
    assert (await http.get("/config/plugins")).status_code == 422


async def test_settings_that_are_wrong_now_are_told_as_a_problem(
    http: httpx.AsyncClient, node: Node
) -> None:
    """The file was edited since; its line is named."""
    node.file.write_text(FILE.replace("2/minute", "often"), encoding="utf-8")
    answer = await http.get("/config/routes/reports")
    assert (answer.status_code, answer.json()["type"]) == (
        422,
        "urn:lukhas:problem:settings-refused",
    )
    assert answer.json()["findings"][0]["where"] == f"{node.file}:11"


async def test_a_file_of_changes_that_cannot_be_read_is_told(
    http: httpx.AsyncClient, node: Node
) -> None:
    """It is not ours to guess what it was meant to be."""
    (node.state_dir / "changes.json").write_text("mine", encoding="utf-8")
    for answer in (
        await http.get("/config/routes"),
        await http.delete("/config/routes/reports"),
        await http.get("/config/versions"),
    ):
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:lukhas:problem:changes-unavailable"


@pytest.mark.parametrize(
    ("document", "valid", "path"),
    [
        ({"upstream": {"url": "http://localhost:9000"}}, True, ""),
        ({"upstream": {"url": "http://localhost:9000"}, "workers": "many"}, False, "workers"),
        ({}, False, "upstream.url"),
        ({"upstream": "http://localhost:9000"}, True, ""),
    ],
)
async def test_whole_documents_are_checked(
    http: httpx.AsyncClient, document: Any, *, valid: bool, path: str
) -> None:
    """As `lukhas check` does with a file; nothing is kept."""
    verdict = (await http.post("/config/validate", json={"document": document})).json()
    assert verdict["valid"] is valid
    assert [each["path"] for each in verdict["findings"] if each["level"] == "error"] == (
        [path] if path else []
    )


async def test_an_item_is_checked_among_those_in_effect(
    http: httpx.AsyncClient, node: Node
) -> None:
    """With everything that others say about it."""
    for item, valid in (
        ({"name": "new", "path": "/new"}, True),
        ({"name": "new", "path": "/orders"}, False),
        ({"name": "new", "path": "/new", "upstream": "none"}, False),
    ):
        asked = {"kind": "routes", "item": item}
        assert (await http.post("/config/validate", json=asked)).json()["valid"] is valid
    assert node.reloads == 0
    for body in ({}, {"kind": "routes"}, {"kind": "routes", "item": {"path": "/x"}}):
        assert (await http.post("/config/validate", json=body)).status_code == 422
