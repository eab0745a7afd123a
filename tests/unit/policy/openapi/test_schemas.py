"""Schemas of 3.0 and 3.1 mean the same to the checker, each way."""

from typing import Any

import pytest

from lukhas.policy.openapi.schemas import Direction, for_direction, kinds_of


def modern(schema: Any, *, version: str = "3.0.3", way: Direction = Direction.REQUEST) -> Any:
    document = {"openapi": version, "components": {"schemas": {"A": schema}}}
    return for_direction(document, way)["components"]["schemas"]["A"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"nullable": True}, {}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"exclusiveMinimum": True}, {}),
        ({"minimum": 2}, {"minimum": 2}),
        ({"$ref": "#/x", "type": "string"}, {"$ref": "#/x"}),
        (True, True),
    ],
)
def test_words_of_3_0(old: object, new: object) -> None:
    assert modern(old) == new


@pytest.mark.parametrize(
    "schema",
    [
        {"exclusiveMinimum": 1, "minimum": 0},
        {"type": "string", "nullable": True},
        {"$ref": "#/x", "type": "string"},
    ],
)
def test_3_1_is_json_schema_already(schema: object) -> None:
    assert modern(schema, version="3.1.0") == schema


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: {"allOf": [inner]},
        lambda inner: {"properties": {"p": inner}},
        lambda inner: {"items": inner},
        lambda inner: {"not": {"additionalProperties": inner}},
    ],
)
def test_schemas_inside_schemas(wrap: Any) -> None:
    assert modern(wrap({"type": "number", "nullable": True})) == wrap({"type": ["number", "null"]})


@pytest.mark.parametrize(
    "schema", [{"allOf": 1}, {"properties": 1}, {"items": 1}, {"required": ["a"]}, {"enum": [{}]}]
)
def test_what_is_no_schema_stays(schema: object) -> None:
    """The compiler of the schema complains, with its place."""
    assert modern(schema) == schema


def test_what_does_not_go_this_way_need_not_be_there() -> None:
    schema = {
        "properties": {"id": {"readOnly": True}, "pin": {"writeOnly": True}, "odd": True},
        "required": ["id", "pin", "odd", "other"],
    }
    assert modern(schema)["required"] == ["pin", "odd", "other"]
    assert modern(schema, way=Direction.RESPONSE)["required"] == ["id", "odd", "other"]


def test_schemas_of_bodies_and_parameters_are_found_and_examples_left() -> None:
    old = {"type": "string", "nullable": True}
    document = {
        "openapi": "3.0.0",
        "paths": {"/a": {"get": {"parameters": [{"schema": old, "example": {"schema": old}}]}}},
    }
    parameter = for_direction(document, Direction.REQUEST)["paths"]["/a"]["get"]["parameters"][0]
    assert parameter == {"schema": {"type": ["string", "null"]}, "example": {"schema": old}}


@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        ({"type": "string"}, {"string"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"integer", "null"}),
        ({"allOf": [{"$ref": "#/s"}], "oneOf": [{"type": "array"}], "s": 1}, {"array"}),
        (
            {"enum": [True, 1, 1.5, None, [], {}, "x"]},
            {
                "boolean",
                "integer",
                "number",
                "null",
                "array",
                "object",
                "string",
            },
        ),
        ({"const": 5}, {"integer"}),
        ({}, set()),
        (True, set()),
    ],
)
def test_the_types_a_schema_lets_pass(schema: object, kinds: set[str]) -> None:
    assert kinds_of({"schema": schema, "s": {}}, "/schema") == kinds


def test_a_schema_inside_itself_ends() -> None:
    document = {"node": {"anyOf": [{"type": "null"}, {"$ref": "#/node"}]}}
    assert kinds_of(document, "/node") == {"null"}
