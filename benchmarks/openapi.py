"""Validation by an OpenAPI description: what a schema costs with each library, and a request."""

import copy
import importlib.util
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measurement import Figure, Section, interleaved_us, pin
from lukhas.http.headers import Headers
from lukhas.http.messages import RequestHead
from lukhas.hub.openapi import read_description
from lukhas.pipeline.schema_checks import schema_checks

__all__ = ("run",)

_ROUNDS = 15
_LOOPS = {5: 2000, 500: 30}
_ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["name", "price"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "pattern": "^[a-z ]+$"},
        "price": {"type": "number", "minimum": 0},
        "kind": {"enum": ["lamp", "chair", "table"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
    },
}
_SCHEMA = {"type": "array", "items": _ITEM}
_PARAMETERS = [
    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
    {"name": "sort", "in": "query", "schema": {"enum": ["name", "price"]}},
    {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
]


def run() -> Section:
    """Measures the libraries beside each other, then all that is done for a request."""
    section = Section(
        "OpenAPI",
        f"A JSON body of 5 or 500 items, decoded already; medians of {_ROUNDS} rounds in turns. "
        "`request` is one with path and query parameters, and decoding and checking the body.",
    )
    pin(0)
    for items, loops in _LOOPS.items():
        _bodies(section, items, loops)
    _request(section)
    return section


def _bodies(section: Section, items: int, loops: int) -> None:
    item = {"name": "a lamp", "price": 9.5, "kind": "lamp", "tags": ["new", "old"]}
    good = [copy.deepcopy(item) for _ in range(items)]
    bad = copy.deepcopy(good)
    bad[-1]["price"] = -1
    cases = []
    for name, is_valid in _libraries(section if items == min(_LOOPS) else None):
        if is_valid(good) is not True or is_valid(bad) is not False:
            raise AssertionError(name)
        cases.append((name, _loop(is_valid, good)))
    taken = interleaved_us(cases, loops=loops, rounds=_ROUNDS)
    for name, each_us in taken.items():
        section.figures.append(
            Figure(f"{name}, {items} items", (("us", round(each_us, 2)),), name == "jsonschema-rs")
        )


def _loop(is_valid: Callable[[object], bool], value: object) -> Callable[[int], None]:
    def loop(count: int) -> None:
        for _ in range(count):
            is_valid(value)

    return loop


def _libraries(section: Section | None) -> list[tuple[str, Callable[[object], bool]]]:
    check = schema_checks({"schema": _SCHEMA})("/schema")
    found: list[tuple[str, Callable[[object], bool]]] = [
        ("jsonschema-rs", lambda value: not check(value, most=10))
    ]
    for name, make in (("jsonschema", _jsonschema), ("fastjsonschema", _fastjsonschema)):
        if importlib.util.find_spec(name) is not None:
            found.append((name, make()))
        elif section is not None:
            section.skipped.append(f"{name} is not installed")
    return found


def _jsonschema() -> Callable[[object], bool]:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(_SCHEMA)
    return lambda value: bool(validator.is_valid(value))


def _fastjsonschema() -> Callable[[object], bool]:
    import fastjsonschema

    validate = fastjsonschema.compile(_SCHEMA)

    def is_valid(value: object) -> bool:
        try:
            validate(value)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return is_valid


def _request(section: Section) -> None:
    content = {"application/json": {"schema": _SCHEMA}}
    operation = {"parameters": _PARAMETERS, "requestBody": {"content": content}}
    document = {"openapi": "3.1.0", "paths": {"/items/{id}": {"post": operation}}}
    with tempfile.TemporaryDirectory(prefix="bench-openapi-") as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(json.dumps(document))
        description = read_description(file)
    head = RequestHead("POST", "http", b"a", b"/items/17", b"limit=10&sort=name", Headers([]))
    body = json.dumps([{"name": "a lamp", "price": 9.5}] * 5).encode()
    pointer = "/paths/~1items~1{id}/post/requestBody/content/application~1json/schema"

    def heads(count: int) -> None:
        for _ in range(count):
            found = description.find(head.path)
            if found is None or description.head_faults(
                found, found.operations["POST"], head, most=10
            ):
                raise AssertionError

    def bodies(count: int) -> None:
        for _ in range(count):
            if description.body_faults(pointer, msgspec.json.decode(body), most=10):
                raise AssertionError

    cases = [("request, all but the body", heads), ("request, body of 5 items", bodies)]
    for name, each_us in interleaved_us(cases, loops=2000, rounds=_ROUNDS).items():
        section.figures.append(Figure(name, (("us", round(each_us, 2)),), ours=True))
