"""Schemas of a description, as JSON Schema 2020-12 understands them."""

from enum import Enum
from typing import Any

from lukhas.policy.openapi.references import followed, joined

__all__ = ("Direction", "for_direction", "kinds_of")

_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAPS = frozenset(("properties", "patternProperties", "$defs", "dependentSchemas"))
_ONE = frozenset(
    (
        "items",
        "additionalProperties",
        "not",
        "contains",
        "propertyNames",
        "if",
        "then",
        "else",
        "unevaluatedProperties",
        "unevaluatedItems",
    )
)
_DATA = frozenset(("example", "examples", "default", "enum", "const"))
_MOST_DEPTH = 8


class Direction(Enum):
    """Which way a value goes; the value is the keyword for what does not go there."""

    REQUEST = "readOnly"
    RESPONSE = "writeOnly"


def for_direction(document: Any, direction: Direction) -> Any:
    """A copy of a description whose schemas are those of JSON Schema 2020-12.

    Version 3.0 has its own words for null and for exclusive bounds. In both versions a property
    that is only read need not be in a request, and one only written not in a response, though it
    is required.
    """
    is_old = str(document.get("openapi", "")).startswith("3.0")
    return _walked(document, "", direction=direction, is_old=is_old)


def _walked(node: Any, at: str, *, direction: Direction, is_old: bool) -> Any:
    if isinstance(node, list):
        return [_walked(each, at + "/-", direction=direction, is_old=is_old) for each in node]
    if not isinstance(node, dict):
        return node
    if at == "/components/schemas":
        return {
            key: _schema(value, direction=direction, is_old=is_old) for key, value in node.items()
        }
    copy: dict[str, Any] = {}
    for key, value in node.items():
        if key == "schema":
            copy[key] = _schema(value, direction=direction, is_old=is_old)
        elif key in _DATA:
            copy[key] = value
        else:
            copy[key] = _walked(value, joined(at, key), direction=direction, is_old=is_old)
    return copy


def _schema(schema: Any, *, direction: Direction, is_old: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    if is_old and "$ref" in schema:
        return {"$ref": schema["$ref"]}  # What stands beside it does not count in 3.0.

    copy = {
        key: _part(key, value, direction=direction, is_old=is_old) for key, value in schema.items()
    }
    _free(copy, direction)
    if is_old:
        _modernise(copy)
    return copy


def _part(key: str, value: Any, *, direction: Direction, is_old: bool) -> Any:
    """The value of one keyword of a schema."""
    if key in _LISTS and isinstance(value, list):
        return [_schema(each, direction=direction, is_old=is_old) for each in value]
    if key in _MAPS and isinstance(value, dict):
        return {
            name: _schema(each, direction=direction, is_old=is_old) for name, each in value.items()
        }
    if key in _ONE:
        return _schema(value, direction=direction, is_old=is_old)
    return value


def _free(schema: dict[str, Any], direction: Direction) -> None:
    """Takes what does not go this way from what is required."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return
    schema["required"] = [
        name
        for name in required
        if not (
            isinstance(properties.get(name), dict) and properties[name].get(direction.value) is True
        )
    ]


def _modernise(schema: dict[str, Any]) -> None:
    if schema.pop("nullable", False) is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and bound in schema:
                schema[exclusive] = schema.pop(bound)


def kinds_of(document: Any, pointer: str, depth: int = 0) -> frozenset[str]:
    """The JSON types that a schema lets pass, as far as it says; empty where it says nothing."""
    if depth > _MOST_DEPTH:
        return frozenset()
    at, schema = followed(document, pointer)
    if not isinstance(schema, dict):
        return frozenset()
    types = schema.get("type")
    if types is not None:
        return frozenset((types,) if isinstance(types, str) else types)
    kinds: set[str] = set()
    for key in ("allOf", "anyOf", "oneOf"):
        for index in range(len(schema.get(key, ()))):
            kinds |= kinds_of(document, joined(at, key, index), depth + 1)
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return frozenset(kinds | {_kind(value) for value in values})


def _kind(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case None:
            return "null"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "string"
