"""Checks against schemas, by the library."""

from typing import Any

import pytest

from lukhas.errors import ConfigError
from lukhas.pipeline.schema_checks import schema_checks


def rules_of(schema: dict[str, Any], value: object, most: int = 10) -> list[tuple[str, str]]:
    check = schema_checks({"schema": schema})("/schema")
    return [(each.rule, each.expected) for each in check(value, most=most)]


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", ["\ud800", nested(400)])
def test_what_the_library_cannot_take_is_a_fault(value: object) -> None:
    """It is never an error of ours."""
    assert [rule for rule, _ in rules_of({"type": "object"}, value)] == ["depth"]


def test_a_description_that_is_nested_too_deeply_is_refused() -> None:
    """At the start."""
    with pytest.raises(ConfigError, match="cannot be used"):
        schema_checks({"schema": {"x": nested(400)}})


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        ({"enum": ["a", 1]}, 2, ("enum", 'one of ["a", 1]')),
        ({"const": {"a": 1}}, 2, ("const", '{"a": 1}')),
        ({"multipleOf": 3}, 2, ("multipleOf", "a multiple of 3")),
        ({"format": "date-time"}, "secret", ("format", "a date-time")),
        ({"type": ["string", "null"]}, 2, ("type", "null or string")),
        ({"anyOf": [{"type": "string"}]}, 2, ("anyOf", "one of the alternatives")),
        ({"minContains": 2, "contains": {}}, [1], None),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, None),
        ({"pattern": "x" * 300}, "secret", None),
        (False, 1, None),
    ],
)
def test_what_would_fit_is_told_in_words(
    schema: dict[str, Any], value: object, told: tuple[str, str] | None
) -> None:
    """From the schema alone, bounded, and never from what was sent."""
    (found,) = rules_of(schema, value)
    assert told is None or found == told
    assert "secret" not in found[1]
    assert len(found[1]) < 210


def test_no_more_faults_are_told_than_asked_for() -> None:
    """However many there are."""
    schema = {"items": {"type": "string"}}
    assert len(rules_of(schema, [1] * 50, most=3)) == 3
