"""What an operation says of its parameters and bodies."""

from typing import Any

import pytest

from lukhas.errors import ConfigError
from lukhas.policy.openapi.faults import Place
from lukhas.policy.openapi.operations import (
    Operation,
    base_path_of,
    is_json,
    media_for,
    operations_of,
)


def described(item: Any, **components: Any) -> list[Operation]:
    return operations_of({"openapi": "3.1.0", "paths": {"/a": item}, "components": components})


def parameters(*given: Any, own: Any = (), **components: Any) -> dict[str, Any]:
    item = {"parameters": list(given), "get": {"parameters": list(own)}}
    (operation,) = described(item, **components)
    return {each.name: each for each in operation.parameters}


@pytest.mark.parametrize(
    ("servers", "base"),
    [
        ([{"url": "https://x.test/v1/"}], "/v1"),
        ([{"url": "/api"}], "/api"),
        ([{"url": "https://{tenant}.x.test/v1"}], ""),
        ([{}], ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_path_of_the_first_server(servers: object, base: str) -> None:
    assert base_path_of({"servers": servers}) == base


@pytest.mark.parametrize(
    ("media_type", "answer"),
    [("application/json", True), ("application/problem+json", True), ("text/json5", False)],
)
def test_json_by_its_name(media_type: str, *, answer: bool) -> None:
    assert is_json(media_type) is answer


def test_the_narrowest_media_range_counts() -> None:
    media = {"text/csv": "/1", "text/*": "/2", "*/*": None}
    assert media_for(media, "text/csv") == (True, "/1")
    assert media_for(media, "text/html") == (True, "/2")
    assert media_for(media, "image/png") == (True, None)
    assert media_for({"text/csv": "/1"}, "image/png") == (False, None)


@pytest.mark.parametrize("document", [[], {}, {"openapi": 3}, {"openapi": "2.0"}])
def test_no_description(document: object) -> None:
    with pytest.raises(ConfigError, match="no OpenAPI description"):
        operations_of(document)


def test_no_paths_are_no_operations() -> None:
    assert operations_of({"openapi": "3.1.0", "paths": None}) == []


def test_a_parameter_of_the_operation_replaces_that_of_the_path() -> None:
    schema = {"type": "string"}
    found = parameters(
        {"name": "a", "in": "query", "schema": schema, "required": True},
        {"name": "b", "in": "header", "schema": schema},
        own=[{"name": "a", "in": "query", "schema": {"type": "integer"}}],
    )
    assert found["a"].kinds == {"integer"}
    assert not found["a"].required
    assert found["b"].place is Place.HEADER


@pytest.mark.parametrize(
    ("place", "style", "explode"),
    [("query", "form", True), ("cookie", "form", True), ("path", "simple", False)],
)
def test_the_usual_style_of_a_place(place: str, style: str, *, explode: bool) -> None:
    """OpenAPI 3.1 section 4.8.12.2: the defaults of `style` and `explode`."""
    found = parameters({"name": "a", "in": place, "schema": {}})["a"]
    assert (found.style, found.explode) == (style, explode)


def test_fields_that_are_described_elsewhere_are_no_parameters() -> None:
    fields: list[dict[str, Any]] = [
        {"name": name, "in": "header", "schema": {}}
        for name in ("Accept", "content-type", "Authorization", "X-Team")
    ]
    assert list(parameters(*fields)) == ["x-team"]


def test_types_inside_lists_and_objects() -> None:
    found = parameters(
        {"name": "a", "in": "query", "schema": {"$ref": "#/components/list"}},
        {"name": "b", "in": "query", "schema": {"type": "array"}},
        {
            "name": "c",
            "in": "query",
            "schema": {"type": "object", "properties": {"n": {"const": 1}}},
        },
        {"$ref": "#/components/json"},
        list={"type": "array", "items": {"type": "number"}},
        json={"name": "d", "in": "query", "content": {"application/json": {"schema": {}}}},
    )
    assert found["a"].items == {"number"}
    assert found["b"].items == frozenset()
    assert found["c"].properties == {"n": {"integer"}}
    assert found["d"].is_json
    assert found["d"].pointer == "/components/json/content/application~1json/schema"


def test_bodies_and_responses() -> None:
    (operation,) = described(
        {
            "post": {
                "requestBody": {"$ref": "#/components/body"},
                "responses": {
                    "200": {"content": {"Application/JSON; charset=utf-8": {"schema": {}}}},
                    "4xx": {"description": "refused"},
                    "default": {},
                },
            }
        },
        body={"required": True, "content": {"text/csv": {}}},
    )
    assert operation.method == "POST"
    assert operation.body == {"text/csv": None}
    assert operation.body_required
    assert set(operation.responses) == {"200", "4XX", "default"}
    pointer = "/paths/~1a/post/responses/200/content/Application~1JSON; charset=utf-8/schema"
    assert operation.responses["200"] == {"application/json": pointer}


def test_an_operation_without_a_body() -> None:
    (operation,) = described({"get": {}})
    assert operation.body is None
    assert operation.responses == {}


@pytest.mark.parametrize(
    ("parameter", "what"),
    [
        ({"name": "a", "in": "query"}, "neither schema nor content"),
        ({"name": "a", "in": "path", "style": "label", "schema": {}}, "style 'label'"),
        ({"name": "a", "in": "body", "schema": {}}, "not built as it should be"),
        ({"in": "query", "schema": {}}, "not built as it should be"),
    ],
)
def test_a_parameter_that_cannot_be_used(parameter: object, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        parameters(parameter)
