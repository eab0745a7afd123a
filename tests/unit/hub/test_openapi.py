"""The description is read and compiled at the start; what is wrong with it has its place."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lukhas.config.settings import Settings
from lukhas.errors import ConfigError, NotAvailableError
from lukhas.hub.hub import Hub
from lukhas.hub.openapi import read_description


def document(schema: Mapping[str, Any], **more: object) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {
        "openapi": "3.1.0",
        "paths": {"/a": {"post": {"requestBody": {"content": content}}}},
        **more,
    }


@pytest.mark.parametrize(
    ("given", "what", "where"),
    [
        ({"swagger": "2.0"}, "no OpenAPI description", "#/openapi"),
        ([], "no OpenAPI description", "openapi.json"),
        (document({"$ref": "https://x.test/a.json"}), "leaves the file", "/content/"),
        (document({"$ref": "other.json#/A"}), "leaves the file", "/content/"),
        (document({"$ref": "#/components/schemas/None"}), "points to nothing", "/content/"),
        (document({"$ref": "#anchor"}), "no JSON Pointer", "/content/"),
        (document({"type": "no such type"}), "cannot be used", "openapi.json#/"),
        (document({"pattern": "(?=a)b"}), "cannot be used", "openapi.json#/"),
        (
            document(
                {},
                paths={
                    "/a": {
                        "get": {
                            "parameters": [
                                {"name": "x", "in": "path", "style": "matrix", "schema": {}}
                            ]
                        }
                    }
                },
            ),
            "style 'matrix'",
            "/paths/~1a/get/parameters/0",
        ),
        (
            document({}, paths={"/a": {"get": {"parameters": [{"name": "x", "in": "query"}]}}}),
            "neither schema nor content",
            "parameters/0",
        ),
        (document({}, paths={"/a": {"get": 5}}), "not built as it should be", "/paths"),
        (
            document({}, paths={"/{a}": {"get": {}}, "/{b}": {"get": {}}}),
            "twice",
            "/paths",
        ),
        (
            document(
                {},
                paths={"/a": {"$ref": "#/components/pathItems/x"}},
                components={"pathItems": {"x": {"$ref": "#/components/pathItems/x"}}},
            ),
            "circle",
            "/paths/~1a",
        ),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place(
    tmp_path: Path, given: object, what: str, where: str
) -> None:
    """Nothing is ever fetched, and no request meets a broken schema."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(given))
    with pytest.raises(ConfigError) as caught:
        read_description(file)
    assert what in caught.value.what
    assert where in caught.value.where
    assert caught.value.where.startswith(str(file))


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.json", "{", "not valid JSON"),
        ("a.yaml", "a: [", "not valid YAML"),
        ("a.yaml", "a: &x [*x]", "too deeply nested"),
        ("none.yaml", None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, text: str | None, what: str
) -> None:
    """With what is wrong."""
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=what):
        read_description(file)


def test_yaml_is_read_as_json_has_it(tmp_path: Path) -> None:
    """Numbers as status, and dates that are text."""
    file = tmp_path / "openapi.yaml"
    file.write_text(
        "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      parameters:\n"
        "      - {name: day, in: query, schema: {type: string, enum: [2024-01-01]}}\n"
        "      responses: {200: {description: good}}\n"
    )
    description = read_description(file)
    found = description.find(b"/a")
    assert found is not None
    operation = found.operation("GET")
    assert operation is not None
    assert description.response_media(operation, 200, b"text/plain") is None


def test_without_the_extra_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, and not at the first request."""
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document({})))
    with pytest.raises(NotAvailableError, match=r"lukhas-api-optimizer\[openapi\]"):
        read_description(file)


async def test_the_hub_reads_it_when_it_starts(tmp_path: Path) -> None:
    """A file that is not there keeps it from starting."""
    settings = {"state_dir": tmp_path, "openapi": {"file": tmp_path / "none.json"}}
    hub = Hub(Settings.model_validate(settings))
    with pytest.raises(ConfigError, match=r"none\.json"):
        await hub.start(with_keys=False)
    await hub.close()
